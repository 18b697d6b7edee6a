"""The life of one call, as a pure machine: no socket, no clock, no Redis.

The owner (``calls/owner.py``) feeds it what happened and performs the effects it returns. A call is
its caller, who holds it (the party he talks with), and at most one transfer under way::

    WAITING ──▶ OFFERING ──▶ CONNECTING ──▶ TALKING ──▶ ENDED     (caller gone: ENDED from anywhere)
       ▲            the search for a holder    │  ▲
       │                                       ▼  │ failed, cancelled: back with the holder
       └──── failed, and the holder has ── transfer ── the target answered ──▶ the new holder
             left meanwhile

Three rules carry most of the weight. The citizen never learns of an agent's refusal: whatever goes
wrong on the agent's side leads back to WAITING. The citizen's hang-up ends everything at any
moment, including effects still under way: their late results find the call ENDED and are undone.
And the citizen is never left alone by a transfer: whoever passes him on stays until the target has
answered, and if he goes before, the search for the target goes on, and after it the search for
anybody.
"""

from dataclasses import replace

from calls.agent_search import AgentSearch
from calls.call_effects import (
    CallEffect,
    Connect,
    Finish,
    HandOver,
    HangUpCaller,
    HangUpLeg,
    Hear,
    ReleaseOffer,
    RingCaller,
)
from calls.call_facts import CallOutcome, CallState
from calls.call_inputs import (
    AgentOffered,
    Arrived,
    AssignAsked,
    CallerEnded,
    CallInput,
    CancelAsked,
    CompleteAsked,
    DeadlinePassed,
    DropAsked,
    HangUpAsked,
    MediaFailed,
    MergeAsked,
    OverflowAsked,
    PartyAnswered,
    PartyEnded,
    PhoneReplaced,
    PhonesCalled,
    SwapAsked,
    TransferAsked,
)
from calls.call_leading import CallLeading
from calls.call_terms import EndedBy
from calls.party import Summons
from calls.search import Search, SearchState, outcome_of_status
from calls.supervision_events import SuperviseAsked, SupervisionEndAsked, SupervisorCalled
from calls.targets import NumberTarget

__all__ = ["Call", "CallOutcome", "CallState", "outcome_of_status"]


class Call(CallLeading):
    """One call; see the module's picture."""

    # -- inputs ------------------------------------------------------------------------------------

    def handle(self, event: CallInput, now: float) -> list[CallEffect]:
        """Take one input and return what is to be done.

        Args:
            event: what happened.
            now: monotonic seconds.

        Raises:
            ValueError: Arrived twice, or anything before it (our mistake; nothing changes).
            TransferError: a transfer is asked for that cannot be, now (nothing changes).
        """
        if (self.state is CallState.NEW) is not isinstance(event, Arrived):
            raise ValueError(f"{type(event).__name__} in state {self.state.value}")
        effects = self._take(event, now)
        hearing = self._hearing()
        effects = [
            replace(effect, hearing=hearing) if isinstance(effect, Connect) else effect
            for effect in effects
        ]
        if any(isinstance(effect, Connect) for effect in effects):
            self._heard = hearing
        elif hearing != self._heard and self._may_be_heard:
            self._heard = hearing
            effects.append(Hear(hearing))
        return effects

    @property
    def _may_be_heard(self) -> bool:
        """Whether the caller hears others: in conversation, or an agent before his is answered."""
        if self._calling_agent is not None:
            return self.state is not CallState.ENDED
        return self.state is CallState.TALKING

    def _take(  # noqa: C901, PLR0911, PLR0912 - one arm per input, nothing else
        self, event: CallInput, now: float
    ) -> list[CallEffect]:
        match event:
            case Arrived():
                return self._on_arrived(event, now)
            case CallerEnded():
                return self._end(now, self._caller_is() if not event.failed else "system")
            case HangUpAsked():
                return self._end(now, event.by, outcome=event.outcome)
            case OverflowAsked(target):
                return self._on_overflow_asked(target, now)
            case MediaFailed(None) if self.answered_at is not None:
                # The caller's own session is gone, and he was answered: he must dial again.
                return self._end(now, "system", failed=True)
            case TransferAsked():
                return self._on_transfer_asked(event, now)
            case CompleteAsked():
                return self._on_complete_asked(now)
            case CancelAsked():
                return self._on_cancel_asked(now)
            case SwapAsked():
                return self._on_swap_asked()
            case MergeAsked():
                return self._on_merge_asked()
            case DropAsked():
                return self._on_drop_asked(event, now)
            case PhoneReplaced():
                return self._on_phone_replaced(event)
            case AssignAsked(agent_id):
                return self._on_assign_asked(agent_id, now)
            case SuperviseAsked():
                return self._on_supervise_asked(event, now)
            case SupervisionEndAsked(supervisor):
                return self._supervised_by(supervisor).withdraw(now, self.agent_id)
            case _ if self.supervision is not None and self.supervision.concerns(event):
                return self._on_supervision(self.supervision, event, now)
            case PartyEnded(leg) if leg in self._present():
                return self._on_party_left(leg, now)
            case PartyAnswered(leg) if leg in self._present():
                return []  # told again
            case _:
                return self._on_search_input(event, now)

    def _caller_is(self) -> EndedBy:
        return "citizen" if self._calling_agent is None else "agent"

    # -- searches ----------------------------------------------------------------------------------

    def _on_arrived(self, event: Arrived, now: float) -> list[CallEffect]:
        self.arrived_at = now
        self._calling_agent = event.agent_id
        search: Search
        if event.target is None:
            search = AgentSearch(self.segments, no_answer_seconds=self._no_answer)
            self._search, self._seats = search, 1
            return [RingCaller(), *search.start(now)]
        self._search = search = self._search_for(event.target, Summons("outbound", event.agent_id))
        return self._settled(search, search.start(now), now)

    def _on_search_input(self, event: CallInput, now: float) -> list[CallEffect]:
        effects: list[CallEffect] = []
        if isinstance(event, DeadlinePassed) and self.supervision is not None:
            effects += self._on_supervision(self.supervision, event, now)
        concerned = [search for search in self._searches() if search.concerns(event)]
        for search in concerned:
            effects += self._settled(search, search.handle(event, now), now)
        return effects if effects or concerned else _undone(event)

    def _settled(self, search: Search, effects: list[CallEffect], now: float) -> list[CallEffect]:
        """Add what follows from a search's new state."""
        if search is self._search:
            return [*effects, *self._own_search_settled(search, now)]
        if self._transfer is not None and search is self._transfer.search:
            return [*effects, *self._transfer_settled(self._transfer, now)]
        return effects

    def _own_search_settled(self, search: Search, now: float) -> list[CallEffect]:
        if search.state is SearchState.FOUND and search.found is not None:
            first = self.answered_at is None
            self._search, self.holder = None, search.found
            self.answered_at = self.answered_at if not first else now
            return [] if first else [HandOver(None, search.found)]
        if search.state is SearchState.FAILED and self._calling_agent is None:
            # Another hotline could not take a citizen's call: back to its place, among our agents.
            self._search = AgentSearch(self.segments, no_answer_seconds=self._no_answer)
            return self._search.start(now)
        if search.state is SearchState.FAILED:
            return self._end(now, "system", status=search.status)
        if search.rang and self._calling_agent is not None and not self._told_ringing:
            self._told_ringing = True
            return [RingCaller()]
        return []

    def _on_overflow_asked(self, target: NumberTarget, now: float) -> list[CallEffect]:
        """Let somebody outside have a call that waits; nothing, when it does not wait any more."""
        waiting = self._search
        if self.state is not CallState.WAITING or waiting is None or self.answered_at is not None:
            return []
        self._search = search = self._search_for(target, Summons("overflow"))
        return [*waiting.withdraw(now), *self._settled(search, search.start(now), now)]

    # -- the end -----------------------------------------------------------------------------------

    def _end(
        self,
        now: float,
        by: EndedBy,
        *,
        failed: bool = False,
        holder_gone: bool = False,
        status: int | None = None,
        outcome: CallOutcome | None = None,
    ) -> list[CallEffect]:
        if self.ended_at is not None:
            return []
        effects: list[CallEffect] = []
        if self._transfer is not None:
            effects += self._drop_target(self._transfer, now)
            effects += self._drop_via(self._transfer)
            effects.append(self._step("cancelled", self._transfer, status=487))
        effects += self._leave(self.holder, now, "answered", gone=holder_gone)
        for guest in self.guests:
            effects += self._leave(guest.party, now, "conferred")
        self.guests.clear()
        if self._search is not None:
            effects += self._search.withdraw(now)
        if self.supervision is not None:
            effects += self.supervision.withdraw(now, self.agent_id)
        self._transfer, self._search, self.holder = None, None, None
        self.ended_at = now
        self.ended_by = by
        if outcome is not None and self.answered_at is None:
            self.outcome = outcome
        elif failed or (by == "system" and self.answered_at is None):
            self.outcome = "failed"
        else:
            self.outcome = "abandoned" if self.answered_at is None else "answered"
        return [*effects, HangUpCaller(status), Finish()]


def _undone(event: CallInput) -> list[CallEffect]:
    """Return how to undo what comes back too late for anybody to want it."""
    match event:
        case PhonesCalled(_, legs) | SupervisorCalled(_, legs):
            return [HangUpLeg(leg) for leg in legs]
        case PartyAnswered(leg):
            return [HangUpLeg(leg)]  # a second phone, or the caller has gone
        case AgentOffered(agent_id, token):
            return [ReleaseOffer(agent_id, token, "cancelled")]
        case _:
            return []
