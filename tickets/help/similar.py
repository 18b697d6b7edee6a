"""Open tickets about the same thing: the same place or category, and the same words."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tickets.store import street_of, tickets_table

DAYS: Final = 30
LIKE: Final = 0.12
"""How alike (0 to 1) two matters must be."""
_CANDIDATES: Final = 400
_DAY: Final = 86400.0
_SAME_ADDRESS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Similar:
    """An open ticket like the one at hand; ``likeness`` is 0 to 1."""

    ticket_id: str
    status: str
    category: str | None
    address: str | None
    unit: str | None
    submitted_at: float
    likeness: float


class SimilarTickets:
    """Finds them.

    Args:
        engine: the database.
        clock: Unix seconds.
    """

    def __init__(self, engine: AsyncEngine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    async def find(self, values: dict[str, Any], *, but: str, limit: int = 3) -> list[Similar]:
        """Return open tickets of the last 30 days that are like one with these values.

        Those are left out whose citizen asked for secrecy: the place may be his own.

        Args:
            values: the ticket's bare values.
            but: its own number.
            limit: how many at most.
        """
        street = street_of(values.get("address"))
        table = tickets_table.c
        alike = [table.category == values["category"]] if values.get("category") else []
        if street is not None:
            alike.append(table.street == street)
        if not alike:
            return []
        query = (
            sa.select(tickets_table)
            .where(
                table.status.in_(("submitted", "passed", "returned")),
                table.submitted_at >= self._clock() - DAYS * _DAY,
                table.id != but,
                table.secret.is_(sa.false()),
                sa.or_(*alike),
            )
            .order_by(table.submitted_at.desc())
            .limit(_CANDIDATES)
        )
        async with self._engine.connect() as connection:
            rows = list(await connection.execute(query))
        return _ranked(values, rows)[:limit]


def _ranked(values: dict[str, Any], rows: Sequence[sa.Row[Any]]) -> list[Similar]:
    texts = [_pairs(row.fields["content"]["value"] or "") for row in rows]
    ours = _pairs(values.get("content") or "")
    often = Counter(pair for text in (*texts, ours) for pair in text)
    found = []
    for row, text in zip(rows, texts, strict=True):
        address = row.fields["address"]["value"]
        near = _SAME_ADDRESS if address and address == values.get("address") else 0.0
        likeness = near + (1 - near) * _overlap(ours, text, often, len(rows) + 1)
        if likeness >= LIKE:
            found.append(
                Similar(
                    row.id,
                    row.status,
                    row.category,
                    address,
                    row.unit,
                    row.submitted_at,
                    round(likeness, 2),
                )
            )
    return sorted(found, key=lambda ticket: -ticket.likeness)


def _pairs(text: str) -> frozenset[str]:
    """Return each two neighbouring characters: limits of words differ with the wording."""
    return frozenset(one + two for one, two in pairwise(text) if one.isalnum() and two.isalnum())


def _overlap(
    first: frozenset[str], second: frozenset[str], often: Counter[str], texts: int
) -> float:
    """Return the weighted Jaccard overlap; a pair in every text weighs little."""

    def weight(some: frozenset[str]) -> float:
        return sum(log(1 + texts / often[pair]) for pair in some)

    either = weight(first | second)
    return weight(first & second) / either if either else 0.0
