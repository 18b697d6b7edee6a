"""What is kept for how long, and the job that lets go of the rest.

Personal information is kept no longer than its purpose needs (个人信息保护法 §19). The row of a
call or ticket stays, for the statistics; what it says about a person goes. Of a call whose ticket a
unit still has to do with, all stays until that is over.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.audit import AuditTrail, audit_entries
from calls.forgetting import (
    BATCH,
    forget_callers,
    forget_exchanged,
    forget_tickets,
    kept_for_tickets,
    still_needed,
)
from calls.recorded_parts import later_parts
from calls.records import calls, utterances
from eventbus.tasks import end

log = structlog.get_logger(__name__)

DAY: Final = 86400.0
_EVERY_SECONDS: Final = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Periods:
    """Days to keep each kind; 0: for ever.

    ``open_tickets``: after so many days without a change an open ticket keeps its call no more.
    """

    recordings: int = 0
    transcripts: int = 0
    personal: int = 0
    audit: int = 0
    open_tickets: int = 0


class RetentionJob:
    """Lets go, some hours apart, of what is too old.

    Args:
        engine: the database.
        periods: how long each kind is kept.
        audit: is told how much went.
        node: this node, which removes the recordings of its own calls, and of others' where they
            lie on a disk that it sees.
        clock: Unix seconds.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        periods: Periods,
        audit: AuditTrail,
        node: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._periods = periods
        self._audit = audit
        self._node = node
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run now and every six hours in the background."""
        self._task = asyncio.create_task(self._run(), name="retention")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            await end(self._task)

    async def _run(self) -> None:
        while True:
            try:
                await self.once()
            except (SQLAlchemyError, OSError) as error:
                log.warning("retention_waits", error=str(error))
            await asyncio.sleep(_EVERY_SECONDS)

    async def once(self) -> dict[str, int]:
        """Let go of what is too old; return how much, by kind."""
        jobs: dict[str, tuple[int, Callable[[float], Any]]] = {
            "recordings": (self._periods.recordings, self._recordings),
            "transcripts": (self._periods.transcripts, self._transcripts),
            "personal": (self._periods.personal, self._personal),
            "audit": (self._periods.audit, self._audit_entries),
        }
        gone: dict[str, int] = {}
        for kind, (days, job) in jobs.items():
            if days:
                gone[kind] = await job(self._clock() - days * DAY)
        if any(gone.values()):
            done = {**gone, "kept_for_open_tickets": await self._kept()}
            self._audit.note("system", "retention", "all", done)
            log.info("retention", **done)
        return gone

    async def _kept(self) -> int:
        """Return how many calls were old enough for one of the periods, but for their tickets."""
        periods = self._periods
        kinds = (periods.recordings, periods.transcripts, periods.personal)
        days = min(filter(None, kinds), default=0)
        if not days:
            return 0
        before = self._clock() - days * DAY
        return await kept_for_tickets(self._engine, before, self._touched_since())

    def _touched_since(self) -> float:
        days = self._periods.open_tickets
        return self._clock() - days * DAY if days else 0.0

    async def _recordings(self, before: float) -> int:
        removed, after = 0, ""
        while rows := await self._old_recordings(before, after):
            for row in rows:
                removed += await self._remove_recording(row)
            after = rows[-1].call_id
        return removed

    async def _remove_recording(self, row: sa.Row[Any]) -> bool:
        """Remove one; one that cannot be removed keeps no other from it, and is tried again."""
        path = Path(row.recording)
        try:
            if row.node != self._node and not await asyncio.to_thread(_lies_here, path):
                return False  # it lies on another machine, which removes it
            await asyncio.to_thread(_remove, path)
        except OSError as error:
            log.warning("recording_not_removed", call_id=row.call_id, error=str(error))
            return False
        async with self._engine.begin() as connection:
            await connection.execute(
                calls.update().where(calls.c.call_id == row.call_id).values(recording=None)
            )
        return True

    async def _old_recordings(self, before: float, after: str) -> list[sa.Row[Any]]:
        query = (
            sa.select(calls.c.call_id, calls.c.recording, calls.c.node)
            .where(
                calls.c.recording.is_not(None),
                calls.c.ended_at < before,
                calls.c.call_id > after,
                ~still_needed(self._touched_since()),
            )
            .order_by(calls.c.call_id)
            .limit(BATCH)
        )
        async with self._engine.connect() as connection:
            return list(await connection.execute(query))

    async def _transcripts(self, before: float) -> int:
        needed = still_needed(self._touched_since())
        old = sa.select(calls.c.call_id).where(calls.c.ended_at < before, ~needed)
        async with self._engine.begin() as connection:
            done = await connection.execute(
                utterances.delete().where(utterances.c.call_id.in_(old))
            )
            return int(done.rowcount)

    async def _personal(self, before: float) -> int:
        """Empty the personal fields of tickets that ended long ago, and callers' numbers."""
        await forget_exchanged(self._engine, before)
        since = self._touched_since()
        tickets = await forget_tickets(self._engine, before, since)
        return tickets + await forget_callers(self._engine, before, since)

    async def _audit_entries(self, before: float) -> int:
        async with self._engine.begin() as connection:
            done = await connection.execute(
                audit_entries.delete().where(audit_entries.c.at < before)
            )
            return int(done.rowcount)


def _lies_here(path: Path) -> bool:
    """Say whether any part is seen; the first may never have been written."""
    return path.is_file() or bool(later_parts(path))


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    for part in later_parts(path).values():  # of a call passed on
        part.unlink(missing_ok=True)
    for copy in path.parent.glob(f".{path.stem}*.redacting"):  # of a node that was killed meanwhile
        copy.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # other calls of that day
        path.parent.rmdir()
