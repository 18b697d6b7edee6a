"""One leg on its way from audio to results: voice gate, backlog, engine, the call's clock.

Nobody who brings audio ever waits: what the engine has not come to yet waits here, up to
``backlog`` seconds, and is taken only when it is the stream's turn: all that has come until then in
one piece, and nothing of a stream that was given up meanwhile. What goes unheard, because the load
is shed or the engine fails, is not lost silently: it is told as a ``Gap``, from the beginning of
the utterance that was interrupted to the end of the last one that was dropped, so that it can be
recognised afterwards. Hearing is resumed between utterances only, never in the midst of a word.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from asr.ports import (
    BYTES_PER_SECOND,
    Final,
    Gap,
    Heard,
    Partial,
    RecognitionStream,
    Recognizer,
    RecognizerError,
)
from asr.rtp_source import Audio
from asr.vad import Pause, TimeLine, VoiceGate, VoiceTimes

log = structlog.get_logger(__name__)

_CHUNK = BYTES_PER_SECOND // 10
_LONGEST = 0.8
"""Seconds that an engine is given at once that have piled up: it costs less than one by one."""

_UNCHECKED = 0.1
"""Seconds after a final that may hold words of which no partial result has told yet."""

_JOIN = 0.005
_PARTIALS_UNTIL = 1.0
_LONGEST_BACK_OFF = 30.0


@dataclass(frozen=True, slots=True)
class Listening:
    """How legs are listened to.

    Attributes:
        voice: the gate that keeps silence away; None: the engine hears everything, and itself finds
            where utterances end.
        backlog: most seconds of a stream's audio that wait for the engine.
    """

    voice: VoiceTimes | None = field(default_factory=VoiceTimes)
    backlog: float = 8.0


class Transcriber:
    """Feeds an engine and passes on what it hears.

    Args:
        name: the stream's, for the log.
        recognizer: the engine.
        on_heard: called with each result and gap, its times on the audio's clock.

    Attributes:
        partials: whether partial results are wanted.
        shed_partials: how many times partials were given up to catch up.
        shed_seconds: seconds of voice that went unheard.
        came: seconds of voice that the engine was to hear, in all.
        heard: seconds of voice that it has heard.
        trouble: why the engine failed last, None after its next success.
    """

    def __init__(
        self,
        name: str,
        recognizer: Recognizer,
        *,
        on_heard: Callable[[Heard], None],
        listening: Listening,
    ) -> None:
        self.partials = True
        self.shed_partials = 0
        self.shed_seconds = 0.0
        self.came = 0.0
        self.heard = 0.0
        self.trouble: str | None = None
        self._name = name
        self._recognizer = recognizer
        self._on_heard = on_heard
        self._limit = listening.backlog
        self._gate = VoiceGate(listening.voice) if listening.voice is not None else None
        self._loop = asyncio.get_running_loop()
        # Audio of at most 100 ms, and pauses, each with the loop's time at which it was complete;
        # the last piece grows until it is as long as that.
        self._queue: deque[tuple[Audio | Pause, float]] = deque()
        self._piece: list[bytes] = []
        self._piece_at = 0.0
        self._piece_bytes = 0
        self._waiting = 0.0
        self._at_work: float | None = None  # since when there has been what the engine hears now
        self._wake = asyncio.Event()
        self._finishing = False
        self._shed = False
        self._dropping: str | None = None
        self._gap: tuple[float, float] | None = None
        self._final_until = float("-inf")
        self._between = True
        self._failures = 0
        self._retry_at = 0.0
        self._abandon = False
        self._engine: RecognitionStream | None = None
        self._listener: asyncio.Task[None] | None = None
        self._line = TimeLine()
        # The call's time from which on what the engine was given is not final.
        self._open_from: float | None = None
        self._partial_pending = False
        self._final_since_pause = False
        self._since_final = 0.0
        self._feeder = asyncio.create_task(self._feed(), name=f"audio-{name}")

    # -- audio in ----------------------------------------------------------------------------------

    @property
    def lag(self) -> float:
        """The age of the oldest sound that was not heard, in seconds."""
        if self._at_work is not None:
            return self._loop.time() - self._at_work
        return self._loop.time() - self._queue[0][1] if self._queue else 0.0

    @property
    def waiting(self) -> float:
        """Seconds of audio that wait for the engine."""
        return self._waiting

    def put(self, audio: Audio) -> None:
        """Take the next audio; returns at once."""
        for effect in self._gate.handle(audio) if self._gate is not None else (audio,):
            self._take(effect)

    def shed(self, *, wanted: bool) -> None:
        """Stop listening, or listen again from the next utterance on."""
        self._shed = wanted
        if wanted:
            self._drop("load")

    async def finish(self) -> None:
        """Return when everything put in has been heard and passed on."""
        for effect in self._gate.drain() if self._gate is not None else ():
            self._take(effect)
        self._end_piece()
        self._end_gap()
        self._finishing = True
        self._wake.set()
        await self._feeder

    async def give_up(self) -> None:
        """Stop at once; what was not heard to its end is told as a gap."""
        self._end_piece()
        for item, _ in self._queue:
            if isinstance(item, Audio):
                self._miss(item.at, item.at + item.seconds)
        if self._open_from is not None:
            self._miss(self._open_from, max(self._open_from, self._line.now))
        self._dropping = self._dropping or "load"
        await self.abort()
        self._end_gap()

    async def abort(self) -> None:
        """Stop at once."""
        self._feeder.cancel()
        await asyncio.gather(self._feeder, return_exceptions=True)
        await self._close_engine()

    def _take(self, effect: Audio | Pause) -> None:
        if isinstance(effect, Pause):
            self._between = True
            if self._dropping is not None:
                self._end_gap()
            else:
                self._end_piece()
                self._queue.append((effect, self._loop.time()))
                self._wake.set()
            return
        if self._dropping is not None and not self._resume():
            self._between = False
            self._miss(effect.at, effect.at + effect.seconds)
            return
        self._between = False
        self._grow_piece(effect)
        if self._waiting > self._limit:
            log.warning("recognition cannot keep up, speech goes unheard", stream=self._name)
            self._drop("load")

    def _grow_piece(self, audio: Audio) -> None:
        end = self._piece_at + self._piece_bytes / BYTES_PER_SECOND
        if self._piece and abs(end - audio.at) > _JOIN:
            self._end_piece()
        if not self._piece:
            self._piece_at = audio.at
        self._piece.append(audio.pcm)
        self._piece_bytes += len(audio.pcm)
        if self._piece_bytes >= _CHUNK:
            self._end_piece()

    def _end_piece(self) -> None:
        if self._piece:
            piece = Audio(self._piece_at, b"".join(self._piece))
            self._piece.clear()
            self._piece_bytes = 0
            self._queue.append((piece, self._loop.time()))
            self._waiting += piece.seconds
            self.came += piece.seconds
            self._wake.set()

    # -- what goes unheard -------------------------------------------------------------------------

    def _drop(self, reason: str) -> None:
        """Give up the utterances under way, and those to come until ``_resume``."""
        if self._dropping is not None:
            return
        self._dropping = reason
        self._end_piece()
        waits = any(isinstance(item, Audio) for item, _ in self._queue)
        under_way = self._open_from is not None and not self._between
        if waits or under_way:  # or else all was heard, or will be once its pause is come to
            self._discard(self._open_from)

    def _discard(self, start: float | None) -> None:
        """Forget what waits, and what the engine has made of the utterance since ``start``."""
        for item, _ in self._queue:
            if isinstance(item, Audio):
                self._miss(item.at, item.at + item.seconds)
        if start is not None:
            self._miss(start, max(start, self._line.now))
        self._queue.clear()
        self._waiting = 0.0
        self._abandon = True
        self._wake.set()

    def _miss(self, start: float, end: float) -> None:
        begin, until = self._gap or (start, start)
        self.shed_seconds += end - start
        self._gap = (min(begin, start), max(until, end))

    def _end_gap(self) -> None:
        if self._gap is not None:
            (start, end), self._gap = self._gap, None
            start = max(start, self._final_until)
            if end > start:
                self._on_heard(Gap(round(start, 3), round(end, 3), self._dropping or "load"))

    def _resume(self) -> bool:
        """Listen again if that is wanted, and no utterance is under way."""
        if self._shed or self._loop.time() < self._retry_at:
            return False
        if self._gate is not None and not self._between:
            return False
        self._end_gap()
        self._dropping = None
        return True

    def _fail(self, error: RecognizerError) -> None:
        log.warning("not_recognised", stream=self._name, error=str(error))
        self.trouble = str(error)
        self._failures += 1
        self._retry_at = self._loop.time() + min(2.0**self._failures / 2, _LONGEST_BACK_OFF)
        self._dropping = self._dropping or "engine"
        self._end_piece()
        self._discard(self._open_from)
        if self._between:
            self._end_gap()

    # -- to the engine -----------------------------------------------------------------------------

    async def _feed(self) -> None:
        while True:
            if self._abandon:
                self._abandon = False
                await self._close_engine()
            if not self._queue:
                if self._finishing:
                    break
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                await self._hear_next()
            except RecognizerError as error:
                self._fail(error)
            self._at_work = None
        await self._flush_last()
        await self._close_engine()
        self._end_gap()

    async def _hear_next(self) -> None:
        """Give the engine what has piled up when it comes to this stream, and the end behind it."""
        if self._engine is None and self._at_pause():
            self._queue.popleft()
            self._end_utterance()
            return
        engine = self._engine or await self._open_engine()
        async with engine.turn():
            if self._abandon or not self._queue:
                return  # given up while it waited
            if not self._at_pause():
                audio, self._at_work = self._next()
                await self._push(engine, audio)
            if self._at_pause():
                _, self._at_work = self._queue.popleft()
                await self._pause(engine)

    def _at_pause(self) -> bool:
        return bool(self._queue) and isinstance(self._queue[0][0], Pause)

    def _next(self) -> tuple[Audio, float]:
        """Take the audio that has piled up, as one piece, and since when there has been some."""
        pieces: list[Audio] = []
        since = self._queue[0][1]
        while self._queue:
            item, _ = self._queue[0]
            if isinstance(item, Pause) or (pieces and not _in_one(pieces, item)):
                break
            pieces.append(item)
            self._queue.popleft()
        return Audio(pieces[0].at, b"".join(piece.pcm for piece in pieces)), since

    async def _open_engine(self) -> RecognitionStream:
        engine = self._engine = await self._recognizer.open()
        self._line = TimeLine()
        self._listener = asyncio.create_task(
            self._listen(engine, self._line), name=f"results-{self._name}"
        )
        return engine

    async def _push(self, engine: RecognitionStream, audio: Audio) -> None:
        self._waiting = max(0.0, self._waiting - audio.seconds)
        if self._open_from is None:
            self._open_from = audio.at
        wanted = self.partials and self._waiting < _PARTIALS_UNTIL
        if engine.partials and not wanted:
            self.shed_partials += 1
        engine.partials = wanted
        self._line.append(audio)
        self._since_final += audio.seconds
        await engine.push(audio.pcm)
        self.heard += audio.seconds
        self._failures, self.trouble = 0, None

    async def _pause(self, engine: RecognitionStream) -> None:
        # Flushing costs the engine what it has learnt of the speaker's voice, so not without need.
        needed = (
            self._partial_pending or not self._final_since_pause or self._since_final > _UNCHECKED
        )
        if needed or not engine.partials:
            await engine.flush()
        self._end_utterance()

    def _end_utterance(self) -> None:
        self._final_since_pause = False
        self._open_from = None

    async def _flush_last(self) -> None:
        if self._engine is not None and self._open_from is not None:
            try:
                await self._engine.flush()
            except RecognizerError as error:
                self._fail(error)

    async def _close_engine(self) -> None:
        """End the engine's stream, after what it has said has been passed on."""
        engine, self._engine = self._engine, None
        listener, self._listener = self._listener, None
        if engine is not None:
            await engine.aclose()
        if listener is not None:
            await listener
        self._open_from = None
        self._partial_pending = self._final_since_pause = False

    # -- results -----------------------------------------------------------------------------------

    async def _listen(self, engine: RecognitionStream, line: TimeLine) -> None:
        async for event in engine.events():
            self._partial_pending = isinstance(event, Partial)
            placed = line.place(event)
            self._on_heard(placed)
            if isinstance(event, Final):
                self._final_since_pause = True
                self._since_final = 0.0
                line.forget(event.end)
                self._final_until = placed.end
                if self._open_from is not None:
                    self._open_from = max(self._open_from, placed.end)


def _in_one(pieces: Sequence[Audio], item: Audio) -> bool:
    """Tell whether the engine may be given this with those before it."""
    end = pieces[-1].at + pieces[-1].seconds
    return abs(item.at - end) <= _JOIN and item.at + item.seconds - pieces[0].at <= _LONGEST + _JOIN
