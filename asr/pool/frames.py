"""What the pool and its worker processes say to each other, one datagram each. Pure.

The socket is a Unix SOCK_SEQPACKET pair: it keeps order and message boundaries, so several threads
of a worker can take messages from it. Each is one operation, the stream's number, and a body::

    O stream                     begin a stream
    P stream pcm                 hear this, with partials     → A stream result
    Q stream pcm                 hear this, without           → A stream result
    F stream                     make a final of it           → A stream result
    C stream                     forget the stream
    A stream result              the result as in asr/control.py's events; empty: nothing new
    E stream reason              the stream failed, and is closed
"""

import struct

from asr import control
from asr.control import ControlError, ResultHeard
from asr.ports import Final, Partial, Result

OPEN, PUSH, PUSH_QUIETLY, FLUSH, CLOSE, ANSWER, FAILED = b"O", b"P", b"Q", b"F", b"C", b"A", b"E"

LONGEST = 1 << 17
"""Bytes of the longest message: an utterance of several minutes with all its words."""

_HEAD = struct.Struct("<cI")


def pack(operation: bytes, stream: int, body: bytes = b"") -> bytes:
    """Return the message."""
    return _HEAD.pack(operation, stream) + body


def unpack(message: bytes) -> tuple[bytes, int, bytes]:
    """Return operation, stream and body. Raises struct.error: it is too short."""
    operation, stream = _HEAD.unpack_from(message)
    return operation, stream, message[_HEAD.size :]


def pack_result(stream: int, result: Result | None) -> bytes:
    """Return the answer that carries this result."""
    return pack(ANSWER, stream, control.encode_result("-", result) if result is not None else b"")


def unpack_result(body: bytes) -> Result | None:
    """Read an answer's body. Raises ControlError."""
    if not body:
        return None
    match control.parse_message(body):
        case ResultHeard(result=Partial() | Final() as result):
            return result
        case other:
            raise ControlError(f"not a result: {other}")
