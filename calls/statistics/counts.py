"""Counts of calls, and what they say in percent of what."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from calls.reporting.figures import ANSWER_SECONDS
from calls.reporting.report import Share

QUARTER: Final = 900.0
"""Seconds of an interval. China's day begins on one: UTC+8 is a whole number of quarters."""

Kind = Literal["line", "skill", "group"]
"""What calls are counted by. Each call is counted once for its line, and once for the skill that
it asks for. For a group what counts is each time that a call was held out to one of its agents."""


@dataclass(slots=True)
class Counts:
    """What became of the calls of one interval.

    A call belongs to the interval in which it arrived, an offer (of a group) to the one in which it
    was made.

    Attributes:
        calls: all that arrived, or all offers.
        answered: by an agent.
        quick: of those, within 15 s.
        abandoned: the caller went before; an offer was not taken.
        call_backs: he is going to be called back, as he asked or was told, instead of waiting.
        failed: our side broke before an answer.
        waited: seconds until the answer, of all answered ones together.
        longest: the longest of these.
        talked: seconds of talk of those that are over.
        ended: how many of the answered ones are over.
    """

    calls: int = 0
    answered: int = 0
    quick: int = 0
    abandoned: int = 0
    failed: int = 0
    waited: float = 0.0
    longest: float = 0.0
    talked: float = 0.0
    ended: int = 0
    call_backs: int = 0

    def answer(self, waited: float) -> None:
        """Count an answer after so many seconds."""
        self.answered += 1
        self.quick += waited <= ANSWER_SECONDS
        self.waited += waited
        self.longest = max(self.longest, waited)

    def end(self, talked: float) -> None:
        """Count the end of an answered call."""
        self.ended += 1
        self.talked += talked

    def add(self, other: "Counts") -> None:
        """Count the other's calls too."""
        self.calls += other.calls
        self.answered += other.answered
        self.quick += other.quick
        self.abandoned += other.abandoned
        self.failed += other.failed
        self.waited += other.waited
        self.longest = max(self.longest, other.longest)
        self.talked += other.talked
        self.ended += other.ended
        self.call_backs += other.call_backs

    @property
    def decided(self) -> int:
        """How many no longer wait."""
        return self.answered + self.abandoned + self.call_backs + self.failed

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; every percentage with its denominator."""
        of = "已接通、放弃、改为回拨或失败的来电"
        return {
            "calls": self.calls,
            "answered": self.answered,
            "abandoned": self.abandoned,
            "call_backs": self.call_backs,
            "failed": self.failed,
            "connected": Share(self.answered, self.decided, of).to_dict(),
            "within_15_s": Share(self.quick, self.decided, of).to_dict(),
            "lost": Share(self.abandoned, self.decided, of).to_dict(),
            "mean_wait": _mean(self.waited, self.answered),
            "longest_wait": round(self.longest, 1),
            "mean_talk": _mean(self.talked, self.ended),
        }

    def offers_to_dict(self) -> dict[str, Any]:
        """Return the same of a group, whose counts are of offers."""
        of = "已应答或未接的分配"
        return {
            "offers": self.calls,
            "answered": self.answered,
            "missed": self.abandoned,
            "taken": Share(self.answered, self.answered + self.abandoned, of).to_dict(),
        }


def total(parts: Iterable[Counts]) -> Counts:
    """Return everything together."""
    whole = Counts()
    for part in parts:
        whole.add(part)
    return whole


def quarter_of(at: float) -> float:
    """Return when the quarter of an hour of a moment began, Unix seconds."""
    return at - at % QUARTER


def _mean(seconds: float, number: int) -> float | None:
    return round(seconds / number, 1) if number else None
