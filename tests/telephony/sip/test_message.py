"""What is let in, what is refused and how, and what responses are made of."""

from collections.abc import Callable

import pytest
from aiosipua import SipMessage, SipRequest, SipResponse
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.errors import MalformedMessage
from telephony.sip.message import (
    _read,
    build_ack,
    build_cancel,
    copy_message,
    cseq_of,
    make_response,
    parse_message,
    tag_of,
    write_message,
)
from telephony.sip.transaction_layer import client_key, server_key
from telephony.sip.via import response_destination, stamp_source, top_via
from tests.telephony.sip.samples import request, response, wire

# RFC 4475 §3.1.1.1, what concerns the headers that transactions live on.
TORTUOUS = (
    b"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
    b"TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
    b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
    b"MaX-fOrWaRdS: 0068\r\n"
    b"Call-ID: wsinv.ndaksdj@192.0.2.1\r\n"
    b"Content-Length   : 4\r\n"
    b"cseq: 0009\r\n  INVITE\r\n"
    b"Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n"
    b"s :\r\n"
    b"NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
    b"UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
    b"Content-Type: application/sdp\r\n"
    b"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n"
    b"  branch  =   z9hG4bK9ikj8  ,\r\n"
    b" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
    b"\r\n"
    b"v=0\n"
)


def refusal(data: bytes) -> MalformedMessage:
    with pytest.raises(MalformedMessage) as caught:
        parse_message(data)
    return caught.value


def test_a_request_is_read() -> None:
    message = parse_message(wire(body="v=0"))
    assert isinstance(message, SipRequest)
    assert (message.method, message.uri, message.body) == (
        "INVITE",
        "sip:12345@city.example",
        b"v=0",
    )
    assert cseq_of(message) == (314159, "INVITE")


def test_a_response_is_read() -> None:
    message = parse_message(bytes(response(180)))
    assert isinstance(message, SipResponse)
    assert message.status_code == 180


def test_the_short_tortuous_invite_of_rfc_4475_is_read() -> None:
    message = parse_message(TORTUOUS)
    assert isinstance(message, SipRequest)
    via = top_via(message)
    assert (via.protocol, via.transport, via.host, via.branch) == (
        "SIP/2.0",
        "UDP",
        "192.0.2.2",
        "390skdjuw",
    )
    assert cseq_of(message) == (9, "INVITE")
    assert tag_of(message.headers.get("From")[0]) == "98asjd8"
    assert len(message.headers.get("Via")) == 3


def test_line_ends_before_the_start_line_are_skipped() -> None:
    assert isinstance(parse_message(b"\r\n\r\n" + wire()), SipRequest)


def test_what_follows_the_body_is_cut_off() -> None:
    assert parse_message(wire(more="Content-Length: 3\r\n", body="v=0trailing")).body == b"v=0"


@pytest.mark.parametrize(
    "data, reason",
    [
        (wire(start="INVITE <sip:a@b.example> SIP/2.0"), "Malformed Request-Line"),
        (wire(start="INVITE sip:a@b.example; lr SIP/2.0"), "Malformed Request-Line"),
        (wire(start="INVITE  sip:a@b.example  SIP/2.0"), "Malformed Request-Line"),
        (wire(start="INVITE sip:a@b.example HTTP/1.1"), "Malformed Request-Line"),
        (wire(cseq="36893488147419103232 INVITE"), "Malformed CSeq"),
        (wire(cseq="2147483648 INVITE"), "Malformed CSeq"),
        (wire(cseq="1"), "Malformed CSeq"),
        (wire(cseq="1 BYE"), "CSeq method differs from the request's"),
        (wire(to='"Mr. J. User <sip:j.user@example.com>'), "Malformed To"),
        (wire(to="12345"), "Malformed To"),
        (wire(to="<sip:a@b.example"), "Malformed To"),
        (wire(to=""), "Missing or repeated To"),
        (wire(more="Call-ID: another\r\n"), "Missing or repeated Call-ID"),
        (wire(more="From: <sip:x@y.example>;tag=9\r\n"), "Missing or repeated From"),
        (wire(more="Content-Length: 9999\r\n", body="v=0"), "Content-Length exceeds the message"),
        (wire(more="Content-Length: -999\r\n"), "Malformed Content-Length"),
        (
            wire(more="Content-Length: 0\r\nContent-Length: 1\r\n", body="v"),
            "Malformed Content-Length",
        ),
        (wire().replace(b"Call-ID", b"Caller-ID"), "Missing or repeated Call-ID"),
    ],
)
def test_a_malformed_request_with_a_via_is_to_be_answered_400(data: bytes, reason: str) -> None:
    error = refusal(data)
    assert (error.status, error.reason) == (400, reason)
    assert error.request is not None
    assert make_response(error.request, 400).headers.get("Via") == error.request.headers.get("Via")


def test_another_sip_version_is_to_be_answered_505() -> None:
    data = wire(
        start="INVITE sip:t.watson@example.org SIP/7.0",
        via="SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw",
    )
    error = refusal(data)
    assert (error.status, error.reason) == (505, "Version Not Supported")
    assert error.request is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\xff\xfe\x00",
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        wire(via="nonsense"),
        wire(via="SIP/2.0/UDP"),
        wire(via="SIP/2.0/UDP 127.0.0.1:0;branch=z9hG4bK1"),
        wire(via="SIP/2.0/UDP 127.0.0.1:65536;branch=z9hG4bK1"),
        wire(via="SIP/2.0/UDP 127.0.0.1;branch=two words"),
        wire().replace(b"Via: ", b"Vio: "),
        wire("ACK", cseq="1 INVITE"),
        bytes(response(200)).replace(b"SIP/2.0 200", b"SIP/2.0 999"),
        bytes(response(200)).replace(b"SIP/2.0 200", b"SIP/2.0 2_0"),
        bytes(response(200)).replace(b"SIP/2.0 200", b"SIP/3.0 200"),
        bytes(response(200)).replace(b"Content-Length: 0", b"Content-Length: 1"),
        bytes(response(200)).replace(b"CSeq: 314159", b"CSeq: -1"),
        b"X: y\r\n" * 300,
    ],
)
def test_what_cannot_be_answered_is_to_be_dropped(data: bytes) -> None:
    assert refusal(data).request is None


def test_a_response_copies_what_rfc_3261_says() -> None:
    invite = request(more="Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nTimestamp: 54\r\n")
    ringing = make_response(invite, 180, to_tag="ours", headers=[("Contact", "<sip:us@127.0.0.1>")])
    assert ringing.reason_phrase == "Ringing"
    assert dict(ringing.headers.items()) == {
        "Via": invite.headers.get("Via"),
        "From": invite.headers.get("From"),
        "To": ["<sip:12345@city.example>;tag=ours"],
        "Call-ID": ["a84b4c76e66710"],
        "CSeq": ["314159 INVITE"],
        "Record-Route": ["<sip:p1;lr>", "<sip:p2;lr>"],
        "Contact": ["<sip:us@127.0.0.1>"],
    }


def test_100_has_the_timestamp_and_no_tag() -> None:
    trying = make_response(request(more="Timestamp: 54\r\n"), 100)
    assert trying.headers.get("Timestamp") == ["54"]
    assert trying.headers.get("To") == ["<sip:12345@city.example>"]


def test_a_failure_has_no_record_route() -> None:
    assert (
        "Record-Route"
        not in make_response(request(more="Record-Route: <sip:p;lr>\r\n"), 486).headers
    )


def test_the_to_tag_of_the_request_stays() -> None:
    answer = make_response(request(to="<sip:b@c.example>;tag=theirs"), 200, to_tag="ours")
    assert answer.headers.get("To") == ["<sip:b@c.example>;tag=theirs"]


def test_without_a_tag_each_copy_of_a_request_is_answered_alike_and_others_are_not() -> None:
    first, again = (make_response(request("OPTIONS"), 200) for _ in range(2))
    other = make_response(request("OPTIONS", via="SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK2"), 200)
    assert bytes(first) == bytes(again)
    assert tag_of(first.headers.get("To")[0])
    assert other.headers.get("To") != first.headers.get("To")


def test_the_ack_of_a_failure_has_the_invites_via_and_the_responses_to() -> None:
    proof = "Proxy-Authorization: Digest username=hotline\r\n"  # §22.1: it is in the ACK, too
    invite = request(more=f"Route: <sip:p1;lr>, <sip:p2;lr>\r\nProxy-Require: foo\r\n{proof}")
    ack = build_ack(invite, response(486, invite, tag="busy"))
    assert bytes(ack).decode().split("\r\n") == [
        "ACK sip:12345@city.example SIP/2.0",
        "Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKnashds8",
        "From: <sip:caller@city.example>;tag=1928301774",
        "To: <sip:12345@city.example>;tag=busy",
        "Call-ID: a84b4c76e66710",
        "Route: <sip:p1;lr>",
        "Route: <sip:p2;lr>",
        "CSeq: 314159 ACK",
        "Max-Forwards: 70",
        "Proxy-Authorization: Digest username=hotline",
        "Content-Length: 0",
        "",
        "",
    ]


def test_a_cancel_has_the_to_of_the_invite_as_it_was_sent() -> None:
    cancel = build_cancel(request())
    assert (cancel.method, cseq_of(cancel)) == ("CANCEL", (314159, "CANCEL"))
    assert cancel.headers.get("To") == ["<sip:12345@city.example>"]
    assert cancel.headers.get("Via") == request().headers.get("Via")


def test_a_copy_is_independent() -> None:
    original = request()
    copy = copy_message(original)
    copy.headers.set_single("To", "<sip:x@y>")
    copy.headers.append("Via", "SIP/2.0/UDP 192.0.2.1")
    assert bytes(original) == bytes(request())
    assert (copy.method, copy.uri) == (original.method, original.uri)


def read(data: bytes) -> SipRequest | SipResponse | MalformedMessage:
    try:
        return parse_message(data)
    except MalformedMessage as error:
        return error


def accepted_or_refused(data: bytes) -> None:
    """Whatever is let through can be used without a further check; what is refused, answered."""
    outcome = read(data)
    if isinstance(outcome, SipResponse):
        client_key(outcome)
        return
    request = outcome.request if isinstance(outcome, MalformedMessage) else outcome
    if request is None:
        return
    stamp_source(request, ("127.0.0.1", 5060))
    assert response_destination(top_via(request))[0] == "127.0.0.1"
    answer = bytes(make_response(request, 400))
    if isinstance(outcome, SipRequest):
        server_key(outcome)
        assert isinstance(parse_message(answer), SipResponse)


@given(st.binary(max_size=400))
def test_fuzz_random_bytes(data: bytes) -> None:
    accepted_or_refused(data)


VALID = [wire(), wire("REGISTER"), TORTUOUS, bytes(response(200)), bytes(response(180))]
SPLINTERS = [b"\r\n", b"\n", b"\r", b":", b";", b",", b"<", b">", b'"', b"=", b" ", b"\t", b"\x00"]
SPLINTERS += [b"\xff", b"\xc2\xb2", b"SIP/2.0", b"Via:", b"CSeq", b"[::1", b"9" * 20, b"tag=", b"%"]


@given(
    st.sampled_from(VALID),
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.integers(0, 12),
            st.sampled_from(SPLINTERS) | st.binary(max_size=4),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_fuzz_mutated_messages(data: bytes, cuts: list[tuple[float, int, bytes]]) -> None:
    for place, length, splinter in cuts:
        at = int(place * len(data))
        data = data[:at] + splinter + data[at + length :]
    accepted_or_refused(data)


@pytest.mark.parametrize("name", ["RAck", "RSeq", "Min-SE", "CSeq", "Call-ID", "Refer-To"])
def test_names_are_written_as_their_rfcs_spell_them(name: str) -> None:
    response = SipResponse(status_code=200, reason_phrase="OK")
    response.headers.append(name.upper(), "1")
    assert f"\r\n{name}: 1\r\n" in bytes(response).decode()


PIECES = st.sampled_from(
    [
        *(b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b" ", b"\t", b":", b","),
        *(b"INVITE sip:a@b SIP/2.0", b"SIP/2.0 200 OK", b"SIP/2.0 200", b"SIP/2.0 x y"),
        *(b"Via: SIP/2.0/UDP h;branch=z9hG4bK1", b"v: SIP/2.0/UDP h, SIP/2.0/TCP i", b"Allow:"),
        *(b"Supported: timer, 100rel", b"Subject: a, b", b"i: 1@h", b"F: <sip:a@b>;tag=1"),
        *(b"Content-Length: 0", b"Content-Length: 3", b"l: 03", b"v=0", b"\xff", b"x\x85: y"),
        *(b"Allow: INVITE, ACK,", b"k: , a,,b", b'Accept: "x,y", z', b"Route: <sip:a,b>, <sip:c>"),
    ]
)


def read_or_refused(read: Callable[[bytes], object], data: bytes) -> object:
    try:
        return vars(read(data)) | {"headers": list(vars(read(data))["headers"].items())}
    except ValueError:
        return None


@given(st.lists(PIECES, max_size=14).map(b"".join))
def test_the_usual_is_read_as_everything_is(data: bytes) -> None:
    assert read_or_refused(_read, data) == read_or_refused(SipMessage.parse, data)


NAMES = st.sampled_from(["Via", "cseq", "CALL-ID", "RAck", "P-Asserted-Identity", "X-Call", "x"])
VALUES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=9)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.binary(max_size=9))
def test_a_message_is_written_as_aiosipua_writes_it(
    headers: list[tuple[str, str]], body: bytes
) -> None:
    request = SipRequest(method="INVITE", uri="sip:a@b", body=body)
    for message in (request, SipResponse(status_code=486, reason_phrase="忙", body=body)):
        for name, value in headers:
            message.headers.append(name, value)
        copy = copy_message(message)
        assert write_message(message) == bytes(copy)
        assert list(message.headers.items()) == list(copy.headers.items())


def test_what_is_read_can_be_changed_without_changing_what_others_read() -> None:
    first, second = parse_message(wire()), parse_message(wire())
    assert isinstance(first, SipRequest)
    top_via(first).params["branch"] = "z9hG4bKother"
    stamp_source(first, ("192.0.2.9", 5070))
    assert top_via(second) == top_via(parse_message(wire()))
