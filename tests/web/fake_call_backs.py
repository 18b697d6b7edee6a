"""A call-back list of a few entries, and dispositions, for tests of the API."""

from dataclasses import asdict
from typing import Any

from calls.after_call import UnknownDisposition
from calls.callbacks import CallBack, CallBackError, Outcome, Scheduled
from calls.errors import TransferError


class FakeCallBacks:
    """Entry 1 is open, entry 2 is being called, entry 3 is closed.

    Attributes:
        called: (entry, agent).
        closed: (entry, agent, outcome, note).
        promised: calls at a time; they are entries 4, 5, …, and open.
    """

    def __init__(self) -> None:
        self.called: list[tuple[int, str]] = []
        self.closed: list[tuple[int, str, str, str | None]] = []
        self.agent_ready = True
        self.hours = "08:30-20:00"
        self.promised: list[Scheduled] = []

    async def list_(
        self, *, status: str | None = None, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        states = {1: "open", 2: "calling", 3: "closed"}
        entries = [
            {
                "id": number,
                "number": "13862311001",
                "line": "12345",
                "reason": "asked",
                "status": state,
                "call_id": "c1",
                "calls": 2,
                "attempts": 0,
                "first_at": 1.0,
                "last_at": 2.0,
                "due_at": 2.0,
            }
            for number, state in states.items()
            if status in {None, state}
        ]
        if status in {None, "open"}:
            entries += [self._of(number) for number in range(4, 4 + len(self.promised))]
        return entries[offset : offset + limit]

    def _of(self, entry_id: int) -> dict[str, Any]:
        promise = self.promised[entry_id - 4]
        entry = CallBack(
            number=promise.number,
            line=promise.line,
            reason="scheduled",
            call_id=promise.call_id,
            first_at=promise.at - 60,
            last_at=promise.at - 60,
            due_at=promise.at,
            agent_id=promise.agent_id,
            promised_by=promise.agent_id,
            note=promise.note,
        )
        return {"id": entry_id, **asdict(entry)}

    async def schedule(self, promise: Scheduled) -> dict[str, Any]:
        if promise.number == "13800000000":
            raise CallBackError("taken")
        if any(
            other.number == promise.number and other.agent_id != promise.agent_id
            for other in self.promised
        ):
            raise CallBackError("promised")
        self.promised.append(promise)
        return self._of(3 + len(self.promised))

    def _find(self, entry_id: int) -> None:
        if entry_id not in range(1, 4 + len(self.promised)):
            raise CallBackError("unknown")
        if entry_id == 3:
            raise CallBackError("closed")

    async def call(self, entry_id: int, *, agent_id: str) -> None:
        self._find(entry_id)
        if entry_id == 2:
            raise CallBackError("taken")
        if not self.agent_ready:
            raise TransferError("target_not_ready")
        self.called.append((entry_id, agent_id))

    async def finish(
        self, entry_id: int, *, agent_id: str, outcome: Outcome, note: str | None
    ) -> None:
        self._find(entry_id)
        self.closed.append((entry_id, agent_id, outcome, note))


class FakeAfterCall:
    """Two dispositions.

    Attributes:
        chosen: (call, agent) → code, note.
    """

    def __init__(self) -> None:
        self.dispositions = {"answered": "在线解答", "other": "其他"}
        self.chosen: dict[tuple[str, str], tuple[str, str | None]] = {}

    async def dispose(
        self, call_id: str, *, agent_id: str, code: str, note: str | None, at: float
    ) -> None:
        del at
        if code not in self.dispositions:
            raise UnknownDisposition(code)
        self.chosen[call_id, agent_id] = code, note
