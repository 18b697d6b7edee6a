"""How long agents are not ready and why, and whether a day's allowance of a reason is used up.

Every node writes down what it changed itself; the day is China's. An agent's stretches follow one
another whichever node changed them, so what is stored is safe to write again.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.records import RecordWriter, metadata
from calls.reporting.period import Period
from config.routing import ReasonRouting
from eventbus.bus import EventBus
from eventbus.catalogue import AgentBreakOver, AgentPresence, Event
from eventbus.tasks import end

log = structlog.get_logger(__name__)

WATCH_SECONDS: Final = 10.0
"""How often it is looked whether an allowance has been used up."""
_MINUTE: Final = 60.0

agent_breaks = sa.Table(
    "agent_breaks",
    metadata,
    sa.Column("agent_id", sa.String(32), primary_key=True),
    sa.Column("began_at", sa.Double, primary_key=True),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("node", sa.String(64), nullable=False),
    sa.Column("ended_at", sa.Double, index=True),
)

_AGENT: Final = sa.bindparam("_agent_id", type_=sa.String)
_AT: Final = sa.bindparam("_at", type_=sa.Double)
# Of every change of an agent's state: built once, and many rows of one go to the database together.
_END = agent_breaks.update().where(
    agent_breaks.c.agent_id == _AGENT,
    agent_breaks.c.ended_at.is_(None),
    agent_breaks.c.began_at < _AT,
)
_DELETE = agent_breaks.delete().where(
    agent_breaks.c.agent_id == _AGENT, agent_breaks.c.began_at == _AT
)
_INSERT = agent_breaks.insert()


class BreakRefused(Exception):
    """An agent cannot be not ready for that reason; nothing was changed.

    Attributes:
        code: ``unknown_reason``: it is none of the list; ``allowance_used``: not any more today.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Break:
    """One stretch of not being ready. Unix seconds; ``ended_at`` None: it goes on."""

    agent_id: str
    reason: str
    began_at: float
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an agent has used today of a reason; ``minutes`` 0: as much as he needs."""

    reason: str
    name: str
    minutes: int
    strict: bool
    used_seconds: float

    @property
    def used_up(self) -> bool:
        """Whether nothing is left."""
        return self.minutes > 0 and self.used_seconds >= self.minutes * _MINUTE


def used_today(breaks: Iterable[Break], now: float) -> dict[tuple[str, str], float]:
    """Return seconds by agent and reason since midnight in China."""
    midnight = Period.containing("day", now).start
    used: dict[tuple[str, str], float] = {}
    for one in breaks:
        until = now if one.ended_at is None else min(one.ended_at, now)
        key = one.agent_id, one.reason
        used[key] = used.get(key, 0.0) + max(0.0, until - max(one.began_at, midnight))
    return used


class BreakStore(Protocol):
    """Where stretches are kept."""

    def begin(self, agent_id: str, reason: str, at: float) -> None:
        """An agent is not ready for this reason since ``at``; what lasted before is over."""

    def end(self, agent_id: str, at: float) -> None:
        """An agent is something else since ``at``."""

    async def since(
        self, at: float, *, agent_id: str | None = None, own: bool = False
    ) -> list[Break]:
        """Return what lasted at this time or began after it; ``own``: begun by this node."""


class SqlBreaks(BreakStore):
    """Stretches in the database.

    Args:
        engine: for reading.
        writer: the queue that changes go through.
        node: whose changes these are.
    """

    def __init__(self, engine: AsyncEngine, writer: RecordWriter, *, node: str) -> None:
        self._engine = engine
        self._writer = writer
        self._node = node

    def begin(self, agent_id: str, reason: str, at: float) -> None:
        """Write a row in the place of what was written of it before."""
        self.end(agent_id, at)
        key = {"_agent_id": agent_id, "_at": at}
        row = {"agent_id": agent_id, "began_at": at, "reason": reason[:32], "node": self._node}
        self._writer.put(_DELETE, key, subject=_subject(agent_id))
        self._writer.put(_INSERT, row, subject=_subject(agent_id))

    def end(self, agent_id: str, at: float) -> None:
        """End what began before."""
        row = {"_agent_id": agent_id, "_at": at, "ended_at": at}
        self._writer.put(_END, row, subject=_subject(agent_id))

    async def since(
        self, at: float, *, agent_id: str | None = None, own: bool = False
    ) -> list[Break]:
        """Read rows."""
        await self._writer.flush()
        table = agent_breaks.c
        query = sa.select(table.agent_id, table.reason, table.began_at, table.ended_at).where(
            sa.or_(table.ended_at.is_(None), table.ended_at > at),
            table.agent_id == agent_id if agent_id is not None else sa.true(),
            table.node == self._node if own else sa.true(),
        )
        async with self._engine.connect() as connection:
            return [Break(*row) for row in await connection.execute(query)]


def _subject(agent_id: str) -> str:
    """Return what keeps an agent's changes in their order; no call is called so."""
    return f"agent {agent_id}"


class BreakDesk:
    """Counts, tells and limits.

    Args:
        store: where stretches are kept.
        bus: tells of agents' states, and is told when an allowance is used up.
        reasons: the routing document's, as they are now.
        clock: Unix seconds.
    """

    def __init__(
        self,
        store: BreakStore,
        *,
        bus: EventBus,
        reasons: Callable[[], Mapping[str, ReasonRouting]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._bus = bus
        self._reasons = reasons
        self._clock = clock
        self._told: set[tuple[float, str, str]] = set()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Count from now on."""
        self._unsubscribe = self._bus.subscribe(self.take, own_only=True)
        self._task = asyncio.create_task(self._watch(), name="breaks")

    async def close(self) -> None:
        """Stop."""
        self._unsubscribe()
        await end(self._task)

    def take(self, event: Event) -> None:
        """Take an event; those that are not about an agent's state change nothing."""
        if not isinstance(event, AgentPresence) or event.agent_id is None:
            return
        if event.state == "not_ready":
            self._store.begin(event.agent_id, event.reason or "other", event.since)
        else:
            self._store.end(event.agent_id, event.since)

    async def allowances(self, agent_id: str) -> list[Allowance]:
        """Return what an agent has used today, of every reason that he can choose."""
        now = self._clock()
        breaks = await self._store.since(Period.containing("day", now).start, agent_id=agent_id)
        used = used_today(breaks, now)
        return [
            self._allowance(reason, wanted, used.get((agent_id, reason), 0.0))
            for reason, wanted in self._reasons().items()
        ]

    @staticmethod
    def _allowance(reason: str, wanted: ReasonRouting, used: float) -> Allowance:
        return Allowance(reason, wanted.name, wanted.minutes, wanted.strict, round(used, 1))

    async def left(self, agent_id: str, reason: str | None) -> float | None:
        """Return the seconds left today of a reason; None: any number, or it is not known."""
        wanted = self._reasons().get(reason or "")
        if wanted is None or not wanted.minutes:
            return None
        try:
            allowances = await self.allowances(agent_id)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("breaks_unknown", error=str(error))
            return None
        used = next(one.used_seconds for one in allowances if one.reason == reason)
        return max(0.0, wanted.minutes * _MINUTE - used)

    async def check(self, agent_id: str, reason: str, *, forced: bool = False) -> None:
        """Find out whether an agent can be not ready for a reason now.

        Args:
            agent_id: whose state is changed.
            reason: why.
            forced: his leader does it: no allowance stands in the way.

        Raises:
            BreakRefused: he cannot.
        """
        wanted = self._reasons().get(reason)
        if wanted is None:
            known = ", ".join(self._reasons())
            raise BreakRefused("unknown_reason", f"no reason {reason!r}; there are: {known}")
        if forced or not wanted.strict or not wanted.minutes:
            return
        try:
            allowances = await self.allowances(agent_id)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("breaks_unknown", error=str(error))  # nobody is kept at work by a fault
            return
        if any(one.reason == reason and one.used_up for one in allowances):
            message = f"today's {wanted.minutes} minutes of {reason} are used up"
            raise BreakRefused("allowance_used", message)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self.warn()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("breaks_not_watched", error=str(error))
            except Exception:  # the task's outermost boundary
                log.exception("breaks_watch_failed")

    async def warn(self) -> None:
        """Tell of agents whose allowance is used up and who are not ready still; once a day."""
        now = self._clock()
        midnight = Period.containing("day", now).start
        self._told = {told for told in self._told if told[0] == midnight}
        lasting = [one for one in await self._store.since(now, own=True) if one.ended_at is None]
        reasons = self._reasons()
        for one in lasting:
            wanted, key = reasons.get(one.reason), (midnight, one.agent_id, one.reason)
            if wanted is None or not wanted.minutes or key in self._told:
                continue
            breaks = await self._store.since(midnight, agent_id=one.agent_id)
            used = used_today(breaks, now)[one.agent_id, one.reason]
            if self._allowance(one.reason, wanted, used).used_up:
                self._told.add(key)
                self._tell(one, wanted, used, now)

    def _tell(self, one: Break, wanted: ReasonRouting, used: float, now: float) -> None:
        told: dict[str, Any] = {"reason": one.reason, "reason_name": wanted.name}
        self._bus.publish(
            AgentBreakOver(
                at=now, agent_id=one.agent_id, minutes=wanted.minutes, used=round(used, 1), **told
            )
        )
