"""What a caller hears while he waits, as a pure machine.

::

    RINGING ── after a while ──▶ GREETING ──▶ ASKING ──▶ PLACE ──▶ MUSIC ─┐
                                                ▲                         │ every so often
                                                └─────────────────────────┘

There is no voice menu (GB/T 33358-2016): nobody has to press anything to get to a person, and the
one key that does something while he waits is the one by which he asks to be called back instead.
An agent's answer ends all of it from outside: see ``attendant``.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from calls.attending.script import (
    GREETING,
    MUSIC,
    AskPlace,
    Attend,
    Begun,
    Gone,
    Heard,
    Key,
    Line,
    PlaceTold,
    Resumed,
    Say,
    SayingEnded,
    ScriptEffect,
    ScriptInput,
    TimePassed,
    WantsCallBack,
)

LONGEST_SAYING: Final = 60.0
"""Seconds after which we go on, if we are not told that what is said has ended."""

LONGEST_WAIT: Final = 60
"""Minutes: whoever would wait longer is not told how long."""

_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class WaitingRules:
    """How callers wait.

    Attributes:
        by: ``ring``: they hear ringing until an agent answers; ``early``: announcements and music
            before the answer (183), which the caller does not pay for and not every network lets
            through; ``answer``: he is answered and then hears them.
        after_seconds: of ringing, before anything is said.
        every_seconds: of music between two announcements.
        place: whether the place in the line is said.
        expected_wait: whether the time it will probably take is said.
        call_back_key: offered for being called back; None: no such offer.
    """

    by: Literal["ring", "early", "answer"] = "answer"
    after_seconds: float = 6.0
    every_seconds: float = 30.0
    place: bool = True
    expected_wait: bool = True
    call_back_key: str | None = "1"


class Stage(Enum):
    """Where a waiting caller is."""

    NEW = "new"
    RINGING = "ringing"
    GREETING = "greeting"
    ASKING = "asking"
    PLACE = "place"
    MUSIC = "music"
    OVER = "over"


class WaitingRoom:
    """One caller's wait.

    Args:
        rules: how callers wait.
    """

    def __init__(self, rules: WaitingRules) -> None:
        self._rules = rules
        self.stage = Stage.NEW
        self.deadline: float | None = None

    @property
    def attended(self) -> bool:
        """Whether he hears us."""
        return self.stage not in {Stage.NEW, Stage.RINGING, Stage.OVER}

    def handle(  # noqa: PLR0911 - one arm per input, nothing else
        self, event: ScriptInput, now: float
    ) -> list[ScriptEffect]:
        """Take one input and return what is to be done."""
        match event:
            case Begun():
                return self._begin(now)
            case _ if self.stage is Stage.OVER:
                return []
            case Gone():
                return self._enter(Stage.OVER, None)
            case Resumed(heard):
                return self._music(now) if heard else []
            case Heard() if self.stage is Stage.RINGING:
                greeting = Say((Line(GREETING), Line("busy")))
                return self._enter(Stage.GREETING, now + LONGEST_SAYING, greeting)
            case Key(key) if key == self._rules.call_back_key and self.attended:
                return self._enter(Stage.OVER, None, WantsCallBack())
            case PlaceTold() if self.stage is Stage.ASKING:
                return self._place(event, now)
            case SayingEnded() if self.stage in {Stage.GREETING, Stage.PLACE}:
                return self._said(now)
            case TimePassed() if self.deadline is not None and now >= self.deadline:
                return self._on_time(now)
            case _:
                return []

    def _begin(self, now: float) -> list[ScriptEffect]:
        if self.stage is not Stage.NEW or self._rules.by == "ring":
            return []
        return self._enter(Stage.RINGING, now + self._rules.after_seconds)

    def _enter(
        self, stage: Stage, deadline: float | None, *effects: ScriptEffect
    ) -> list[ScriptEffect]:
        self.stage, self.deadline = stage, deadline
        return list(effects)

    def _on_time(self, now: float) -> list[ScriptEffect]:
        if self.stage is Stage.RINGING:
            return self._enter(Stage.RINGING, None, Attend())
        if self.stage is Stage.MUSIC:
            return self._ask(now)
        if self.stage is Stage.ASKING:  # nobody told us: say nothing of it
            return self._place(PlaceTold(None), now)
        return self._said(now)

    def _said(self, now: float) -> list[ScriptEffect]:
        if self.stage is Stage.GREETING:
            return self._ask(now)
        return self._music(now)

    def _ask(self, now: float) -> list[ScriptEffect]:
        return self._enter(Stage.ASKING, now + LONGEST_SAYING, AskPlace())

    def _music(self, now: float) -> list[ScriptEffect]:
        playing = Say((Line(MUSIC),), loop=True)
        return self._enter(Stage.MUSIC, now + self._rules.every_seconds, playing)

    def _place(self, told: PlaceTold, now: float) -> list[ScriptEffect]:
        lines = self._lines(told)
        if not lines:
            return self._music(now)
        return self._enter(Stage.PLACE, now + LONGEST_SAYING, Say(tuple(lines)))

    def _lines(self, told: PlaceTold) -> list[Line]:
        if told.ahead is None:
            return []  # his turn has come: no word about waiting
        lines: list[Line] = []
        if self._rules.place:
            lines.append(Line("position", told.ahead))
        if self._rules.expected_wait and told.seconds is not None:
            minutes = max(1, round(told.seconds / _MINUTE))
            if minutes <= LONGEST_WAIT:
                lines.append(Line("wait-minutes", minutes))
        if self._rules.call_back_key is not None:
            lines.append(Line("call-back-offer"))
        return lines
