"""The inside of a worker process: decoders, fed through one socket by as many threads as wanted.

The pool has at most one request of a stream under way, so requests of one stream never meet, and
whichever thread is free takes the next message: first come, first served among the streams.
"""

import os
import socket
import struct
import threading

from asr.pool import frames
from asr.pool.decoders import Decoders
from asr.ports import RecognizerError
from asr.vosk_decoder import VoskModel


def serve(model: VoskModel, channel: socket.socket, *, threads: int, recycle: float) -> None:
    """Serve until the other end is closed; ``recycle`` as in ``Decoders``."""
    decoders = Decoders(model.new_decoder, recycle=recycle)
    others = [
        threading.Thread(target=_serve, args=(channel, decoders), daemon=True)
        for _ in range(threads - 1)
    ]
    for thread in others:
        thread.start()
    _serve(channel, decoders)


def _serve(channel: socket.socket, decoders: Decoders) -> None:
    buffer = memoryview(bytearray(frames.LONGEST))
    while message := _receive(channel, buffer):
        try:
            operation, stream, body = frames.unpack(message)
        except struct.error:
            continue
        try:
            answer = _obey(decoders, operation, stream, body)
        except RecognizerError as error:
            decoders.close(stream)
            answer = frames.pack(frames.FAILED, stream, str(error).encode())
        if answer and not _send(channel, answer):
            return


def _obey(decoders: Decoders, operation: bytes, stream: int, body: bytes) -> bytes:
    """Do what the message says; return the answer, empty where there is none."""
    match operation:
        case frames.OPEN:
            decoders.open(stream)
            return b""
        case frames.CLOSE:
            decoders.close(stream)
            return b""
        case frames.FLUSH:
            result = decoders.flush(stream)
        case _:
            result = decoders.push(stream, body, partials=operation == frames.PUSH)
    return frames.pack_result(stream, result)


def _receive(channel: socket.socket, buffer: memoryview) -> bytes:
    try:
        return bytes(buffer[: channel.recv_into(buffer)])
    except OSError:
        return b""


def _send(channel: socket.socket, message: bytes) -> bool:
    try:
        channel.send(message)
    except OSError:
        return False
    return True


def leave() -> None:
    """End the process without Python's and Kaldi's tidying: decoders may be at work in threads."""
    os._exit(0)
