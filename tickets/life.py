"""The life of a ticket, from the draft to its closing, as one table.

========== ============================================ =======================================
status     what it means                                what may happen
========== ============================================ =======================================
draft      the agent has not submitted it               submit
submitted  complete, nobody handles it yet              answer, pass_on, urge, supervise
passed     a unit handles it until ``deadline_at``      give_back, close, urge, supervise
returned   the unit gave it back, with a reason         answer, pass_on, urge, supervise
answered   answered on line (在线办结), final            reopen, review
closed     handled by a unit, final                     reopen, review
========== ============================================ =======================================

Reopening (再处置) does not change the ticket: it makes a new one, submitted, that links the old.
Pure: the time and the calendar come in, the new state comes out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from tickets.working_days import Calendar

Status = Literal["draft", "submitted", "answered", "passed", "returned", "closed"]
ActionName = Literal[
    "submit", "answer", "pass_on", "give_back", "close", "urge", "supervise", "reopen", "review"
]
STATUSES: tuple[Status, ...] = ("draft", "submitted", "answered", "passed", "returned", "closed")

_OPEN: frozenset[Status] = frozenset({"submitted", "passed", "returned"})
_FINAL: frozenset[Status] = frozenset({"answered", "closed"})
_ALLOWED: Mapping[ActionName, frozenset[Status]] = {
    "submit": frozenset({"draft"}),
    "answer": frozenset({"submitted", "returned"}),
    "pass_on": frozenset({"submitted", "returned"}),
    "give_back": frozenset({"passed"}),
    "close": frozenset({"passed"}),
    "urge": _OPEN,
    "supervise": _OPEN,
    "reopen": _FINAL,
    "review": _FINAL,
}
LONGEST_NOTE = 2000
_MAX_UNIT = 100


class LifeError(Exception):
    """A step that the ticket's state, or the step itself, does not allow; nothing was changed.

    Attributes:
        code: ``not_now`` (another status would be needed), ``required`` or ``too_long``.
        field: the part of the step that is wrong, or None.
    """

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


@dataclass(frozen=True, slots=True)
class Review:
    """What the citizen said when called back.

    Attributes:
        reached: whether somebody answered; if not, the others are None.
        solved: whether the matter is solved.
        result, unit, agent: satisfied with the result, the unit, the agent; None: not asked.
    """

    reached: bool
    solved: bool | None = None
    result: bool | None = None
    unit: bool | None = None
    agent: bool | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that somebody does with a ticket.

    Attributes:
        action: which.
        note: the answer, the reason, the result; what the action needs (see :data:`NEEDS_NOTE`).
        unit: whom it is passed to.
        review: with ``review``.
    """

    action: ActionName
    note: str = ""
    unit: str | None = None
    review: Review | None = None


NEEDS_NOTE: frozenset[ActionName] = frozenset(
    {"answer", "give_back", "close", "urge", "supervise", "reopen"}
)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How many working days a unit has: by urgency first, then by type, else ``days``."""

    days: int = 5
    by_type: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    by_urgency: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, *, type_: str | None, urgency: str | None) -> int:
        """Return the working days for a ticket of this type and urgency."""
        if urgency is not None and urgency in self.by_urgency:
            return self.by_urgency[urgency]
        return self.by_type.get(type_ or "", self.days)


@dataclass(frozen=True, slots=True)
class Handling:
    """Where a ticket stands. Times are Unix seconds.

    Attributes:
        unit: who handles it or handled it last.
        deadline_at: until when, while it is with a unit and after.
        ended_at: when it was answered or closed.
        returned, urged: how often.
        supervised: whether a leader watches it (督办).
        review: the citizen's verdict.
    """

    status: Status = "draft"
    unit: str | None = None
    submitted_at: float | None = None
    passed_at: float | None = None
    deadline_at: float | None = None
    ended_at: float | None = None
    returned: int = 0
    urged: int = 0
    supervised: bool = False
    review: Review | None = None


def take(state: Handling, step: Step, *, now: float, working_days: int, by: Calendar) -> Handling:
    """Return the state after a step.

    Args:
        state: where the ticket stands.
        step: what somebody does.
        now: Unix seconds.
        working_days: that a unit would have for it.
        by: the calendar that counts them.

    Raises:
        LifeError: the step is not allowed now, or lacks something.
    """
    check(state, step)
    match step.action:
        case "pass_on":
            deadline = by.deadline(now, working_days)
            return replace(
                state, status="passed", unit=step.unit, passed_at=now, deadline_at=deadline
            )
        case "review":
            return replace(state, review=step.review)
        case action:
            return _SIMPLE[action](state, now)


def check(state: Handling, step: Step) -> None:
    """Raise LifeError if the step cannot be taken now, or lacks something."""
    allowed = _ALLOWED[step.action]
    if state.status not in allowed:
        needed = ", ".join(status for status in STATUSES if status in allowed)
        raise LifeError(
            "not_now", f"{step.action} is for tickets that are {needed}; this one is {state.status}"
        )
    if step.action in NEEDS_NOTE and not step.note.strip():
        raise LifeError("required", f"{step.action} needs a note: why, or what", field="note")
    if len(step.note) > LONGEST_NOTE:
        raise LifeError("too_long", f"a note holds {LONGEST_NOTE} characters", field="note")
    if step.action == "pass_on":
        if not (step.unit or "").strip():
            raise LifeError("required", "pass_on needs the unit", field="unit")
        if len(step.unit or "") > _MAX_UNIT:
            raise LifeError("too_long", f"a unit's name holds {_MAX_UNIT} characters", field="unit")
    if step.action == "review" and step.review is None:
        raise LifeError("required", "review needs the citizen's verdict", field="review")


_SIMPLE: Mapping[ActionName, Callable[[Handling, float], Handling]] = {
    "submit": lambda state, now: replace(state, status="submitted", submitted_at=now),
    "answer": lambda state, now: replace(state, status="answered", ended_at=now),
    "give_back": lambda state, _now: replace(state, status="returned", returned=state.returned + 1),
    "close": lambda state, now: replace(state, status="closed", ended_at=now),
    "urge": lambda state, _now: replace(state, urged=state.urged + 1),
    "supervise": lambda state, _now: replace(state, supervised=True),
    "reopen": lambda state, _now: state,
}
