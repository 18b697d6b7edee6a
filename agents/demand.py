"""Whom a call wants, and what an agent is good for: the words in which the floor matches them.

An agent is listed in *pools*, each with a level: one for each skill that he has in his group
(``english@own``), one for everybody (``any``), one of his own (``agent:1001``). A call has *wants*:
from so many seconds of waiting on it may have an agent of that pool, of at least that level. Both
are short texts, because that is what Redis's records hold; ``agents/lua/records.lua`` reads the
same.

Who is best for a call: the want that opened first, then the highest level, then the longest ready.
Which call an agent gets: the one with the lowest *place*. A point of priority is worth some seconds
of waiting (``FloorTimes.ageing``), so every call overtakes in the end all that arrive after it, and
yet the order of any two never changes: it can be an index.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

EVERYBODY: Final = "any"
"""The pool of all agents."""

LEVEL_WEIGHT: Final = 1e10
"""A level weighs more than all time of being ready: Unix seconds have ten digits."""

DIRECTED_WEIGHT: Final = 1e10
"""Calls for one certain agent go before all others: he is not given away to another."""

_POOL = re.compile(r"[^=;|\s]{1,80}")


def check_pool(name: str) -> None:
    """Raise ValueError when a pool cannot be called so."""
    if not _POOL.fullmatch(name):
        raise ValueError(f"a pool's name of 1 to 80 characters without blanks, = ; |: {name!r}")


@dataclass(frozen=True, slots=True)
class Want:
    """From when on a call may have whom.

    Attributes:
        pool: the agents.
        after: seconds since the call arrived.
        level: the least level.
        keep: so many of the pool's ready agents are left for others (seats that are lent out).
    """

    pool: str
    after: float = 0.0
    level: int = 0
    keep: int = 0

    def __post_init__(self) -> None:
        check_pool(self.pool)
        if self.after < 0 or self.level < 0 or self.keep < 0:
            raise ValueError(f"a want without negative numbers, not {self}")

    @property
    def queue(self) -> str:
        """The name of the calls that want the same: they are served in one order."""
        return f"{self.pool}|{self.level}|{self.keep}"


ANYBODY: Final = (Want(EVERYBODY),)


def agents_own(agent_id: str) -> str:
    """Return the pool of one agent."""
    return f"agent:{agent_id}"


def wants_text(wants: Iterable[Want]) -> str:
    """Write wants, the first to open first; of the same one twice, the earlier."""
    first: dict[str, Want] = {}
    for want in sorted(wants, key=lambda want: want.after):
        first.setdefault(want.queue, want)
    return ";".join(f"{want.after:.17g}|{queue}" for queue, want in first.items())


def read_wants(text: str) -> tuple[Want, ...]:
    """Read what ``wants_text`` wrote."""
    wants = []
    for part in text.split(";"):
        after, pool, level, keep = part.split("|")
        wants.append(Want(pool, float(after), int(level), int(keep)))
    return tuple(wants)


def pools_text(pools: Mapping[str, int]) -> str:
    """Write pools with the agent's level in each."""
    for name in pools:
        check_pool(name)
    return ";".join(f"{name}={level}" for name, level in sorted(pools.items()))


def read_pools(text: str, agent_id: str) -> dict[str, int]:
    """Read what ``pools_text`` wrote; everybody's pool and his own belong to it."""
    pools = {EVERYBODY: 0, agents_own(agent_id): 0}
    for part in filter(None, text.split(";")):
        name, _, level = part.partition("=")
        pools[name] = int(level)
    return pools


def rank(ready_since: float, level: int) -> float:
    """Return an agent's place in a pool, the lowest first: level, then time of being ready."""
    return ready_since - level * LEVEL_WEIGHT
