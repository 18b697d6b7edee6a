"""What is kept for how long, and the job that lets go of the rest.

Personal information is kept no longer than its purpose needs (个人信息保护法 §19). The row of a
call or ticket stays, for the statistics; what it says about a person goes.
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
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from calls.audit import AuditTrail, audit_entries
from calls.callback_store import callbacks
from calls.records import calls, utterances, withheld_numbers
from eventbus.tasks import end
from tickets.store import changes_table, deliveries_table, steps_table, tickets_table

log = structlog.get_logger(__name__)

DAY: Final = 86400.0
_EVERY_SECONDS: Final = 6 * 3600.0
_BATCH: Final = 500
_PERSONAL: Final = frozenset({"name", "title", "phone", "address", "party", "content"})


@dataclass(frozen=True, slots=True)
class Periods:
    """Days to keep each kind; 0: for ever."""

    recordings: int = 0
    transcripts: int = 0
    personal: int = 0
    audit: int = 0


class RetentionJob:
    """Lets go, some hours apart, of what is too old.

    Args:
        engine: the database.
        periods: how long each kind is kept.
        audit: is told how much went.
        clock: Unix seconds.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        periods: Periods,
        audit: AuditTrail,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._periods = periods
        self._audit = audit
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
            self._audit.note("system", "retention", "all", gone)
            log.info("retention", **gone)
        return gone

    async def _recordings(self, before: float) -> int:
        removed = 0
        while rows := await self._old_recordings(before):
            for row in rows:
                await asyncio.to_thread(_remove, Path(row.recording))
                async with self._engine.begin() as connection:
                    await connection.execute(
                        calls.update().where(calls.c.call_id == row.call_id).values(recording=None)
                    )
                removed += 1
        return removed

    async def _old_recordings(self, before: float) -> list[sa.Row[Any]]:
        query = (
            sa.select(calls.c.call_id, calls.c.recording)
            .where(calls.c.recording.is_not(None), calls.c.ended_at < before)
            .limit(_BATCH)
        )
        async with self._engine.connect() as connection:
            return list(await connection.execute(query))

    async def _transcripts(self, before: float) -> int:
        old = sa.select(calls.c.call_id).where(calls.c.ended_at < before)
        async with self._engine.begin() as connection:
            done = await connection.execute(
                utterances.delete().where(utterances.c.call_id.in_(old))
            )
            return int(done.rowcount)

    async def _personal(self, before: float) -> int:
        """Empty the personal fields of tickets that ended long ago, and callers' numbers."""
        emptied = 0
        while rows := await self._old_tickets(before):
            async with self._engine.begin() as connection:
                for row in rows:
                    await _forget_person(connection, row)
                    emptied += 1
        async with self._engine.begin() as connection:
            done = await connection.execute(
                calls.update()
                .where(calls.c.caller.is_not(None), calls.c.ended_at < before)
                .values(caller=None)
            )
            await connection.execute(
                withheld_numbers.delete().where(withheld_numbers.c.at < before)
            )
            # an entry that is open is still needed
            await connection.execute(callbacks.delete().where(callbacks.c.closed_at < before))
        return emptied + int(done.rowcount)

    async def _old_tickets(self, before: float) -> list[sa.Row[Any]]:
        table = tickets_table
        finished = sa.func.coalesce(table.c.ended_at, table.c.updated_at)
        over = table.c.status.in_(("answered", "closed", "draft"))
        query = (
            sa.select(table.c.id, table.c.fields)
            .where(over, finished < before, table.c.forgotten.is_(False))
            .limit(_BATCH)
        )
        async with self._engine.connect() as connection:
            return list(await connection.execute(query))

    async def _audit_entries(self, before: float) -> int:
        async with self._engine.begin() as connection:
            done = await connection.execute(
                audit_entries.delete().where(audit_entries.c.at < before)
            )
            return int(done.rowcount)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    for part in path.parent.glob(f"{path.stem}-[0-9]*{path.suffix}"):  # of a call passed on
        part.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # other calls of that day
        path.parent.rmdir()


async def _forget_person(connection: AsyncConnection, row: sa.Row[Any]) -> None:
    fields = {
        name: {**field, "value": "" if name == "content" else None, "evidence": None}
        if name in _PERSONAL
        else {**field, "evidence": None}
        for name, field in row.fields.items()
    }
    table = tickets_table
    await connection.execute(
        table.update()
        .where(table.c.id == row.id)
        .values(fields=fields, phone=None, name=None, forgotten=True)
    )
    await connection.execute(
        changes_table.delete().where(
            changes_table.c.ticket_id == row.id, changes_table.c.field.in_(_PERSONAL)
        )
    )
    await connection.execute(
        steps_table.update().where(steps_table.c.ticket_id == row.id).values(note="")
    )
    await connection.execute(
        deliveries_table.delete().where(deliveries_table.c.ticket_id == row.id)
    )
