"""Who waits before whom, and how long it takes, as told by the events of all nodes.

Every node hears every node's events (``eventbus/fanout.py``), so each can say of its own callers
how many of all wait before them, without asking anybody. (Priorities and skills of single callers
are the floor's matter: where there is one, ``Floor.position`` says who is served before whom.)
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from eventbus.catalogue import CallAnswered, CallArrived, CallEnded, Event

KEPT_SECONDS: Final = 1800.0
"""Answers older than this say nothing about how long it takes now."""

LONGEST_WAIT: Final = 4 * 3600.0
"""Who has waited for so long is forgotten: his node died, and nobody told that his call is over."""

KEPT_ANSWERS: Final = 20
LEAST_ANSWERS: Final = 3


class LineUp:
    """The calls that wait, by the skill their line asks for.

    Args:
        skill_of: the skill that a line's calls want: they wait for the same agents.
    """

    def __init__(self, skill_of: Callable[[str], str]) -> None:
        self._skill_of = skill_of
        self._waiting: dict[str, tuple[str, float]] = {}  # call → skill, since
        self._answers: dict[str, deque[float]] = {}

    def take(self, event: Event) -> None:
        """Take an event; those that are not about waiting change nothing."""
        match event:
            case CallArrived(call_id=str(call_id)):
                self._forget(event.at - LONGEST_WAIT)
                self._waiting[call_id] = self._skill_of(event.line), event.at
            case CallAnswered(call_id=str(call_id)):
                waited = self._waiting.pop(call_id, None)
                if waited is not None:
                    answers = self._answers.setdefault(waited[0], deque(maxlen=KEPT_ANSWERS))
                    answers.append(event.at)
            case CallEnded(call_id=str(call_id)):
                self._waiting.pop(call_id, None)
            case _:
                pass

    def _forget(self, before: float) -> None:
        """Forget who began to wait before a moment; the first have waited longest."""
        while self._waiting:
            call_id, (_, since) = next(iter(self._waiting.items()))
            if since >= before:
                return
            del self._waiting[call_id]

    def ahead_of(self, call_id: str) -> int | None:
        """Return how many have waited longer for the same agents; None: this call does not wait."""
        own = self._waiting.get(call_id)
        if own is None:
            return None
        skill, since = own
        return sum(
            (other_since, other) < (since, call_id)
            for other, (other_skill, other_since) in self._waiting.items()
            if other_skill == skill
        )

    def expected_seconds(
        self, call_id: str, now: float, *, ahead: int | None = None
    ) -> float | None:
        """Return how long a call will probably wait from now on; None: too little is known.

        Each of those ``ahead`` (None: in the order of arrival), and itself, takes as long as lay
        between the latest answers.
        """
        own = self._waiting.get(call_id)
        ahead = self.ahead_of(call_id) if ahead is None else ahead
        if ahead is None or own is None:
            return None
        answers = self._answers.get(own[0], deque())
        recent = [at for at in answers if now - at <= KEPT_SECONDS]
        if len(recent) < LEAST_ANSWERS:
            return None
        return (ahead + 1) * max(now - recent[0], 0.0) / len(recent)
