"""What a supervisor wants of a call, and what follows from it: more inputs and effects of a call.

``calls/supervision.py`` takes the inputs and returns the effects.
"""

from dataclasses import dataclass
from typing import Literal

SupervisionMode = Literal["listen", "whisper", "barge", "take_over"]
"""Hear all that the agent hears and says; be heard by him alone; by all; have the call."""

SupervisionStage = Literal["started", "joined", "changed", "taken_over", "ended", "failed"]


@dataclass(frozen=True, slots=True)
class SuperviseAsked:
    """A supervisor wants to be in the call, or, if he is, to be in it in another way.

    Attributes:
        supervisor: his number.
        mode: how.
    """

    supervisor: str
    mode: SupervisionMode


@dataclass(frozen=True, slots=True)
class SupervisorCalled:
    """His phones were called: ``legs`` has one id per phone; none: it could not be done."""

    group: str
    legs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SupervisionEndAsked:
    """He has heard enough."""

    supervisor: str


SupervisionInput = SuperviseAsked | SupervisorCalled | SupervisionEndAsked


@dataclass(frozen=True, slots=True)
class CallSupervisor:
    """INVITE every phone of the supervisor; answered by SupervisorCalled.

    Attributes:
        supervisor: whom.
        group: how the names of his legs begin.
    """

    supervisor: str
    group: str


@dataclass(frozen=True, slots=True)
class SupervisionStep:
    """Say how it goes.

    Attributes:
        stage: started, joined, changed (the mode), taken_over, ended, or failed.
        mode: the mode now.
        supervisor: who.
        agent_id: whose call it is; at ``taken_over`` whose it was.
        outcome: why it failed.
    """

    stage: SupervisionStage
    mode: SupervisionMode
    supervisor: str
    agent_id: str | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class TakerLeft:
    """Who took the call over has passed it on, or has gone: he may have others again."""

    supervisor: str


SupervisionEffect = CallSupervisor | SupervisionStep | TakerLeft
