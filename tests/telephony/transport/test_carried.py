"""Lines that somebody else carries: registrations and keep-alives over them, and their ends."""

import asyncio

import pytest
from aiosipua import SipRequest

from telephony.endpoint import IncomingRequest, SipEndpoint
from telephony.sip.hop import Hop
from telephony.sip.message import make_response
from telephony.sip.via import Address
from telephony.transport.carried import WholeMessages
from telephony.transport.connection import ConnectionLimits
from telephony.transport.framing import LARGEST_BODY, LARGEST_HEAD, Answer, Broken, Message

PEER: Address = ("192.0.2.77", 50000)


class Carried:
    """Keeps what is sent to the page."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.closed = False

    def send(self, message: bytes) -> None:
        self.messages.append(message)

    def close(self) -> None:
        self.closed = True


def options(call: str) -> bytes:
    return (
        "OPTIONS sip:hotline.test SIP/2.0\r\n"
        f"Via: SIP/2.0/WS abc.invalid;branch=z9hG4bK{call}\r\n"
        "From: <sip:1001@hotline.test>;tag=1\r\nTo: <sip:hotline.test>\r\n"
        f"Call-ID: {call}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
        "Contact: <sip:abc@abc.invalid;transport=ws>\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def test_requests_come_over_it_and_answers_go_back() -> None:
    came: list[IncomingRequest] = []
    gone: list[Hop] = []

    def answer(incoming: IncomingRequest) -> None:
        came.append(incoming)
        incoming.respond(make_response(incoming.request, 200))

    endpoint = SipEndpoint(on_request=answer, on_flow_lost=gone.append)
    with pytest.raises(OSError, match="not listening"):
        endpoint.carry(PEER, Carried(), secure=False)
    await endpoint.open("127.0.0.1", 0)
    try:
        carried = Carried()
        line = endpoint.carry(PEER, carried, secure=False)
        line.received(options("one"))
        line.received(b"\r\n\r\n")
        assert [incoming.hop[:3] for incoming in came] == [(*PEER, "WS")]
        assert isinstance(came[0].request, SipRequest)
        assert carried.messages[0].startswith(b"SIP/2.0 200")
        assert carried.messages[1] == b"\r\n"
        assert endpoint.is_alive(came[0].hop)
        assert endpoint.is_carried(came[0].hop)
        assert endpoint.contact("hotline", came[0].hop).endswith(";transport=ws")
        line.lost()
        line.lost()
        assert gone == [came[0].hop]
        assert not endpoint.is_alive(came[0].hop)
        assert not endpoint.is_carried(came[0].hop)
        line.received(options("two"))
        assert len(came) == 1
    finally:
        await endpoint.close()


async def test_a_line_that_breaks_the_rules_is_closed_and_closing_closes_all() -> None:
    endpoint = SipEndpoint(on_request=lambda _incoming: None)
    await endpoint.open("127.0.0.1", 0)
    rude, quiet = Carried(), Carried()
    line = endpoint.carry(PEER, rude, secure=True)
    endpoint.carry(PEER, quiet, secure=True)
    line.received(bytes(LARGEST_HEAD + LARGEST_BODY + 1))
    await asyncio.sleep(0)
    assert rude.closed
    assert endpoint.connections == 1
    await endpoint.close()
    assert quiet.closed
    assert endpoint.connections == 0


async def test_a_site_with_many_ipv6_addresses_is_one_source() -> None:
    limits = ConnectionLimits(per_source=2)
    endpoint = SipEndpoint(on_request=lambda _incoming: None, limits=limits)
    await endpoint.open("127.0.0.1", 0)
    hosts = ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::3")
    lines = [Carried() for _ in hosts]
    for host, line in zip(hosts, lines, strict=True):
        endpoint.carry((host, 50000), line, secure=True)
    assert [line.closed for line in lines] == [False, False, True, False]
    await endpoint.close()


def test_the_codec_takes_one_message_at_a_time() -> None:
    codec = WholeMessages()
    assert codec.feed(b"REGISTER") == [Message(b"REGISTER")]
    assert codec.feed(b"\r\n\r\n") == [Answer(b"\r\n")]
    assert codec.feed(b"\r\n") == codec.feed(b"") == []
    assert isinstance(codec.feed(bytes(LARGEST_HEAD + LARGEST_BODY + 1))[0], Broken)
    assert codec.write(b"x") == b"x"
