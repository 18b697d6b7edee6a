"""Messages in a stream: the same, however the stream is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.transport.framing import Answer, Broken, Frame, Message, SipStream
from tests.telephony.sip.samples import request, wire

OPTIONS = bytes(request("OPTIONS"))
INVITE = wire(more="Content-Type: text/plain\r\n", body="v=0\r\n\r\nSIP/2.0 200 OK\r\n\r\n")
SHORT = b"OPTIONS sip:a SIP/2.0\nl: 2\n\nhi"
FOLDED = b"SIP/2.0 200 OK\r\nContent-Length:\r\n  3\r\n\r\nabc"
RESPONSE = b"SIP/2.0 180\r\nCONTENT-LENGTH : 0\r\n\r\n"


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Return the stream in pieces."""
    edges = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[begin:end] for begin, end in pairwise(edges)]


def read(chunks: list[bytes], reader: SipStream | None = None) -> list[Frame]:
    reader = reader or SipStream()
    return [frame for chunk in chunks for frame in reader.feed(chunk)]


@pytest.mark.parametrize("message", [OPTIONS, INVITE, SHORT, FOLDED, RESPONSE])
def test_a_message_is_found_whole(message: bytes) -> None:
    assert read([message]) == [Message(message)]
    assert read([bytes([byte]) for byte in message]) == [Message(message)]
    assert read([message * 3]) == [Message(message)] * 3


def test_a_double_crlf_is_answered_by_a_single_one() -> None:
    assert read([b"\r\n\r\n"]) == [Answer(b"\r\n")]
    assert read([b"\r\n", b"\r", b"\n"]) == [Answer(b"\r\n")]
    assert read([b"\r\n", OPTIONS]) == [Message(OPTIONS)]
    assert read([OPTIONS, b"\r\n\r\n\r\n", OPTIONS]) == [
        Message(OPTIONS),
        Answer(b"\r\n"),
        Message(OPTIONS),
    ]


@pytest.mark.parametrize(
    "stream, reason",
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "not SIP"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "not SIP"),
        (b"OPTIONS sip:a SIP/2.0\r\nA: b\r\n\r\n", "no Content-Length, or several"),
        (b"OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 2\r\n\r\n", "no Content-Length, or"),
        (b"OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n", "unreadable Content-Length"),
        (b"OPTIONS sip:a SIP/2.0\r\nl: 99999999\r\n\r\n", "body too long"),
        (b"OPTIONS sip:a SIP/2.0\r\nA: " + bytes(20_000).replace(b"\0", b"x"), "head too long"),
        (b"x" * 20_000, "head too long"),
    ],
)
def test_what_is_no_sip_ends_the_stream(stream: bytes, reason: str) -> None:
    frames = read([OPTIONS + stream, OPTIONS])
    assert frames[0] == Message(OPTIONS)
    assert isinstance(frames[1], Broken)
    assert frames[1].reason.startswith(reason)
    assert len(frames) == 2


def test_the_same_content_length_twice_is_one() -> None:
    message = b"OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 1\r\n\r\nx"
    assert read([message]) == [Message(message)]


def test_what_has_begun_is_unfinished_until_it_is_whole() -> None:
    reader = SipStream()
    for between in (b"", b"\r\n", b"\r\n\r\n", b"\r\n\r"):
        reader.feed(between)
        assert not reader.unfinished
    reader.feed(b"\n")
    for byte in INVITE[:-1]:
        reader.feed(bytes([byte]))
        assert reader.unfinished
    assert reader.feed(INVITE[-1:]) == [Message(INVITE)]
    assert not reader.unfinished


PIECES = st.sampled_from(
    [OPTIONS, INVITE, SHORT, FOLDED, RESPONSE, b"\r\n\r\n", b"\r\n", b"\n", b"\r", b"\0", b"GET /"]
)


@given(st.lists(PIECES, max_size=8), st.lists(st.integers(0, 3000), max_size=20))
def test_any_chunking_gives_the_same_frames(pieces: list[bytes], places: list[int]) -> None:
    stream = b"".join(pieces)
    whole = read([stream])
    assert read(cut(stream, places)) == whole
    small = {"largest_head": 150, "largest_body": 10}
    assert read(cut(stream, places), SipStream(**small)) == read([stream], SipStream(**small))


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_bytes_are_read_without_an_exception(chunks: list[bytes]) -> None:
    reader = SipStream(largest_head=64, largest_body=8)
    frames = read(chunks, reader)
    assert not any(isinstance(frame, Broken) for frame in frames[:-1])
    assert reader.waiting <= 64 + 8 + 60
    assert frames == read([b"".join(chunks)], SipStream(largest_head=64, largest_body=8))
