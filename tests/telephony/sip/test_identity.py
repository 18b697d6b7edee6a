import pytest
from aiosipua import SipRequest
from hypothesis import example, given
from hypothesis import strategies as st

from telephony.sip.identity import (
    LONGEST_NUMBER,
    MOST_FORWARDINGS,
    UNTOLD,
    Forwarding,
    Identity,
    calling_identity,
    forwarding_headers,
    forwardings,
    isdn_cause,
    reason_header,
    reason_of,
    split_list,
)
from tests.telephony.sip.usage import invite, request

ASSERTED = ("P-Asserted-Identity", "<sip:+8613862311001@ims>")
HIDDEN = "<sip:anonymous@anonymous.invalid>;tag=1"


def call(*headers: tuple[str, str], sender: str | None = None) -> SipRequest:
    message = invite(headers=headers)
    if sender is not None:
        message.headers.set_single("From", sender)
    return message


@pytest.mark.parametrize(
    "message, identity",
    [
        (call(), Identity("13862311001", withheld=False)),
        (call(ASSERTED), Identity("+8613862311001", withheld=False)),
        (call(ASSERTED, ("Privacy", "none")), Identity("+8613862311001", withheld=False)),
        (call(ASSERTED, ("Privacy", "id")), Identity("+8613862311001", withheld=True)),
        (
            call(ASSERTED, ("Privacy", "user; ID;critical")),
            Identity("+8613862311001", withheld=True),
        ),
        (call(("Privacy", "id")), Identity("13862311001", withheld=True)),
        (call(ASSERTED, sender=HIDDEN), Identity("+8613862311001", withheld=True)),
        (call(sender=HIDDEN), Identity(None, withheld=True)),
        (
            call(sender='"Anonymous" <sip:Anonymous@city.example>;tag=1'),
            Identity(None, withheld=True),
        ),
    ],
)
def test_who_calls(message: SipRequest, identity: Identity) -> None:
    assert calling_identity(message, trusted=True) == identity
    assert identity.shown == (None if identity.withheld else identity.number)


def test_a_phone_cannot_assert_who_it_is() -> None:
    assert calling_identity(call(ASSERTED), trusted=False).number == "13862311001"
    assert calling_identity(call(ASSERTED, sender=HIDDEN), trusted=False).number is None


@pytest.mark.parametrize("user", ["1" * (LONGEST_NUMBER + 1), "138%00", "138%0d%0a"])
def test_what_no_record_can_hold_is_no_number(user: str) -> None:
    assert calling_identity(call(sender=f"<sip:{user}@h>;tag=1"), trusted=True).number is None


@pytest.mark.parametrize(
    "headers, places",
    [
        ([], ()),
        (
            [("Diversion", '"Bo, b" <sip:222@h>;reason=user-busy, <sip:111@h>;reason=no-answer')],
            (Forwarding("111", "no-answer"), Forwarding("222", "user-busy")),
        ),
        (
            [
                ("History-Info", "<sip:111@h?Reason=SIP%3Bcause%3D486>;index=1"),
                ("History-Info", "<sip:222@h;cause=302>;index=1.1, <sip:12345@h>;index=1.2"),
                ("Diversion", "<sip:999@h>"),
            ],
            (Forwarding("111", "486"), Forwarding("222", "302")),
        ),
        ([("Diversion", "nonsense"), ("Diversion", "<mailto:a@b>")], ()),
        (  # who was there may not want it told
            [
                ("Diversion", "<sip:333@h>;reason=user-busy;privacy=Full"),
                ("Diversion", "<sip:222@h>;privacy=name, <sip:111@h>;privacy=uri"),
            ],
            (Forwarding(UNTOLD), Forwarding("222"), Forwarding(UNTOLD, "user-busy")),
        ),
        (
            [
                ("History-Info", "<sip:111@h?Reason=SIP%3Bcause%3D486&Privacy=history>;index=1"),
                ("History-Info", "<sip:222@h?privacy=none>;index=1.1, <sip:12345@h>;index=1.2"),
            ],
            (Forwarding(UNTOLD, "486"), Forwarding("222")),
        ),
        (
            [("Privacy", "id; History"), ("History-Info", "<sip:111@h>;index=1, <sip:12345@h>")],
            (Forwarding(UNTOLD),),
        ),
        ([("Privacy", "id"), ("Diversion", "<sip:111@h>")], (Forwarding("111"),)),
    ],
)
def test_where_the_call_has_been(
    headers: list[tuple[str, str]], places: tuple[Forwarding, ...]
) -> None:
    assert forwardings(call(*headers)) == places


def test_a_long_history_is_cut() -> None:
    many = ",".join(f"<sip:{number}@h>" for number in range(1000))
    assert len(forwardings(call(("Diversion", many)))) == MOST_FORWARDINGS + 1


def test_what_we_write_is_read_again() -> None:
    written = forwarding_headers("sip:12345@us", "sip:110@them")
    assert forwardings(call(*written)) == (Forwarding("12345"),)
    assert forwardings(call(written[1])) == (Forwarding("12345", "deflection"),)
    bye = request("BYE", headers=[reason_header(200, 'said "so"; twice')])
    assert reason_of(bye) == r"said \"so\"; twice"


@pytest.mark.parametrize(
    "value, reason",
    [
        ('Q.850;cause=16;text="Normal; really"', "Normal; really"),
        ("SIP;cause=200;text=Elsewhere", "Elsewhere"),
        ("Q.850;cause=16", "Q.850;cause=16"),
    ],
)
def test_why_a_call_ended(value: str, reason: str) -> None:
    assert reason_of(request("BYE", headers=[("Reason", value)])) == reason


@pytest.mark.parametrize(
    "values, cause",
    [
        (['Q.850;cause=19;text="no answer, at all"'], 19),
        (["q.850 ; cause = 18"], 18),
        (["SIP;cause=480, Q.850;cause=19"], 19),
        (["SIP;cause=480", "Q.850;cause=31"], 31),
        (['Q.850;text=";cause=19"'], None),
        (["SIP;cause=19"], None),
        (["Q.850"], None),
        ([""], None),
        ([], None),
    ],
)
def test_the_networks_own_cause(values: list[str], cause: int | None) -> None:
    assert isdn_cause(request("BYE", headers=[("Reason", value) for value in values])) == cause


@given(st.text(max_size=60))
@example('"a,b" <x,y>,z')
def test_a_list_loses_nothing_but_its_commas(text: str) -> None:
    rest = text
    for part in split_list(text):
        before, found, rest = rest.partition(part)
        assert found
        assert not before.replace(",", "").strip()
    assert not rest.replace(",", "").strip()
