"""Finding an agent for a call; a pure machine, part of ``calls/call.py``.

The first agent of a call is searched for in the same way as the target of a transfer; the
differences are whom the floor may offer, and what a failure means. A search goes::

    WAITING ──offer──▶ OFFERING ──answer──▶ CONNECTING ──bridged──▶ FOUND
       ▲                  │ no answer, refusal      │ agent gone, lease lost
       └──────────────────┴─────────────────────────┘ or not bridged in time
                                              (FAILED, when one certain agent is wanted)
"""

from dataclasses import dataclass, field

from calls.call_effects import (
    CallEffect,
    CallPhones,
    ConfirmLease,
    Connect,
    Dequeue,
    Enqueue,
    FinishAgent,
    HangUpLeg,
    MarkRinging,
    ReleaseOffer,
)
from calls.call_inputs import (
    AgentOffered,
    Bridged,
    CallInput,
    DeadlinePassed,
    LeaseConfirmed,
    LeaseLost,
    MediaFailed,
    OfferFailed,
    OfferRefused,
    PartyAnswered,
    PartyEnded,
    PartyRang,
    PhonesCalled,
)
from calls.call_terms import OfferOutcome
from calls.party import Party, Segment, Summons
from calls.search import CONNECT_SECONDS, ELSEWHERE, STATUSES, SearchState, outcome_of_status

#: After our own side failed (no media process), the call is not offered again for this long, or
#: queue and owner would chase each other at full speed.
RETRY_SECONDS = 0.5


#: An agent whom a waiting call is assigned to has to be offered it within this time, or it is
#: anybody's again: he has been given another, or has taken a break.
ASSIGNED_SECONDS = 2.0


@dataclass(slots=True)
class _Attempt:
    """The offer under way: whose, which legs still live, who picked up."""

    agent_id: str
    token: int
    segment: Segment
    legs: set[str] = field(default_factory=set)
    rang: bool = False
    answered_leg: str | None = None
    worst: OfferOutcome = "unreachable"


class AgentSearch:
    """The search for an agent.

    Args:
        segments: the call's; each offer adds one.
        no_answer_seconds: how long an agent's phone may ring.
        seat: the place that he is wanted for.
        priority: in the queue.
        wanted: the one agent who will do; the search then fails with his refusal.
        line: whose agents are wanted; None: those of the line that was dialled.
        skill: what they have to be good for; None: what the line asks for.
        patience: seconds after which a search that is held out to nobody fails; None: never.
        summons: why he is wanted.
    """

    def __init__(
        self,
        segments: list[Segment],
        *,
        no_answer_seconds: float,
        seat: int = 0,
        priority: int = 0,
        wanted: str | None = None,
        line: str | None = None,
        skill: str | None = None,
        patience: float | None = None,
        summons: Summons = Summons(),  # noqa: B008 - frozen
    ) -> None:
        self.state = SearchState.WAITING
        self.rang = False
        self.found: Party | None = None
        self.failure: OfferOutcome = "unreachable"
        self.connecting: str | None = None
        self.early: str | None = None
        self._segments = segments
        self._no_answer = no_answer_seconds
        self._seat = seat
        self._priority = priority
        self._wanted = wanted
        self._line = line
        self._skill = skill
        self._patience = patience
        self._summons = summons
        self._attempt: _Attempt | None = None
        self._ring_until: float | None = None
        self._connect_until: float | None = None
        self._retry_at: float | None = None
        self._give_up_at: float | None = None
        self._assigned = False

    @property
    def status(self) -> int:
        """Why nobody answered, as SIP has it."""
        return STATUSES[self.failure]

    @property
    def deadline(self) -> float | None:
        """When it wants DeadlinePassed."""
        if self.state is SearchState.OFFERING:
            return self._ring_until
        if self.state is SearchState.CONNECTING:
            return self._connect_until
        if self.state is SearchState.WAITING:
            times = (self._retry_at, self._give_up_at)
            return min((time for time in times if time is not None), default=None)
        return None

    @property
    def agent_id(self) -> str | None:
        """The agent whom the call is held out to."""
        return self._attempt.agent_id if self._attempt else None

    @property
    def token(self) -> int | None:
        """The fencing token of the offer under way."""
        return self._attempt.token if self._attempt else None

    def start(self, now: float) -> list[CallEffect]:
        """Begin."""
        if self._patience is not None:
            self._give_up_at = now + self._patience
        return [self._enqueue()]

    def assign(self, agent_id: str, now: float) -> list[CallEffect]:
        """Be held out to this agent first; to whoever is next if he does not take it."""
        self._wanted, self._assigned = agent_id, True
        self._retry_at, self._give_up_at = None, now + ASSIGNED_SECONDS
        return [Dequeue(self._seat), self._enqueue()]

    def _unassign(self) -> None:
        self._wanted, self._assigned, self._give_up_at = None, False, None

    def _enqueue(self) -> Enqueue:
        return Enqueue(self._seat, self._priority, self._wanted, self._line, self._skill)

    @property
    def wish(self) -> Enqueue | None:
        """What the floor was told last, while anybody will do whom the rules allow."""
        waits = self.state in {SearchState.WAITING, SearchState.OFFERING, SearchState.CONNECTING}
        return self._enqueue() if waits and self._wanted is None else None

    def concerns(  # noqa: PLR0911 - a table: one line for each kind of input
        self, event: CallInput
    ) -> bool:
        """Tell whether an input is about this search."""
        match event:
            case AgentOffered(_, _, seat):
                return seat == self._seat
            case (
                PhonesCalled(token)
                | OfferFailed(token)
                | OfferRefused(token)
                | LeaseConfirmed(token)
                | LeaseLost(token)
            ):
                return token == self.token
            case PartyRang(leg) | PartyAnswered(leg) | PartyEnded(leg):
                return self._attempt is not None and leg in self._attempt.legs
            case Bridged(leg):
                return leg == self.connecting
            case MediaFailed(leg):
                return leg is None or leg == self.connecting
            case DeadlinePassed():
                return True
            case _:
                return False

    def handle(  # noqa: C901, PLR0911, PLR0912 - one arm per input, nothing else
        self, event: CallInput, now: float
    ) -> list[CallEffect]:
        """Take an input that concerns it."""
        match event:
            case AgentOffered():
                return self._on_offer(event, now)
            case PhonesCalled():
                return self._on_phones_called(event)
            case OfferFailed():
                return self._on_offer_failed(event, now)
            case OfferRefused():
                return self._back_to_waiting("refused", now)
            case PartyRang():
                return self._on_ringing()
            case PartyAnswered():
                return self._on_answered(event, now)
            case PartyEnded():
                return self._on_leg_ended(event, now)
            case LeaseConfirmed():
                return self._on_lease_confirmed()
            case LeaseLost() if self.state is SearchState.CONNECTING:
                return self._back_to_waiting("cancelled", now)
            case Bridged():
                return self._on_bridged(now)
            case MediaFailed():
                return self._on_media_failed(now)
            case DeadlinePassed():
                return self._on_deadline(now)
            case _:
                return []

    # -- the offer ---------------------------------------------------------------------------------

    def _on_offer(self, event: AgentOffered, now: float) -> list[CallEffect]:
        if self.token is not None and event.token <= self.token:
            return []  # the same offer told twice, or one that the present offer has overtaken
        pausing = self.state is SearchState.WAITING and self._retry_at is not None
        if pausing or self.state in {SearchState.FOUND, SearchState.FAILED}:
            return [ReleaseOffer(event.agent_id, event.token, "cancelled")]
        # A newer offer while one is out: the floor says that the older lease has run out.
        effects = self._drop_attempt("cancelled", now)
        segment = Segment(offered_at=now, agent_id=event.agent_id, summons=self._summons)
        self._segments.append(segment)
        self._attempt = _Attempt(event.agent_id, event.token, segment)
        self.state = SearchState.OFFERING
        self._ring_until = now + self._no_answer
        return [*effects, CallPhones(event.agent_id, event.token)]

    def _on_phones_called(self, event: PhonesCalled) -> list[CallEffect]:
        attempt = self._attempt
        if attempt is None or self.state is not SearchState.OFFERING:
            return [HangUpLeg(leg) for leg in event.legs]
        attempt.legs.update(event.legs)
        return []

    def _on_offer_failed(self, event: OfferFailed, now: float) -> list[CallEffect]:
        if self.state is not SearchState.OFFERING:
            return []
        if event.reason == "no_phone":
            return self._back_to_waiting("unreachable", now)
        # He never heard of it; and it is tried until there is media again: no segment each time.
        self._segments.pop()
        return self._back_to_waiting("cancelled", now, pause=RETRY_SECONDS)

    def _on_ringing(self) -> list[CallEffect]:
        attempt = self._attempt
        if attempt is None or attempt.rang:
            return []
        attempt.rang = self.rang = True
        return [MarkRinging(attempt.token)]

    def _on_answered(self, event: PartyAnswered, now: float) -> list[CallEffect]:
        attempt = self._attempt
        if attempt is not None and attempt.answered_leg == event.leg:
            return []  # told again
        if attempt is None or self.state is not SearchState.OFFERING:
            return [HangUpLeg(event.leg)]
        others = sorted(attempt.legs - {event.leg})
        attempt.legs = {event.leg}
        attempt.answered_leg = event.leg
        self.state = SearchState.CONNECTING
        self._connect_until = now + CONNECT_SECONDS
        return [*(HangUpLeg(leg, ELSEWHERE) for leg in others), ConfirmLease(attempt.token)]

    def _on_leg_ended(self, event: PartyEnded, now: float) -> list[CallEffect]:
        attempt = self._attempt
        if attempt is None:
            return []
        attempt.legs.discard(event.leg)
        if self.state is SearchState.CONNECTING:
            # Picked up and put down before anybody heard anything: for the caller, a refusal.
            return self._back_to_waiting("refused", now)
        outcome = outcome_of_status(event.status)
        if outcome != "unreachable":
            attempt.worst = outcome
        return [] if attempt.legs else self._back_to_waiting(attempt.worst, now)

    # -- answer ------------------------------------------------------------------------------------

    def _on_lease_confirmed(self) -> list[CallEffect]:
        attempt = self._attempt
        if attempt is None or attempt.answered_leg is None or self.connecting is not None:
            return []
        self.connecting = attempt.answered_leg
        return [Connect(attempt.answered_leg)]

    def _on_bridged(self, now: float) -> list[CallEffect]:
        attempt, self._attempt = self._attempt, None
        if attempt is None or self.connecting is None:
            return []
        attempt.segment.answered_at = now
        self.found = Party(self.connecting, attempt.segment, attempt.token)
        self.state = SearchState.FOUND
        return []

    def _on_media_failed(self, now: float) -> list[CallEffect]:
        if self.state in {SearchState.OFFERING, SearchState.CONNECTING}:
            return self._back_to_waiting("cancelled", now, pause=RETRY_SECONDS)
        return []

    # -- ends --------------------------------------------------------------------------------------

    def _on_deadline(self, now: float) -> list[CallEffect]:
        if self.deadline is None or now < self.deadline:
            return []
        if self.state is SearchState.OFFERING:
            return self._back_to_waiting("missed", now)
        if self.state is SearchState.CONNECTING:
            return self._back_to_waiting("cancelled", now, pause=RETRY_SECONDS)
        if self._assigned and self._give_up_at is not None and now >= self._give_up_at:
            self._unassign()
            return [Dequeue(self._seat), self._enqueue()]
        if self._give_up_at is not None and now >= self._give_up_at:
            return self._fail("missed")
        self._retry_at = None
        return [self._enqueue()]

    def _back_to_waiting(
        self, outcome: OfferOutcome, now: float, *, pause: float = 0.0
    ) -> list[CallEffect]:
        effects = self._drop_attempt(outcome, now)
        self.state = SearchState.WAITING
        if self._assigned:
            self._unassign()
        if self._wanted is not None:
            return [*effects, *self._fail("unreachable" if outcome == "cancelled" else outcome)]
        if pause:
            self._retry_at = now + pause
            return [*effects, Dequeue(self._seat)]
        self._retry_at = None
        return [*effects, self._enqueue()]

    def _fail(self, outcome: OfferOutcome) -> list[CallEffect]:
        self.state = SearchState.FAILED
        self.failure = outcome
        return [Dequeue(self._seat)]

    def _drop_attempt(self, outcome: OfferOutcome, now: float) -> list[CallEffect]:
        """Cancel the legs and give the agent back."""
        attempt, self._attempt, self.connecting = self._attempt, None, None
        if attempt is None:
            return []
        attempt.segment.end(now, outcome)
        effects: list[CallEffect] = [HangUpLeg(leg) for leg in sorted(attempt.legs)]
        effects.append(ReleaseOffer(attempt.agent_id, attempt.token, outcome))
        if attempt.answered_leg is not None:
            # The lease may have become a conversation while ConfirmLease is under way; of these
            # two effects the floor ignores the one that does not apply.
            effects.append(FinishAgent(attempt.agent_id, attempt.token))
        return effects

    def withdraw(self, now: float) -> list[CallEffect]:
        """Give up: nobody is needed any more."""
        if self.state in {SearchState.FOUND, SearchState.FAILED}:
            return []
        return [*self._drop_attempt("cancelled", now), *self._fail("cancelled")]
