"""SIP messages in a stream of bytes (RFC 3261 §7.5, §18.3; RFC 5626 §4.4.1). Pure.

However the stream is cut into chunks, the frames are the same.
"""

import re
from dataclasses import dataclass

LARGEST_HEAD = 16_384
LARGEST_BODY = 65_536

_PING = b"\r\n\r\n"
_PONG = b"\r\n"
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_START_LINE = re.compile(rb"SIP/[0-9.]+ +[0-9]{3}( .*)?|[!-~]+ +.* +SIP/[0-9.]+", re.IGNORECASE)
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_LENGTH = re.compile(
    rb"^(?:content-length|l)[ \t]*:[ \t]*(.*?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)
_NUMBER = re.compile(rb"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Message:
    """One whole SIP message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the connection itself wants written back: the answer to a keep-alive."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """Nothing more can be read here: the connection is to be closed. Always the last frame."""

    reason: str


Frame = Message | Answer | Broken


class SipStream:
    """Cuts a stream into messages.

    RFC 3261 §18.3: over a stream, "the Content-Length header field indicates the size of the body …
    The Content-Length header field MUST be used with stream oriented transports." So a message
    without one, or with two that differ, leaves no way to find the next, and ends the stream.

    Args:
        largest_head: the most bytes of start-line and headers.
        largest_body: the most bytes of a body.
    """

    def __init__(
        self, *, largest_head: int = LARGEST_HEAD, largest_body: int = LARGEST_BODY
    ) -> None:
        self._largest_head = largest_head
        self._largest_body = largest_body
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer in which no head ends
        self._whole = 0  # length of the message at the front, once its head is there
        self._broken = False

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun to come, and not ended; line ends between two are none."""
        return self._searched > 0 or self._whole > 0

    @property
    def waiting(self) -> int:
        """How many bytes of an unfinished message are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes as they come; return what they complete."""
        frames: list[Frame] = []
        if self._broken:
            return frames
        self._buffer += data
        while (frame := self._next()) is not None:
            frames.append(frame)
            if isinstance(frame, Broken):
                self._broken = True
                self._buffer.clear()
                break
        return frames

    def write(self, message: bytes) -> bytes:
        """Return a message as it goes into the stream; ours have their Content-Length."""
        return message

    def _next(self) -> Frame | None:
        """Take one frame from the front of the buffer; None while it is incomplete."""
        if not self._whole:
            frame = self._between() if self._searched == 0 else None
            if frame is not None or not self._buffer:
                return frame
            if self._may_be_ping():
                return None
            problem = self._read_head()
            if problem is not None:
                return Broken(problem)
        if not self._whole or len(self._buffer) < self._whole:
            return None
        message = bytes(self._buffer[: self._whole])
        del self._buffer[: self._whole]
        self._whole = self._searched = 0
        return Message(message)

    def _between(self) -> Frame | None:
        """Take the line ends between messages.

        RFC 5626 §4.4.1: a double CRLF is a "ping", to be answered by a single CRLF. RFC 3261 §7.5:
        any other CRLF before the start-line is ignored.
        """
        buffer = self._buffer
        while buffer and buffer[0] in b"\r\n":
            if buffer.startswith(_PING):
                del buffer[: len(_PING)]
                return Answer(_PONG)
            if self._may_be_ping():
                break
            del buffer[0]
        return None

    def _may_be_ping(self) -> bool:
        """Tell whether all there is could become a keep-alive when more comes."""
        return _PING.startswith(bytes(self._buffer[: len(_PING) + 1]))

    def _read_head(self) -> str | None:
        """Find the end of the head and the length of the body; return what is wrong."""
        found = _HEAD_END.search(self._buffer, max(0, self._searched - 3), self._largest_head)
        head = bytes(self._buffer[: found.end() if found else self._largest_head])
        first, line_end, _ = head.partition(b"\n")
        if _NOT_TEXT.search(first) or (line_end and not _START_LINE.fullmatch(first.rstrip(b"\r"))):
            return "not SIP"
        if found is None:
            self._searched = len(self._buffer)
            return "head too long" if len(self._buffer) >= self._largest_head else None
        lengths = set(_LENGTH.findall(_FOLD.sub(b" ", head)))
        if len(lengths) != 1:
            return "no Content-Length, or several"
        length = lengths.pop()
        if not _NUMBER.fullmatch(length):
            return "unreadable Content-Length"
        if int(length) > self._largest_body:
            return "body too long"
        self._whole = found.end() + int(length)
        return None
