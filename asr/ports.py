"""What the rest of the recogniser expects of an engine, and what an engine delivers.

An engine is behind two ports: ``Recognizer`` (one per process, holds the model) and
``RecognitionStream`` (one per leg). Modelled on livekit/agents' ``stt`` package; the behaviour
that every adapter must show is tests/contracts/test_recognizer.py.

Times of results are seconds. An engine counts them from the first sample pushed; the transcriber
(asr/transcriber.py) moves them to the call's time line before anybody else sees them.

Exceptions of this package:

* ``RecognizerError``: recognition is not possible
    * ``asr.model.ModelError``: the model is missing, broken, or could not be fetched
    * ``StreamClosedError``: our mistake: the stream was used after ``aclose()``
* ``asr.control.ControlError``: the other end of the control socket sent what is not the protocol
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

SAMPLE_RATE = 8000
"""Samples per second of every PCM that crosses these ports: telephone sound, s16le, mono."""

BYTES_PER_SECOND = 2 * SAMPLE_RATE


class RecognizerError(Exception):
    """Recognition is not possible; the message says why, in words for an operator."""


class StreamClosedError(RecognizerError):
    """``push`` or ``flush`` was called after ``aclose``."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a final result; ``start`` and ``end`` in seconds, ``confidence`` 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Partial:
    """What is being said right now; the stream's next result replaces it."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Final:
    """One utterance, as it will stay. ``confidence`` is None where the engine gives none."""

    text: str
    start: float
    end: float
    words: tuple[Word, ...] = ()
    confidence: float | None = None


Result = Partial | Final


@dataclass(frozen=True, slots=True)
class Gap:
    """Speech that was not recognised when it was said, on the call's time line.

    ``reason``: ``load`` (there was more to hear than the machine could), ``engine`` (the engine
    failed) or ``away`` (there was none).
    """

    start: float
    end: float
    reason: str


Heard = Result | Gap
"""What a leg's recognition amounts to."""


class RecognitionStream(Protocol):
    """One speaker's audio, in order.

    Attributes:
        partials: whether partial results are wanted; set to False to save work when audio has
            piled up. Finals come in any case.
    """

    partials: bool

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait until the engine has time for this stream: within it the others don't come before.

        Audio that is taken after the wait has no further one: what comes meanwhile goes with it,
        and what is given up meanwhile costs the engine nothing. Push and flush may be called
        without.

        Raises:
            RecognizerError: the engine is away.
        """

    async def push(self, pcm: bytes) -> None:
        """Take 8 kHz s16le mono audio of any length; return when the engine has heard it.

        Awaiting the engine is the back-pressure: whoever pushes keeps the backlog and its limits.

        Raises:
            ValueError: half a sample was given.
            StreamClosedError: after ``aclose``.
        """

    async def flush(self) -> None:
        """Make a ``Final`` of what was heard and not yet final; audio may follow.

        Raises:
            StreamClosedError: after ``aclose``.
        """

    def events(self) -> AsyncIterator[Result]:
        """Iterate over the results in order; ends after ``aclose``. One consumer."""

    async def aclose(self) -> None:
        """Free the engine's memory and end ``events``; does not flush. Idempotent."""


class Recognizer(Protocol):
    """An engine with its model loaded."""

    async def open(self) -> RecognitionStream:
        """Begin a stream. Raises RecognizerError when the engine cannot."""

    async def aclose(self) -> None:
        """Free the model and the engine's threads; streams must be closed before."""
