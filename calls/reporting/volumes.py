"""How much of each kind there was, in a period and in the one before.

The tickets of both periods are read once: counted in groups as fine as any of the lists wants them,
and put together here.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.reporting.period import Period
from calls.reporting.report import NOT_SAID, Hot, Share, Volume
from tickets.store import tickets_table as tickets

TOP: Final = 20
_KINDS: Final = ("channel", "type", "category")


def listed(now: Mapping[Any, int], before: Mapping[Any, int], of: str) -> tuple[Volume, ...]:
    """Return the volumes by name (None: not said), most first; ``of``: what shares are of."""
    whole = sum(now.values())
    names = sorted(
        now.keys() | before.keys(), key=lambda name: (-now.get(name, 0), name or NOT_SAID)
    )
    return tuple(
        Volume(
            name or NOT_SAID,
            now.get(name, 0),
            before.get(name, 0),
            Share(now.get(name, 0), whole, of),
        )
        for name in names
    )


class TicketGroups:
    """The tickets that were submitted in two periods, by channel, type, category and street.

    Args:
        rows: channel, type, category, street, whether in the later period, how many.
    """

    def __init__(self, rows: Any) -> None:
        self._now: Counter[tuple[str | None, ...]] = Counter()
        self._before: Counter[tuple[str | None, ...]] = Counter()
        for *group, later, number in rows:
            (self._now if later else self._before)[tuple(group)] += number

    @classmethod
    async def counted(cls, connection: AsyncConnection, period: Period) -> "TicketGroups":
        """Count those of a period and of the one before."""
        at = tickets.c.submitted_at
        groups = (*(tickets.c[name] for name in _KINDS), tickets.c.street)
        query = (
            sa.select(*groups, (at >= period.start).label("later"), sa.func.count())
            .where(at >= period.before.start, at < period.end)
            .group_by(*groups, "later")
        )
        return cls(await connection.execute(query))

    def volumes(self) -> dict[str, tuple[Volume, ...]]:
        """Return those by channel, by type and by category."""
        return {
            kind: listed(_summed(self._now, place), _summed(self._before, place), "提交工单")
            for place, kind in enumerate(_KINDS)
        }

    def hot(self) -> tuple[Hot, ...]:
        """Return where what is told of most often; equals in the order of their code points."""
        now, before = (_pairs(counted) for counted in (self._now, self._before))
        ranked = sorted(now, key=lambda place: (-now[place], *place))[:TOP]
        return tuple(Hot(*place, now[place], before[place]) for place in ranked)


def _summed(groups: Counter[tuple[str | None, ...]], place: int) -> Counter[str | None]:
    summed: Counter[str | None] = Counter()
    for group, number in groups.items():
        summed[group[place]] += number
    return summed


def _pairs(groups: Counter[tuple[str | None, ...]]) -> Counter[tuple[str, str]]:
    """Count by category and street, where both are known."""
    summed: Counter[tuple[str, str]] = Counter()
    for (*_, category, street), number in groups.items():
        if category is not None and street is not None:
            summed[category, street] += number
    return summed
