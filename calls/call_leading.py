"""What shift leaders do with a call: the part of its machine that is theirs."""

from calls.agent_search import AgentSearch
from calls.call_effects import CallEffect, HandOver
from calls.call_facts import CallState
from calls.call_inputs import Bridged, CallInput
from calls.call_transfers import CallTransfers
from calls.errors import TransferError
from calls.party import Party, Summons
from calls.supervision import Place, Supervision
from calls.supervision_events import SuperviseAsked


class CallLeading(CallTransfers):
    """A call that may be supervised, taken over, or assigned while it waits."""

    def _on_assign_asked(self, agent_id: str, now: float) -> list[CallEffect]:
        search = self._search
        if self.state is not CallState.WAITING or not isinstance(search, AgentSearch):
            raise TransferError("not_waiting")
        return search.assign(agent_id, now)

    def _on_supervise_asked(self, event: SuperviseAsked, now: float) -> list[CallEffect]:
        holder, present = self.holder, self.supervision
        if self.state is not CallState.TALKING or holder is None or holder.agent_id is None:
            raise TransferError("not_talking")
        if holder.agent_id == event.supervisor:
            raise TransferError("own_call")
        if present is not None and present.place is not Place.OVER:
            return self._on_mode_asked(self._supervised_by(event.supervisor), event, now)
        if event.mode == "take_over" and self._transfer is not None:
            raise TransferError("transfer_under_way")
        self._check_room()
        number = len(self.supervisions) + 1
        supervision = Supervision(
            event.supervisor, event.mode, number=number, ring_seconds=self._no_answer
        )
        self.supervision = supervision
        effects = supervision.start(now, agent_id=holder.agent_id)
        if supervision.segment is not None:
            self.supervisions.append(supervision.segment)
        return effects

    def _on_mode_asked(
        self, supervision: Supervision, event: SuperviseAsked, now: float
    ) -> list[CallEffect]:
        """Change how he is in the call."""
        if event.mode == "take_over" and self._transfer is not None:
            raise TransferError("transfer_under_way")
        supervision.mode = event.mode
        if supervision.place is not Place.IN:
            return []  # told when he has picked up
        if event.mode == "take_over":
            return self._taken_over(supervision, now)
        return [supervision.step("changed", self.agent_id)]

    def _supervised_by(self, supervisor: str) -> Supervision:
        """Return the supervision under way, if it is this supervisor's."""
        present = self.supervision
        if present is None or present.place is Place.OVER:
            raise TransferError("not_supervising")
        if present.supervisor != supervisor:
            raise TransferError("supervised")
        return present

    def _on_supervision(
        self, supervision: Supervision, event: CallInput, now: float
    ) -> list[CallEffect]:
        effects = supervision.handle(event, now, agent_id=self.agent_id)
        wanted = supervision.mode == "take_over" and supervision.place is Place.IN
        if wanted and isinstance(event, Bridged):
            return [*effects, *self._taken_over(supervision, now)]
        return effects

    def _taken_over(self, supervision: Supervision, now: float) -> list[CallEffect]:
        """Let the supervisor hold the call; the agent wraps up.

        With a transfer begun meanwhile, or nobody holding the call any more, he only barges in:
        what the agent has begun is not torn away from under him.
        """
        before, leg, segment = self.holder, supervision.leg, supervision.segment
        if before is None or leg is None or segment is None or self._transfer is not None:
            supervision.mode = "barge"
            return [supervision.step("changed", self.agent_id)]
        step = supervision.step("taken_over", before.agent_id)
        segment.summons = Summons("take_over", supervision.supervisor)
        self.supervisions.remove(segment)
        self.segments.append(segment)
        self.supervision, self.holder = None, Party(leg, segment)
        return [
            step,
            HandOver(before, self.holder),
            *self._leave(before, now, "transferred", why="transferred"),
        ]
