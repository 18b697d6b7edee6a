"""A call's transfers: the part of its machine that passes it on."""

from abc import abstractmethod
from typing import assert_never

from calls.agent_search import AgentSearch
from calls.call_conference import CallConference
from calls.call_effects import CallEffect, HandOver, HangUpLeg, RingLeg
from calls.call_facts import CallState, Transfer
from calls.call_inputs import DropAsked, PhoneReplaced, TransferAsked
from calls.call_terms import EndedBy, TransferStage
from calls.errors import TransferError
from calls.number_search import NumberSearch
from calls.party import Summons
from calls.search import Search, SearchState
from calls.targets import AgentTarget, NumberTarget, QueueTarget, Target

#: Who has talked with us already goes before those who have not been answered yet.
TRANSFER_PRIORITY = 10

#: A certain agent who is wanted has been ready a moment ago; if he is not offered the call within
#: this many seconds, he has been given another.
PATIENCE = 2.0


class CallTransfers(CallConference):
    """What may happen to a call that has somebody who holds it, and somebody who shall."""

    @abstractmethod
    def _settled(self, search: Search, effects: list[CallEffect], now: float) -> list[CallEffect]:
        """Add what follows from a search's new state."""

    @abstractmethod
    def _end(self, now: float, by: EndedBy, *, holder_gone: bool = False) -> list[CallEffect]:
        """End the call."""

    def _search_for(self, target: Target, summons: Summons) -> Search:
        seat, self._seats = self._seats, self._seats + 1
        match target:
            case NumberTarget():
                ring = self._partner_ring
                return NumberSearch(
                    self.segments, target, ring_seconds=ring, seat=seat, summons=summons
                )
            case AgentTarget() | QueueTarget():
                wanted = target.agent_id if isinstance(target, AgentTarget) else None
                return AgentSearch(
                    self.segments,
                    no_answer_seconds=self._no_answer,
                    seat=seat,
                    priority=TRANSFER_PRIORITY,
                    wanted=wanted,
                    line=(target.line or None) if isinstance(target, QueueTarget) else None,
                    skill=target.skill if isinstance(target, QueueTarget) else None,
                    patience=None if wanted is None else PATIENCE,
                    summons=summons,
                )
        assert_never(target)

    def _on_transfer_asked(self, event: TransferAsked, now: float) -> list[CallEffect]:
        holder = self.holder
        if self.state is not CallState.TALKING or holder is None or holder.agent_id is None:
            raise TransferError("not_talking")
        if self._transfer is not None and not self._transfer.merged:
            raise TransferError("transfer_under_way")
        self._check_room()
        self._seat_merged()
        summons = Summons(event.mode, holder.agent_id, event.reason)
        search = self._search_for(event.target, summons)
        transfer = Transfer(event.target, event.mode, holder.agent_id, search, event.via)
        self._transfer = transfer
        started = self._step("started", transfer, status=100)
        return [started, *self._settled(search, search.start(now), now)]

    def _on_complete_asked(self, now: float) -> list[CallEffect]:
        if self._transfer is None and self.guests and self._agent_holds:
            return self._pass_to_guest(now)
        transfer = self._underway()
        if transfer.party is not None:
            return self._hand_over(transfer, now)
        # Not answered yet: the citizen is back with the agent, who goes when it is.
        transfer.mode = "blind"
        return self._drop_via(transfer)

    def _on_cancel_asked(self, now: float) -> list[CallEffect]:
        transfer = self._underway()
        effects = self._drop_target(transfer, now)
        return [*effects, *self._over(transfer, "cancelled", now)]

    def _on_drop_asked(self, event: DropAsked, now: float) -> list[CallEffect]:
        """Let one of those who were called in go."""
        if (guest := self._guest(event.leg)) is not None:
            return self._let_go(guest, now)
        consulted = self.consulted
        if consulted is not None and consulted.leg == event.leg:
            return self._on_cancel_asked(now)
        raise TransferError("unknown_party")

    def _on_swap_asked(self) -> list[CallEffect]:
        transfer = self._underway()
        if transfer.party is None or transfer.via is not None:
            raise TransferError("not_consulting")
        # Out of a three-way conversation it leads to the target alone.
        transfer.swapped, transfer.merged = not (transfer.swapped or transfer.merged), False
        return []

    def _on_merge_asked(self) -> list[CallEffect]:
        transfer = self._underway()
        if transfer.party is None or transfer.via is not None:
            raise TransferError("not_consulting")
        if transfer.merged:
            return []
        transfer.swapped, transfer.merged = False, True
        return [self._step("merged", transfer)]

    def _underway(self) -> Transfer:
        if self._transfer is None or self.ended_at is not None:
            raise TransferError("no_transfer")
        return self._transfer

    def _hand_over(self, transfer: Transfer, now: float, *, gone: bool = False) -> list[CallEffect]:
        """Let the target hold the call; whoever held it leaves, or is gone already."""
        before, self.holder, self._transfer = self.holder, transfer.party, None
        effects: list[CallEffect] = [
            self._step("completed", transfer),
            HandOver(before, transfer.party),
        ]
        effects += self._leave(before, now, "transferred", gone=gone, why="transferred")
        return [*effects, *self._drop_via(transfer)]

    def _transfer_failed(self, transfer: Transfer, now: float) -> list[CallEffect]:
        search = transfer.search
        failed = self._step("failed", transfer, outcome=search.failure, status=search.status)
        return [failed, *self._over(transfer, None, now)]

    def _over(
        self, transfer: Transfer, stage: TransferStage | None, now: float
    ) -> list[CallEffect]:
        """End a transfer that has not changed who holds the call."""
        self._transfer = None
        told: list[CallEffect] = [self._step(stage, transfer, status=487)] if stage else []
        effects = [*told, *self._drop_via(transfer, transfer.search.status)]
        if self.holder is not None:
            return effects
        # The one who transferred has gone: the citizen waits for anybody, before all others.
        self._search = self._search_for(QueueTarget(""), Summons("requeued", transfer.agent_id))
        return [*effects, *self._search.start(now)]

    def _drop_target(self, transfer: Transfer, now: float) -> list[CallEffect]:
        if transfer.party is None:
            return transfer.search.withdraw(now)
        outcome = "conferred" if transfer.merged else "consulted"
        return self._leave(transfer.party, now, outcome)

    @staticmethod
    def _drop_via(transfer: Transfer, status: int | None = None) -> list[CallEffect]:
        via, transfer.via = transfer.via, None
        return [HangUpLeg(via, status=status)] if via is not None else []

    def _on_phone_replaced(self, event: PhoneReplaced) -> list[CallEffect]:
        if self.holder is None or self.holder.leg != event.old:
            raise TransferError("not_talking")
        self.holder.leg = event.new
        return [HangUpLeg(event.old, "replaced")]

    def _transfer_settled(self, transfer: Transfer, now: float) -> list[CallEffect]:
        search = transfer.search
        if search.state is SearchState.FAILED:
            return self._transfer_failed(transfer, now)
        if search.state is SearchState.FOUND and transfer.party is None:
            transfer.party = search.found
            if transfer.mode == "conference" and self.holder is not None:
                transfer.merged = True
                return [self._step("merged", transfer)]
            if transfer.mode == "blind" or self.holder is None:
                return self._hand_over(transfer, now)
            return [self._step("joined", transfer)]
        if search.rang and not transfer.told_ringing:
            transfer.told_ringing = True
            ring: list[CallEffect] = [RingLeg(transfer.via)] if transfer.via else []
            return [*ring, self._step("ringing", transfer, status=180)]
        return []

    # -- who leaves --------------------------------------------------------------------------------

    def _on_party_left(self, leg: str, now: float) -> list[CallEffect]:
        what, transfer = self._present()[leg], self._transfer
        if what == "holder":
            return self._on_holder_left(now)
        if (guest := self._guest(leg)) is not None:
            return self._let_go(guest, now, gone=True)
        if transfer is None:
            return []
        if what == "via":
            # The phone has hung up its call to the target: it has thought better of it.
            transfer.via = None
            effects = self._drop_target(transfer, now)
            return [*effects, *self._over(transfer, "cancelled", now)]
        outcome = "conferred" if transfer.merged else "consulted"
        effects = self._leave(transfer.party, now, outcome, gone=True)
        return [*effects, *self._over(transfer, "cancelled", now)]

    def _on_holder_left(self, now: float) -> list[CallEffect]:
        transfer, holder = self._transfer, self.holder
        if transfer is None and not self.guests:
            return self._end(now, self._holder_is(), holder_gone=True)
        if transfer is None:
            return self._pass_to_guest(now, gone=True)
        if transfer.party is not None:
            return self._hand_over(transfer, now, gone=True)
        if self.guests:
            # The citizen has company: nobody is sought for him any more.
            dropped = [*self._drop_target(transfer, now), *self._drop_via(transfer)]
            self._transfer = None
            cancelled = self._step("cancelled", transfer, status=487)
            return [*dropped, cancelled, *self._pass_to_guest(now, gone=True)]
        self.holder = None
        effects = self._leave(holder, now, "transferred", gone=True)
        if transfer.mode != "blind":
            transfer.mode = "blind"
            effects += self._drop_via(transfer)
        return [*effects, HandOver(holder, None)]
