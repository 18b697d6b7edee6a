"""What inspectors say of calls: points by criterion, marks in the recording, a comment.

An assessment is never changed: whoever judges again adds another one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.records import RecordWriter, metadata
from tickets.store import counted_id

CRITERIA: Final[Mapping[str, int]] = {
    "greeting": 10,
    "listening": 20,
    "record": 25,
    "answer": 25,
    "attitude": 15,
    "closing": 5,
}
"""Criterion → most points; together 100."""

assessments = sa.Table(
    "assessments",
    metadata,
    counted_id(),
    sa.Column("call_id", sa.String(40), nullable=False, index=True),
    sa.Column("at", sa.Double, nullable=False, index=True),
    sa.Column("who", sa.String(32), nullable=False),
    sa.Column("agent_id", sa.String(32), nullable=True, index=True),
    sa.Column("scores", sa.JSON, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("marks", sa.JSON, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
)


class BadAssessment(Exception):
    """A criterion is missing, unknown, or has points that it cannot have.

    Attributes:
        field: which one.
    """

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at a place in the recording; ``at`` is seconds since the answer."""

    at: float
    note: str


def total_of(scores: Mapping[str, int]) -> int:
    """Return the points together.

    Raises:
        BadAssessment: not every criterion has points between 0 and its most.
    """
    for name in scores:
        if name not in CRITERIA:
            raise BadAssessment(name, f"is no criterion; these are: {', '.join(CRITERIA)}")
    for name, most in CRITERIA.items():
        if not 0 <= scores.get(name, -1) <= most:
            raise BadAssessment(name, f"has 0 to {most} points")
    return sum(scores.values())


class QualityDesk:
    """The assessments.

    Args:
        engine: for reading.
        writer: the queue that new ones go through.
        clock: Unix seconds.
    """

    def __init__(
        self, engine: AsyncEngine, writer: RecordWriter, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._clock = clock

    async def assess(
        self,
        call_id: str,
        *,
        who: str,
        agent_id: str | None,
        scores: Mapping[str, int],
        marks: Sequence[Mark] = (),
        comment: str = "",
    ) -> dict[str, Any]:
        """Add an assessment and return it.

        Raises:
            BadAssessment: see `total_of`.
        """
        row = {
            "call_id": call_id,
            "at": self._clock(),
            "who": who,
            "agent_id": agent_id,
            "scores": dict(scores),
            "total": total_of(scores),
            "marks": [asdict(mark) for mark in sorted(marks, key=lambda mark: mark.at)],
            "comment": comment,
        }
        self._writer.put(assessments.insert().values(row))
        await self._writer.flush()
        return row

    async def of(self, call_id: str) -> list[dict[str, Any]]:
        """Return a call's assessments, oldest first."""
        await self._writer.flush()
        query = sa.select(assessments).where(assessments.c.call_id == call_id)
        async with self._engine.connect() as connection:
            rows = await connection.execute(query.order_by(assessments.c.id))
            return [{k: v for k, v in row.items() if k != "id"} for row in rows.mappings()]
