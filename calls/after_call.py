"""What is known of a call after it: the caller's rating of an agent, the agent's disposition."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.attending.script import Rated
from calls.records import RecordWriter, metadata

#: One row for each agent whom a caller was asked to rate. ``seq``: the agent's segment;
#: ``outcome``: `calls.attending.script.RatingOutcome`; ``score``: 1 to 5, with ``rated`` alone.
ratings = sa.Table(
    "ratings",
    metadata,
    sa.Column("call_id", sa.String(40), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("agent_id", sa.String(32), nullable=False, index=True),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("score", sa.Integer),
    sa.Column("at", sa.Float, nullable=False, index=True),
)

#: What a call came to, in the words of a list that the city makes: chosen by each agent for his
#: part of it, the latest choice counts.
dispositions = sa.Table(
    "dispositions",
    metadata,
    sa.Column("call_id", sa.String(40), primary_key=True),
    sa.Column("agent_id", sa.String(32), primary_key=True),
    sa.Column("code", sa.String(32), nullable=False),
    sa.Column("note", sa.String(200)),
    sa.Column("at", sa.Float, nullable=False),
)

SATISFIED: Final = 4
"""满意: the least score that counts as satisfied."""


class UnknownDisposition(ValueError):
    """The code is none of the list.

    Attributes:
        code: what was sent.
    """

    def __init__(self, code: str) -> None:
        super().__init__(f"no disposition has the code {code!r}")
        self.code = code


class AfterCall:
    """Keeps both, and tells them.

    Args:
        engine: the database.
        writer: writes ratings in the background: the caller is hung up meanwhile.
        dispositions: code → its name, in the order in which they are shown.
    """

    def __init__(
        self, engine: AsyncEngine, writer: RecordWriter, *, dispositions: dict[str, str]
    ) -> None:
        self._engine = engine
        self._writer = writer
        self.dispositions = dispositions

    def rated(self, call_id: str, agent_id: str, seq: int, rating: Rated, *, at: float) -> None:
        """Note what came of asking for a rating."""
        values = {"outcome": rating.outcome, "score": rating.score, "at": at}
        self._writer.put(
            ratings.insert().values(call_id=call_id, seq=seq, agent_id=agent_id, **values)
        )

    async def dispose(
        self, call_id: str, *, agent_id: str, code: str, note: str | None, at: float
    ) -> None:
        """Note what an agent's part of a call came to; may be changed by choosing again.

        Raises:
            UnknownDisposition: the code is none of the list.
        """
        if code not in self.dispositions:
            raise UnknownDisposition(code)
        own = sa.and_(dispositions.c.call_id == call_id, dispositions.c.agent_id == agent_id)
        values = {"code": code, "note": note, "at": at}
        change = sa.update(dispositions).where(own).values(**values)
        try:
            async with self._engine.begin() as connection:
                if (await connection.execute(change)).rowcount == 0:
                    await connection.execute(
                        dispositions.insert().values(call_id=call_id, agent_id=agent_id, **values)
                    )
        except IntegrityError:  # chosen twice at once
            async with self._engine.begin() as connection:
                await connection.execute(change)

    async def of_call(self, call_id: str) -> dict[str, list[dict[str, Any]]]:
        """Return a call's ``ratings`` (by segment) and ``dispositions`` (oldest first)."""
        await self._writer.flush()
        return (await self.of_calls([call_id]))[call_id]

    async def of_calls(self, call_ids: Sequence[str]) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """Return the same of several calls, as far as it is written."""
        found: dict[str, dict[str, list[dict[str, Any]]]] = {
            call_id: {"ratings": [], "dispositions": []} for call_id in call_ids
        }
        rated = sa.select(ratings).where(ratings.c.call_id.in_(call_ids)).order_by(ratings.c.seq)
        chosen = (
            sa.select(dispositions)
            .where(dispositions.c.call_id.in_(call_ids))
            .order_by(dispositions.c.at)
        )
        async with self._engine.connect() as connection:
            for row in (await connection.execute(rated)).mappings():
                found[row["call_id"]]["ratings"].append(_without_call(row))
            for row in (await connection.execute(chosen)).mappings():
                named = {**_without_call(row), "name": self.dispositions.get(row["code"])}
                found[row["call_id"]]["dispositions"].append(named)
        return found


def _without_call(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "call_id"}
