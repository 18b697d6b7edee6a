"""The life of one citizen's call, as a pure machine: no socket, no clock, no Redis.

The owner (``calls/owner.py``) feeds it what happened and performs the effects it returns. Every
way a call can go is decided here::

    WAITING ──offer──▶ OFFERING ──answer──▶ CONNECTING ──bridged──▶ TALKING ──▶ ENDED
       ▲                  │ no answer, refusal      │ agent gone, lease lost
       └──────────────────┴─────────────────────────┘        (caller gone: ENDED from anywhere)

Two rules carry most of the weight. The citizen never learns of an agent's refusal: whatever goes
wrong on the agent's side leads back to WAITING. And the citizen's hang-up ends everything at any
moment, including effects still under way: their late results find the call ENDED and are undone.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, assert_never

from calls.call_events import (
    AgentLegAnswered,
    AgentLegEnded,
    AgentLegRinging,
    AgentOffered,
    Arrived,
    Bridged,
    CallEffect,
    CallerEnded,
    CallInput,
    CallPhones,
    ConfirmLease,
    Connect,
    DeadlinePassed,
    Dequeue,
    EndedBy,
    Enqueue,
    Finish,
    FinishAgent,
    HangUpAsked,
    HangUpCaller,
    HangUpLeg,
    LeaseConfirmed,
    LeaseLost,
    MarkRinging,
    MediaFailed,
    OfferFailed,
    OfferOutcome,
    OfferRefused,
    PhonesCalled,
    ReleaseOffer,
    RingCaller,
)

CallOutcome = Literal["answered", "abandoned", "failed", "rejected"]

#: After our own side failed (no media process), the call is not offered again for this long, or
#: queue and owner would chase each other at full speed.
RETRY_SECONDS = 0.5


class CallState(Enum):
    """Where the call is; see the module's picture."""

    NEW = "new"
    WAITING = "waiting"
    OFFERING = "offering"
    CONNECTING = "connecting"
    TALKING = "talking"
    ENDED = "ended"


@dataclass(slots=True)
class Segment:
    """One agent's part in the call: held out to him, perhaps answered, over.

    Times are the machine's (monotonic seconds); outcome: an OfferOutcome, ``answered``, or None
    while it lasts.
    """

    agent_id: str
    offered_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    outcome: str | None = None


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


def outcome_of_status(status: int | None) -> OfferOutcome:
    """Say what a phone's final response means for the agent (RFC 3261 §21.4-21.6).

    None stands for no response at all.
    """
    if status in {486, 600}:
        return "busy"
    if status in {480, 403, 603}:
        return "refused"
    if status in {408, 487}:  # the phone itself gave up ringing
        return "missed"
    return "unreachable"


class Call:
    """One citizen's call.

    Args:
        no_answer_seconds: how long an agent's phone may ring.
    """

    def __init__(self, *, no_answer_seconds: float = 15.0) -> None:
        self.state = CallState.NEW
        self.deadline: float | None = None
        self.segments: list[Segment] = []
        self.arrived_at = 0.0
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.ended_by: EndedBy | None = None
        self.outcome: CallOutcome | None = None
        self._no_answer = no_answer_seconds
        self._attempt: _Attempt | None = None

    @property
    def agent_id(self) -> str | None:
        """The agent whom the call is held out to or talking with; after the end, the last."""
        if self._attempt is not None:
            return self._attempt.agent_id
        if self.answered_at is not None and self.segments:
            return self.segments[-1].agent_id
        return None

    @property
    def token(self) -> int | None:
        """The fencing token of the offer under way."""
        return self._attempt.token if self._attempt else None

    def handle(self, event: CallInput, now: float) -> list[CallEffect]:  # noqa: C901, PLR0911, PLR0912 - one arm per input, nothing else
        """Take one input and return what is to be done.

        Args:
            event: what happened.
            now: monotonic seconds.

        Raises:
            ValueError: Arrived twice, or anything before it (our mistake; nothing changes).
        """
        if (self.state is CallState.NEW) is not isinstance(event, Arrived):
            raise ValueError(f"{type(event).__name__} in state {self.state.value}")
        match event:
            case Arrived():
                self.arrived_at = now
                self.state = CallState.WAITING
                return [RingCaller(), Enqueue()]
            case AgentOffered():
                return self._on_offer(event, now)
            case PhonesCalled():
                return self._on_phones_called(event)
            case OfferFailed():
                return self._on_offer_failed(event, now)
            case OfferRefused():
                return self._on_offer_refused(event, now)
            case AgentLegRinging():
                return self._on_ringing(event)
            case AgentLegAnswered():
                return self._on_answered(event)
            case AgentLegEnded():
                return self._on_agent_leg_ended(event, now)
            case LeaseConfirmed():
                return self._on_lease_confirmed(event)
            case LeaseLost():
                return self._on_lease_lost(event, now)
            case Bridged():
                return self._on_bridged(event, now)
            case MediaFailed():
                return self._on_media_failed(now)
            case CallerEnded():
                return self._end(now, "system" if event.failed else "citizen")
            case HangUpAsked():
                return self._end(now, event.by)
            case DeadlinePassed():
                return self._on_deadline(now)
        assert_never(event)

    # -- the offer ---------------------------------------------------------------------------------

    def _on_offer(self, event: AgentOffered, now: float) -> list[CallEffect]:
        if self.token is not None and event.token <= self.token:
            return []  # the same offer told twice, or one that the present offer has overtaken
        pausing = self.state is CallState.WAITING and self.deadline is not None
        if pausing or self.state in {CallState.TALKING, CallState.ENDED}:
            return [ReleaseOffer(event.agent_id, event.token, "cancelled")]
        # A newer offer while one is out: the floor says that the older lease has run out.
        effects = self._drop_attempt("cancelled", now)
        segment = Segment(event.agent_id, offered_at=now)
        self.segments.append(segment)
        self._attempt = _Attempt(event.agent_id, event.token, segment)
        self.state = CallState.OFFERING
        self.deadline = now + self._no_answer
        return [*effects, CallPhones(event.agent_id, event.token)]

    def _on_phones_called(self, event: PhonesCalled) -> list[CallEffect]:
        attempt = self._attempt
        if attempt is None or attempt.token != event.token or self.state is not CallState.OFFERING:
            return [HangUpLeg(leg) for leg in event.legs]
        attempt.legs.update(event.legs)
        return []

    def _on_offer_failed(self, event: OfferFailed, now: float) -> list[CallEffect]:
        if self.token != event.token or self.state is not CallState.OFFERING:
            return []
        if event.reason == "no_phone":
            return self._back_to_waiting("unreachable", now)
        # He never heard of it; and it is tried until there is media again: no segment each time.
        self.segments.pop()
        return self._back_to_waiting("cancelled", now, pause=RETRY_SECONDS)

    def _on_offer_refused(self, event: OfferRefused, now: float) -> list[CallEffect]:
        if self.token != event.token or self.state is CallState.TALKING:
            return []
        return self._back_to_waiting("refused", now)

    def _on_ringing(self, event: AgentLegRinging) -> list[CallEffect]:
        attempt = self._attempt
        if attempt is None or event.leg not in attempt.legs or attempt.rang:
            return []
        attempt.rang = True
        return [MarkRinging(attempt.token)]

    def _on_answered(self, event: AgentLegAnswered) -> list[CallEffect]:
        attempt = self._attempt
        if attempt is None or event.leg not in attempt.legs or self.state is not CallState.OFFERING:
            return [HangUpLeg(event.leg)]  # a second phone, or the citizen has gone
        others = sorted(attempt.legs - {event.leg})
        attempt.legs = {event.leg}
        attempt.answered_leg = event.leg
        self.state = CallState.CONNECTING
        self.deadline = None
        return [*(HangUpLeg(leg) for leg in others), ConfirmLease(attempt.token)]

    def _on_agent_leg_ended(self, event: AgentLegEnded, now: float) -> list[CallEffect]:
        attempt = self._attempt
        if attempt is None or event.leg not in attempt.legs:
            return []
        attempt.legs.discard(event.leg)
        if self.state is CallState.TALKING:
            return self._end(now, "agent")
        if self.state is CallState.CONNECTING:
            # Picked up and put down before anybody heard anything: for the citizen, a refusal.
            return self._back_to_waiting("refused", now)
        outcome = outcome_of_status(event.status)
        if outcome != "unreachable":
            attempt.worst = outcome
        return [] if attempt.legs else self._back_to_waiting(attempt.worst, now)

    # -- answer ------------------------------------------------------------------------------------

    def _on_lease_confirmed(self, event: LeaseConfirmed) -> list[CallEffect]:
        attempt = self._attempt
        if attempt is None or attempt.token != event.token:
            return []  # it ended meanwhile; the ReleaseOffer that follows frees the agent
        if self.state is not CallState.CONNECTING or attempt.answered_leg is None:
            return []
        return [Connect(attempt.answered_leg, attempt.token)]

    def _on_lease_lost(self, event: LeaseLost, now: float) -> list[CallEffect]:
        if self.token != event.token or self.state is not CallState.CONNECTING:
            return []
        return self._back_to_waiting("cancelled", now)

    def _on_bridged(self, event: Bridged, now: float) -> list[CallEffect]:
        if self.token != event.token or self.state is not CallState.CONNECTING:
            return []
        self.state = CallState.TALKING
        self.answered_at = now
        self.segments[-1].answered_at = now
        return []

    def _on_media_failed(self, now: float) -> list[CallEffect]:
        match self.state:
            case CallState.TALKING:
                # The citizen's own session is gone, and he was answered: he must dial again.
                return self._end(now, "system", failed=True)
            case CallState.OFFERING | CallState.CONNECTING:
                return self._back_to_waiting("cancelled", now, pause=RETRY_SECONDS)
            case _:
                return []

    # -- ends --------------------------------------------------------------------------------------

    def _on_deadline(self, now: float) -> list[CallEffect]:
        if self.deadline is None or now < self.deadline:
            return []
        self.deadline = None
        if self.state is CallState.OFFERING:
            return self._back_to_waiting("missed", now)
        if self.state is CallState.WAITING:
            return [Enqueue()]
        return []

    def _back_to_waiting(
        self, outcome: OfferOutcome, now: float, *, pause: float = 0.0
    ) -> list[CallEffect]:
        effects = self._drop_attempt(outcome, now)
        self.state = CallState.WAITING
        if pause:
            self.deadline = now + pause
            return [*effects, Dequeue()]
        self.deadline = None
        return [*effects, Enqueue()]

    def _drop_attempt(self, outcome: OfferOutcome, now: float) -> list[CallEffect]:
        """Cancel the legs and give the agent back."""
        attempt = self._attempt
        if attempt is None:
            return []
        self._attempt = None
        talked = attempt.segment.answered_at is not None
        attempt.segment.ended_at = now
        attempt.segment.outcome = "answered" if talked else outcome
        effects: list[CallEffect] = [HangUpLeg(leg) for leg in sorted(attempt.legs)]
        if not talked:
            effects.append(ReleaseOffer(attempt.agent_id, attempt.token, outcome))
        if attempt.answered_leg is not None:
            # The lease may have become a conversation while ConfirmLease is under way; of these
            # two effects the floor ignores the one that does not apply.
            effects.append(FinishAgent(attempt.agent_id))
        return effects

    def _end(self, now: float, by: EndedBy, *, failed: bool = False) -> list[CallEffect]:
        if self.state is CallState.ENDED:
            return []
        waiting = self.state in {CallState.WAITING, CallState.OFFERING, CallState.CONNECTING}
        effects = self._drop_attempt("cancelled", now)
        self.state = CallState.ENDED
        self.deadline = None
        self.ended_at = now
        self.ended_by = by
        if failed or (by == "system" and self.answered_at is None):
            self.outcome = "failed"
        else:
            self.outcome = "abandoned" if self.answered_at is None else "answered"
        if waiting:
            effects.append(Dequeue())
        return [*effects, HangUpCaller(), Finish()]
