"""SIP messages that somebody else carries: the web server, whose WebSockets reach every desk.

So a browser's phone needs no port of its own, no certificate and no way through the firewall beside
those of its page. To everybody above, such a line is a WebSocket connection (RFC 7118) like others.
"""

import asyncio
from typing import Protocol

from telephony.sip.via import Address
from telephony.transport.framing import LARGEST_BODY, LARGEST_HEAD, Answer, Broken, Frame, Message

_PING, _PONG = b"\r\n\r\n", b"\r\n"  # RFC 7118 §6, RFC 5626 §4.4.1


class WholeMessages:
    """A codec for what comes and goes one message at a time."""

    unfinished = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take one message."""
        if len(data) > LARGEST_HEAD + LARGEST_BODY:
            return [Broken("a message that is too big")]
        if data == _PING:
            return [Answer(_PONG)]
        return [Message(data)] if data.strip() else []

    def write(self, message: bytes) -> bytes:
        """Return a message as it is."""
        return message


class Carrier(Protocol):
    """Who carries the messages of one line."""

    def send(self, message: bytes) -> None:
        """Carry a message to the peer."""

    def close(self) -> None:
        """Carry no more, and say so to the peer."""


class CarriedLine(asyncio.Transport):
    """The wire of a :class:`~telephony.transport.connection.Connection`, in somebody's hands.

    Args:
        peer: where the messages come from.
        carrier: carries ours.
        connection: the one whose wire it is.
    """

    def __init__(self, peer: Address, carrier: Carrier, connection: asyncio.Protocol) -> None:
        super().__init__({"peername": peer})
        self._carrier = carrier
        self._connection = connection
        self._closing = False
        self._lost = False

    def begin(self) -> None:
        """The line is there."""
        self._connection.connection_made(self)

    def received(self, message: bytes) -> None:
        """A message of the peer's came."""
        if not self._closing:
            self._connection.data_received(message)

    def lost(self) -> None:
        """The peer is gone; harmless when that was said before."""
        self._closing = True
        if not self._lost:
            self._lost = True
            self._connection.connection_lost(None)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See asyncio.Transport."""
        if not self._closing:
            self._carrier.send(bytes(data))

    def is_closing(self) -> bool:
        """See asyncio.Transport."""
        return self._closing

    def get_write_buffer_size(self) -> int:
        """See asyncio.Transport; the carrier closes a line that its peer does not read."""
        return 0

    def close(self) -> None:
        """See asyncio.Transport."""
        if not self._closing:
            self._closing = True
            self._carrier.close()
            asyncio.get_running_loop().call_soon(self.lost)

    def abort(self) -> None:
        """See asyncio.Transport."""
        self.close()
