"""What was said and not recognised: from the moment it is missed until it is recognised after all.

A row per gap, written when the gap begins, so that no crash forgets one. ``end`` is empty while it
goes on; after the call that means: to the end of the recording.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    bindparam,
    exists,
    func,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from asr.ports import Final
from calls.recorded_parts import Part, parts_of
from calls.records import RecordWriter, calls, metadata, recordings, utterances
from tickets.store import tickets_table

MISSING, RECOGNISED, FAILED = "missing", "recognised", "failed"

#: One row per stretch of a leg that was not recognised live. Seconds since the answer.
transcript_gaps = Table(
    "transcript_gaps",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("call_id", String(40), nullable=False, index=True),
    Column("node", String(64), nullable=False),
    Column("leg", String(8), nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float),
    Column("reason", String(16), nullable=False),
    Column("recogniser", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("detail", Text),
    Index("ix_transcript_gaps_state", "state", "node"),
)


_INSERT = transcript_gaps.insert()
_END = update(transcript_gaps).where(
    transcript_gaps.c.call_id == bindparam("_call_id"),
    transcript_gaps.c.leg == bindparam("_leg"),
    transcript_gaps.c.end.is_(None),
)


@dataclass(frozen=True, slots=True)
class MissedPart:
    """A gap of a finished call, and the files that its words may be in, to recognise it now."""

    id: int
    call_id: str
    agent_id: str | None
    leg: str
    start: float
    end: float | None
    reason: str
    recogniser: str
    attempts: int
    recording: tuple[Part, ...]


class GapStore:
    """The gaps of this node's calls, whose recordings are on this machine.

    Args:
        engine: the database.
        writer: the queue that a live call writes through.
        node: this node's id.
    """

    def __init__(self, engine: AsyncEngine, writer: RecordWriter, *, node: str) -> None:
        self._engine = engine
        self._writer = writer
        self._node = node

    def add(
        self,
        call_id: str,
        *,
        leg: str,
        start: float,
        end: float | None,
        reason: str,
        recogniser: str,
    ) -> None:
        """Write down a gap; ``end`` None: it goes on."""
        row = {
            "call_id": call_id,
            "node": self._node,
            "leg": leg,
            "start": start,
            "end": end,
            "reason": reason,
            "recogniser": recogniser,
            "state": MISSING,
            "attempts": 0,
        }
        self._writer.put(_INSERT, row, subject=call_id)

    def end(self, call_id: str, *, leg: str, end: float) -> None:
        """Write down that the gap that went on is over."""
        self._writer.put(_END, {"_call_id": call_id, "_leg": leg, "end": end}, subject=call_id)

    async def of_call(self, call_id: str) -> list[dict[str, Any]]:
        """Return a call's gaps in the order in which they began: leg, start, end, reason, state."""
        await self._writer.flush()
        columns = (
            getattr(transcript_gaps.c, n) for n in ("leg", "start", "end", "reason", "state")
        )
        query = select(*columns).where(transcript_gaps.c.call_id == call_id)
        async with self._engine.connect() as connection:
            rows = await connection.execute(query.order_by(transcript_gaps.c.start))
            return [dict(row) for row in rows.mappings()]

    async def note_orphans(self) -> int:
        """Write down what this node's death left unrecognised of the calls it was in.

        To be called before those calls' records are closed. Of each side, what came after its last
        final words; return how many gaps that made.
        """
        orphans = select(calls.c.call_id).where(
            calls.c.node == self._node,
            calls.c.ended_at.is_(None),
            calls.c.recording.is_not(None),
        )
        async with self._engine.begin() as connection:
            found = (await connection.execute(orphans)).scalars().all()
            added = 0
            for call_id in found:
                for leg in ("caller", "agent"):
                    going_on = select(transcript_gaps.c.id).where(
                        transcript_gaps.c.call_id == call_id,
                        transcript_gaps.c.leg == leg,
                        transcript_gaps.c.end.is_(None),
                    )
                    if (await connection.execute(going_on)).first() is not None:
                        continue
                    last = select(func.max(utterances.c.end)).where(
                        utterances.c.call_id == call_id, utterances.c.leg == leg
                    )
                    await connection.execute(
                        transcript_gaps.insert().values(
                            call_id=call_id,
                            node=self._node,
                            leg=leg,
                            start=(await connection.execute(last)).scalar() or 0.0,
                            reason="away",
                            recogniser="",
                            state=MISSING,
                            attempts=0,
                        )
                    )
                    added += 1
        return added

    async def next(self) -> MissedPart | None:
        """Return the oldest gap of a finished call that is still to be recognised."""
        gap = transcript_gaps.c
        query = (
            select(
                *(gap.id, gap.call_id, calls.c.agent_id, gap.leg, gap.start, gap.end, gap.reason),
                *(gap.recogniser, gap.attempts, calls.c.recording),
            )
            .join(calls, calls.c.call_id == gap.call_id)
            .where(gap.node == self._node, gap.state == MISSING, calls.c.ended_at.is_not(None))
            .order_by(gap.attempts, gap.id)
            .limit(1)
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            files = await connection.execute(
                select(recordings).where(recordings.c.call_id == row.call_id)
            )
            parts = parts_of({"recording": row.recording, "recordings": files.mappings().all()})
        return MissedPart(**{**row._asdict(), "recording": tuple(parts)})

    async def missing(self) -> int:
        """Return how many gaps are still to be recognised."""
        query = select(func.count()).where(
            transcript_gaps.c.node == self._node, transcript_gaps.c.state == MISSING
        )
        async with self._engine.connect() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def is_secret(self, call_id: str) -> bool:
        """Return whether the citizen asked for secrecy, by the call's tickets as they are now."""
        asked = exists().where(
            tickets_table.c.call_id == call_id, tickets_table.c.secret.is_(true())
        )
        async with self._engine.connect() as connection:
            return bool((await connection.execute(select(asked))).scalar_one())

    async def fill(
        self, part: MissedPart, said: Sequence[tuple[str, Final]]
    ) -> list[tuple[int, str, Final]]:
        """Write down what was recognised of a gap, and that it is none any more, in one step.

        Args:
            part: the gap.
            said: each utterance as it is written, and as it was recognised.

        Returns:
            The same, with the numbers that the utterances have got.
        """
        async with self._engine.begin() as connection:
            last = select(func.max(utterances.c.seq)).where(utterances.c.call_id == part.call_id)
            first = ((await connection.execute(last)).scalar() or 0) + 1
            numbered = [(first + n, text, final) for n, (text, final) in enumerate(said)]
            for seq, text, final in numbered:
                await connection.execute(
                    utterances.insert().values(
                        call_id=part.call_id,
                        seq=seq,
                        leg=part.leg,
                        start=final.start,
                        end=final.end,
                        text=text,
                        spoken=final.text,
                        confidence=final.confidence,
                        later=True,
                    )
                )
            await connection.execute(_change(part, state=RECOGNISED))
        return numbered

    async def give_up(self, part: MissedPart, reason: str) -> None:
        """Write down that a gap stays one."""
        async with self._engine.begin() as connection:
            await connection.execute(_change(part, state=FAILED, detail=reason))

    async def postpone(self, part: MissedPart, reason: str) -> None:
        """Write down that an attempt failed; others come first now."""
        async with self._engine.begin() as connection:
            await connection.execute(_change(part, attempts=part.attempts + 1, detail=reason))


def _change(part: MissedPart, **values: Any) -> Any:
    return update(transcript_gaps).where(transcript_gaps.c.id == part.id).values(**values)
