"""aiosqlite with one visit to its thread for each statement, in the place of four.

SQLAlchemy's adapter asks aiosqlite for a cursor, lets it execute, fetches, closes it, and rolls
back what was never begun when the connection goes back to the pool: each is handed to the
connection's thread and awaited, and two threads then wrestle for the interpreter. Here the thread
executes, fetches and closes in one go, and is not asked to end a transaction that there is not.

Given to SQLAlchemy as ``create_async_engine(..., module=dbapi())``; cursors that stream
(``AsyncConnection.stream``) stay as they are.
"""

import collections
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
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


def _execute(connection: sqlite3.Connection, operation: str, parameters: Any) -> _Outcome:
    return _outcome(connection.execute(operation, parameters))


def _execute_many(connection: sqlite3.Connection, operation: str, parameters: Any) -> _Outcome:
    return _outcome(connection.executemany(operation, parameters))


def _outcome(cursor: sqlite3.Cursor) -> _Outcome:
    rows = cursor.fetchall() if cursor.description else ()
    outcome = _Outcome(cursor.description, cursor.rowcount, cursor.lastrowid, rows)
    cursor.close()
    return outcome


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    """A cursor that exists in the thread only while it executes."""

    __slots__ = ("_outcome",)

    # Nothing is left to be closed.
    _awaitable_cursor_close = False
    arraysize = 1
    _adapt_connection: "_Connection"

    @override
    def __init__(self, adapt_connection: "_Connection") -> None:
        self._adapt_connection = adapt_connection
        self._rows = collections.deque()
        self._outcome = _NOTHING

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
        await self._run(_execute, operation, parameters or ())

    @override
    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> None:
        await self._run(_execute_many, operation, seq_of_parameters)

    async def _run(
        self, work: Callable[[sqlite3.Connection, str, Any], _Outcome], sql: str, parameters: Any
    ) -> None:
        self._outcome = await self._adapt_connection.run(work, sql, parameters)
        self._rows = collections.deque(self._outcome.rows)


class _Connection(AsyncAdapt_aiosqlite_connection):
    """A connection that knows whether a transaction is open."""

    __slots__ = ("_uncertain",)

    _cursor_cls: type[_Cursor] = _Cursor

    @override
    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._uncertain = False

    async def run(
        self, work: Callable[[sqlite3.Connection, str, Any], _Outcome], sql: str, parameters: Any
    ) -> _Outcome:
        """Let the connection's thread do something; what is under way is finished first."""
        async with self._execute_mutex:
            # aiosqlite's, whose one way into its thread is private.
            driver: Any = self._connection
            # One who is cancelled does not learn what becomes of his statement.
            self._uncertain = True
            try:
                found = await driver._execute(work, driver._conn, sql, parameters)  # noqa: SLF001
                outcome: _Outcome = found
            except Exception:
                self._uncertain = False
                raise
            self._uncertain = False
            return outcome

    @override
    def rollback(self) -> None:
        if self._in_transaction():
            super().rollback()
            self._uncertain = False

    @override
    def commit(self) -> None:
        if self._in_transaction():
            super().commit()
            self._uncertain = False

    def _in_transaction(self) -> bool:
        connection: Any = self._connection._connection  # noqa: SLF001 - None once it is closed
        return connection is not None and (self._uncertain or connection.in_transaction)


class _Dbapi(AsyncAdapt_aiosqlite_dbapi):
    """The module that SQLAlchemy asks for connections."""

    @override
    def connect(self, *arg: Any, **kw: Any) -> _Connection:
        connection = self.aiosqlite.connect(*arg, **kw)
        # As the adapter does: a process that ends without closing must end nevertheless.
        connection._thread.daemon = True  # noqa: SLF001 - as above
        return _Connection(self, await_(connection))


def dbapi() -> AsyncAdapt_aiosqlite_dbapi:
    """Return the module for ``create_async_engine(..., module=...)``."""
    return _Dbapi(aiosqlite, sqlite3)
