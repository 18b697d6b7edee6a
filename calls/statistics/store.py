"""The counts in SQL: one row for each quarter of an hour, node, and line, skill or group.

Each node writes its own rows, whole, so writing one again changes nothing; what all did is the sum.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.records import RecordWriter, calls, metadata, segments
from calls.statistics.accumulator import Key
from calls.statistics.counts import Counts, Kind

interval_statistics = sa.Table(
    "interval_statistics",
    metadata,
    sa.Column("start", sa.Double, primary_key=True),
    sa.Column("kind", sa.String(8), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("node", sa.String(64), primary_key=True),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("answered", sa.Integer, nullable=False),
    sa.Column("quick", sa.Integer, nullable=False),
    sa.Column("abandoned", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("waited", sa.Double, nullable=False),
    sa.Column("longest", sa.Double, nullable=False),
    sa.Column("talked", sa.Double, nullable=False),
    sa.Column("ended", sa.Integer, nullable=False),
    sa.Column("call_backs", sa.Integer, nullable=False),
)

_FIGURES = tuple(Counts.__dataclass_fields__)
_INSERT = interval_statistics.insert()


class IntervalStore:
    """The table.

    Args:
        engine: for reading.
        writer: the queue that changes go through.
        node: whose rows are written.
    """

    def __init__(self, engine: AsyncEngine, writer: RecordWriter, *, node: str) -> None:
        self._engine = engine
        self._writer = writer
        self._node = node

    def write(self, rows: Iterable[tuple[Key, Counts]]) -> None:
        """Put rows in the place of what was written of them before."""
        table = interval_statistics.c
        for (start, kind, name), counts in rows:
            key = {"start": start, "kind": kind, "name": name[:64], "node": self._node}
            self._writer.put(
                interval_statistics.delete().where(
                    *(table[column] == value for column, value in key.items())
                )
            )
            self._writer.put(_INSERT.values(**key, **asdict(counts)))

    async def read(
        self, start: float, end: float, *, others_only: bool = False
    ) -> dict[Key, Counts]:
        """Return what all nodes counted in the quarters from ``start`` until before ``end``.

        With ``others_only`` this node's own rows are left out.
        """
        await self._writer.flush()
        table = interval_statistics.c
        sums = [
            (sa.func.max if name == "longest" else sa.func.sum)(table[name]).label(name)
            for name in _FIGURES
        ]
        query = (
            sa.select(table.start, table.kind, table.name, *sums)
            .where(table.start >= start, table.start < end)
            .where(table.node != self._node if others_only else sa.true())
            .group_by(table.start, table.kind, table.name)
            .order_by(table.start, table.kind, table.name)
        )
        async with self._engine.connect() as connection:
            found = await connection.execute(query)
            return {_key(row): _counts(row) for row in found.mappings()}

    async def records(
        self, start: float, end: float
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return this node's finished calls that arrived in a span, and their segments."""
        await self._writer.flush()
        mine = sa.and_(
            calls.c.node == self._node,
            calls.c.arrived_at >= start,
            calls.c.arrived_at < end,
            calls.c.ended_at.is_not(None),
            calls.c.direction == "inbound",
        )
        joined = segments.join(calls, segments.c.call_id == calls.c.call_id)
        async with self._engine.connect() as connection:
            found = await connection.execute(sa.select(calls).where(mine))
            parts = await connection.execute(sa.select(segments).select_from(joined).where(mine))
            return [dict(row) for row in found.mappings()], [dict(row) for row in parts.mappings()]


def _key(row: sa.RowMapping) -> Key:
    kind: Kind = row["kind"]
    return row["start"], kind, row["name"]


def _counts(row: sa.RowMapping) -> Counts:
    # PostgreSQL's sums of integers are Decimals.
    return Counts(
        calls=int(row["calls"]),
        answered=int(row["answered"]),
        quick=int(row["quick"]),
        abandoned=int(row["abandoned"]),
        failed=int(row["failed"]),
        waited=row["waited"],
        longest=row["longest"],
        talked=row["talked"],
        ended=int(row["ended"]),
        call_backs=int(row["call_backs"]),
    )
