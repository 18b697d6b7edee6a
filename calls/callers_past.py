"""What is known of callers before they wait: who spoke with them, and whether we owe them a call.

A call is planned by it, so its caller waits for the answer. Who is told in time that a call is
coming (`PastCalls.foresee`) asks while the call is still being let in.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import String, bindparam, literal, select, union_all
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.callback_store import callbacks
from calls.lookups import rows_of
from calls.records import calls

log = structlog.get_logger(__name__)

PAST_SECONDS: Final = 0.2
"""A call does not wait longer for what is known of its caller."""
MOST_FORESEEN: Final = 20
"""Of more, those that come in a flood and are turned away, nothing is asked in advance."""
_OWED: Final = frozenset({"scheduled", "asked", "failed"})
"""Why somebody stands on the call-back list to whom we owe a call."""
# Asked for each call: built once, since that costs as much as asking; and both in one go.
_LAST_CALL = (
    select(calls.c.agent_id, calls.c.line, literal(None, String).label("reason"))
    .where(calls.c.caller == bindparam("the_caller"), calls.c.answered_at >= bindparam("since"))
    .where(calls.c.direction == "inbound")
    .order_by(calls.c.answered_at.desc())
    .limit(1)
    .subquery()
)
_PAST: Final = union_all(
    select(_LAST_CALL),
    select(literal(None, String), literal("", String), callbacks.c.reason).where(
        callbacks.c.open_number == bindparam("the_caller")
    ),
)


@dataclass(frozen=True, slots=True)
class LastCall:
    """Who answered a caller last, and what he had dialled."""

    agent_id: str | None
    line: str


Known = tuple[LastCall | None, bool]
"""A caller's last answered call, and whether we owe him one."""


class PastCalls:
    """The callers' earlier calls, in SQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._foreseen: dict[str, asyncio.Task[Known | None]] = {}

    def foresee(self, caller: str, *, since: float) -> None:
        """Begin to look up what `known` will be asked in a moment."""
        if caller in self._foreseen or len(self._foreseen) >= MOST_FORESEEN:
            return
        task = asyncio.create_task(self._look_up(caller, since), name="callers-past")
        self._foreseen[caller] = task
        task.add_done_callback(_note_failure)
        asyncio.get_running_loop().call_later(PAST_SECONDS, self._forget, caller, task)

    def _forget(self, caller: str, task: asyncio.Task[Known | None]) -> None:
        """Forget what was foreseen, unless it is for the caller's next call."""
        if self._foreseen.get(caller) is task:
            del self._foreseen[caller]

    async def known(self, caller: str, *, since: float) -> Known | None:
        """Return what is known since a Unix time; None: the database does not tell (in time)."""
        foreseen = self._foreseen.pop(caller, None)
        return await (self._look_up(caller, since) if foreseen is None else foreseen)

    async def _look_up(self, caller: str, since: float) -> Known | None:
        values = {"the_caller": caller, "since": since}
        try:
            async with asyncio.timeout(PAST_SECONDS):
                rows = await rows_of(self._engine, _PAST, values)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("callers_past_unknown", error=str(error))
            return None
        last = next((LastCall(row.agent_id, row.line) for row in rows if row.reason is None), None)
        return last, any(row.reason in _OWED for row in rows)


def _note_failure(task: asyncio.Task[Known | None]) -> None:
    """Log what nobody may ever ask for: a call that was foreseen can be turned away."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("callers_past_failed", exc_info=error)
