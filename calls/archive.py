"""Finished calls: their records, words and recordings, and what may be taken out of them."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import structlog

from calls.after_call import AfterCall
from calls.errors import UnknownCall
from calls.gaps import GapStore
from calls.recorded_parts import Part, later_parts, parts_of, path_of
from calls.recording_files import PLAIN, RecordingFiles
from calls.records import CallRecords
from calls.redacted_notes import redact_notes
from calls.redaction import (
    BLACKENED,
    OverBefore,
    Redacted,
    RedactionError,
    Span,
    checksum,
    taken_out,
)
from tickets import blackening
from tickets.store import TicketStore

log = structlog.get_logger(__name__)


class CallArchive:
    """What is left of calls.

    Args:
        is_live: whether a call is still going on.
        after_call: ratings and dispositions.
        files: how recordings lie on the disk.
    """

    def __init__(
        self,
        *,
        records: CallRecords,
        gaps: GapStore,
        tickets: TicketStore,
        is_live: Callable[[str], bool],
        after_call: AfterCall | None = None,
        files: RecordingFiles = PLAIN,
    ) -> None:
        self._files = files
        self._records = records
        self._gaps = gaps
        self._tickets = tickets
        self._is_live = is_live
        self.after_call = after_call

    async def withheld_number(self, call_id: str) -> str | None:
        """Return the number of a caller who withholds it; who may ask is the asker's matter."""
        return await self._records.withheld_number(call_id)

    async def redact(self, call_id: str, span: Span) -> Redacted:
        """Silence a span of a call's recording, in whichever parts, and blacken its words.

        Returns the seconds of it that were recorded, none where there are words of it alone, and
        which parts could not be reached.

        Raises:
            UnknownCall: there is no finished call of this id with a recording.
            calls.redaction.RedactionError: nothing was recorded or written down in the span, or
                what may have been lies on another node's disk alone.
            OSError: the recording cannot be rewritten.
            TimeoutError: the database takes no transcript just now.
        """
        row = await self._records.get(call_id)
        if row is None or not row["recording"] or self._is_live(call_id):
            raise UnknownCall(call_id)
        on_disk = await asyncio.to_thread(later_parts, Path(row["recording"]))
        seconds, unreached = await self._silence(call_id, parts_of(row, on_disk=on_disk), span)
        elsewhere = row["node"] != self._records.node
        redacted = Redacted(seconds, tuple(unreached) if elsewhere else (), row["node"])
        said = [
            one
            for one in await self._records.transcript(call_id)
            if span.touches(one["start"], one["end"], one["leg"])
        ]
        if not seconds and not said:
            nothing = f"nothing is recorded from {span.start:g} to {span.end:g} s"
            raise RedactionError(redacted.fault or nothing)
        spoken = [text for one in said for text in (one["text"], one["spoken"] or "")]
        words = [text for text in spoken if text != BLACKENED]
        # The ticket first: who is interrupted here and does it again still knows the words.
        async with self._tickets.begin() as connection:
            taken = taken_out(span, words)
            await blackening.redact(connection, call_id, taken)
            await redact_notes(connection, call_id, taken.text)
        for one in said:
            self._records.rewrite(call_id, one["seq"], text=BLACKENED, spoken=BLACKENED)
        await self._records.written()
        return redacted

    async def _silence(
        self, call_id: str, parts: Sequence[Part], span: Span
    ) -> tuple[float, list[int]]:
        """Silence a span in all parts that it lies in.

        Returns the seconds, which may be none, and the incomplete parts that are not here.
        """
        seconds = 0.0
        touched = [(part, within) for part in parts if (within := part.within(span)) is not None]
        there, unreached = [], []
        for part, within in touched:
            if await asyncio.to_thread(part.path.is_file):
                there.append((part, within))
            elif part.complete:
                raise UnknownCall(call_id)
            else:
                unreached.append(part.number)
        for part, within in there:
            try:
                seconds += await asyncio.to_thread(self._files.silence, part.path, within)
            except OverBefore:  # it ended early; of what was said then there are words at most
                continue
            digest = await asyncio.to_thread(checksum, part.path)
            self._records.rerecorded(call_id, part.number, sha256=digest)
        return seconds, unreached

    async def call(self, call_id: str) -> dict[str, Any] | None:
        """Return a call's record with its segments, or None."""
        row = await self._records.get(call_id)
        if row is None:
            return None
        after = await self.after_call.of_call(call_id) if self.after_call is not None else {}
        return {**_public(row), "gaps": await self._gaps.of_call(call_id), **after}

    async def calls(
        self, *, agent_id: str | None = None, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Return call records, newest first."""
        rows = await self._records.list_(agent_id=agent_id, limit=limit, offset=offset)
        if self.after_call is None:
            return [_public(row) for row in rows]
        after = await self.after_call.of_calls([row["call_id"] for row in rows])
        return [{**_public(row), **after[row["call_id"]]} for row in rows]

    async def transcript(self, call_id: str) -> list[dict[str, Any]]:
        """Return the utterances of a call: seq, leg, start, end, text, confidence."""
        return await self._records.transcript(call_id)

    async def recording(self, call_id: str, *, part: int = 1) -> Path | None:
        """Return where a call's stereo WAV lies, None when there is none.

        A call that was passed on has a part for each agent who held it.
        """
        row = await self._records.get(call_id)
        if row is None or not row["recording"]:
            return None
        path = path_of(Path(row["recording"]), part)
        return path if await asyncio.to_thread(path.is_file) else None

    def unsealed_octets(self, path: Path) -> int:
        """Return how many octets a sealed recording has as a WAV file. Blocking.

        Raises:
            telephony.media.sealed.SealError: no key of ours opens it.
            OSError: it cannot be read.
        """
        return self._files.wav_octets(path)

    def unsealed(self, path: Path, first: int, last: int) -> Iterator[bytes]:
        """Yield the octets ``first`` to ``last`` of a sealed recording's WAV file. Blocking.

        Raises:
            telephony.media.sealed.SealError: no key of ours opens it, or it was altered.
            OSError: it cannot be read.
        """
        return self._files.wav_between(path, first, last)

    def one_side(self, path: Path, side: Literal["caller", "agent"]) -> tuple[int, Iterator[bytes]]:
        """Return one side of a recording as a mono WAV file: how many octets, and those. Blocking.

        Raises:
            telephony.media.sealed.SealError: no key of ours opens it, or it was altered.
            OSError: it cannot be read.
        """
        return self._files.one_side(path, side)

    async def is_intact(self, call_id: str, *, part: int = 1) -> bool | None:
        """Whether a part of a recording is what was recorded; None where no checksum is known."""
        row = await self._records.get(call_id)
        known = {entry["part"]: str(entry["sha256"]) for entry in row["recordings"]} if row else {}
        path = await self.recording(call_id, part=part)
        if part not in known or path is None:
            return None
        intact = await asyncio.to_thread(checksum, path) == known[part]
        if not intact:
            log.error("recording_altered", call_id=call_id, part=part)
        return intact


def _public(row: Mapping[str, Any]) -> dict[str, Any]:
    """Say whether there is a recording, not where on our disk."""
    parts = [
        {name: value for name, value in part.items() if name not in {"call_id", "path"}}
        for part in row.get("recordings", ())
    ]
    return {**row, "recording": bool(row["recording"]), "recordings": parts}
