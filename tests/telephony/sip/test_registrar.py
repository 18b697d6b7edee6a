from collections.abc import Sequence
from dataclasses import replace

import pytest
from aiosipua import SipRequest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.hop import Hop
from telephony.sip.message import parse_message
from telephony.sip.name_addr import AddressError
from telephony.sip.registrar import Binding, Decision, Limits, aor_of, register

SOURCE = ("127.0.0.1", 40001)
NOW = 1_700_000_000.0
LIMITS = Limits()
PHONE = "sip:1001@192.168.1.7:5060"
OTHER = "sip:1001@192.168.1.8:5060"


def ask(
    *contacts: str,
    expires: str | None = None,
    call_id: str = "phone",
    cseq: int = 1,
    to: str = "<sip:1001@city.example>",
    more: Sequence[str] = (),
) -> SipRequest:
    lines = [
        "REGISTER sip:city.example SIP/2.0",
        "Via: SIP/2.0/UDP 192.168.1.7:5060;branch=z9hG4bKr",
        "From: <sip:1001@city.example>;tag=f",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} REGISTER",
        *(f"Contact: {contact}" for contact in contacts),
        *more,
    ]
    if expires is not None:
        lines.append(f"Expires: {expires}")
    message = parse_message(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert isinstance(message, SipRequest)
    return message


def decide(request: SipRequest, bindings: Sequence[Binding] = (), *, now: float = NOW) -> Decision:
    return register(request, aor="1001", bindings=bindings, received=SOURCE, now=now, limits=LIMITS)


def bound(uri: str = PHONE, **changes: object) -> Binding:
    binding = Binding("1001", uri, SOURCE, "phone", 1, NOW + 300)
    return replace(binding, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "to, aor",
    [
        ("<sip:1001@city.example>", "1001"),
        ('"Li" <sip:1001@10.0.0.1:5060;transport=udp>', "1001"),
        ("sip:1001@city.example", "1001"),
        ("<sip:city.example>", None),
    ],
)
def test_addresses_of_record(to: str, aor: str | None) -> None:
    assert aor_of(ask(to=to)) == aor


def test_a_malformed_address_of_record() -> None:
    request = ask()
    request.headers.set_single("To", "<sip:x")
    with pytest.raises(AddressError):
        aor_of(request)


def test_a_phone_registers_and_is_reached_where_it_came_from() -> None:
    assert decide(ask(f"<{PHONE}>")) == Decision(
        200, headers=(("Contact", f"<{PHONE}>;expires=300"),), save=(bound(),)
    )


@pytest.mark.parametrize(
    "contact, expires, seconds",
    [
        (f"<{PHONE}>", None, 300),
        (f"<{PHONE}>", "60", 60),
        (f"<{PHONE}>", "9000", 3600),
        (f"<{PHONE}>;expires=120", "600", 120),
        (f"<{PHONE}>", "soon", 3600),
        (f"<{PHONE}>;expires=-5", None, 3600),
        (f"<{PHONE}>", "9" * 500, 3600),
    ],
)
def test_how_long_a_binding_lives(contact: str, expires: str | None, seconds: int) -> None:
    [binding] = decide(ask(contact, expires=expires)).save
    assert binding.expires_at == NOW + seconds


@pytest.mark.parametrize("seconds", ["1", "59"])
def test_too_short_a_life_is_refused_and_nothing_changes(seconds: str) -> None:
    request = ask(f"<{PHONE}>", f"<{OTHER}>;expires={seconds}")
    assert decide(request) == Decision(423, headers=(("Min-Expires", "60"),))


def test_preference_and_instance_are_kept_and_shown() -> None:
    contact = f'<{PHONE}>;q=0.5;+sip.instance="<urn:uuid:1>"'
    decision = decide(ask(contact))
    assert decision.save == (bound(q=0.5, instance="<urn:uuid:1>"),)
    shown = f'<{PHONE}>;expires=300;q=0.5;+sip.instance="<urn:uuid:1>"'
    assert decision.headers == (("Contact", shown),)


@pytest.mark.parametrize("q", ["nan", "inf", "2", "-1", "0.1234", "x", ""])
def test_an_unreadable_preference_is_none(q: str) -> None:
    assert decide(ask(f"<{PHONE}>;q={q or '0.7777'}")).save == (bound(),)


def test_a_question_without_contact_lists_what_is_there() -> None:
    decision = decide(ask(), [bound(expires_at=NOW + 17.4), bound(OTHER)])
    assert decision == Decision(
        200, headers=(("Contact", f"<{PHONE}>;expires=17"), ("Contact", f"<{OTHER}>;expires=300"))
    )


def test_several_phones_of_one_agent() -> None:
    decision = decide(ask(f"<{OTHER}>", call_id="other"), [bound()])
    assert decision.save == (bound(OTHER, call_id="other"),)
    assert decision.remove == ()
    assert len(decision.headers) == 2
    both = decide(ask(f"<{PHONE}>, <{OTHER}>"))
    assert both.save == (bound(), bound(OTHER))


def test_a_renewal_replaces() -> None:
    decision = decide(ask(f"<{PHONE}>", cseq=2, expires="600"), [bound()])
    assert decision.save == (bound(cseq=2, expires_at=NOW + 600),)
    assert decision.remove == ()
    assert len(decision.headers) == 1


@pytest.mark.parametrize(
    "written",
    [
        "sip:1001@192.168.1.7",
        "sip:1001@192.168.1.7:5060;transport=UDP",
        "sip:1001@192.168.1.7:5060;ob",
    ],
)
def test_one_phone_written_in_another_way(written: str) -> None:
    decision = decide(ask(f"<{written}>", cseq=2), [bound()])
    assert decision.save == (bound(written, cseq=2),)
    assert decision.remove == (PHONE,)


def test_a_phone_that_comes_back_from_another_port_replaces_itself() -> None:
    was = bound(instance="<urn:uuid:1>")
    contact = f'<{OTHER}>;+sip.instance="<urn:uuid:1>"'
    decision = decide(ask(contact, call_id="after restart"), [was])
    assert decision.save == (bound(OTHER, call_id="after restart", instance="<urn:uuid:1>"),)
    assert decision.remove == (PHONE,)


@pytest.mark.parametrize("expires", [None, "0"])
def test_a_phone_unregisters(expires: str | None) -> None:
    contact = f"<{PHONE}>" if expires else f"<{PHONE}>;expires=0"
    decision = decide(ask(contact, cseq=2, expires=expires), [bound(), bound(OTHER)])
    assert decision == Decision(
        200, headers=(("Contact", f"<{OTHER}>;expires=300"),), remove=(PHONE,)
    )


def test_unregistering_what_is_not_there_is_fine() -> None:
    assert decide(ask(f"<{PHONE}>", expires="0")) == Decision(200, remove=(PHONE,))


def test_everything_unregisters() -> None:
    decision = decide(ask("*", expires="0", cseq=2), [bound(), bound(OTHER)])
    assert decision == Decision(200, remove=(PHONE, OTHER))


@pytest.mark.parametrize(
    "contacts, expires", [(("*",), None), (("*",), "60"), (("*", f"<{PHONE}>"), "0")]
)
def test_a_star_that_means_nothing(contacts: tuple[str, ...], expires: str | None) -> None:
    assert decide(ask(*contacts, expires=expires), [bound()]).status == 400


@pytest.mark.parametrize("contact", ["*", f"<{PHONE}>"])
@pytest.mark.parametrize("cseq, status", [(4, 500), (5, 500), (6, 200)])
def test_what_was_overtaken_is_refused(contact: str, cseq: int, status: int) -> None:
    late = ask(contact, expires="0", cseq=cseq)
    assert decide(late, [bound(cseq=5)]).status == status


def test_a_phone_that_restarts_counts_anew_under_another_call_id() -> None:
    late = ask(f"<{PHONE}>", cseq=1, call_id="another")
    assert decide(late, [bound(cseq=5)]).status == 200


@pytest.mark.parametrize(
    "contact", ["nonsense", "<sip:1001@x", "<sips:1001@x>", "<tel:1001>", "<mailto:a@b>"]
)
def test_contacts_that_cannot_be_reached(contact: str) -> None:
    assert decide(ask(contact)).status == 400


PROXY = "<sip:edge@127.0.0.1:5062;lr;received=sip:203.0.113.9:1024>"


def test_the_way_through_proxies_is_kept_and_told_to_who_knows_it() -> None:
    path = (f"Path: {PROXY}, <sip:10.0.0.2;lr>", "Path: <sip:10.0.0.3;lr>")
    decision = decide(ask(PHONE, more=path))
    [binding] = decision.save
    assert binding.path == (PROXY, "<sip:10.0.0.2;lr>", "<sip:10.0.0.3;lr>")
    assert [name for name, _ in decision.headers] == ["Contact"]
    decision = decide(ask(PHONE, more=(*path, "Supported: gruu, path")))
    told = [value for name, value in decision.headers if name == "Path"]
    assert tuple(told) == binding.path


@pytest.mark.parametrize(
    "path, hop",
    [
        # nobody signs a Path: the host is the REGISTER's own, the port may be another
        (PROXY, Hop("127.0.0.1", 5062)),
        ("<sip:127.0.0.1;lr;transport=tcp>", Hop("127.0.0.1", 5060, "TCP")),
        ("<sip:10.0.0.2;lr>", Hop(*SOURCE, pinned=True)),
        ("<sip:edge.example;lr>", Hop(*SOURCE, pinned=True)),
    ],
)
def test_a_phone_behind_a_proxy_is_reached_by_it(path: str, hop: Hop) -> None:
    assert bound(path=(path,)).hop == hop


@pytest.mark.parametrize(
    "path", ["Path: <tel:110>", "Path: <sip:edge", "Path: " + ", ".join([PROXY] * 9)]
)
def test_a_way_that_cannot_be_gone(path: str) -> None:
    decision = decide(ask(PHONE, more=(path,)))
    assert (decision.status, decision.save) == (400, ())


def test_too_many_phones() -> None:
    full = [bound(f"sip:1001@10.0.0.{n}") for n in range(LIMITS.bindings)]
    assert decide(ask(f"<{PHONE}>", call_id="x"), full) == Decision(503, "Too Many Bindings")
    assert decide(ask("<sip:1001@10.0.0.1>", cseq=2), full).status == 200


pieces = st.sampled_from(
    ["<sip:1001@10.0.0.1>", "<sip:a@b:99999>", "sip:x@y", "*", ";expires=60", ";expires=0",
     ";q=0.3", ";expires", ",", '"', "<", ">", ';+sip.instance="<a>"', '"x" ', "=", ";", "\\", " "]
)  # fmt: skip


@given(
    st.lists(pieces | st.text(st.characters(exclude_characters="\r\n"), max_size=6), max_size=8),
    st.none() | st.sampled_from(["0", "60", "600", "x", ""]),
    st.booleans(),
)
def test_any_contact_is_decided_and_what_is_told_reads_back(
    parts: list[str],
    expires: str | None,
    known: bool,  # noqa: FBT001
) -> None:
    request = ask(expires=expires, cseq=9)
    for value in "".join(parts).split(","):
        request.headers.append("Contact", value)
    decision = decide(request, [bound()] if known else [])
    assert decision.status in {200, 400, 423}
    if decision.status != 200:
        assert (decision.save, decision.remove) == ((), ())
        return
    told = [value for name, value in decision.headers if name == "Contact"]
    again = decide(ask(*told, cseq=10, call_id="again"))
    assert {binding.contact_uri for binding in decision.save} <= {
        binding.contact_uri for binding in again.save
    }
