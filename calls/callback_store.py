"""The call-back list in SQL: shared by all nodes, one open entry for each number."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from calls.callbacks import (
    CallBack,
    CallBackError,
    CallBackInput,
    CallBackRules,
    CalledAgain,
    Missed,
    Scheduled,
    handle,
)
from calls.lookups import rows_of
from calls.records import calls, metadata

#: ``open_number`` is the number while the entry is not closed: so no number has two such entries.
#: ``version`` grows by each change: who changes an entry says which one he has seen.
callbacks = sa.Table(
    "callbacks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("open_number", sa.String(64), unique=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("number", sa.String(64), nullable=False),
    sa.Column("line", sa.String(32), nullable=False),
    sa.Column("reason", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("call_id", sa.String(40), nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("first_at", sa.Float, nullable=False),
    sa.Column("last_at", sa.Float, nullable=False),
    sa.Column("due_at", sa.Float, nullable=False),
    sa.Column("agent_id", sa.String(32)),
    sa.Column("promised_by", sa.String(32)),
    sa.Column("taken_at", sa.Float),
    sa.Column("outcome", sa.String(16)),
    sa.Column("closed_at", sa.Float),
    sa.Column("note", sa.String(200)),
    sa.Index("ix_callbacks_status", "status", "due_at"),
)

#: When each node was last heard of: whoever has not changed his for long is dead.
node_beats = sa.Table(
    "node_beats",
    metadata,
    sa.Column("node", sa.String(64), primary_key=True),
    sa.Column("beat", sa.Float, nullable=False),
)

_FIELDS = tuple(field.name for field in fields(CallBack))
_HAS_ENTRY = sa.select(callbacks.c.id).where(callbacks.c.open_number == sa.bindparam("number"))
_TRIES = 8
"""Two nodes that want the same entry: one of them has got it by then."""


class CallBackStore:
    """The list.

    Args:
        engine: the database.
        rules: how entries are worked.
        reader: an engine of the same database for what each call looks up; where it is left out,
            that one.
    """

    def __init__(
        self, engine: AsyncEngine, *, rules: CallBackRules, reader: AsyncEngine | None = None
    ) -> None:
        self._engine = engine
        self._reader = reader or engine
        self._rules = rules

    async def missed(self, event: Missed, *, now: float) -> tuple[int, CallBack]:
        """Add a missed call; return its entry with its id."""
        changed = await self._change(callbacks.c.open_number == event.number, event, now)
        if changed is None:
            raise CallBackError("unknown")
        return changed

    async def schedule(self, event: Scheduled, *, now: float) -> tuple[int, CallBack]:
        """Put a promised call on the list; return its entry with its id.

        Raises:
            CallBackError: ``taken``: he is being called now; ``promised``: another agent's promise
                is not due yet.
        """
        changed = await self._change(callbacks.c.open_number == event.number, event, now)
        if changed is None:
            raise CallBackError("unknown")
        return changed

    async def of_number(
        self, number: str, event: CallBackInput, *, now: float
    ) -> tuple[int, CallBack] | None:
        """Change the open entry of a number; None when there is none."""
        # Asked of each call, and hardly a number has an entry: nothing is locked to find that out.
        of_a_call = isinstance(event, CalledAgain)
        if of_a_call and not await rows_of(self._reader, _HAS_ENTRY, {"number": number}):
            return None
        return await self._change(callbacks.c.open_number == number, event, now)

    async def change(
        self, entry_id: int, event: CallBackInput, *, now: float
    ) -> tuple[int, CallBack]:
        """Change an entry.

        Raises:
            CallBackError: it cannot be, or there is no such entry.
        """
        changed = await self._change(callbacks.c.id == entry_id, event, now)
        if changed is None:
            raise CallBackError("unknown")
        return changed

    async def _change(
        self, where: sa.ColumnElement[bool], event: CallBackInput, now: float
    ) -> tuple[int, CallBack] | None:
        for _ in range(_TRIES):
            try:
                async with self._engine.begin() as connection:
                    done, changed = await self._try(connection, where, event, now)
            except IntegrityError:
                continue  # another node has made this number's entry
            if done:
                return changed
        raise CallBackError("taken")

    async def _try(
        self,
        connection: AsyncConnection,
        where: sa.ColumnElement[bool],
        event: CallBackInput,
        now: float,
    ) -> tuple[bool, tuple[int, CallBack] | None]:
        row = (await connection.execute(sa.select(callbacks).where(where))).mappings().one_or_none()
        before = None if row is None else CallBack(**{name: row[name] for name in _FIELDS})
        after = handle(before, event, now, self._rules)
        if after is None:
            return True, None
        open_number = None if after.status == "closed" else after.number
        values = {**asdict(after), "open_number": open_number}
        if row is None:
            made = await connection.execute(callbacks.insert().values(**values, version=1))
            (new_id,) = made.inserted_primary_key or (0,)
            return True, (int(new_id), after)
        if after == before:
            return True, (row["id"], after)
        result = await connection.execute(
            sa.update(callbacks)
            .where(callbacks.c.id == row["id"], callbacks.c.version == row["version"])
            .values(**values, version=row["version"] + 1)
        )
        return result.rowcount == 1, (row["id"], after)

    # -- reading -----------------------------------------------------------------------------------

    async def get(self, entry_id: int) -> dict[str, Any] | None:
        """Return an entry, or None."""
        async with self._engine.connect() as connection:
            row = await connection.execute(sa.select(callbacks).where(callbacks.c.id == entry_id))
            found = row.mappings().one_or_none()
            return None if found is None else _public(found)

    async def list_(
        self, *, status: str | None = None, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Return entries: open ones by when they are due, else the newest first."""
        statement = sa.select(callbacks).limit(limit).offset(offset)
        if status is None:
            statement = statement.order_by(callbacks.c.id.desc())
        else:
            order = callbacks.c.closed_at.desc() if status == "closed" else callbacks.c.due_at
            statement = statement.where(callbacks.c.status == status).order_by(order)
        async with self._engine.connect() as connection:
            return [_public(row) for row in (await connection.execute(statement)).mappings()]

    async def next_due(self, *, now: float) -> tuple[int, str | None] | None:
        """Return the entry to be worked next, and the agent who has promised it.

        Promised calls come first, then who asked, then who has waited longest.
        """
        order = sa.case({"scheduled": 0, "asked": 1}, value=callbacks.c.reason, else_=2)
        statement = (
            sa.select(callbacks.c.id, callbacks.c.promised_by)
            .where(callbacks.c.status == "open", callbacks.c.due_at <= now)
            .order_by(order, callbacks.c.first_at)
            .limit(1)
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(statement)).one_or_none()
            return None if row is None else (row[0], row[1])

    async def counts(self) -> dict[str, int]:
        """Return how many entries are open, and being called."""
        statement = sa.select(callbacks.c.status, sa.func.count()).group_by(callbacks.c.status)
        async with self._engine.connect() as connection:
            found = {row[0]: int(row[1]) for row in await connection.execute(statement)}
        return {"open": found.get("open", 0), "calling": found.get("calling", 0)}

    # -- nodes that died ---------------------------------------------------------------------------

    async def beat(self, node: str, *, now: float) -> dict[str, float]:
        """Show that a node lives; return every node's latest beat."""
        async with self._engine.begin() as connection:
            beaten = await connection.execute(
                sa.update(node_beats).where(node_beats.c.node == node).values(beat=now)
            )
            if beaten.rowcount == 0:
                await connection.execute(node_beats.insert().values(node=node, beat=now))
            rows = await connection.execute(sa.select(node_beats))
            return {row.node: row.beat for row in rows}

    async def forget(self, node: str) -> None:
        """Forget a node that has left, or whose calls are all ended."""
        async with self._engine.begin() as connection:
            await connection.execute(sa.delete(node_beats).where(node_beats.c.node == node))

    async def orphans(self, node: str) -> Sequence[dict[str, Any]]:
        """Return the citizens' calls that a dead node has left open: call_id, line, caller."""
        columns = (calls.c.call_id, calls.c.line, calls.c.caller)
        statement = sa.select(*columns).where(
            calls.c.node == node, calls.c.ended_at.is_(None), calls.c.direction == "inbound"
        )
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(statement)).mappings()]

    async def end_orphans(self, node: str, *, now: float) -> list[str]:
        """End the records of a dead node's calls; return those that nobody had ended."""
        open_calls = sa.and_(calls.c.node == node, calls.c.ended_at.is_(None))
        async with self._engine.begin() as connection:
            found = await connection.execute(sa.select(calls.c.call_id).where(open_calls))
            ended = [str(call_id) for (call_id,) in found]
            await connection.execute(
                sa.update(calls)
                .where(open_calls)
                .values(ended_at=now, outcome="failed", ended_by="system")
            )
            return ended


def _public(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"open_number", "version"}}
