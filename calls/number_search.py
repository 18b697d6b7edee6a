"""The search for somebody outside: his numbers, one after the other, until one answers."""

from calls.call_effects import CallEffect, CallNumber, Connect, HangUpLeg, TakeEarly
from calls.call_inputs import (
    Bridged,
    CallInput,
    DeadlinePassed,
    MediaFailed,
    PartyAnswered,
    PartyEnded,
    PartyRang,
)
from calls.call_terms import OfferOutcome
from calls.party import Party, Segment, Summons
from calls.search import CONNECT_SECONDS, STATUSES, SearchState, outcome_of_status
from calls.targets import NumberTarget

#: What an exchange says of whom was called: told as it is. Others speak of its dealings with us.
_TOLD = frozenset({403, 404, 410, 480, 484, 486, 600, 603, 604})


class NumberSearch:
    """The search for somebody outside: his numbers one after the other.

    Args:
        segments: the call's; each number adds one.
        target: whom.
        ring_seconds: how long each number may ring.
        seat: makes the legs' names unique within the call.
        summons: why he is wanted.
    """

    def __init__(
        self,
        segments: list[Segment],
        target: NumberTarget,
        *,
        ring_seconds: float,
        seat: int,
        summons: Summons,
    ) -> None:
        self.state = SearchState.OFFERING
        self.deadline: float | None = None
        self.rang = False
        self.found: Party | None = None
        self.failure: OfferOutcome = "unreachable"
        self.connecting: str | None = None
        self.early: str | None = None
        self.agent_id: str | None = None
        self._segments = segments
        self._target = target
        self._ring = ring_seconds
        self._prefix = f"p{seat}"
        self._summons = summons
        self._tried = 0
        self._leg: str | None = None
        self._segment: Segment | None = None
        self._refusal: int | None = None  # what his exchange said last

    @property
    def status(self) -> int:
        """Why nobody answered, as his exchange has put it, where that speaks of him."""
        return self._refusal or STATUSES[self.failure]

    def start(self, now: float) -> list[CallEffect]:
        """Call the first number."""
        return self._next(now)

    def _next(self, now: float) -> list[CallEffect]:
        if self._tried == len(self._target.numbers):
            self.state, self.deadline, self._leg = SearchState.FAILED, None, None
            return []
        number = self._target.numbers[self._tried]
        self._tried += 1
        self._leg = f"{self._prefix}-{self._tried}.0"
        self.state, self.connecting = SearchState.OFFERING, None
        self.deadline = now + self._ring
        self._segment = Segment(
            offered_at=now,
            partner_id=self._target.partner_id,
            number=number,
            summons=self._summons,
        )
        self._segments.append(self._segment)
        target = self._target
        return [CallNumber(self._leg, number, target.trunks, target.asserts, target.role)]

    def wants(self, leg: str) -> bool:
        """Tell whether this leg is still to be called."""
        return leg == self._leg

    def concerns(self, event: CallInput) -> bool:
        """Tell whether an input is about this search."""
        match event:
            case PartyRang(leg) | PartyAnswered(leg) | PartyEnded(leg) | Bridged(leg):
                return leg == self._leg
            case MediaFailed(leg):
                return leg is None or leg == self._leg
            case DeadlinePassed():
                return True
            case _:
                return False

    def handle(  # noqa: PLR0911 - one arm per input, nothing else
        self, event: CallInput, now: float
    ) -> list[CallEffect]:
        """Take an input that concerns it."""
        leg = self._leg
        if leg is None:
            return []
        match event:
            case PartyRang(_, early):
                return self._on_rang(leg, early=early)
            case PartyAnswered() if self.state is SearchState.OFFERING:
                self.state, self.deadline = SearchState.CONNECTING, now + CONNECT_SECONDS
                self.connecting, self.early = leg, None
                return [Connect(leg)]
            case PartyEnded(_, status):
                return self._on_ended(status, now)
            case MediaFailed():
                return [HangUpLeg(leg), *self._over("unreachable", now)]
            case Bridged() if self.connecting == leg and self._segment is not None:
                self._segment.answered_at = now
                self.found = Party(leg, self._segment)
                self.state, self.deadline = SearchState.FOUND, None
            case DeadlinePassed() if self.deadline is not None and now >= self.deadline:
                over = self._over("unreachable" if self.connecting else "missed", now)
                return [HangUpLeg(leg), *over]
            case _:
                pass
        return []

    def _on_rang(self, leg: str, *, early: bool) -> list[CallEffect]:
        self.rang = True
        if not early or self.early == leg or self.state is not SearchState.OFFERING:
            return []
        self.early = leg
        return [TakeEarly(leg)]

    def _on_ended(self, status: int | None, now: float) -> list[CallEffect]:
        effects = self._over("refused" if self.connecting else outcome_of_status(status), now)
        self._refusal = status if status in _TOLD else None
        return effects

    def _over(self, outcome: OfferOutcome, now: float) -> list[CallEffect]:
        """Note how this number ended and go on to the next."""
        if self._segment is not None:
            self._segment.end(now, outcome)
        self.failure, self.connecting, self.early = outcome, None, None
        self._refusal = None
        return self._next(now)

    def withdraw(self, now: float) -> list[CallEffect]:
        """Give up: nobody is needed any more."""
        leg, self._leg = self._leg, None
        if self.state in {SearchState.FOUND, SearchState.FAILED} or leg is None:
            return []
        self.state, self.deadline, self.connecting = SearchState.FAILED, None, None
        self.early = None
        self.failure, self._refusal = "cancelled", None
        if self._segment is not None:
            self._segment.end(now, "cancelled")
        return [HangUpLeg(leg)]
