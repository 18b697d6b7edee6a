"""A worker's decoders, lent to streams for one utterance each.

A decoder composes its graph as it hears, and keeps what it has composed: one that has heard others'
speech needs about an eighth less time than a new one, which also takes 5 ms to make. So a stream
that says nothing has no decoder, and the one given back last, whose data may still be in the
processor's cache, is lent first. Nothing of a speaker is left in a decoder that is lent: Vosk
begins anew after a final that was asked for (``VoskDecoder.clean``). After one that it made itself
it goes on with what it knows of the voice, and its stream keeps it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from asr.ports import BYTES_PER_SECOND, RecognizerError, Result
from asr.vosk_decoder import VoskDecoder

_KEPT = 32
"""Decoders that wait for somebody to speak, at most: some 10 MB each."""


@dataclass(slots=True)
class _Stream:
    """An open stream: the decoder it has in the midst of an utterance, the seconds it pushed."""

    decoder: VoskDecoder | None = None
    heard: float = 0.0


class Decoders:
    """Lends decoders; for several threads, each stream used by one at a time.

    Args:
        make: makes a decoder. Raises RecognizerError.
        recycle: seconds of audio after which a decoder is not lent again.
    """

    def __init__(self, make: Callable[[], VoskDecoder], *, recycle: float) -> None:
        self._make = make
        self._recycle = recycle
        self._idle: list[VoskDecoder] = []
        self._streams: dict[int, _Stream] = {}

    @property
    def idle(self) -> int:
        """How many wait to be lent."""
        return len(self._idle)

    def open(self, stream: int) -> None:
        """Begin a stream, whose clock shows 0."""
        self._streams[stream] = _Stream()

    def close(self, stream: int) -> None:
        """Forget a stream, and the decoder that it has if it is in the midst of an utterance."""
        self._streams.pop(stream, None)

    def push(self, stream: int, pcm: bytes, *, partials: bool) -> Result | None:
        """Hear 8 kHz s16le audio; return what is new. Raises RecognizerError."""
        borrower = self._find(stream)
        if borrower.decoder is None:
            borrower.decoder = self._lend()
            borrower.decoder.begin(borrower.heard)
        borrower.heard += len(pcm) / BYTES_PER_SECOND
        return borrower.decoder.push(pcm, partials=partials)

    def flush(self, stream: int) -> Result | None:
        """Return what was heard and not final yet. Raises RecognizerError."""
        borrower = self._find(stream)
        decoder = borrower.decoder
        if decoder is None:
            return None
        result = decoder.flush()
        if decoder.heard > self._recycle:
            borrower.decoder = None
        elif decoder.clean:
            borrower.decoder = None
            if len(self._idle) < _KEPT:
                self._idle.append(decoder)
        return result

    def _find(self, stream: int) -> _Stream:
        try:
            return self._streams[stream]
        except KeyError:
            raise RecognizerError("the stream is not open") from None

    def _lend(self) -> VoskDecoder:
        try:
            return self._idle.pop()
        except IndexError:  # also where another thread was faster
            return self._make()
