"""How calls and agents come by their routing: what a call wants, what agents are good for.

Around the pure ``agents.routing`` stand the callers' last calls in SQL, the floor that is told of
agents' skills when they change, and the watchdog that asks it whether somebody was overlooked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agents.demand import ANYBODY, pools_text
from agents.floor import Floor, Stalled
from agents.presence import HELD, Presence, State
from agents.routing import Past, Plan
from calls.callers_past import PastCalls
from calls.routing_book import RoutingBook
from eventbus.bus import EventBus
from eventbus.catalogue import Event, RoutingChanged
from eventbus.tasks import end

log = structlog.get_logger(__name__)

WATCH_SECONDS: Final = 5.0
"""How often the floor is asked whether somebody was overlooked."""
OVERLOOKED_SECONDS: Final = 5.0
"""Who has waited for so long though somebody fits was overlooked."""
_DAY: Final = 86_400.0
_LOOKS_PER_LOAD: Final = 6


class Route(Protocol):
    """Says what a call asks of the floor."""

    def __call__(
        self,
        line: str,
        caller: str | None,
        *,
        partner: bool = False,
        skill: str | None = None,
        before: Plan | None = None,
    ) -> Awaitable[Plan]:
        """Return the plan for a call to a line; never raises.

        ``partner``: it came by a partner's own trunk; ``skill``: wanted in place of the line's;
        ``before``: its plan by older rules, of whose caller nothing is asked again.
        """


async def anybody(
    line: str,  # noqa: ARG001 -- a Route
    caller: str | None,  # noqa: ARG001
    *,
    partner: bool = False,  # noqa: ARG001
    skill: str | None = None,  # noqa: ARG001
    before: Plan | None = None,  # noqa: ARG001
) -> Plan:
    """Let every call have whoever is ready."""
    return Plan(ANYBODY)


class CallRouter:
    """Plans calls by the document in force.

    Args:
        book: the document.
        floor: asked whether a preferred agent can be waited for.
        past: the callers' earlier calls.
        wall_clock: Unix seconds.
    """

    def __init__(
        self,
        *,
        book: RoutingBook,
        floor: Floor,
        past: PastCalls,
        wall_clock: Callable[[], float],
    ) -> None:
        self._book = book
        self._floor = floor
        self._past = past
        self._wall_clock = wall_clock

    def refuses(self, line: str) -> bool:
        """Tell whether a line is closed now and its calls are refused."""
        return self._book.plan.plan(line, now=self._wall_clock()).closed == "refuse"

    def skills(self) -> frozenset[str]:
        """Return the skills that a call can be transferred to."""
        return self._book.plan.skills

    async def route(
        self,
        line: str,
        caller: str | None,
        *,
        partner: bool = False,
        skill: str | None = None,
        before: Plan | None = None,
    ) -> Plan:
        """See `Route`."""
        now = self._wall_clock()
        past = None
        if before is not None:
            past = before.past
        # A partner's officer is nobody's acquaintance, and a transfer says itself whom it wants.
        elif caller and not partner and skill is None:
            past = await self._known(caller, now)
        return self._book.plan.plan(line, caller, now=now, past=past, partner=partner, skill=skill)

    def foresee(self, caller: str) -> None:
        """Look up a caller whose call is being let in: `route` finds what is known of him."""
        if (since := self._asks(self._wall_clock())) is not None:
            self._past.foresee(caller, since=since)

    def _asks(self, now: float) -> float | None:
        """Return since when callers' past calls count; None: nothing of their past does."""
        settings = self._book.settings
        if not settings.preferred_days and not settings.call_back_priority:
            return None
        return now - settings.preferred_days * _DAY

    async def _known(self, caller: str, now: float) -> Past | None:
        since = self._asks(now)
        found = None if since is None else await self._past.known(caller, since=since)
        if found is None:
            return None
        (last, owed), days = found, self._book.settings.preferred_days
        if last is None or not days:
            return Past(None, "", owed=True) if owed else None
        known = await self._floor.presence(last.agent_id) if last.agent_id else None
        agent_id = known.agent_id if known and _soon_ready(known) else None
        return Past(agent_id, last.line, owed=owed)


def _soon_ready(agent: Presence) -> bool:
    """Tell whether it is worth waiting a few seconds for an agent."""
    there = agent.state in HELD or agent.state in {State.READY, State.WRAP_UP}
    return there and agent.pending is None and agent.phones > 0


class RoutingKeeper:
    """Keeps the floor and this node at the document in force, and watches the floor.

    Args:
        book: the document.
        floor: this node's.
        groups: returns the accounts' groups by agent.
        bus: says that another node has changed the document.
        on_stalled: told what the watchdog found: nothing, when all is well.

    Attributes:
        on_planned: called when another document is in force, and the floor knows of its skills.
    """

    def __init__(
        self,
        *,
        book: RoutingBook,
        floor: Floor,
        groups: Callable[[], Awaitable[Mapping[str, str]]],
        bus: EventBus,
        on_stalled: Callable[[list[Stalled]], None],
    ) -> None:
        self._book = book
        self._floor = floor
        self._ask_groups = groups
        self._groups: Mapping[str, str] = {}
        self._planned = book.plan
        self.on_planned: Callable[[], None] = lambda: None
        self._bus = bus
        self._on_stalled = on_stalled
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    def profile_of(self, agent_id: str) -> tuple[Mapping[str, int], str | None]:
        """Return an agent's pools and group; the floor asks when he signs in."""
        return self._book.plan.profile(agent_id, self._groups.get(agent_id))

    async def start(self) -> None:
        """Take the newest document into force and begin to watch."""
        self._groups = await self._ask_groups()
        await self._book.load()
        self._planned = self._book.plan
        self._book.on_change = self._changed.set
        self._unsubscribe = self._bus.subscribe(self._on_event)
        self._changed.set()
        self._task = asyncio.create_task(self._watch(), name="routing")

    async def close(self) -> None:
        """Stop."""
        self._unsubscribe()
        await end(self._task)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, RoutingChanged):
            self._changed.set()

    async def _watch(self) -> None:
        looks = 0
        while True:
            changed = self._changed.is_set()
            self._changed.clear()
            try:
                if changed or looks % _LOOKS_PER_LOAD == 0:
                    await self._refresh()
                self._on_stalled(await self._floor.stalled(OVERLOOKED_SECONDS))
            except (SQLAlchemyError, OSError) as error:
                log.warning("routing_not_refreshed", error=str(error))
            except Exception:  # the task's outermost boundary
                log.exception("routing_watch_failed")
            looks += 1
            try:
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _refresh(self) -> None:
        """Load what others have changed, and tell the floor of this node's agents."""
        await self._book.load()
        self._groups = await self._ask_groups()
        plan = self._book.plan
        for agent in await self._floor.everyone():
            # who works at a desk is its node's: the one where he signed in may be dead
            if (agent.desktop or agent.node) != self._floor.node:
                continue
            pools, group = self.profile_of(agent.agent_id)
            if (pools_text(pools), group) != (agent.pools, agent.group):
                await self._floor.set_pools(agent.agent_id, pools, group)
        if plan is not self._planned:
            self._planned = plan
            self.on_planned()
