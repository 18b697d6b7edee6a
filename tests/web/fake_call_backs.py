"""A call-back list of a few entries, and dispositions, for tests of the API."""

from typing import Any

from calls.after_call import UnknownDisposition
from calls.callbacks import CallBackError, Outcome
from calls.errors import TransferError


class FakeCallBacks:
    """Entry 1 is open, entry 2 is being called, entry 3 is closed.

    Attributes:
        called: (entry, agent).
        closed: (entry, agent, outcome, note).
    """

    def __init__(self) -> None:
        self.called: list[tuple[int, str]] = []
        self.closed: list[tuple[int, str, str, str | None]] = []
        self.agent_ready = True

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
        return entries[offset : offset + limit]

    def _find(self, entry_id: int) -> None:
        if entry_id not in {1, 2, 3}:
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
