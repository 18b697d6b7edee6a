"""What desks ask of live calls."""

from collections.abc import Callable

from calls.agent_calls import AgentCalls, live
from calls.call import CallState
from calls.call_inputs import DropAsked, HangUpAsked
from calls.call_terms import TransferMode
from calls.controls import CallControls, controls_of
from calls.errors import RecordingError, UnknownCall
from calls.owner import CallOwner
from calls.supervising import Supervising
from calls.supervision_events import SupervisionEndAsked, SupervisionMode
from telephony.media_commands import MediaError


class CallCommands:
    """A part of ``CallService``, which makes what stands here.

    Attributes:
        agents: what agents do with calls.
        supervising: what supervisors do with them.
    """

    agents: AgentCalls
    supervising: Supervising
    _owners: dict[str, CallOwner]
    _wall_clock: Callable[[], float]

    async def hang_up(self, call_id: str, *, agent_id: str) -> None:
        """End a live call.

        From the agent whom it is only held out to, that is a refusal; from one of those who take
        part in a transfer it is his own leaving.

        Raises:
            UnknownCall: there is none with this id.
        """
        owner = live(self._owners.get(call_id), call_id)
        if not owner.leave(agent_id):
            owner.feed(HangUpAsked("agent"))

    async def transfer(
        self,
        call_id: str,
        target: str,
        mode: TransferMode,
        *,
        agent_id: str,
        reason: str | None = None,
    ) -> None:
        """Begin to pass a live call on: at once, or after a consultation.

        Raises:
            UnknownCall: there is none with this id.
            TransferError: it cannot be; nothing was changed.
        """
        owner = live(self._owners.get(call_id), call_id)
        await self.agents.transfer(owner, target, mode, agent_id=agent_id, reason=reason)

    async def transfer_step(self, call_id: str, step: str) -> None:
        """Take a step of a transfer: complete, cancel, swap or merge.

        Raises:
            UnknownCall: there is no live call with this id.
            TransferError: it cannot be; nothing was changed.
        """
        self.agents.step(live(self._owners.get(call_id), call_id), step)

    async def supervise(self, call_id: str, mode: SupervisionMode, *, supervisor: str) -> None:
        """Bring a supervisor into a live call, or let him be in it in another way.

        Raises:
            UnknownCall: there is none with this id.
            TransferError: it cannot be; nothing was changed.
        """
        owner = live(self._owners.get(call_id), call_id)
        await self.supervising.supervise(owner, mode, supervisor=supervisor)

    def end_supervision(self, call_id: str, *, supervisor: str) -> None:
        """Let a supervisor go out of a call.

        Raises:
            UnknownCall: there is none with this id.
            TransferError: he is not in it.
        """
        live(self._owners.get(call_id), call_id).feed(SupervisionEndAsked(supervisor))

    async def assign(self, call_id: str, agent_id: str) -> None:
        """Hold a waiting call out to this agent first.

        Raises:
            UnknownCall: there is none with this id.
            TransferError: it does not wait, or he cannot take it: it waits in its old place.
        """
        owner = live(self._owners.get(call_id), call_id)
        await self.supervising.assign(owner, agent_id, now=self._wall_clock())

    async def one_key(
        self, call_id: str, partner_id: str, *, agent_id: str, reason: str | None = None
    ) -> None:
        """Do with a call what a partner's one key does.

        Raises:
            UnknownCall: there is none with this id.
            TransferError: it cannot be; nothing was changed.
        """
        mode = self.agents.directory.one_key(partner_id)
        target = f"partner:{partner_id}"
        await self.transfer(call_id, target, mode, agent_id=agent_id, reason=reason)

    def drop(self, call_id: str, party: str) -> None:
        """Let somebody who was called into a call go; all others go on.

        Raises:
            UnknownCall: there is none with this id.
            TransferError: there is no such party.
        """
        live(self._owners.get(call_id), call_id).feed(DropAsked(party))

    async def pause_recording(self, call_id: str, *, paused: bool) -> None:
        """Stop recording and transcribing a call while a card's number is said, or go on.

        Raises:
            UnknownCall: nobody talks in a call of this id.
            RecordingError: it is not recorded, or the media process is away.
        """
        owner = self._owners.get(call_id)
        if owner is None or owner.call.state is not CallState.TALKING:
            raise UnknownCall(call_id)
        try:
            recorded = await owner.pause_recording(paused=paused)
        except MediaError as error:
            raise RecordingError(str(error)) from error
        if not recorded:
            raise RecordingError("the call is not being recorded")

    def controls(self, call_id: str) -> CallControls:
        """Return a live call's hold, mute and keys; raise ``UnknownCall``."""
        return controls_of(self._owners.get(call_id), call_id)
