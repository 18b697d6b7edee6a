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

from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal, assert_never

from calls.call_events import (
    AgentOffered,
    Arrived,
    CallEffect,
    CallerEnded,
    CallInput,
    CancelAsked,
    CompleteAsked,
    Connect,
    EndedBy,
    Finish,
    FinishAgent,
    HandOver,
    HangUpAsked,
    HangUpCaller,
    HangUpLeg,
    Hear,
    MediaFailed,
    MergeAsked,
    PartyAnswered,
    PartyEnded,
    PhoneReplaced,
    PhonesCalled,
    ReleaseOffer,
    RingCaller,
    RingLeg,
    SwapAsked,
    TransferAsked,
    TransferMode,
    TransferStage,
    TransferStep,
)
from calls.errors import TransferError
from calls.hearing import CALLER, NOBODY, Hearing, circle
from calls.party import Party, Segment, Summons
from calls.search import (
    STATUSES,
    AgentSearch,
    NumberSearch,
    Search,
    SearchState,
    outcome_of_status,
)
from calls.targets import AgentTarget, NumberTarget, QueueTarget, Target, name_of

__all__ = ["Call", "CallOutcome", "CallState", "outcome_of_status"]

CallOutcome = Literal["answered", "abandoned", "failed", "rejected"]

#: Who has talked with us already goes before those who have not been answered yet.
TRANSFER_PRIORITY = 10

#: A certain agent who is wanted has been ready a moment ago; if he is not offered the call within
#: this many seconds, he has been given another.
PATIENCE = 2.0


class CallState(Enum):
    """Where the call is; see the module's picture."""

    NEW = "new"
    WAITING = "waiting"
    OFFERING = "offering"
    CONNECTING = "connecting"
    TALKING = "talking"
    ENDED = "ended"


_SEARCHING = {
    SearchState.WAITING: CallState.WAITING,
    SearchState.OFFERING: CallState.OFFERING,
    SearchState.CONNECTING: CallState.CONNECTING,
}


@dataclass(slots=True)
class _Transfer:
    """A transfer under way: whom to, how far it is, and by whom."""

    target: Target
    mode: TransferMode
    agent_id: str
    search: Search
    via: str | None = None
    party: Party | None = None  # the target, once it has answered a consultation
    swapped: bool = False
    merged: bool = False
    told_ringing: bool = False


class Call:
    """One call.

    Args:
        no_answer_seconds: how long an agent's phone may ring.
        partner_seconds: how long each number of somebody outside may ring.
    """

    def __init__(self, *, no_answer_seconds: float = 15.0, partner_seconds: float = 30.0) -> None:
        self.segments: list[Segment] = []
        self.arrived_at = 0.0
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.ended_by: EndedBy | None = None
        self.outcome: CallOutcome | None = None
        self.holder: Party | None = None
        self._no_answer = no_answer_seconds
        self._partner_ring = partner_seconds
        self._calling_agent: str | None = None  # who makes an outgoing call
        self._told_ringing = False
        self._search: Search | None = None
        self._transfer: _Transfer | None = None
        self._seats = 0
        self._heard: Hearing | None = NOBODY  # what the owner was last told; None: unknown

    # -- facts -------------------------------------------------------------------------------------

    @property
    def state(self) -> CallState:
        """Where the call is."""
        if self.ended_at is not None:
            return CallState.ENDED
        if self.holder is not None or self._transfer is not None:
            return CallState.TALKING
        if self._search is not None:
            return _SEARCHING[self._search.state]
        return CallState.NEW

    @property
    def deadline(self) -> float | None:
        """When DeadlinePassed is wanted."""
        times = [search.deadline for search in self._searches()]
        return min((time for time in times if time is not None), default=None)

    @property
    def agent_id(self) -> str | None:
        """The agent whom the call is held out to or talking with; after the end, the last."""
        if self.holder is not None:
            return self.holder.agent_id or self._calling_agent
        if self._search is not None and self._calling_agent is None:
            return self._search.agent_id
        if self._calling_agent is not None or self.ended_at is None:
            return self._calling_agent
        talked = [part for part in self.segments if part.agent_id and part.answered_at is not None]
        return talked[-1].agent_id if talked else None

    @property
    def token(self) -> int | None:
        """The fencing token of the offer by which the call's own search is held out."""
        return self._search.token if isinstance(self._search, AgentSearch) else None

    @property
    def consulted(self) -> Party | None:
        """The target of a consultation that has answered."""
        return self._transfer.party if self._transfer else None

    @property
    def transferring(self) -> bool:
        """Whether a transfer is under way."""
        return self._transfer is not None

    @property
    def transfer_to(self) -> str | None:
        """The public name of whom the call is being transferred to."""
        return name_of(self._transfer.target) if self._transfer else None

    @property
    def transfer_stage(self) -> TransferStage | None:
        """How far the transfer is: started, ringing, joined or merged."""
        if self._transfer is None:
            return None
        if self._transfer.party is not None:
            return "merged" if self._transfer.merged else "joined"
        return "ringing" if self._transfer.told_ringing else "started"

    @property
    def via(self) -> str | None:
        """The second leg of the agent's phone, by which he consults."""
        return self._transfer.via if self._transfer else None

    def offer_to(self, agent_id: str) -> int | None:
        """Return the token of the offer by which an agent is held a place in this call."""
        offers = (search for search in self._searches() if isinstance(search, AgentSearch))
        return next((search.token for search in offers if search.agent_id == agent_id), None)

    def leg_of(self, agent_id: str) -> str | None:
        """Return the leg of an agent who is in the call, None when he is not."""
        for party in (self.holder, self.consulted):
            if party is not None and party.agent_id == agent_id:
                return party.leg
        return None

    def expects(self, token: int) -> bool:
        """Tell whether an offer is still under way."""
        return any(
            search.token == token for search in self._searches() if isinstance(search, AgentSearch)
        )

    def calls(self, leg: str) -> bool:
        """Tell whether a number outside is still to be called."""
        searches = (search for search in self._searches() if isinstance(search, NumberSearch))
        return any(search.wants(leg) for search in searches)

    def caller_hears(self, leg: str) -> bool:
        """Tell whether a party and the caller shall hear each other now."""
        return (CALLER, leg) in self._hearing()

    def connecting(self, leg: str) -> bool:
        """Tell whether a Connect of this leg is still wanted."""
        return any(search.connecting == leg for search in self._searches())

    def _searches(self) -> list[Search]:
        transfer = self._transfer.search if self._transfer else None
        return [search for search in (self._search, transfer) if search is not None]

    def _hearing(self) -> Hearing:
        """Return who shall hear whom now."""
        transfer, holder = self._transfer, self.holder
        if transfer is None:
            other = holder.leg if holder else self._search.connecting if self._search else None
            return circle(CALLER, other) if other is not None else NOBODY
        target = transfer.party.leg if transfer.party else transfer.search.connecting
        if holder is None:
            return circle(CALLER, target) if target is not None else NOBODY
        if transfer.mode == "blind":
            return circle(CALLER, holder.leg if target is None else target)
        return _consulting(transfer, holder.leg, target)

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
        elif self.state is CallState.TALKING and hearing != self._heard:
            self._heard = hearing
            effects.append(Hear(hearing))
        return effects

    def _take(  # noqa: C901, PLR0911, PLR0912 - one arm per input, nothing else
        self, event: CallInput, now: float
    ) -> list[CallEffect]:
        match event:
            case Arrived():
                return self._on_arrived(event, now)
            case CallerEnded():
                return self._end(now, self._caller_is() if not event.failed else "system")
            case HangUpAsked():
                return self._end(now, event.by)
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
            case PhoneReplaced():
                return self._on_phone_replaced(event)
            case PartyEnded(leg) if leg in self._present():
                return self._on_party_left(leg, now)
            case PartyAnswered(leg) if leg in self._present():
                return []  # told again
            case _:
                return self._on_search_input(event, now)

    def _caller_is(self) -> EndedBy:
        return "citizen" if self._calling_agent is None else "agent"

    def _present(self) -> dict[str, str]:
        """Return the parties who are in the call, beside the caller: leg → what he is."""
        present = {}
        if self.holder is not None:
            present[self.holder.leg] = "holder"
        if self._transfer is not None:
            if self._transfer.party is not None:
                present[self._transfer.party.leg] = "target"
            if self._transfer.via is not None:
                present[self._transfer.via] = "via"
        return present

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
                    patience=None if wanted is None else PATIENCE,
                    summons=summons,
                )
        assert_never(target)

    def _on_search_input(self, event: CallInput, now: float) -> list[CallEffect]:
        effects: list[CallEffect] = []
        concerned = [search for search in self._searches() if search.concerns(event)]
        for search in concerned:
            effects += self._settled(search, search.handle(event, now), now)
        return effects if concerned else _undone(event)

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
        if search.state is SearchState.FAILED:  # of an agent's own call; a citizen's never fails
            return self._end(now, "system", status=STATUSES[search.failure])
        if search.rang and self._calling_agent is not None and not self._told_ringing:
            self._told_ringing = True
            return [RingCaller()]
        return []

    def _transfer_settled(self, transfer: _Transfer, now: float) -> list[CallEffect]:
        search = transfer.search
        if search.state is SearchState.FAILED:
            return self._transfer_failed(transfer, now)
        if search.state is SearchState.FOUND and transfer.party is None:
            transfer.party = search.found
            if transfer.mode == "blind" or self.holder is None:
                return self._hand_over(transfer, now)
            return [self._step("joined", transfer)]
        if search.rang and not transfer.told_ringing:
            transfer.told_ringing = True
            ring: list[CallEffect] = [RingLeg(transfer.via)] if transfer.via else []
            return [*ring, self._step("ringing", transfer, status=180)]
        return []

    # -- transfers ---------------------------------------------------------------------------------

    def _on_transfer_asked(self, event: TransferAsked, now: float) -> list[CallEffect]:
        holder = self.holder
        if self.state is not CallState.TALKING or holder is None or holder.agent_id is None:
            raise TransferError("not_talking")
        if self._transfer is not None:
            raise TransferError("transfer_under_way")
        summons = Summons(event.mode, holder.agent_id, event.reason)
        search = self._search_for(event.target, summons)
        transfer = _Transfer(event.target, event.mode, holder.agent_id, search, event.via)
        self._transfer = transfer
        started = self._step("started", transfer, status=100)
        return [started, *self._settled(search, search.start(now), now)]

    def _on_complete_asked(self, now: float) -> list[CallEffect]:
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

    def _underway(self) -> _Transfer:
        if self._transfer is None or self.ended_at is not None:
            raise TransferError("no_transfer")
        return self._transfer

    def _hand_over(
        self, transfer: _Transfer, now: float, *, gone: bool = False
    ) -> list[CallEffect]:
        """Let the target hold the call; whoever held it leaves, or is gone already."""
        before, self.holder, self._transfer = self.holder, transfer.party, None
        effects: list[CallEffect] = [
            self._step("completed", transfer),
            HandOver(before, transfer.party),
        ]
        effects += self._leave(before, now, "transferred", gone=gone, why="transferred")
        return [*effects, *self._drop_via(transfer)]

    def _transfer_failed(self, transfer: _Transfer, now: float) -> list[CallEffect]:
        outcome = transfer.search.failure
        failed = self._step("failed", transfer, outcome=outcome, status=STATUSES[outcome])
        return [failed, *self._over(transfer, None, now)]

    def _over(
        self, transfer: _Transfer, stage: TransferStage | None, now: float
    ) -> list[CallEffect]:
        """End a transfer that has not changed who holds the call."""
        self._transfer = None
        told: list[CallEffect] = [self._step(stage, transfer, status=487)] if stage else []
        effects = [*told, *self._drop_via(transfer, STATUSES[transfer.search.failure])]
        if self.holder is not None:
            return effects
        # The one who transferred has gone: the citizen waits for anybody, before all others.
        self._search = self._search_for(QueueTarget(""), Summons("requeued", transfer.agent_id))
        return [*effects, *self._search.start(now)]

    def _drop_target(self, transfer: _Transfer, now: float) -> list[CallEffect]:
        if transfer.party is None:
            return transfer.search.withdraw(now)
        return self._leave(transfer.party, now, "consulted")

    @staticmethod
    def _drop_via(transfer: _Transfer, status: int | None = None) -> list[CallEffect]:
        via, transfer.via = transfer.via, None
        return [HangUpLeg(via, status=status)] if via is not None else []

    @staticmethod
    def _step(
        stage: TransferStage,
        transfer: _Transfer,
        *,
        outcome: str | None = None,
        status: int = 200,
    ) -> TransferStep:
        return TransferStep(
            stage, transfer.target, transfer.mode, transfer.agent_id, outcome, status
        )

    def _on_phone_replaced(self, event: PhoneReplaced) -> list[CallEffect]:
        if self.holder is None or self.holder.leg != event.old:
            raise TransferError("not_talking")
        self.holder.leg = event.new
        return [HangUpLeg(event.old, "replaced")]

    # -- ends --------------------------------------------------------------------------------------

    def _on_party_left(self, leg: str, now: float) -> list[CallEffect]:
        what, transfer = self._present()[leg], self._transfer
        if what == "holder":
            return self._on_holder_left(now)
        if transfer is None:
            return []
        if what == "via":
            # The phone has hung up its call to the target: it has thought better of it.
            transfer.via = None
            effects = self._drop_target(transfer, now)
            return [*effects, *self._over(transfer, "cancelled", now)]
        effects = self._leave(transfer.party, now, "consulted", gone=True)
        return [*effects, *self._over(transfer, "cancelled", now)]

    def _on_holder_left(self, now: float) -> list[CallEffect]:
        transfer, holder = self._transfer, self.holder
        if transfer is None:
            return self._end(now, self._holder_is(), holder_gone=True)
        if transfer.party is not None:
            return self._hand_over(transfer, now, gone=True)
        self.holder = None
        effects = self._leave(holder, now, "transferred", gone=True)
        if transfer.mode == "consult":
            transfer.mode = "blind"
            effects += self._drop_via(transfer)
        return [*effects, HandOver(holder, None)]

    def _holder_is(self) -> EndedBy:
        if self.holder is not None and self.holder.agent_id is None:
            return "partner"
        return "agent"

    @staticmethod
    def _leave(
        party: Party | None,
        now: float,
        outcome: str,
        *,
        gone: bool = False,
        why: str | None = None,
    ) -> list[CallEffect]:
        """End a party's part; ``gone``: he has hung up himself."""
        if party is None:
            return []
        party.segment.end(now, outcome)
        effects: list[CallEffect] = [] if gone else [HangUpLeg(party.leg, why)]
        if party.agent_id is not None and party.token is not None:
            effects.append(FinishAgent(party.agent_id, party.token))
        return effects

    def _end(
        self,
        now: float,
        by: EndedBy,
        *,
        failed: bool = False,
        holder_gone: bool = False,
        status: int | None = None,
    ) -> list[CallEffect]:
        if self.ended_at is not None:
            return []
        effects: list[CallEffect] = []
        if self._transfer is not None:
            effects += self._drop_target(self._transfer, now)
            effects += self._drop_via(self._transfer)
            effects.append(self._step("cancelled", self._transfer, status=487))
        effects += self._leave(self.holder, now, "answered", gone=holder_gone)
        if self._search is not None:
            effects += self._search.withdraw(now)
        self._transfer, self._search, self.holder = None, None, None
        self.ended_at = now
        self.ended_by = by
        if failed or (by == "system" and self.answered_at is None):
            self.outcome = "failed"
        else:
            self.outcome = "abandoned" if self.answered_at is None else "answered"
        return [*effects, HangUpCaller(status), Finish()]


def _consulting(transfer: _Transfer, agent: str, target: str | None) -> Hearing:
    """Return who hears whom while an agent consults; ``target`` is None until it answers."""
    with_caller = circle(CALLER, agent)
    if transfer.via is not None:
        # his phone keeps the two apart itself: each of its calls is a conversation of its own
        return with_caller | (circle(transfer.via, target) if target is not None else NOBODY)
    if transfer.swapped:
        return with_caller
    if target is None:
        return NOBODY
    return circle(CALLER, agent, target) if transfer.merged else circle(agent, target)


def _undone(event: CallInput) -> list[CallEffect]:
    """Return how to undo what comes back too late for anybody to want it."""
    match event:
        case PhonesCalled(_, legs):
            return [HangUpLeg(leg) for leg in legs]
        case PartyAnswered(leg):
            return [HangUpLeg(leg)]  # a second phone, or the caller has gone
        case AgentOffered(agent_id, token):
            return [ReleaseOffer(agent_id, token, "cancelled")]
        case _:
            return []
