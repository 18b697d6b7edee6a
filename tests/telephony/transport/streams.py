"""A bare connection that says what a test tells it to."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiosipua import SipRequest, SipResponse

from telephony.sip.message import FINAL, parse_message
from telephony.sip.via import Address
from telephony.transport.framing import Message, SipStream
from tests.support.waiting import PATIENCE


class StreamPeer:
    """The other end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._stream = SipStream()
        self._messages: list[bytes] = []
        self.address: Address = writer.get_extra_info("sockname")[:2]

    def send(self, data: bytes | SipRequest | SipResponse) -> None:
        """Write."""
        self.writer.write(bytes(data))

    async def receive(self, seconds: float = PATIENCE) -> SipRequest | SipResponse:
        """Return the next message."""
        async with asyncio.timeout(seconds):
            while not self._messages:
                data = await self.reader.read(65536)
                assert data, "the connection was closed"
                for frame in self._stream.feed(data):
                    assert isinstance(frame, Message)
                    self._messages.append(frame.data)
        return parse_message(self._messages.pop(0))

    async def response(self) -> SipResponse:
        """Return the next message, a response."""
        message = await self.receive()
        assert isinstance(message, SipResponse)
        return message

    async def final(self) -> SipResponse:
        """Return the next final response, passing over provisional ones."""
        while (response := await self.response()).status_code < FINAL:
            pass
        return response

    async def request(self) -> SipRequest:
        """Return the next message, a request."""
        message = await self.receive()
        assert isinstance(message, SipRequest)
        return message

    @property
    def serial(self) -> str:
        """The serial number of the certificate that the other side has shown."""
        return str(self.writer.get_extra_info("peercert")["serialNumber"])

    async def closed(self, seconds: float = PATIENCE) -> bytes:
        """Wait until the other side closes; return what it said before."""
        async with asyncio.timeout(seconds):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def close(self) -> None:
        """Close."""
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):  # the other side was faster
            await self.writer.wait_closed()


@asynccontextmanager
async def connected(
    address: Address, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[StreamPeer]:
    """Connect for the length of the block."""
    peer = StreamPeer(*await asyncio.open_connection(*address, ssl=context))
    try:
        yield peer
    finally:
        await peer.close()


class StreamServer:
    """Takes connections.

    Attributes:
        address: where.
    """

    def __init__(self) -> None:
        self._peers: asyncio.Queue[StreamPeer] = asyncio.Queue()
        self._all: list[StreamPeer] = []

    async def start(self, port: int = 0, *, context: ssl.SSLContext | None = None) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._on_peer, "127.0.0.1", port, ssl=context)
        self.address: Address = self._server.sockets[0].getsockname()[:2]

    async def _on_peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._all.append(StreamPeer(reader, writer))
        self._peers.put_nowait(self._all[-1])

    async def peer(self) -> StreamPeer:
        """Return the next connection."""
        async with asyncio.timeout(PATIENCE):
            return await self._peers.get()

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        self._server.close()
        for peer in self._all:
            await peer.close()
        await self._server.wait_closed()


@asynccontextmanager
async def listening(
    port: int = 0, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[StreamServer]:
    """Listen for the length of the block."""
    server = StreamServer()
    await server.start(port, context=context)
    try:
        yield server
    finally:
        await server.stop()
