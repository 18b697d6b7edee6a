"""aiosqlite with one visit to its thread for each statement, in the place of four.

SQLAlchemy's adapter asks aiosqlite for a cursor, lets it execute, fetches, closes it, and rolls
back what was never begun when the connection goes back to the pool: each is handed to the
connection's thread and awaited, and two threads then wrestle for the interpreter. Here the thread
executes, fetches and closes in one go, and is not asked to end a transaction that there is not.

A statement executed with ``execution_options={"deferred": True}`` waits until the next one that is
not, or until the commit, and goes to the thread with that. So a transaction of ten such statements
is one visit. What it came to (rows, their number, a new key) is not known, and its error is that of
whatever takes it along. Other databases execute it at once.

Engines are made by `sqlite_engine`; cursors that stream (``AsyncConnection.stream``) stay as they
are in SQLAlchemy.
"""

import collections
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import aiosqlite
from sqlalchemy import URL
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
    SQLiteExecutionContext_aiosqlite,
)
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util.concurrency import await_
from typing_extensions import override


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a statement came to, read while its cursor was there."""

    description: Any
    rowcount: int
    lastrowid: int | None
    rows: Sequence[Any]


_NOTHING: Final = _Outcome(None, -1, None, ())


@dataclass(frozen=True, slots=True)
class _Work:
    """A statement: with ``many``, executed for each of its rows."""

    sql: str
    parameters: Any
    many: bool = False

    def execute(self, connection: sqlite3.Connection) -> _Outcome:
        """Execute it, in the thread."""
        run = connection.executemany if self.many else connection.execute
        cursor = run(self.sql, self.parameters)
        rows = cursor.fetchall() if cursor.description else ()
        outcome = _Outcome(cursor.description, cursor.rowcount, cursor.lastrowid, rows)
        cursor.close()
        return outcome


def _visit(
    connection: sqlite3.Connection, works: Sequence[_Work], *, commit: bool = False
) -> _Outcome:
    """Do what is to be done in the thread; return what the last came to."""
    outcome = _NOTHING
    for work in works:
        outcome = work.execute(connection)
    if commit:
        connection.commit()
    return outcome


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    """A cursor that exists in the thread only while it executes."""

    __slots__ = ("_outcome", "deferred")

    # Nothing is left to be closed.
    _awaitable_cursor_close = False
    arraysize = 1
    _adapt_connection: "_Connection"

    @override
    def __init__(self, adapt_connection: "_Connection") -> None:
        self._adapt_connection = adapt_connection
        self._rows = collections.deque()
        self._outcome = _NOTHING
        self.deferred = False

    @property
    @override
    def description(self) -> Any:
        return self._outcome.description

    @property
    @override
    def rowcount(self) -> int:
        return self._outcome.rowcount

    @property
    @override
    def lastrowid(self) -> Any:
        return self._outcome.lastrowid

    @override
    def close(self) -> None:
        self._rows.clear()

    @override
    async def _execute_async(self, operation: Any, parameters: Any) -> None:
        await self._run(_Work(operation, parameters or ()))

    @override
    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> None:
        await self._run(_Work(operation, seq_of_parameters, many=True))

    async def _run(self, work: _Work) -> None:
        if self.deferred:
            self._adapt_connection.defer(work)
        else:
            self._outcome = await self._adapt_connection.visit(work)
            self._rows = collections.deque(self._outcome.rows)


class _Connection(AsyncAdapt_aiosqlite_connection):
    """A connection that knows whether a transaction is open."""

    __slots__ = ("_deferred", "_uncertain")

    _cursor_cls: type[_Cursor] = _Cursor

    @override
    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._deferred: list[_Work] = []
        self._uncertain = False

    def defer(self, work: _Work) -> None:
        """Let something wait for the next visit."""
        self._deferred.append(work)

    async def visit(self, *works: _Work, commit: bool = False) -> _Outcome:
        """Let the connection's thread do what waits, and this."""
        async with self._execute_mutex:
            # aiosqlite's, whose one way into its thread is private.
            driver: Any = self._connection
            waiting, self._deferred = self._deferred, []
            # One who is cancelled does not learn what becomes of his statement.
            self._uncertain = True
            try:
                found = await driver._execute(  # noqa: SLF001
                    _visit,
                    driver._conn,  # noqa: SLF001
                    (*waiting, *works),
                    commit=commit,
                )
                outcome: _Outcome = found
            except Exception:
                self._uncertain = False
                raise
            self._uncertain = False
            return outcome

    @override
    def rollback(self) -> None:
        self._deferred.clear()
        if self._in_transaction():
            super().rollback()
            self._uncertain = False

    @override
    def commit(self) -> None:
        if not self._deferred and not self._in_transaction():
            return
        try:
            await_(self.visit(commit=True))
        except Exception as error:  # noqa: BLE001 - as SQLAlchemy's own
            self._handle_exception(error)

    def _in_transaction(self) -> bool:
        connection: Any = self._connection._connection  # noqa: SLF001 - None once it is closed
        return connection is not None and (self._uncertain or connection.in_transaction)


class _Context(SQLiteExecutionContext_aiosqlite):
    """Tells a cursor whether its statement may wait."""

    @override
    def create_default_cursor(self) -> Any:
        cursor = super().create_default_cursor()
        if self.execution_options.get("deferred"):
            cast("_Cursor", cursor).deferred = True
        return cursor


class _Dbapi(AsyncAdapt_aiosqlite_dbapi):
    """The module that SQLAlchemy asks for connections."""

    @override
    def connect(self, *arg: Any, **kw: Any) -> _Connection:
        connection = self.aiosqlite.connect(*arg, **kw)
        # As the adapter does: a process that ends without closing must end nevertheless.
        connection._thread.daemon = True  # noqa: SLF001 - as above
        return _Connection(self, await_(connection))


def sqlite_engine(url: str | URL, *, connections: int) -> AsyncEngine:
    """Return an engine with at most so many connections."""
    # hide_parameters: as in hotline/database.py
    engine = create_async_engine(
        url,
        module=_Dbapi(aiosqlite, sqlite3),
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
    )
    # (an event of SQLAlchemy's would be looked for at every step of every statement)
    engine.dialect.execution_ctx_cls = _Context
    return engine
