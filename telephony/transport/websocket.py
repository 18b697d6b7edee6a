"""SIP over WebSocket, the server's side of one connection (RFC 7118). Pure.

The protocol itself is the ``websockets`` library's, without its input and output.
"""

from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from telephony.transport.framing import (
    LARGEST_BODY,
    LARGEST_HEAD,
    Answer,
    Broken,
    Frame,
    Message,
)

# RFC 7118 §4.1: "The WebSocket Client MUST include the value 'sip'"
SUBPROTOCOL = Subprotocol("sip")
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_TOO_BIG = 1009  # RFC 6455 §7.4.1


class SipWebSocket:
    """Reads messages from WebSocket frames, and writes them.

    RFC 7118 §5: "Each SIP message MUST be carried within a single WebSocket message, and a
    WebSocket message MUST NOT contain more than one SIP message."
    """

    def __init__(self) -> None:
        self._protocol = ServerProtocol(
            subprotocols=[SUBPROTOCOL], max_size=LARGEST_HEAD + LARGEST_BODY
        )
        self._parts = bytearray()
        self._broken = False

    @property
    def unfinished(self) -> bool:
        """Whether a message, or a frame, has begun to come and not ended.

        Of a frame whose bare header has come the library does not tell; whoever stops there holds
        no more of our memory than whoever says nothing.
        """
        return bool(self._parts or self._protocol.reader.buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes as they come; return what they complete."""
        frames: list[Frame] = []
        if self._broken:
            return frames
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                frames += self._shake_hands(event)
            elif isinstance(event, WebSocketFrame) and event.opcode in _DATA:
                frames += self._data(event)
            if frames and isinstance(frames[-1], Broken):
                self._broken = True
                return frames
        frames += self._written()
        if reason := self._problem():
            self._broken = True
            frames.append(Broken(reason))
        return frames

    def write(self, message: bytes) -> bytes:
        """Return a message as it goes into the stream; nothing before the handshake is through."""
        if self._protocol.state is not State.OPEN:
            return b""
        # RFC 7118 §5: a SIP message that is no UTF-8 text goes in a binary frame
        try:
            message.decode()
        except UnicodeDecodeError:
            self._protocol.send_binary(message)
        else:
            self._protocol.send_text(message)
        return b"".join(self._protocol.data_to_send())

    def _shake_hands(self, request: Request) -> list[Frame]:
        if self._protocol.eof_sent:
            # What follows the request is no frame: the library has said good-bye, and fails on
            # saying it again where it refuses the request as well.
            return [Broken("WebSocket handshake: no frame behind it")]
        try:
            self._protocol.send_response(self._protocol.accept(request))
        except UnicodeEncodeError:
            # The library (15.0) quotes a header that it refuses, and cannot write what is no text.
            return [Broken("WebSocket handshake: not text")]
        return []

    def _data(self, frame: WebSocketFrame) -> list[Frame]:
        self._parts += frame.data
        if len(self._parts) > LARGEST_HEAD + LARGEST_BODY:
            self._protocol.fail(_TOO_BIG)
            return []
        if not frame.fin:
            return []
        message = bytes(self._parts)
        self._parts.clear()
        return [Message(message)] if message else []

    def _written(self) -> list[Frame]:
        """Return what the protocol itself wants to say: the handshake, pongs, the closing."""
        said = b"".join(self._protocol.data_to_send())
        return [Answer(said)] if said else []

    def _problem(self) -> str | None:
        """Return why the connection is to be closed, None while it is not."""
        refused = self._protocol.handshake_exc
        if refused is not None:
            kind = "handshake" if isinstance(refused, InvalidHandshake) else "no HTTP"
            return f"WebSocket {kind}: {type(refused).__name__}"
        if self._protocol.state in {State.CLOSING, State.CLOSED}:
            return "WebSocket closed"
        return None
