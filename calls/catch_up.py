"""Recognises in quiet time, from the recordings, what could not be recognised during the calls.

One gap at a time, the oldest first; the recogniser itself lets those who speak now go before. What
is found goes into the transcript, marked as recognised later. The list of gaps is in SQL and a gap
is filled in one transaction, so a restart goes on where it was, and nothing is filled twice.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from asr.group import RecognizerGroup
from asr.ports import Final, Heard
from calls.gaps import MISSING, RECOGNISED, GapStore, MissedPart
from calls.late_words import LateWords
from calls.recorded_parts import Part
from calls.recording_files import PLAIN, RecordingFiles
from calls.redaction import Span
from eventbus.bus import EventBus
from eventbus.catalogue import TranscriptFinal, TranscriptGap
from eventbus.tasks import end
from telephony.media.sealed import SealError
from tickets.written import Writer

log = structlog.get_logger(__name__)

STREAM = "later."
"""How the names of these streams begin; a call's stream begins with its date."""

_CHANNELS = {"caller": 0, "agent": 1}
_LEAD = 0.4
"""Seconds before the gap that are played as well: the voice detector wants to know the room."""

_ATTEMPTS = 3
_LOOK_EVERY = 2.0
_TO_THE_END = 1e6


class CatchUp:
    """The job.

    Args:
        gaps: what is missing.
        recognizer: who hears it.
        writer: writes down what was recognised.
        bus: is told of it.
        late_words: fills drafts from it; None: they stay as they are.
        is_live: tells whether a call's conversation still holds its ticket.
        clock: Unix seconds.
        look_every: seconds between looks for something to do.
    """

    def __init__(
        self,
        *,
        gaps: GapStore,
        recognizer: RecognizerGroup,
        writer: Writer,
        bus: EventBus,
        late_words: LateWords | None = None,
        is_live: Callable[[str], bool] = lambda _call_id: False,
        files: RecordingFiles = PLAIN,
        clock: Callable[[], float] = time.time,
        look_every: float = _LOOK_EVERY,
    ) -> None:
        self._gaps = gaps
        self._recognizer = recognizer
        self._writer = writer
        self._bus = bus
        self._late_words = late_words
        self._is_live = is_live
        self._files = files
        self._clock = clock
        self._look_every = look_every
        self._stream = ""
        self._heard: list[Final] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; returns at once."""
        self._task = asyncio.create_task(self._run(), name="catch-up")

    async def close(self) -> None:
        """Stop; what is half done is done again next time."""
        if self._task is not None:
            await end(self._task)
            self._task = None

    async def counts(self) -> dict[str, int]:
        """Return how many gaps are still to be filled."""
        return {"gaps": await self._gaps.missing()}

    def on_result(self, stream: str, result: Heard) -> bool:
        """Take a result if it is one of ours, and say whether it was."""
        if not stream.startswith(STREAM):
            return False
        if stream == self._stream and isinstance(result, Final):
            self._heard.append(result)
        return True

    async def _run(self) -> None:
        while True:
            try:
                done = await self._fill_next()
            except (SQLAlchemyError, OSError) as error:
                log.warning("catch_up_waits", error=str(error))
                done = False
            except Exception:  # the outermost boundary of this task
                log.exception("catch_up_failed")
                done = False
            if not done:
                await asyncio.sleep(self._look_every)

    async def _fill_next(self) -> bool:
        """Fill one gap; return False when there is nothing to do, or nothing to do it with."""
        part = await self._gaps.next()
        if part is None or self._recognizer.client(part.recogniser).status != "ok":
            return False
        if self._is_live(part.call_id):
            return False  # the last words are still coming
        files = [file for file in part.recording if _lies_in(part, file) is not None]
        there = [file for file in files if await asyncio.to_thread(file.path.is_file)]
        if not there:
            await self._gaps.give_up(part, "nothing of it was recorded")
            return True
        return await self._fill(part, there)

    async def _fill(self, part: MissedPart, there: Sequence[Part]) -> bool:
        """Recognise a gap from the files it lies in; return False when another must come first."""
        said: list[Final] = []
        before = await _stamps(there)
        for file in there:
            try:
                heard, fault = await self._hear(part, file)
            except SealError as error:
                await self._gaps.give_up(part, str(error))
                return True
            if fault is not None:
                await self._failed(part, fault)
                return False
            said += heard
        if await _stamps(there) != before:
            return True  # a span of them was taken out meanwhile: what is left is heard anew
        # What the lead brought along is in the transcript already.
        said = [final for final in said if (final.start + final.end) / 2 > part.start]
        await self._found(part, said)
        return True

    async def _hear(self, part: MissedPart, file: Part) -> tuple[list[Final], str | None]:
        """Recognise a gap's share of a file; return the words, in the call's time, and a fault."""
        share = _lies_in(part, file)
        if share is None:
            return [], None
        self._stream, self._heard = f"{STREAM}{part.id}.{part.attempts}.{file.number}", []
        with contextlib.ExitStack() as lent:
            wav = await asyncio.to_thread(lent.enter_context, self._files.plain(file.path))
            fault = await self._recognizer.recognise_file(
                self._stream,
                wav,
                channel=_CHANNELS[part.leg],
                start=max(0.0, share.start - _LEAD),
                end=share.end,
                recogniser=part.recogniser,
            )
        return [_later(final, file.begins) for final in self._heard], fault

    async def _failed(self, part: MissedPart, fault: str) -> None:
        log.warning("gap_not_filled", call_id=part.call_id, leg=part.leg, reason=fault)
        if part.attempts + 1 >= _ATTEMPTS:
            await self._gaps.give_up(part, fault)
        elif self._recognizer.client(part.recogniser).status == "ok":
            await self._gaps.postpone(part, fault)

    async def _found(self, part: MissedPart, said: list[Final]) -> None:
        written = []
        for final in said:
            times = tuple((word.text, word.start, word.end) for word in final.words)
            written.append((self._writer.write(final.text, times).text, final))
        filled = await self._gaps.fill(part, written)
        secret = True  # until they are understood: the wish may be among them
        try:
            if filled and self._late_words is not None:
                await self._late_words.take(part.call_id, clock=self._clock)
            secret = await self._gaps.is_secret(part.call_id)
        finally:  # told in any case: they are in the transcript
            for seq, text, final in filled:
                self._bus.publish(
                    TranscriptFinal(
                        at=self._clock(),
                        agent_id=part.agent_id,
                        call_id=part.call_id,
                        leg=part.leg,
                        text=text,
                        spoken=final.text,
                        start=final.start,
                        end=final.end,
                        confidence=final.confidence,
                        seq=seq,
                        later=True,
                        secret=secret,
                    )
                )
            self._bus.publish(gap_event(part, at=self._clock(), state=RECOGNISED))
        log.info("gap_filled", call_id=part.call_id, leg=part.leg, utterances=len(said))


def gap_event(part: MissedPart, *, at: float, state: str = MISSING) -> TranscriptGap:
    """Return what is told of a gap."""
    return TranscriptGap(
        at=at,
        agent_id=part.agent_id,
        call_id=part.call_id,
        leg=part.leg,
        start=part.start,
        end=part.end,
        reason=part.reason,
        state=state,
    )


def _lies_in(part: MissedPart, file: Part) -> Span | None:
    """Return a gap's share of a file, in the file's own time; None: it has none."""
    end = file.begins + (_TO_THE_END if file.seconds is None else file.seconds)
    end = end if part.end is None else min(part.end, end)
    return file.within(Span(part.start, end)) if part.start < end else None


async def _stamps(files: Sequence[Part]) -> list[tuple[int, int]]:
    return [await asyncio.to_thread(_stamp, file.path) for file in files]


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes when another file takes this one's place."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def _later(final: Final, seconds: float) -> Final:
    """Return an utterance, with its words, so much later."""
    words = tuple(
        replace(word, start=word.start + seconds, end=word.end + seconds) for word in final.words
    )
    return replace(final, start=final.start + seconds, end=final.end + seconds, words=words)
