"""One connection that SIP is spoken on, whoever made it: the shell of a codec."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import structlog

from telephony.sip.hop import Hop, Transport
from telephony.sip.via import Address
from telephony.transport.framing import Answer, Broken, Frame, Message
from telephony.transport.listener import Bound

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What connections may cost us.

    Attributes:
        per_source: at most so many from one address. Behind one address may be a whole office.
        total: at most so many altogether.
        message_seconds: whoever connects has so long until his first whole message, and whoever
            has begun one so long to end it; a TLS handshake takes no longer, either.
        idle_seconds: closed when nothing came and nothing went for so long; longer than phones
            keep silent, for their registration ends with it.
        connect_seconds: how long making a connection may take.
        unsent_bytes: a peer who reads so slowly that this much waits is cut off.
    """

    per_source: int = 500
    total: int = 20_000
    message_seconds: float = 10.0
    idle_seconds: float = 900.0
    connect_seconds: float = 4.0
    unsent_bytes: int = 1 << 20


class Codec(Protocol):
    """SIP messages in a stream of bytes."""

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun to come, and not ended."""
        ...

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes as they come; return what they complete."""
        ...

    def write(self, message: bytes) -> bytes:
        """Return a message as it goes into the stream."""
        ...


class ConnectionUser(Protocol):
    """What a connection tells."""

    def opened(self, connection: "Connection") -> bool:
        """It is there; False: it must not be."""
        ...

    def received(self, connection: "Connection", message: bytes) -> None:
        """A whole message came."""
        ...

    def closed(self, connection: "Connection") -> None:
        """It is gone, or could not be made. Said once."""
        ...


class Connection(asyncio.Protocol):
    """A connection that was accepted, or that is being made.

    Args:
        flow: its number.
        bound: the listener that it came to, or in whose name it is made.
        codec: how messages stand in the stream.
        user: who is told.
        limits: times and sizes.
        peer: the other end, when we make the connection.

    Attributes:
        certified: the peer has shown a certificate that we trust.
        made_by_us: we made it.
    """

    def __init__(
        self,
        *,
        flow: int,
        bound: Bound,
        codec: Codec,
        user: ConnectionUser,
        limits: ConnectionLimits,
        peer: Address | None = None,
    ) -> None:
        self.flow = flow
        self.bound = bound
        self.peer: Address = peer or ("", 0)
        self.made_by_us = peer is not None
        self.certified = False
        self._codec = codec
        self._user = user
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._wire: asyncio.Transport | None = None
        self._waiting: list[tuple[bytes, Callable[[], None]]] = []
        self._over = False
        self._heard = False
        self._unfinished_since: float | None = None
        self._began = self._last = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def transport(self) -> Transport:
        """TCP, TLS, WS or WSS."""
        return self.bound.transport

    @property
    def hop(self) -> Hop:
        """The way to the peer: over this connection."""
        return Hop(*self.peer, self.transport, self.flow)

    def send(self, message: bytes, on_failure: Callable[[], None]) -> None:
        """Write a message, or keep it until the connection is there.

        Args:
            message: a whole one.
            on_failure: called when the connection could not be made.

        Raises:
            OSError: the connection is closing, or its peer does not read.
        """
        if self._over:
            raise OSError("connection closed")
        if self._wire is None:
            self._waiting.append((message, on_failure))
            return
        if self._wire.is_closing():
            raise OSError("connection closing")
        if self._wire.get_write_buffer_size() > self._limits.unsent_bytes:
            self.abort("the peer does not read")
            raise OSError("the peer does not read")
        self._write(self._codec.write(message))

    def close(self) -> None:
        """Send what is still to be sent, and close."""
        if self._wire is not None:
            self._wire.close()

    def abort(self, reason: str) -> None:
        """Close at once."""
        log.debug("sip.connection_aborted", peer=self.peer[0], reason=reason)
        if self._wire is not None:
            self._wire.abort()

    def failed(self) -> None:
        """It could not be made."""
        self._end()

    def _write(self, data: bytes) -> None:
        if self._wire is not None and data:
            self._last = self._loop.time()
            self._wire.write(data)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's TLS transports are none by their class
        self._wire = wire = cast("asyncio.Transport", transport)
        if not self.made_by_us:
            self.peer = tuple((transport.get_extra_info("peername") or ("", 0))[:2])
        self.certified = bool(transport.get_extra_info("peercert"))
        if not self._user.opened(self):
            wire.abort()
            return
        self._heard = self.made_by_us
        self._began = self._last = self._loop.time()
        self._watch()
        waiting, self._waiting = self._waiting, []
        for message, _ in waiting:
            self._write(self._codec.write(message))

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._last = self._loop.time()
        ended = False
        for frame in self._codec.feed(data):
            match frame:
                case Message(message):
                    self._heard = ended = True
                    self._user.received(self, message)
                case Answer(answer):
                    self._write(answer)
                case Broken(reason):
                    log.debug("sip.stream_broken", peer=self.peer[0], reason=reason)
                    self.close()
        if not self._codec.unfinished:
            self._unfinished_since = None
        elif ended or self._unfinished_since is None:
            # what is unfinished now has begun in these bytes
            self._unfinished_since = self._last
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        del exc
        self._wire = None
        self._end()

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._user.closed(self)
        waiting, self._waiting = self._waiting, []
        for _, on_failure in waiting:
            on_failure()

    # Time

    def _watch(self) -> None:
        """Look again when the connection could have been idle, or a message on its way, too long.

        Single bytes now and then buy no time.
        """
        if self._timer is not None:
            self._timer.cancel()
        since = self._unfinished_since if self._heard else self._began
        end, reason = self._last + self._limits.idle_seconds, "idle"
        if since is not None and since + self._limits.message_seconds < end:
            end, reason = since + self._limits.message_seconds, "no whole SIP message"
        if end <= self._loop.time():
            self.abort(reason)
        else:
            self._timer = self._loop.call_at(end, self._watch)
