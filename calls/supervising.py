"""What shift leaders ask for with calls: to be in them, and whom waiting ones go to."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from agents.floor import Floor
from agents.presence import HELD, PresenceError, State
from calls.agent_search import ASSIGNED_SECONDS
from calls.call_inputs import AssignAsked
from calls.errors import TransferError
from calls.owner import CallOwner
from calls.supervision_events import SuperviseAsked, SupervisionMode, SupervisionStep, TakerLeft
from telephony.bindings import BindingStore

log = structlog.get_logger(__name__)

SUPERVISING = "supervising"
"""Why somebody who takes calls himself is not ready while he is in another's."""

_MARGIN = 0.5
"""Seconds for what is between the machine's time and an answer to whoever asked."""

_OVER = {"ended", "failed"}


class Supervising:
    """Supervisors in the calls of one node.

    Args:
        floor: who is ready.
        bindings: whose phones are registered.
        owner_of: the live call in which somebody talks, None when he does in none.
        role_of: somebody's role, None when there is no such account.
    """

    def __init__(
        self,
        *,
        floor: Floor,
        bindings: BindingStore,
        owner_of: Callable[[str], CallOwner | None],
        role_of: Callable[[str], Awaitable[str | None]],
    ) -> None:
        self._floor = floor
        self._bindings = bindings
        self._owner_of = owner_of
        self._role_of = role_of
        self._in_calls: set[str] = set()
        # Calls that are assigned just now → what each asker waits for: whom they are held out to;
        # None: they are over.
        self._assigned: dict[str, list[asyncio.Future[str | None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def supervise(self, owner: CallOwner, mode: SupervisionMode, *, supervisor: str) -> None:
        """Bring a supervisor into a call, or let him be in it in another way.

        Raises:
            TransferError: ``no_phone``, ``supervisor_busy``, or what the call itself refuses.
        """
        present = owner.call.supervision
        if present is None or present.supervisor != supervisor:
            if supervisor in self._in_calls or self._owner_of(supervisor) is not None:
                raise TransferError("supervisor_busy")
            if not await self._bindings.lookup(supervisor):
                raise TransferError("no_phone")
            await self._pause(supervisor)
            if supervisor in self._in_calls:  # he has gone into another call meanwhile
                raise TransferError("supervisor_busy")
        try:
            owner.feed(SuperviseAsked(supervisor, mode))
        except TransferError:
            if supervisor not in self._in_calls:
                await self._resume(supervisor)
            raise

    def on_step(self, step: SupervisionStep | TakerLeft) -> None:
        """Follow who is in a call, and let him have calls again when he is not."""
        if isinstance(step, TakerLeft):
            self._later(step.supervisor)
            return
        if step.stage == "started":
            self._in_calls.add(step.supervisor)
        elif step.stage in {"ended", "failed", "taken_over"}:
            self._in_calls.discard(step.supervisor)
        if step.stage in _OVER:
            self._later(step.supervisor)

    def on_finished(self, owner: CallOwner) -> None:
        """Let whoever took a call over have calls again when it is over."""
        self._decide(owner.call_id, None)
        for segment in owner.call.segments:
            if segment.summons.how == "take_over" and segment.agent_id is not None:
                self._later(segment.agent_id)

    def _later(self, supervisor: str) -> None:
        task = asyncio.create_task(self._resume(supervisor), name="resume")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def assign(self, owner: CallOwner, agent_id: str, *, now: float) -> None:
        """Hold a waiting call out to this agent first; return when it is.

        Raises:
            TransferError: ``unknown_target``, ``target_not_ready`` (he has another call by now, or
                takes none) or ``not_waiting``.
        """
        if await self._role_of(agent_id) is None:
            raise TransferError("unknown_target")
        presence = await self._floor.presence(agent_id)
        if presence is None or not presence.can_take_a_call(now):
            raise TransferError("target_not_ready")
        owner.feed(AssignAsked(agent_id))
        # Two may assign it at once: whoever it is held out to is the answer to both, and one of
        # them who has waited long enough takes nothing from the other.
        held_out: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        askers = self._assigned.setdefault(owner.call_id, [])
        askers.append(held_out)
        try:
            async with asyncio.timeout(ASSIGNED_SECONDS + _MARGIN):
                offered_to = await held_out
        except TimeoutError:
            raise TransferError("target_not_ready") from None
        finally:
            askers.remove(held_out)
            if not askers:
                self._assigned.pop(owner.call_id, None)
        if offered_to is None:
            raise TransferError("not_waiting")
        if offered_to != agent_id:
            raise TransferError("target_not_ready")

    def on_offer(self, owner: CallOwner, agent_id: str) -> None:
        """Note to whom a call is held out."""
        self._decide(owner.call_id, agent_id)

    def _decide(self, call_id: str, agent_id: str | None) -> None:
        for held_out in self._assigned.get(call_id, ()):
            if not held_out.done():
                held_out.set_result(agent_id)

    async def _pause(self, supervisor: str) -> None:
        """Keep calls away from somebody who takes some himself.

        Raises:
            TransferError: ``supervisor_busy``: one holds him, perhaps another node's.
        """
        presence = await self._floor.presence(supervisor)
        if presence is not None and presence.state is State.READY:
            presence = await self._floor.set_not_ready(supervisor, SUPERVISING)
            if presence.state in HELD:  # held out to him in this moment: the wish is taken back
                await self._floor.set_ready(supervisor)
        if presence is not None and presence.state in HELD:
            raise TransferError("supervisor_busy")

    async def _resume(self, supervisor: str) -> None:
        if supervisor in self._in_calls or self._owner_of(supervisor) is not None:
            return  # he is in the next call by now
        presence = await self._floor.presence(supervisor)
        if presence is not None and presence.reason == SUPERVISING:
            try:
                await self._floor.set_ready(supervisor)
            except PresenceError:  # signed out in this moment
                log.debug("not_resumed", agent_id=supervisor)
