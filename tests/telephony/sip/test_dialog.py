from dataclasses import replace

import pytest
from aiosipua import SipRequest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.bodies import sdp_of
from telephony.sip.dialog import Dialog, DialogId, OutgoingRequest, dialog_id
from telephony.sip.invite_usage import Reply, write_reply
from telephony.sip.message import parse_message
from telephony.sip.name_addr import (
    AddressError,
    NameAddr,
    address_of,
    format_name_addr,
    number_in,
    parse_name_addr,
    sip_uri,
    user_of,
)
from tests.telephony.sip.usage import (
    ANSWER,
    CALL_ID,
    OFFER,
    OURS,
    PEER,
    THEIRS,
    invite,
    our_invite,
    request,
    response,
)

LOOSE = "<sip:10.0.0.1;lr>"
FARTHER = "<sip:10.0.0.2:5080;transport=udp;lr>"


def called(*, headers: list[tuple[str, str]] | None = None) -> Dialog:
    return Dialog.as_uas(invite(headers=headers or ()), local_tag=OURS, source=PEER)


def calling(**answer: object) -> Dialog:
    ours = our_invite()
    headers = answer.get("headers", ())
    assert isinstance(headers, list | tuple)
    return Dialog.as_uac(ours, response(ours, 200, sdp=ANSWER, headers=headers))


def test_both_ends_of_one_call_name_the_dialog_alike_but_mirrored() -> None:
    assert called().id == DialogId(CALL_ID, OURS, THEIRS)
    assert calling().id == DialogId(CALL_ID, OURS, THEIRS)
    assert dialog_id(request("BYE")) == DialogId(CALL_ID, OURS, THEIRS)


def test_request_of_the_called_side() -> None:
    assert called().request("BYE") == OutgoingRequest(
        method="BYE",
        uri="sip:13862311001@127.0.0.1:5071",
        destination=("127.0.0.1", 5071),
        from_=f"<sip:12345@city.example>;tag={OURS}",
        to=f"<sip:13862311001@city.example>;tag={THEIRS}",
        call_id=CALL_ID,
        cseq=1,
    )


def test_request_of_the_calling_side() -> None:
    dialog = calling()
    assert dialog.ack(our_invite()) == OutgoingRequest(
        method="ACK",
        uri="sip:1001@127.0.0.1:5072",
        destination=("127.0.0.1", 5072),
        from_=f"<sip:13862311001@127.0.0.1:5060>;tag={OURS}",
        to=f"<sip:1001@127.0.0.1:5060>;tag={THEIRS}",
        call_id=CALL_ID,
        cseq=1,
    )
    assert dialog.request("BYE").cseq == 2
    assert dialog.request("BYE").cseq == 3


def test_the_called_side_keeps_the_order_of_the_proxies_and_the_calling_side_reverses_it() -> None:
    recorded = [("Record-Route", LOOSE), ("Record-Route", FARTHER)]
    assert called(headers=recorded).request("BYE").route == (LOOSE, FARTHER)
    assert calling(headers=recorded).request("BYE").route == (FARTHER, LOOSE)


def test_a_loose_router_gets_the_request_for_the_remote_target() -> None:
    bye = called(headers=[("Record-Route", LOOSE)]).request("BYE")
    assert (bye.uri, bye.destination) == ("sip:13862311001@127.0.0.1:5071", ("10.0.0.1", 5060))


def test_a_strict_router_gets_its_own_uri_and_the_target_goes_last() -> None:
    recorded = [("Record-Route", "<sip:10.0.0.9:5070>"), ("Record-Route", LOOSE)]
    bye = called(headers=recorded).request("BYE")
    assert bye.uri == "sip:10.0.0.9:5070"
    assert bye.destination == ("10.0.0.9", 5070)
    assert bye.route == (LOOSE, "<sip:13862311001@127.0.0.1:5071>")


@pytest.mark.parametrize("value", ["<sip:proxy.example;lr>", "<sips:proxy.example;lr>"])
def test_a_route_that_cannot_be_resolved_here_leaves_the_address_seen(value: str) -> None:
    assert called(headers=[("Record-Route", value)]).request("BYE").destination == PEER


def test_a_registered_phone_is_reached_where_it_registered_from() -> None:
    ours = our_invite()
    answer = response(ours, 200, contact="<sip:1001@192.168.1.7:5060>")
    assert Dialog.as_uac(ours, answer, pinned=True).ack(ours).destination == PEER
    assert Dialog.as_uac(ours, answer).ack(ours).destination == ("192.168.1.7", 5060)


@pytest.mark.parametrize("contact", ["nonsense", "<sip:1001@127.0.0.1", None])
def test_an_answer_without_a_usable_contact_is_acknowledged_all_the_same(
    contact: str | None,
) -> None:
    ours = our_invite()
    dialog = Dialog.as_uac(ours, response(ours, 200, contact=contact))
    assert dialog.ack(our_invite()).uri == ours.uri


def test_an_invite_with_an_unusable_contact_makes_no_dialog() -> None:
    bad = request("INVITE", to_tag=None, headers=[("Contact", "<sip:x@y")])
    with pytest.raises(AddressError):
        Dialog.as_uas(bad, local_tag=OURS, source=PEER)


def test_requests_must_not_go_back_in_order() -> None:
    dialog = called()
    assert dialog.in_order(request("INFO", cseq=7))
    assert not dialog.in_order(request("INFO", cseq=6))
    assert dialog.in_order(request("BYE", cseq=8))


def test_the_first_request_of_a_called_peer_may_have_any_number() -> None:
    assert calling().in_order(request("BYE", cseq=1))


def test_a_refreshed_target_is_used_and_an_unusable_one_is_not() -> None:
    dialog = called()
    dialog.refresh_target(request("INVITE", headers=[("Contact", "<sip:x@10.1.1.1:5099>")]))
    assert dialog.request("BYE").destination == ("10.1.1.1", 5099)
    dialog.refresh_target(request("INVITE", headers=[("Contact", "garbage")]))
    assert dialog.request("BYE").destination == ("10.1.1.1", 5099)


def test_a_written_request_reads_back() -> None:
    ours = replace(our_invite((("X-Line", "12345"),)), route=(LOOSE, FARTHER))
    message = ours.to_message(contact="sip:hotline@127.0.0.1:5060")
    message.headers.append("Via", "SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx")
    read = parse_message(bytes(message))
    assert isinstance(read, SipRequest)
    assert (read.method, read.uri) == ("INVITE", ours.uri)
    assert read.headers.get("Route") == [LOOSE, FARTHER]
    assert read.headers.get("Contact") == ["<sip:hotline@127.0.0.1:5060>"]
    assert read.headers.get("X-Line") == ["12345"]
    assert read.headers.get("Max-Forwards") == ["70"]
    assert sdp_of(read) == OFFER


def test_a_bye_carries_no_contact() -> None:
    assert "Contact" not in called().request("BYE").to_message(contact="sip:x@y").headers


def test_a_written_answer_has_tag_contact_route_and_description() -> None:
    asked = invite(headers=[("Record-Route", LOOSE)])
    answer = write_reply(
        Reply(asked, 200, sdp=ANSWER),
        local_tag=OURS,
        contact="sip:hotline@127.0.0.1:5060",
        headers=(("Server", "test"),),
    )
    assert answer.headers.get("To") == [f"<sip:12345@city.example>;tag={OURS}"]
    assert answer.headers.get("Contact") == ["<sip:hotline@127.0.0.1:5060>"]
    assert answer.headers.get("Record-Route") == [LOOSE]
    assert answer.headers.get("Server") == ["test"]
    assert "INVITE" in (answer.get_header("Allow") or "")
    assert sdp_of(answer) == ANSWER


def test_a_written_refusal_has_no_contact() -> None:
    answer = write_reply(Reply(invite(), 486), local_tag=OURS, contact="sip:x@y")
    assert "Contact" not in answer.headers
    assert answer.reason_phrase == "Busy Here"


# Addresses


@pytest.mark.parametrize(
    "value, expected",
    [
        ("<sip:a@b>", NameAddr("sip:a@b")),
        ("sip:a@b;tag=x", NameAddr("sip:a@b", params={"tag": "x"})),
        ("<sip:a@b;tag=no>;tag=yes", NameAddr("sip:a@b;tag=no", params={"tag": "yes"})),
        ('"a <b>, c" <sip:a@b>;tag=1', NameAddr("sip:a@b", "a <b>, c", {"tag": "1"})),
        (r'"say \"hi\"" <sip:a@b>', NameAddr("sip:a@b", 'say "hi"')),
        ("张 三 <sip:a@b>", NameAddr("sip:a@b", "张 三")),
        ('<tel:+86138>;X="a;b" ;y', NameAddr("tel:+86138", None, {"x": "a;b", "y": None})),
    ],
)  # fmt: skip
def test_addresses_are_read(value: str, expected: NameAddr) -> None:
    assert parse_name_addr(value) == expected


@pytest.mark.parametrize(
    "value",
    ["", "   ", "<>", "<sip:a@b", "sip:a@b>", '"a <sip:a@b>', "<a@b>", "<sip:a b>", "<sip:a@b>x",
     "<sip:a@b>;=1", '"x" y <sip:a@b>', "sip:", '<sip:a@b>;a="', "<sip:a@b>, <sip:c@d>"],
)  # fmt: skip
def test_what_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(AddressError):
        parse_name_addr(value)


@given(st.text(max_size=60) | st.text(alphabet='<>";=\\ sip:a@b,', max_size=60))
def test_any_text_is_an_address_or_refused(value: str) -> None:
    try:
        address = parse_name_addr(value)
    except AddressError:
        return
    assert ":" in address.uri
    assert "<" not in address.uri


@given(st.text(max_size=40))
def test_any_display_name_survives_unless_unprintable(display: str) -> None:
    read = parse_name_addr(format_name_addr("sip:a@b", display))
    printable = "".join(character for character in display if character.isprintable())
    assert (read.display or "") == printable


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_user_survives(user: str) -> None:
    uri = sip_uri(user, ("127.0.0.1", 5060))
    assert user_of(parse_name_addr(f"<{uri}>").uri) == user


@pytest.mark.parametrize(
    "uri, user",
    [
        ("sip:1001@x", "1001"),
        ("sip:1001:secret@x", "1001"),
        ("sip:+86138;phone-context=x@y", "+86138"),
        ("tel:+86138;phone-context=x", "+86138"),
        ("sip:a%23b@x", "a#b"),
        ("sip:x", None),
        ("sip:@x", None),
        ("mailto:a@b", None),
    ],
)
def test_users_of_uris(uri: str, user: str | None) -> None:
    assert user_of(uri) == user


@pytest.mark.parametrize(
    "uri, address",
    [
        ("sip:a@10.0.0.1", ("10.0.0.1", 5060)),
        ("sip:10.0.0.1:5070;lr", ("10.0.0.1", 5070)),
        ("sip:a@[2001:db8::1]:5070", ("2001:db8::1", 5070)),
        ("sip:a@host.example", None),
        ("sip:a@0.0.0.0:5060", None),
        ("sip:a@10.0.0.1:0", None),
        ("sip:a@10.0.0.1:70000", None),
        ("tel:10086", None),
    ],
)
def test_addresses_of_uris(uri: str, address: tuple[str, int] | None) -> None:
    assert address_of(uri) == address


@pytest.mark.parametrize(
    "uri, number",
    [
        ("sip:110@host:5060;user=phone", "110"),
        ("sips:%2B8610@host", "+8610"),
        ("sip:110;phone-context=+1900@host", None),
        ("sip:110:secret@host", None),
        ("sip:host", None),
        ("sip:@host", None),
        ("tel:110", None),
    ],
)
def test_a_number_is_all_that_says_who_is_called(uri: str, number: str | None) -> None:
    assert number_in(uri) == number
