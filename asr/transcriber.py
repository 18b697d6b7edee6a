"""One leg on its way from audio to results: backlog, voice gate, engine, the call's clock.

The lag budget: audio that the engine has not come to yet waits here. From ``PARTIALS_UNTIL``
seconds of it on, partials are not computed; beyond ``backlog`` seconds the oldest goes unheard.
Both are counted. Nobody who brings audio ever waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import structlog

from asr.ports import Final, Partial, RecognitionStream, RecognizerError, Result
from asr.rtp_source import Audio
from asr.vad import Pause, TimeLine, VoiceGate

log = structlog.get_logger(__name__)

PARTIALS_UNTIL = 1.0
BACKLOG = 8.0


class Transcriber:
    """Feeds one engine stream and passes on what it hears.

    Args:
        name: the stream's, for the log.
        stream: the engine's; closed by ``finish`` or ``abort``.
        on_result: called with each result, its times on the audio's clock.
        backlog: most seconds of audio that wait for the engine.

    Attributes:
        shed_partials: how many times partials were given up to catch up.
        shed_seconds: seconds of audio that went unheard.
    """

    def __init__(
        self,
        name: str,
        stream: RecognitionStream,
        *,
        on_result: Callable[[Result], None],
        backlog: float = BACKLOG,
    ) -> None:
        self.shed_partials = 0
        self.shed_seconds = 0.0
        self._name = name
        self._stream = stream
        self._on_result = on_result
        self._limit = backlog
        self._backlog: deque[Audio] = deque()
        self._waiting = 0.0
        self._wake = asyncio.Event()
        self._finishing = False
        self._gate = VoiceGate()
        self._line = TimeLine()
        self._partial_pending = False
        self._final_since_pause = False
        self._listener = asyncio.create_task(self._listen(), name=f"results-{name}")
        self._feeder = asyncio.create_task(self._feed(), name=f"audio-{name}")

    def put(self, audio: Audio) -> None:
        """Take the next audio; returns at once."""
        if self._feeder.done():
            return
        self._backlog.append(audio)
        self._waiting += audio.seconds
        while self._waiting > self._limit:
            if not self.shed_seconds:
                log.warning("recognition cannot keep up, audio goes unheard", stream=self._name)
            oldest = self._backlog.popleft()
            self._waiting -= oldest.seconds
            self.shed_seconds += oldest.seconds
        self._wake.set()

    async def finish(self) -> None:
        """Return when everything put in has been heard and passed on."""
        self._finishing = True
        self._wake.set()
        await asyncio.gather(self._feeder, self._listener)

    async def abort(self) -> None:
        """Stop at once."""
        for task in (self._feeder, self._listener):
            task.cancel()
        await asyncio.gather(self._feeder, self._listener, return_exceptions=True)
        await self._stream.aclose()

    async def _feed(self) -> None:
        try:
            while self._backlog or not self._finishing:
                if not self._backlog:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                audio = self._backlog.popleft()
                self._waiting -= audio.seconds
                for effect in self._gate.handle(audio):
                    await self._perform(effect)
                # An engine that never suspends must not keep the loop from its sockets.
                await asyncio.sleep(0)
            for effect in self._gate.drain():
                await self._perform(effect)
            await self._stream.flush()
        except RecognizerError as error:
            log.warning("stream is no longer recognised", stream=self._name, error=str(error))
        await self._stream.aclose()

    async def _perform(self, effect: Audio | Pause) -> None:
        if isinstance(effect, Audio):
            self._shed_partials(wanted=self._waiting < PARTIALS_UNTIL)
            self._line.append(effect)
            await self._stream.push(effect.pcm)
            return
        # Flushing costs the engine what it has learnt of the speaker's voice, so not without need.
        if self._partial_pending or not self._final_since_pause or not self._stream.partials:
            await self._stream.flush()
        self._final_since_pause = False

    def _shed_partials(self, *, wanted: bool) -> None:
        if self._stream.partials and not wanted:
            self.shed_partials += 1
        self._stream.partials = wanted

    async def _listen(self) -> None:
        async for event in self._stream.events():
            self._partial_pending = isinstance(event, Partial)
            self._on_result(self._place(event))
            if isinstance(event, Final):
                self._final_since_pause = True
                self._line.forget(event.end)

    def _place(self, event: Result) -> Result:
        start, end = self._line.start, self._line.end
        if isinstance(event, Partial):
            return replace(event, start=round(start(event.start), 3), end=round(end(event.end), 3))
        words = tuple(
            replace(word, start=round(start(word.start), 3), end=round(end(word.end), 3))
            for word in event.words
        )
        return replace(
            event,
            start=round(start(event.start), 3),
            end=round(end(event.end), 3),
            words=words,
        )
