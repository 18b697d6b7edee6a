"""A supervisor in a call: listening, whispering, barging in. Pure, a part of ``calls/call.py``.

His own phone is called, and when he picks it up his voice and ears are added to the call::

    CALLING ──answer──▶ JOINING ──bridged──▶ IN ──▶ OVER      (OVER from anywhere)

He follows the agent: while the agent consults somebody, he hears that, and not the citizen who
waits. Nothing that goes wrong with him is noticed by anybody in the call.
"""

from enum import Enum

from calls.call_effects import CallEffect, Connect, HangUpLeg
from calls.call_inputs import (
    Bridged,
    CallInput,
    DeadlinePassed,
    MediaFailed,
    PartyAnswered,
    PartyEnded,
)
from calls.hearing import Hearing
from calls.party import Segment, Summons
from calls.search import CONNECT_SECONDS, ELSEWHERE, outcome_of_status
from calls.supervision_events import (
    CallSupervisor,
    SupervisionMode,
    SupervisionStage,
    SupervisionStep,
    SupervisorCalled,
)


class Place(Enum):
    """Where the supervisor is; see the module's picture."""

    CALLING = "calling"
    JOINING = "joining"
    IN = "in"
    OVER = "over"


def added(base: Hearing, *, agent: str, leader: str, mode: SupervisionMode) -> Hearing:
    """Return who hears whom once a leader is added to those who talk with an agent."""
    circle = {party for pair in base if agent in pair for party in pair} | {agent}
    heard: set[tuple[str, str]] = {(party, leader) for party in circle}
    if mode == "whisper":
        heard.add((leader, agent))
    elif mode in {"barge", "take_over"}:
        heard |= {(leader, party) for party in circle}
    return base | heard


class Supervision:
    """One supervisor in one call.

    Args:
        supervisor: his number.
        mode: how he wants to be in it.
        number: which supervision of the call it is; makes his legs' names unique.
        ring_seconds: how long his phones may ring.

    Attributes:
        segment: what is remembered of it.
        leg: his phone's, once it is being joined.
    """

    def __init__(
        self, supervisor: str, mode: SupervisionMode, *, number: int, ring_seconds: float
    ) -> None:
        self.supervisor = supervisor
        self.mode = mode
        self.place = Place.CALLING
        self.deadline: float | None = None
        self.leg: str | None = None
        self.segment: Segment | None = None
        self._group = f"lead.{number}"
        self._ring = ring_seconds
        self._legs: set[str] = set()
        self._worst = "unreachable"

    def start(self, now: float, *, agent_id: str | None) -> list[CallEffect]:
        """Call his phones."""
        self.deadline = now + self._ring
        summons = Summons(self.mode, self.supervisor)
        self.segment = Segment(offered_at=now, agent_id=self.supervisor, summons=summons)
        return [
            self.step("started", agent_id),
            CallSupervisor(self.supervisor, self._group),
        ]

    def step(
        self, stage: SupervisionStage, agent_id: str | None, *, outcome: str | None = None
    ) -> SupervisionStep:
        """Say how it goes."""
        return SupervisionStep(stage, self.mode, self.supervisor, agent_id, outcome)

    @property
    def connecting(self) -> str | None:
        """The leg that a Connect is under way for."""
        return self.leg if self.place is Place.JOINING else None

    def hearing(self, base: Hearing, agent: str | None) -> Hearing:
        """Return who hears whom with him; ``agent``: the leg of whom he watches."""
        if self.leg is None or agent is None or self.place is Place.OVER:
            return base
        return added(base, agent=agent, leader=self.leg, mode=self.mode)

    def concerns(self, event: CallInput) -> bool:
        """Tell whether an input is about him."""
        match event:
            case SupervisorCalled(group):
                return group == self._group and self.place is not Place.OVER
            case PartyAnswered(leg) | PartyEnded(leg) | Bridged(leg):
                return leg in self._legs
            case MediaFailed(leg):
                return leg is not None and leg == self.leg
            case _:
                return False

    def handle(  # noqa: PLR0911 - one arm per input, nothing else
        self, event: CallInput, now: float, *, agent_id: str | None
    ) -> list[CallEffect]:
        """Take an input that concerns him, or the time."""
        match event:
            case SupervisorCalled(_, legs):
                self._legs = set(legs)
                return [] if legs else self.withdraw(now, agent_id, outcome="unreachable")
            case PartyAnswered(leg):
                return self._on_answered(leg, now)
            case PartyEnded(leg, status):
                return self._on_ended(leg, status, now, agent_id)
            case Bridged() if self.place is Place.JOINING:
                self.place, self.deadline = Place.IN, None
                if self.segment is not None:
                    self.segment.answered_at = now
                return [self.step("joined", agent_id)]
            case MediaFailed():
                return self.withdraw(now, agent_id, outcome="unreachable")
            case DeadlinePassed() if self.deadline is not None and now >= self.deadline:
                return self.withdraw(now, agent_id, outcome="missed")
            case _:
                return []

    def _on_answered(self, leg: str, now: float) -> list[CallEffect]:
        if self.place is not Place.CALLING:
            return []
        others = sorted(self._legs - {leg})
        self._legs, self.leg = {leg}, leg
        self.place, self.deadline = Place.JOINING, now + CONNECT_SECONDS
        return [*(HangUpLeg(other, ELSEWHERE) for other in others), Connect(leg)]

    def _on_ended(
        self, leg: str, status: int | None, now: float, agent_id: str | None
    ) -> list[CallEffect]:
        self._legs.discard(leg)
        if self.place is not Place.CALLING:
            return self.withdraw(now, agent_id)
        outcome = outcome_of_status(status)
        if outcome != "unreachable":
            self._worst = outcome
        return [] if self._legs else self.withdraw(now, agent_id, outcome=self._worst)

    def withdraw(
        self, now: float, agent_id: str | None, *, outcome: str | None = None
    ) -> list[CallEffect]:
        """Let him go, whatever he is doing."""
        if self.place is Place.OVER:
            return []
        was_in = self.place is Place.IN
        self.place, self.deadline = Place.OVER, None
        if self.segment is not None:
            self.segment.end(now, "supervised" if was_in else outcome or "cancelled")
        effects: list[CallEffect] = [HangUpLeg(leg) for leg in sorted(self._legs)]
        self._legs.clear()
        if was_in or outcome is None:
            return [*effects, self.step("ended", agent_id)]
        return [*effects, self.step("failed", agent_id, outcome=outcome)]
