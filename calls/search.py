"""What searches for somebody for a call have in common.

An agent is found by ``calls/agent_search.py``, somebody outside by ``calls/number_search.py``.
"""

from enum import Enum
from typing import Protocol

from calls.call_effects import CallEffect
from calls.call_inputs import CallInput
from calls.call_terms import OfferOutcome
from calls.party import Party

#: From a party's answer until it is heard: some milliseconds of Redis and the media process. When
#: one of them never answers, the caller must not wait for it.
CONNECT_SECONDS = 10.0


ELSEWHERE = "answered elsewhere"


#: What a phone is told of the end of a search that it asked for (RFC 3261 §21).
STATUSES: dict[OfferOutcome, int] = {
    "busy": 486,
    "refused": 603,
    "missed": 480,
    "unreachable": 503,
    "cancelled": 487,
}


def outcome_of_status(status: int | None) -> OfferOutcome:
    """Say what a phone's final response means for whoever was called (RFC 3261 §21.4-21.6).

    None stands for no response at all.
    """
    if status in {486, 600}:
        return "busy"
    if status in {480, 403, 603}:
        return "refused"
    if status in {408, 487}:  # the phone itself gave up ringing
        return "missed"
    return "unreachable"


class SearchState(Enum):
    """Where a search is; see the picture in ``calls/agent_search.py``."""

    WAITING = "waiting"
    OFFERING = "offering"
    CONNECTING = "connecting"
    FOUND = "found"
    FAILED = "failed"


class Search(Protocol):
    """What the call needs of a search.

    Attributes:
        state: where it is.
        deadline: when it wants DeadlinePassed.
        rang: a phone rings, or rang.
        found: who answered, once FOUND.
        failure: why nobody did, once FAILED.
        status: that, as SIP has it.
        connecting: the leg that a Connect is under way for.
        early: the leg that is heard before it has answered.
        agent_id: the agent whom the call is held out to.
    """

    state: SearchState
    rang: bool
    found: Party | None
    failure: OfferOutcome
    connecting: str | None
    early: str | None

    @property
    def deadline(self) -> float | None: ...  # noqa: D102 - said above
    @property
    def agent_id(self) -> str | None: ...  # noqa: D102 - said above
    @property
    def status(self) -> int: ...  # noqa: D102 - said above

    def start(self, now: float) -> list[CallEffect]:
        """Begin."""

    def concerns(self, event: CallInput) -> bool:
        """Tell whether an input is about this search."""

    def handle(self, event: CallInput, now: float) -> list[CallEffect]:
        """Take an input that concerns it."""

    def withdraw(self, now: float) -> list[CallEffect]:
        """Give up: nobody is needed any more."""
