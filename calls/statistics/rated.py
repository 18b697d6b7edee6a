"""How callers rated those they talked with: by quarter of an hour, line, skill and group.

From the table of ratings itself: they come after a call's end, at the node that has it. A rating
counts for the quarter in which it was given, for the dialled line, and for the group of the agent
whom it is about.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.after_call import SATISFIED, ratings
from calls.records import calls
from calls.reporting.satisfaction import shares
from calls.statistics.accumulator import Key
from calls.statistics.counts import quarter_of


@dataclass(slots=True)
class Rated:
    """What came of asking for ratings.

    Attributes:
        asked: how many callers were asked.
        rated: of those, how many pressed a key.
        pleased: of those, how many were satisfied.
    """

    asked: int = 0
    rated: int = 0
    pleased: int = 0

    def add(self, other: "Rated") -> None:
        """Count the other's too."""
        self.asked += other.asked
        self.rated += other.rated
        self.pleased += other.pleased

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; every percentage with its denominator."""
        figures = {"asked": self.asked, "rated": self.rated, "pleased": self.pleased}
        return {name: share.to_dict() for name, share in shares(figures).items()}


async def rated_between(
    engine: AsyncEngine,
    start: float,
    end: float,
    *,
    skill_of: Callable[[str], str | None],
    group_of: Callable[[str], str],
) -> dict[Key, Rated]:
    """Return what was rated in a span, by quarter, line, skill and group."""
    query = (
        sa.select(
            ratings.c.at, calls.c.line, ratings.c.agent_id, ratings.c.outcome, ratings.c.score
        )
        .join(calls, calls.c.call_id == ratings.c.call_id)
        .where(ratings.c.at >= start, ratings.c.at < end)
    )
    found: dict[Key, Rated] = {}
    async with engine.connect() as connection:
        for at, line, agent_id, outcome, score in await connection.execute(query):
            one = Rated(1, int(outcome == "rated"), int(score is not None and score >= SATISFIED))
            quarter, skill = quarter_of(at), skill_of(line)
            keys: list[Key] = [(quarter, "line", line), (quarter, "group", group_of(agent_id))]
            if skill is not None:
                keys.append((quarter, "skill", skill))
            for key in keys:
                found.setdefault(key, Rated()).add(one)
    return found
