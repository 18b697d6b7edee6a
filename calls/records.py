"""Call records, their segments and the transcript, in SQL.

Writing goes through one ordered, batched queue, so that an INVITE never waits for a disk and
nothing is in memory alone for longer than a second. Reading waits until what was queued before is
written: who asks for a call that has just ended gets its record.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Executable,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from eventbus.precedence import at_once

log = structlog.get_logger(__name__)

metadata = MetaData()

#: One row per call, written when it arrives and completed as it goes. Times are Unix seconds.
calls = Table(
    "calls",
    metadata,
    Column("call_id", String(40), primary_key=True),
    Column("node", String(64), nullable=False),
    Column("line", String(32), nullable=False),
    Column("caller", String(64)),
    Column("direction", String(8), nullable=False, server_default="inbound"),
    Column("called", String(32)),
    Column("forwarded", JSON),
    # The partner who called by his own trunk, and his own number of the matter.
    Column("partner", String(32)),
    Column("reference", String(64)),
    Column("sip_call_id", String(256), nullable=False),
    Column("arrived_at", Float, nullable=False, index=True),
    Column("answered_at", Float),
    Column("ended_at", Float),
    Column("outcome", String(16)),
    Column("ended_by", String(16)),
    Column("agent_id", String(32), index=True),
    Column("ticket_id", String(40)),
    Column("recording", String(512)),
    Column("recorded_seconds", Float),
    Column("recognised", Boolean),
    # Of each party: loss, jitter, round trip, E-model score (calls/audio.py).
    Column("media", JSON(none_as_null=True)),
    # Its SIP messages in short (telephony/sip/ladder.py).
    Column("ladder", JSON(none_as_null=True)),
    Index("ix_calls_caller", "caller", "answered_at"),
)

#: One row for each completed part of a call's recording; a part whose media process died has none.
#: ``begins``: seconds since the call was answered. ``pauses``: pairs of seconds since the part
#: began, in which nothing was written.
recordings = Table(
    "recordings",
    metadata,
    Column("call_id", String(40), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("path", String(512), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("pauses", JSON, nullable=False),
    Column("begins", Float),
)

#: One row for each agent whom the call was held out to, and each number outside that was called
#: for it. ``how``: `calls.party.How`; ``transferred_by``: the agent who wanted it, ``reason``: why.
segments = Table(
    "call_segments",
    metadata,
    Column("call_id", String(40), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("agent_id", String(32), index=True),
    Column("kind", String(16), nullable=False),
    Column("number", String(32)),
    Column("how", String(16), nullable=False, server_default="line"),
    Column("transferred_by", String(32)),
    Column("offered_at", Float, nullable=False),
    Column("answered_at", Float),
    Column("ended_at", Float),
    Column("outcome", String(16)),
    # Where this participant is a partner: which, whether the call went there (out) or came from
    # there (in), and why.
    Column("partner", String(32)),
    Column("direction", String(4)),
    Column("reason", String(200)),
    # Few have one: reports find them without reading all others.
    Index(
        "ix_call_segments_partner",
        "offered_at",
        sqlite_where=text("partner IS NOT NULL"),
        postgresql_where=text("partner IS NOT NULL"),
    ),
)

#: The number of a caller who withholds it, known from the network (RFC 3325). It stands apart from
#: everything that is shown: only `CallRecords.withheld_number` reads it, for whom the law allows.
withheld_numbers = Table(
    "withheld_numbers",
    metadata,
    Column("call_id", String(40), primary_key=True),
    Column("number", String(32), nullable=False),
    Column("at", Float, nullable=False, index=True),
)

#: One row per final utterance; start and end in seconds since the answer;
#: text as it is shown, spoken as it was recognised; later: after the call, from the recording.
utterances = Table(
    "utterances",
    metadata,
    Column("call_id", String(40), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("leg", String(8), nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("text", Text, nullable=False),
    Column("spoken", Text),
    Column("later", Boolean),
    Column("confidence", Float),
    Index("ix_utterances_call", "call_id", "start"),
)

_BATCH = 500
_RETRY_SECONDS = 1.0
# What is written waits so long for more, unless somebody wants to read: each transaction costs as
# much as ten of its rows.
_GATHER_SECONDS = 0.1

# Nobody asks what a statement came to: SQLite's driver takes them all along with the commit.
_DEFERRED: Final = {"deferred": True}

_INSERT_CALL = calls.insert()
_INSERT_SEGMENT = segments.insert()
_INSERT_UTTERANCE = utterances.insert()
_INSERT_WITHHELD = withheld_numbers.insert()
_INSERT_RECORDING = recordings.insert()
# Which columns are set is told by the rows; the statement is built once.
_CHANGE_CALL = update(calls).where(calls.c.call_id == bindparam("_call_id"))


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row to be written by a statement; without a row the statement is whole by itself.

    Entries of one ``subject`` (a call) stay in their order; those without one stand in nobody's
    place.
    """

    statement: Executable
    row: Mapping[str, Any] | None = None
    subject: str | None = None


def grouped(entries: Iterable[_Entry]) -> list[tuple[Executable, list[Mapping[str, Any]]]]:
    """Put the rows of equal statements together, each subject's in their order.

    A row joins the latest group of its statement and columns, unless something of its subject, or
    of no subject, was put behind that group.
    """
    groups: list[tuple[Executable, list[Mapping[str, Any]]]] = []
    latest: dict[object, int] = {}
    reached: dict[str, int] = {}
    barrier = 0
    for entry in entries:
        if entry.row is None or entry.subject is None:
            groups.append((entry.statement, [] if entry.row is None else [entry.row]))
            barrier = len(groups)
            continue
        kind = (entry.statement, tuple(entry.row))
        place = latest.get(kind, -1)
        if place < max(barrier, reached.get(entry.subject, 0)):
            place = latest[kind] = len(groups)
            groups.append((entry.statement, []))
        groups[place][1].append(entry.row)
        reached[entry.subject] = place
    return groups


def is_refused(error: BaseException) -> bool:
    """Tell whether a database will never take what it was given, however often that is tried.

    SQLAlchemy names only some of asyncpg's errors: a text that is too long, or holds NUL, is told
    by its SQLSTATE alone (classes 22, data exception, and 23, integrity constraint violation).
    """
    if isinstance(error, IntegrityError | DataError):
        return True
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    return state[:2] in {"22", "23"}


class RecordWriter:
    """Executes statements in order, in batches, in the background.

    While the database is away statements are kept (up to ``limit``) and tried again every second.

    Args:
        engine: where to write.
        on_status: told ``ok`` or ``away`` with a detail when that changes.
        limit: how many statements may wait; beyond it the oldest are dropped, counted and logged.
        give_way: awaited before writing, unless somebody wants to read.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        on_status: Callable[[str, str | None], None],
        limit: int = 100_000,
        give_way: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        self._engine = engine
        self._on_status = on_status
        self._limit = limit
        self._give_way = give_way
        self._entries: deque[_Entry] = deque()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._written = asyncio.Condition()
        self._queued_count = 0
        self._done_count = 0
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.status = "ok"
        self.dropped = 0

    @property
    def pending(self) -> int:
        """How many statements are not in the database yet."""
        return self._queued_count - self._done_count

    def start(self) -> None:
        """Start the background task."""
        self._task = asyncio.create_task(self._run(), name="record-writer")

    async def close(self) -> None:
        """Write what is queued, as far as the database allows, and stop."""
        self._closing = True
        self._hurry.set()
        self._wake.set()
        if self._task is not None:
            await self._task

    def put(
        self,
        statement: Executable,
        row: Mapping[str, Any] | None = None,
        *,
        subject: str | None = None,
    ) -> None:
        """Queue one statement, or one row of a statement.

        Args:
            statement: what to execute; with a row, one and the same object each time.
            row: the values of its parameters.
            subject: the call it is about: rows of different calls may change places.
        """
        if len(self._entries) >= self._limit:
            self._entries.popleft()
            self._done_count += 1
            self.dropped += 1
            log.error("record_dropped", dropped=self.dropped)
        self._entries.append(_Entry(statement, row, subject))
        self._queued_count += 1
        self._wake.set()

    async def flush(self, max_seconds: float = 5.0) -> None:
        """Return when everything queued so far is written.

        Raises:
            TimeoutError: the database did not take it within ``max_seconds``.
        """
        target = self._queued_count
        if self._done_count < target:
            self._hurry.set()
        async with asyncio.timeout(max_seconds), self._written:
            await self._written.wait_for(lambda: self._done_count >= target)

    async def _run(self) -> None:
        while not (self._closing and not self._entries):
            await self._wake.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GATHER_SECONDS):
                    await self._hurry.wait()
            if not self._hurry.is_set():
                await self._give_way()
            self._wake.clear()
            if not self._closing:
                self._hurry.clear()
            while self._entries:
                batch = [self._entries.popleft() for _ in range(self._batch_size())]
                if not await self._write(batch):
                    self._entries.extendleft(reversed(batch))
                    if self._closing:
                        log.error("records_lost", count=len(self._entries))
                        return
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                async with self._written:
                    self._done_count += len(batch)
                    self._written.notify_all()

    def _batch_size(self) -> int:
        return min(len(self._entries), _BATCH)

    async def _write(self, batch: Sequence[_Entry]) -> bool:
        """Write the batch in one transaction; False when the database is away."""
        try:
            async with self._engine.begin() as connection:
                for statement, rows in grouped(batch):
                    await connection.execute(statement, rows or None, execution_options=_DEFERRED)
                    await asyncio.sleep(0)  # (a deferred one waits for nobody: let calls go on)
        except (SQLAlchemyError, OSError) as error:
            if not is_refused(error):
                log.warning("records_not_written", error=str(error), waiting=len(batch))
                self._set_status("away", str(error))
                return False
            # A row that is there already (its commit was confirmed to nobody) or that the database
            # will never take must not hold up those behind it.
            if len(batch) > 1:
                return all([await self._write([entry]) for entry in batch])
            log.error("record_refused", error=str(error))  # noqa: TRY400 - the statement says all
        self._set_status("ok", None)
        return True

    def _set_status(self, status: str, detail: str | None) -> None:
        if status != self.status:
            self.status = status
            self._on_status(status, detail)


class CallRecords:
    """What is known of past and present calls, as rows.

    Args:
        engine: the database.
        writer: the queue through which every change goes.
        node: this node's id, kept with each call.

    Attributes:
        node: that id.
    """

    def __init__(self, engine: AsyncEngine, writer: RecordWriter, *, node: str) -> None:
        self._engine = engine
        self._writer = writer
        self.node = node

    # -- writing -----------------------------------------------------------------------------------

    def arrived(
        self,
        call_id: str,
        *,
        line: str,
        caller: str | None,
        sip_call_id: str,
        arrived_at: float,
        **values: Any,
    ) -> None:
        """Note that a call began; ``values``: further columns."""
        row = {
            "call_id": call_id,
            "node": self.node,
            "line": line,
            "caller": caller,
            "sip_call_id": sip_call_id[:256],
            "arrived_at": arrived_at,
            **values,
        }
        self._writer.put(_INSERT_CALL, row, subject=call_id)

    def withheld(self, call_id: str, *, number: str, at: float) -> None:
        """Keep the number of a caller who withholds it."""
        row = {"call_id": call_id, "number": number, "at": at}
        self._writer.put(_INSERT_WITHHELD, row, subject=call_id)

    def change(self, call_id: str, **values: Any) -> None:
        """Change columns of a call's row."""
        self._writer.put(_CHANGE_CALL, {"_call_id": call_id, **values}, subject=call_id)

    def recorded(self, call_id: str, part: int, **values: Any) -> None:
        """Add one completed part of the recording."""
        row = {"call_id": call_id, "part": part, **values}
        self._writer.put(_INSERT_RECORDING, row, subject=call_id)

    def rerecorded(self, call_id: str, part: int, *, sha256: str) -> None:
        """Note that a part was changed by us, and is this now."""
        self._writer.put(
            update(recordings)
            .where(recordings.c.call_id == call_id, recordings.c.part == part)
            .values(sha256=sha256)
        )

    def segment(self, call_id: str, seq: int, **values: Any) -> None:
        """Add one finished segment."""
        row = {"call_id": call_id, "seq": seq, **values}
        self._writer.put(_INSERT_SEGMENT, row, subject=call_id)

    def utterance(self, call_id: str, seq: int, **values: Any) -> None:
        """Add one final utterance."""
        row = {"call_id": call_id, "seq": seq, **values}
        self._writer.put(_INSERT_UTTERANCE, row, subject=call_id)

    def rewrite(self, call_id: str, seq: int, **values: Any) -> None:
        """Change columns of one utterance."""
        self._writer.put(
            update(utterances)
            .where(utterances.c.call_id == call_id, utterances.c.seq == seq)
            .values(**values)
        )

    async def close_orphans(self, *, now: float) -> int:
        """End the records of calls that this node left open when it died; return how many."""
        statement = (
            update(calls)
            .where(calls.c.node == self.node, calls.c.ended_at.is_(None))
            .values(ended_at=now, outcome="failed", ended_by="system")
        )
        async with self._engine.begin() as connection:
            result = await connection.execute(statement)
        return int(result.rowcount)

    async def written(self) -> None:
        """Return when all that was noted so far is in the database.

        Raises:
            TimeoutError: the database does not take it.
        """
        await self._writer.flush()

    # -- reading -----------------------------------------------------------------------------------

    async def get(self, call_id: str) -> dict[str, Any] | None:
        """Return one call with its ``segments`` and the ``recordings`` of it, or None."""
        await self._writer.flush()
        async with self._engine.connect() as connection:
            row = (
                (await connection.execute(select(calls).where(calls.c.call_id == call_id)))
                .mappings()
                .one_or_none()
            )
            if row is None:
                return None
            parts = await connection.execute(
                select(segments).where(segments.c.call_id == call_id).order_by(segments.c.seq)
            )
            recorded = await connection.execute(
                select(recordings)
                .where(recordings.c.call_id == call_id)
                .order_by(recordings.c.part)
            )
            return {
                **row,
                "segments": [dict(part) for part in parts.mappings()],
                "recordings": [dict(part) for part in recorded.mappings()],
            }

    async def withheld_number(self, call_id: str) -> str | None:
        """Return the number of a caller who withholds it, None where none is known.

        Who may ask, and that he asked, is the caller's matter.
        """
        await self._writer.flush()
        statement = select(withheld_numbers.c.number).where(withheld_numbers.c.call_id == call_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).scalar_one_or_none()

    async def list_(
        self, *, agent_id: str | None = None, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Return calls, newest first, without segments; an agent's: those he has talked in."""
        await self._writer.flush()
        statement = select(calls).order_by(calls.c.arrived_at.desc()).limit(limit).offset(offset)
        if agent_id is not None:
            talked = select(segments.c.call_id).where(
                segments.c.agent_id == agent_id, segments.c.answered_at.is_not(None)
            )
            statement = statement.where(
                or_(calls.c.agent_id == agent_id, calls.c.call_id.in_(talked))
            )
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(statement)).mappings()]

    async def ladder(self, call_id: str) -> list[dict[str, Any]]:
        """Return the SIP messages of a call in short; none while it lasts."""
        await self._writer.flush()
        statement = select(calls.c.ladder).where(calls.c.call_id == call_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).scalar_one_or_none() or []

    async def transcript(self, call_id: str) -> list[dict[str, Any]]:
        """Return the utterances in the order in which they began."""
        await self._writer.flush()
        statement = (
            select(utterances)
            .where(utterances.c.call_id == call_id)
            .order_by(utterances.c.start, utterances.c.seq)
        )
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(statement)).mappings()]
