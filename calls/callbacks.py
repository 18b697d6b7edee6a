"""One entry of the call-back list (漏接回拨), as a pure machine.

Who abandoned his call, was not served, asked to be called back, or was cut off by our fault stands
on the list until an agent has reached him, he has called again, or he cannot be reached::

    OPEN ── taken by an agent ──▶ CALLING ── answered ──▶ CLOSED
      ▲                              │
      └──── no answer, not yet ──────┘   too often: CLOSED ("unreachable")

There is one entry for each number that is not closed: further calls are counted in it.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal, assert_never

Reason = Literal["scheduled", "asked", "failed", "missed", "abandoned"]
"""Why, strongest first: an agent has promised to call at a time; he asked; our fault cut him off;
he was refused; he gave up waiting."""

Status = Literal["open", "calling", "closed"]
Outcome = Literal["reached", "called_again", "unreachable", "wrong_number", "not_needed"]

REASONS: Final[tuple[Reason, ...]] = ("scheduled", "asked", "failed", "missed", "abandoned")


class CallBackError(Exception):
    """What is wanted cannot be.

    Attributes:
        code: ``taken`` (somebody else is calling), ``promised`` (another agent has promised a call
            that is not due yet), ``closed`` or ``unknown``.
    """

    def __init__(self, code: str) -> None:
        super().__init__(f"call-back {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class CallBackRules:
    """How entries are worked.

    Attributes:
        attempts: after so many calls that nobody answered the entry is closed.
        retry_seconds: between two of them, unless an agent wants it at once.
        lease_seconds: an entry that is being called is free again after so long: the node that
            did it may have died.
    """

    attempts: int = 3
    retry_seconds: float = 900.0
    lease_seconds: float = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBack:
    """An entry. Times are Unix seconds.

    Attributes:
        number: whom to call.
        line: the number that he dialled, last.
        reason: the strongest of his calls' reasons.
        call_id: his latest call.
        calls: how many of his calls it stands for.
        attempts: how often he was called back in vain; of a promise, since it was due.
        due_at: when he should be called next.
        agent_id: who calls or called him, or has promised to.
        promised_by: who has promised him the call, whoever calls him then.
        taken_at: since when.
        note: what the agent wrote on promising or on closing it.
    """

    number: str
    line: str
    reason: Reason
    call_id: str
    first_at: float
    last_at: float
    due_at: float
    status: Status = "open"
    calls: int = 1
    attempts: int = 0
    agent_id: str | None = None
    promised_by: str | None = None
    taken_at: float | None = None
    outcome: Outcome | None = None
    closed_at: float | None = None
    note: str | None = None


# -- inputs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Missed:
    """A call of his was not served."""

    number: str
    line: str
    reason: Reason
    call_id: str


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An agent has promised him a call at a time (Unix seconds)."""

    number: str
    line: str
    call_id: str
    at: float
    agent_id: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """An agent wants to call him now."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class Attempted:
    """It was tried: ``reached``; or not; or, with None, he was not even called (counts nothing)."""

    reached: bool | None


@dataclass(frozen=True, slots=True)
class CalledAgain:
    """He has called by himself, and an agent talks with him."""


@dataclass(frozen=True, slots=True)
class Closed:
    """An agent closes it by hand."""

    outcome: Outcome
    agent_id: str
    note: str | None = None


CallBackInput = Missed | Scheduled | Taken | Attempted | CalledAgain | Closed


def handle(  # noqa: PLR0911 - a table: one line for each input
    entry: CallBack | None, event: CallBackInput, now: float, rules: CallBackRules
) -> CallBack | None:
    """Return the entry after an input; None: there is none, and none is needed.

    Args:
        entry: the number's entry that is not closed, if there is one.
        event: what happened.
        now: Unix seconds.
        rules: how entries are worked.

    Raises:
        CallBackError: somebody asks for what cannot be; nothing changes.
    """
    if isinstance(event, Missed):
        return _missed(entry, event, now)
    if isinstance(event, Scheduled):
        return _scheduled(entry, event, now, rules)
    if entry is None or entry.status == "closed":
        if isinstance(event, Taken | Closed):
            raise CallBackError("closed" if entry is not None else "unknown")
        return entry
    match event:
        case Taken(agent_id):
            _unless_taken(entry, now, rules)
            return replace(entry, status="calling", agent_id=agent_id, taken_at=now)
        case Attempted(reached):
            return _attempted(entry, now, rules, reached=reached)
        case CalledAgain():
            return entry if _is_ahead(entry, now) else _close(entry, "called_again", now)
        case Closed(outcome, agent_id, note):
            return replace(_close(entry, outcome, now), agent_id=agent_id, note=note)
    assert_never(event)


def _unless_taken(entry: CallBack, now: float, rules: CallBackRules) -> None:
    if entry.status == "calling" and now < (entry.taken_at or 0.0) + rules.lease_seconds:
        raise CallBackError("taken")


def _is_ahead(entry: CallBack, now: float) -> bool:
    """Tell whether the time of a promise is still to come: nothing earlier fulfils or moves it."""
    return entry.reason == "scheduled" and entry.attempts == 0 and now < entry.due_at


def _scheduled(
    entry: CallBack | None, event: Scheduled, now: float, rules: CallBackRules
) -> CallBack:
    promised = CallBack(
        number=event.number,
        line=event.line,
        reason="scheduled",
        call_id=event.call_id,
        first_at=now,
        last_at=now,
        due_at=event.at,
        agent_id=event.agent_id,
        promised_by=event.agent_id,
        note=event.note,
    )
    if entry is None or entry.status == "closed":
        return promised
    _unless_taken(entry, now, rules)
    if _is_ahead(entry, now) and entry.promised_by not in {None, event.agent_id}:
        raise CallBackError("promised")
    return replace(promised, first_at=entry.first_at, last_at=entry.last_at, calls=entry.calls)


def _missed(entry: CallBack | None, event: Missed, now: float) -> CallBack:
    if entry is None or entry.status == "closed":
        return CallBack(
            number=event.number,
            line=event.line,
            reason=event.reason,
            call_id=event.call_id,
            first_at=now,
            last_at=now,
            due_at=now,
        )
    stronger = min(entry.reason, event.reason, key=REASONS.index)
    if entry.call_id == event.call_id:  # told again, or he pressed the key before he hung up
        return replace(entry, reason=stronger)
    return replace(
        entry,
        line=event.line,
        reason=stronger,
        call_id=event.call_id,
        calls=entry.calls + 1,
        last_at=now,
        # he is at his phone
        due_at=entry.due_at if _is_ahead(entry, now) else min(entry.due_at, now),
    )


def _attempted(
    entry: CallBack, now: float, rules: CallBackRules, *, reached: bool | None
) -> CallBack:
    if entry.status != "calling":
        return entry  # its lease had run out, and somebody has put it right
    if reached:
        return _close(entry, "reached", now)
    # a promise is again its agent's, whoever was told to call
    whose = entry.promised_by or entry.agent_id
    freed = replace(entry, status="open", taken_at=None, agent_id=whose)
    if reached is None or _is_ahead(entry, now):
        return freed
    freed = replace(freed, attempts=entry.attempts + 1, due_at=now + rules.retry_seconds)
    return _close(freed, "unreachable", now) if freed.attempts >= rules.attempts else freed


def _close(entry: CallBack, outcome: Outcome, now: float) -> CallBack:
    return replace(entry, status="closed", outcome=outcome, closed_at=now, taken_at=None)


@dataclass(frozen=True, slots=True)
class QuietRule:
    """When entries are offered to agents by the system itself.

    Attributes:
        ready: so many agents are ready at least.
        waiting: so many calls wait at most.
    """

    ready: int = 2
    waiting: int = 0

    def is_quiet(self, *, ready: int, waiting: int) -> bool:
        """Tell whether nobody would wait longer for it."""
        return ready >= self.ready and waiting <= self.waiting
