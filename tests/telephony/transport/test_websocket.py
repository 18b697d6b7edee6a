"""SIP over WebSocket (RFC 7118); the library's own client is the browser."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiosipua import SipRequest, SipResponse
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, NegotiationError
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.typing import Subprotocol

from bench.fuzz_targets import HANDSHAKE
from telephony.endpoint import SipEndpoint
from telephony.sip.message import make_response, parse_message
from telephony.sip.via import top_via
from telephony.transport.framing import Answer, Broken, Message
from telephony.transport.listener import Listener
from telephony.transport.tls import Tls, TlsFiles
from telephony.transport.websocket import SipWebSocket
from tests.support.certificates import Authority
from tests.support.waiting import until
from tests.telephony.peers import User, answering
from tests.telephony.sip.samples import request
from tests.telephony.transport.test_tcp import Answers, outgoing

SIP = [Subprotocol("sip")]
OPTIONS = request("OPTIONS", via="SIP/2.0/WS df7jal23ls0d.invalid;rport;branch=z9hG4bKws")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[SipEndpoint, User, ssl.SSLContext]]:
    authority, user = Authority(tmp_path), User(answering(200))
    pair = authority.sign("hotline")
    ours = SipEndpoint(on_request=user, tls=Tls(TlsFiles(pair.certificate, pair.key)))
    further = [Listener("WS", "127.0.0.1", 0), Listener("WSS", "127.0.0.1", 0)]
    await ours.open("127.0.0.1", 0, further=further)
    yield ours, user, ssl.create_default_context(cafile=str(authority.pair.certificate))
    await ours.close()


def url(ours: SipEndpoint, scheme: str) -> str:
    bound = next(one for one in ours.listeners if one.transport == scheme.upper())
    return f"{scheme}://127.0.0.1:{bound.local[1]}/"


async def receive(browser: ClientConnection) -> SipRequest | SipResponse:
    async with asyncio.timeout(20):
        data = await browser.recv()
    return parse_message(data.encode() if isinstance(data, str) else data)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_browser_asks_and_is_asked(
    served: tuple[SipEndpoint, User, ssl.SSLContext], scheme: str
) -> None:
    ours, user, trust = served
    tls = trust if scheme == "wss" else None
    async with connect(url(ours, scheme), subprotocols=SIP, ssl=tls, proxy=None) as browser:
        assert browser.subprotocol == "sip"
        await browser.send(bytes(OPTIONS).decode())
        answer = await receive(browser)
        assert isinstance(answer, SipResponse)
        assert (answer.status_code, top_via(answer).received) == (200, "127.0.0.1")
        await browser.send([bytes(OPTIONS)[:50], bytes(OPTIONS)[50:].replace(b"Kws", b"K2")])
        assert isinstance(await receive(browser), SipResponse)
        await (await browser.ping())
        hop, answers = user.requests[0].hop, Answers()
        ours.send_request(outgoing("INVITE"), hop._replace(pinned=True), **answers.hooks)
        invite = await receive(browser)
        assert isinstance(invite, SipRequest)
        assert top_via(invite).transport == scheme.upper()
        await browser.send(bytes(make_response(invite, 486)))
        assert (await receive(browser)).headers.get("CSeq") == ["314159 ACK"]
        assert ours.contact("hotline", hop).endswith(f";transport={scheme}")
    await until(lambda: ours.connections == 0)
    ours.send_request(outgoing(), hop, **answers.hooks)
    await until(lambda: answers.failures == ["transport"])


async def test_only_sip_is_spoken(served: tuple[SipEndpoint, User, ssl.SSLContext]) -> None:
    ours, _, _ = served
    with pytest.raises((InvalidStatus, NegotiationError)):
        await connect(url(ours, "ws"), subprotocols=[Subprotocol("chat")], proxy=None)
    with pytest.raises((InvalidStatus, NegotiationError)):
        await connect(url(ours, "ws"), proxy=None)
    await until(lambda: ours.connections == 0)


async def test_who_speaks_no_http_is_cut_off(
    served: tuple[SipEndpoint, User, ssl.SSLContext],
) -> None:
    ours, _, _ = served
    port = next(one for one in ours.listeners if one.transport == "WS").local[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(bytes(OPTIONS))
    async with asyncio.timeout(20):
        await reader.read()
    writer.close()
    await until(lambda: ours.connections == 0)


async def test_a_message_too_long_ends_the_connection(
    served: tuple[SipEndpoint, User, ssl.SSLContext],
) -> None:
    ours, _, _ = served
    async with connect(url(ours, "ws"), subprotocols=SIP, proxy=None) as browser:
        await browser.send("x" * 100_000)
        with pytest.raises(ConnectionClosed) as closed:
            await browser.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_a_handshake_that_is_no_text_is_refused() -> None:
    """The fuzzer's finding."""
    [broken] = SipWebSocket().feed(
        b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: w\xfe\xff\r\n\r\n"
    )
    assert broken == Broken("WebSocket handshake: not text")


def test_a_request_that_no_frame_follows_is_refused() -> None:
    asked = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"
    (broken,) = SipWebSocket().feed(2 * asked)
    assert broken == Broken("WebSocket handshake: no frame behind it")


def test_a_frame_and_a_message_are_unfinished_until_they_are_whole() -> None:
    codec = SipWebSocket()
    begun = WebSocketFrame(Opcode.BINARY, b"OPTIONS ", fin=False).serialize(mask=True)
    ended = WebSocketFrame(Opcode.CONT, b"sip:a").serialize(mask=True)
    fed = [
        (codec.feed(data), codec.unfinished)[-1]
        for data in (HANDSHAKE, begun[:7], begun[7:], ended[:-1], ended[-1:])
    ]
    assert fed == [False, True, True, True, False]


def test_nothing_is_written_before_the_handshake() -> None:
    codec = SipWebSocket()
    assert codec.write(b"x") == b""
    frames = codec.feed(b"OPTIONS sip:a SIP/2.0\r\n\r\n")
    assert isinstance(frames[-1], Broken)
    assert not any(isinstance(frame, Message) for frame in frames)
    assert all(isinstance(frame, Answer) for frame in frames[:-1])
    assert codec.feed(b"more") == []
