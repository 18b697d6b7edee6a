"""Counts the node's calls all day and answers with the live figures; a thin shell."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from agents.accounts import Account
from agents.presence import Presence
from calls.reporting import satisfaction
from calls.reporting.period import Period
from calls.statistics.accumulator import Accumulator, Key
from calls.statistics.counts import QUARTER, Counts, quarter_of
from calls.statistics.live import Floor, Person, Waiting, live_figures
from calls.statistics.matters import UsualByNow, matters
from calls.statistics.rated import Rated, rated_between
from calls.statistics.shared_waiting import SharedWaiting
from calls.statistics.store import IntervalStore
from calls.views import CallView
from eventbus.bus import EventBus
from eventbus.precedence import at_once

log = structlog.get_logger(__name__)

TURN_SECONDS: Final = 2.0
"""How often rows are written and waiting calls exchanged."""
SLOW_TURNS: Final = 5
"""Every so many turns accounts, tickets and other nodes' rows are read again."""


class FloorStatistics:
    """Live figures and interval statistics of the floor.

    Args:
        engine: where tickets are.
        store: the table of intervals.
        shared: the other nodes' waiting calls.
        bus: this node's events.
        live: this node's calls in progress.
        agents: everybody whom the floor knows.
        accounts: everybody's names and groups.
        lines: line → its name.
        skill_of: line → the skill that its calls ask for.
        clock: Unix seconds.
        give_way: awaited before what is done every two seconds.
    """

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        store: IntervalStore,
        shared: SharedWaiting,
        bus: EventBus,
        live: Callable[[], Sequence[CallView]],
        agents: Callable[[], Awaitable[Sequence[Presence]]],
        accounts: Callable[[], Awaitable[Sequence[Account]]],
        lines: Mapping[str, str],
        skill_of: Callable[[str], str | None],
        clock: Callable[[], float] = time.time,
        give_way: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        self._give_way = give_way
        self._engine = engine
        self._store = store
        self._shared = shared
        self._bus = bus
        self._live = live
        self._agents = agents
        self._accounts = accounts
        self._lines = lines
        self._skill_of = skill_of
        self._clock = clock
        self._people: dict[str, Person] = {}
        self._elsewhere: Mapping[Key, Counts] = {}
        self._waiting_elsewhere: list[Waiting] = []
        self._matters: dict[str, Any] = {"tickets": 0, "topics": [], "streets": [], "urgent": []}
        self._usual = UsualByNow(engine)
        self._satisfaction: dict[str, Any] = {}
        self._rated: dict[Key, Rated] = {}
        self._counts = Accumulator(skill_of=skill_of, group_of=self._group_of)
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Count again what this node did today before it was started, then begin."""
        today = self._today()
        await self._look_around()
        self._counts.recount(*await self._store.records(today.start, today.end))
        self._unsubscribe = self._bus.subscribe(self._counts.handle, own_only=True)
        self._task = asyncio.create_task(self._run(), name="statistics")

    async def close(self) -> None:
        """Write what has changed and stop."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self.write()

    def write(self) -> None:
        """Queue the rows that have changed."""
        changed, self._counts.changed = self._counts.changed, set()
        self._store.write((key, self._counts.rows[key]) for key in sorted(changed))

    async def figures(self) -> dict[str, Any]:
        """Return the live figures (`calls.statistics.live`), and what people call about today."""
        rows = {key: _copy(counts) for key, counts in self._counts.rows.items()}
        for key, counts in self._elsewhere.items():
            rows.setdefault(key, Counts()).add(counts)
        floor = Floor(
            now=self._clock(),
            waiting=[*self._waiting(), *self._waiting_elsewhere],
            agents=await self._agents(),
            people=self._people,
            rows=rows,
            lines=self._lines,
            skill_of=self._skill_of,
            rated=self._rated,
        )
        return {
            **live_figures(floor),
            "matters": self._matters,
            "satisfaction": self._satisfaction,
        }

    async def intervals(self, start: float, end: float) -> list[dict[str, Any]]:
        """Return the kept quarters of a span, oldest first, all nodes together."""
        self.write()
        rows = await self._store.read(start, end)
        rated = await self._rated_between(start, end)
        found = []
        for key in sorted(rows.keys() | rated.keys()):
            at, kind, name = key
            counts = rows.get(key, Counts())
            told = counts.offers_to_dict() if kind == "group" else counts.to_dict()
            shares = rated.get(key, Rated()).to_dict()
            found.append({"start": at, "kind": kind, "name": name, **told, **shares})
        return found

    async def turn(self, number: int) -> None:
        """Do what is done every two seconds."""
        self.write()
        self._waiting_elsewhere = await self._shared.exchange(self._clock(), self._waiting())
        if number % SLOW_TURNS == 0:
            await self._look_around()

    async def _run(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(TURN_SECONDS)
            number += 1
            await self._give_way()
            try:
                await self.turn(number)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("statistics_wait_for_the_database", error=str(error))

    async def _look_around(self) -> None:
        today = self._today()
        self._people = {
            account.id: Person(account.name, account.group) for account in await self._accounts()
        }
        self._counts.forget(today.start)
        self._elsewhere = await self._store.read(today.start, today.end, others_only=True)
        usual = await self._usual.at(today.start, self._clock())
        self._matters = await matters(self._engine, today.start, today.end, usual)
        async with self._engine.connect() as connection:
            rated = await satisfaction.counted(connection, today.start, today.end)
        shares = satisfaction.shares(rated).items()
        self._satisfaction = {name: share.to_dict() for name, share in shares}
        # Ratings of quarters that are long over are known; the last one's may have come late.
        fresh = (
            max(today.start, quarter_of(self._clock()) - QUARTER) if self._rated else today.start
        )
        kept = {key: one for key, one in self._rated.items() if today.start <= key[0] < fresh}
        self._rated = kept | await self._rated_between(fresh, today.end)

    async def _rated_between(self, start: float, end: float) -> dict[Key, Rated]:
        return await rated_between(
            self._engine, start, end, skill_of=self._skill_of, group_of=self._group_of
        )

    def _today(self) -> Period:
        return Period.containing("day", self._clock())

    def _waiting(self) -> list[Waiting]:
        return [
            Waiting(
                call.call_id,
                call.line,
                call.arrived_at,
                call.agent_id if call.state == "offered" else None,
            )
            for call in self._live()
            if call.state in {"waiting", "offered"} and call.direction == "inbound"
        ]

    def _group_of(self, agent_id: str) -> str:
        person = self._people.get(agent_id)
        return person.group if person is not None else ""


def _copy(counts: Counts) -> Counts:
    copied = Counts()
    copied.add(counts)
    return copied
