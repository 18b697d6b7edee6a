"""What a caller hears when nobody talks with him any more, as pure machines.

`Survey` asks him to rate the agent who has just left, by key. `Farewell` thanks and hangs up.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from calls.attending.script import (
    Begun,
    Dismiss,
    Gone,
    Key,
    Line,
    Rated,
    RatingOutcome,
    Say,
    SayingEnded,
    ScriptEffect,
    ScriptInput,
    TimePassed,
)
from calls.attending.waiting_room import LONGEST_SAYING

REPEAT: Final = "*"
"""Says the question again; costs an attempt, so that nobody hears it for ever."""

SCORES: Final = frozenset("12345")


@dataclass(frozen=True, slots=True)
class SurveyRules:
    """How a rating is asked for.

    Attributes:
        attempts: how often the question is said at most.
        answer_seconds: how long a key is waited for after the question.
    """

    attempts: int = 2
    answer_seconds: float = 8.0


class _Stage(Enum):
    NEW = "new"
    ASKING = "asking"
    THANKING = "thanking"
    OVER = "over"


class Survey:
    """Asks one caller for a rating.

    Whatever happens there is exactly one Rated, and unless he hangs up himself a Dismiss after it.
    """

    def __init__(self, rules: SurveyRules) -> None:
        self._rules = rules
        self._stage = _Stage.NEW
        self._left = rules.attempts
        self._why: RatingOutcome = "timeout"
        self.deadline: float | None = None

    def handle(  # noqa: PLR0911 - one arm per input, nothing else
        self, event: ScriptInput, now: float
    ) -> list[ScriptEffect]:
        """Take one input and return what is to be done."""
        match event:
            case Begun() if self._stage is _Stage.NEW:
                return self._ask(now)
            case Gone():
                return self._gone()
            case Key(key) if self._stage is _Stage.ASKING:
                return self._on_key(key, now)
            case SayingEnded() if self._stage is _Stage.ASKING:
                self.deadline = now + self._rules.answer_seconds
                return []
            case SayingEnded() if self._stage is _Stage.THANKING:
                return self._dismiss()
            case TimePassed() if self.deadline is not None and now >= self.deadline:
                return self._on_time(now)
            case _:
                return []

    def _ask(self, now: float, *first: Line) -> list[ScriptEffect]:
        self._stage, self.deadline = _Stage.ASKING, now + LONGEST_SAYING
        self._left -= 1
        return [Say((*first, Line("rating")))]

    def _on_key(self, key: str, now: float) -> list[ScriptEffect]:
        if key in SCORES:
            thanks = Say((Line("thanks"), Line("goodbye")))
            return self._thank(Rated("rated", int(key)), thanks, now)
        if key != REPEAT:
            self._why = "invalid"
        first = () if key == REPEAT else (Line("rating-unknown"),)
        return self._ask(now, *first) if self._left else self._give_up(now)

    def _on_time(self, now: float) -> list[ScriptEffect]:
        if self._stage is _Stage.THANKING:
            return self._dismiss()
        return self._ask(now) if self._left else self._give_up(now)

    def _give_up(self, now: float) -> list[ScriptEffect]:
        return self._thank(Rated(self._why), Say((Line("goodbye"),)), now)

    def _thank(self, rated: Rated, words: Say, now: float) -> list[ScriptEffect]:
        self._stage, self.deadline = _Stage.THANKING, now + LONGEST_SAYING
        return [rated, words]

    def _dismiss(self) -> list[ScriptEffect]:
        self._stage, self.deadline = _Stage.OVER, None
        return [Dismiss()]

    def _gone(self) -> list[ScriptEffect]:
        asked = self._stage is _Stage.ASKING
        self._stage, self.deadline = _Stage.OVER, None
        return [Rated("hung_up")] if asked else []


class Farewell:
    """Says something to one caller and hangs up.

    Args:
        lines: what.
    """

    def __init__(self, *lines: Line) -> None:
        self._lines = lines
        self.deadline: float | None = None

    def handle(self, event: ScriptInput, now: float) -> list[ScriptEffect]:
        """Take one input and return what is to be done."""
        match event:
            case Begun():
                self.deadline = now + LONGEST_SAYING
                return [Say(self._lines)]
            case SayingEnded() | TimePassed() if self.deadline is not None:
                self.deadline = None
                return [Dismiss()]
            case Gone():
                self.deadline = None
                return []
            case _:
                return []
