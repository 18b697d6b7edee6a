"""What agents ask for with calls: transfers, and calls of their own from their phones."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from agents.floor import Floor
from agents.presence import HELD, PresenceError, State
from calls.call import CallState
from calls.call_inputs import (
    CallInput,
    CancelAsked,
    CompleteAsked,
    MergeAsked,
    SwapAsked,
    TransferAsked,
)
from calls.call_terms import TransferMode
from calls.directory import Directory
from calls.errors import TransferError, UnknownCall
from calls.owner import CallOwner
from calls.targets import AgentTarget, QueueTarget, Target
from telephony.leg import Leg

log = structlog.get_logger(__name__)

OUTGOING = "outgoing"
"""Why an agent is not ready while he makes a call of his own."""

_STEPS: dict[str, CallInput] = {
    "complete": CompleteAsked(),
    "cancel": CancelAsked(),
    "swap": SwapAsked(),
    "merge": MergeAsked(),
}
_REFUSALS = {"target_not_ready": 480, "target_closed": 480, "unknown_target": 404}


class AgentCalls:
    """Transfers and agents' own calls of one node.

    Args:
        directory: who can be called.
        floor: who is ready.
        role_of: an agent's role, None when there is no such account.
        owner_of: the live call in which an agent talks, None when he does in none.
        begin: starts an agent's own call: (his leg, whom he calls, himself).
        wall_clock: Unix seconds.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        floor: Floor,
        role_of: Callable[[str], Awaitable[str | None]],
        owner_of: Callable[[str], CallOwner | None],
        begin: Callable[[Leg, Target, str], CallOwner],
        wall_clock: Callable[[], float],
    ) -> None:
        self.directory = directory
        self._floor = floor
        self._role_of = role_of
        self._owner_of = owner_of
        self._begin = begin
        self._wall_clock = wall_clock
        self._calling = Counter[str]()  # agent → calls of his own
        self._tasks: set[asyncio.Task[None]] = set()

    async def resolve(self, asked: str, agent_id: str) -> Target:
        """Return whom an agent gets for what he asked or dialled.

        Raises:
            TransferError: nobody, or nobody now.
        """
        role = await self._role_of(agent_id)
        if role is None:
            raise TransferError("target_not_allowed")
        target = self.directory.find(asked, role=role, now=self._wall_clock())
        if isinstance(target, AgentTarget):
            if target.agent_id == agent_id or await self._role_of(target.agent_id) is None:
                known = asked.startswith("agent:") or target.agent_id == agent_id
                raise TransferError("unknown_target" if known else "target_not_allowed")
            presence = await self._floor.presence(target.agent_id)
            if presence is None or not presence.can_take_a_call(self._wall_clock()):
                raise TransferError("target_not_ready")
        return target

    async def transfer(
        self,
        owner: CallOwner,
        asked: str,
        mode: TransferMode,
        *,
        agent_id: str,
        reason: str | None,
    ) -> None:
        """Begin a transfer of a live call.

        Raises:
            TransferError: it cannot be; nothing was changed.
        """
        holder = owner.call.holder
        target = await self.resolve(asked, agent_id)
        if owner.call.holder is not holder:
            raise TransferError("not_talking")  # the call has been passed on meanwhile
        owner.transfer(TransferAsked(target, mode, reason=reason))

    @staticmethod
    def step(owner: CallOwner, step: str) -> None:
        """Take a step of a transfer: complete, cancel, swap or merge.

        Raises:
            TransferError: it cannot be; nothing was changed.
        """
        owner.transfer(_STEPS[step])

    # -- calls from phones -------------------------------------------------------------------------

    def on_call(self, leg: Leg) -> None:
        """Take an INVITE from an agent's phone."""
        leg.on_event = lambda _event: None
        task = asyncio.create_task(self._guarded(self._on_call(leg), leg), name="agents-call")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None], leg: Leg) -> None:
        try:
            await work
        except TransferError as error:
            log.info("agents_call_refused", agent_id=leg.account, reason=error.code)
            leg.refuse(_REFUSALS.get(error.code, 403), str(error).capitalize())
        except Exception:
            # The outermost boundary of this task: the phone is told, other calls never notice.
            log.exception("agents_call_failed", agent_id=leg.account)
            leg.refuse(500)

    async def _on_call(self, leg: Leg) -> None:
        agent_id = leg.account or ""
        if leg.replaces is not None:
            self._replace(leg, leg.replaces, agent_id)
            return
        target = await self.resolve(leg.called, agent_id)
        if leg.over:
            return  # he has hung up meanwhile
        owner = self._owner_of(agent_id)
        if owner is not None:
            # Who calls somebody from within a call asks him about it.
            owner.consult(leg, target)
        elif await self._talks_elsewhere(agent_id):
            # the call that he asks about it from is another node's, which a proxy tries next
            leg.refuse(503)
        else:
            await self._call_out(leg, target, agent_id)

    async def _call_out(self, leg: Leg, target: Target, agent_id: str) -> None:
        """Begin a call of an agent's own."""
        if isinstance(target, QueueTarget):
            raise TransferError("target_not_allowed")  # a line is for citizens, and for transfers
        paused = await self.pause(agent_id)
        held = await self.is_held(agent_id)
        if held or leg.over:
            await self.resume(agent_id, paused=paused)
        if leg.over:
            return  # he has hung up meanwhile
        if held:
            leg.refuse(486)  # another call was held out to him in this moment, or has him
        else:
            self._begin(leg, target, agent_id)

    def _replace(self, leg: Leg, replaced: Leg, agent_id: str) -> None:
        """Let an agent go on at another of his phones."""
        owner = self._owner_of(agent_id)
        name = owner.name_of(replaced) if owner is not None else None
        if owner is None or name is None or owner.call.leg_of(agent_id) != name:
            raise TransferError("target_not_allowed")  # somebody else's call is not his to take
        owner.replace_phone(leg, name)

    async def pause(self, agent_id: str) -> bool:
        """Keep calls away from an agent who makes one himself; tell whether he was ready.

        One that is held out to him in this moment is not: False, and nothing is changed.
        """
        presence = await self._floor.presence(agent_id)
        if presence is None or presence.state is not State.READY:
            return False
        presence = await self._floor.set_not_ready(agent_id, OUTGOING)
        if presence.state in HELD:
            await self._floor.set_ready(agent_id)  # the wish for later is taken back
            return False
        return True

    async def is_held(self, agent_id: str) -> bool:
        """Tell whether a call is held out to an agent, or has him, on whatever node."""
        presence = await self._floor.presence(agent_id)
        return presence is not None and presence.state in HELD

    async def _talks_elsewhere(self, agent_id: str) -> bool:
        """Tell whether the call that has an agent is another node's."""
        presence = await self._floor.presence(agent_id)
        if presence is None or presence.state not in HELD:
            return False
        return presence.call_node not in {None, self._floor.node}

    async def resume(self, agent_id: str, *, paused: bool = True) -> None:
        """Let an agent have calls again, if his own call alone kept them away."""
        presence = await self._floor.presence(agent_id)
        if paused and presence is not None and presence.reason == OUTGOING:
            try:
                await self._floor.set_ready(agent_id)
            except PresenceError:  # signed out in this moment
                log.debug("not_resumed", agent_id=agent_id)

    def began(self, agent_id: str) -> None:
        """Note that an agent makes a call of his own."""
        self._calling[agent_id] += 1

    def ended(self, agent_id: str) -> None:
        """Note that such a call is over."""
        self._calling[agent_id] -= 1
        if not self._calling[agent_id]:
            del self._calling[agent_id]

    def calls_out(self, agent_id: str) -> bool:
        """Tell whether an agent makes a call of his own: he is to be in no other then."""
        return agent_id in self._calling

    def on_finished(self, owner: CallOwner) -> None:
        """Let an agent whose own call is over have calls again."""
        if owner.calling_agent is not None:
            self.ended(owner.calling_agent)
            task = asyncio.create_task(self.resume(owner.calling_agent), name="resume")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


def live(owner: CallOwner | None, call_id: str) -> CallOwner:
    """Return the owner of a live call.

    Raises:
        UnknownCall: it is over, or there never was one.
    """
    if owner is None or owner.call.state is CallState.ENDED:
        raise UnknownCall(call_id)
    return owner
