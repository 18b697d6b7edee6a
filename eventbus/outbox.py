"""The durable outbox: what has been published and not yet acknowledged by the broker.

One SQLite table, blocking calls: the publisher runs them in a thread of its own. Write-ahead log
with ``synchronous=NORMAL``: a killed process loses nothing that was committed; a power cut may lose
the last moments.
"""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message on its way: ``seq`` is its place in the order, ``payload`` the MQTT payload."""

    seq: int
    topic: str
    payload: bytes


class Outbox:
    """Messages in order of arrival, at most ``limit`` of them.

    Used from one thread only (SQLite's rule; the one that opened it).
    """

    def __init__(self, connection: sqlite3.Connection, *, limit: int) -> None:
        self._db = connection
        self._limit = limit

    @classmethod
    def open(cls, path: Path, *, limit: int) -> Self:
        """Open or create the file.

        A file that SQLite cannot read is put aside (``.broken-<time>``) and a new one begun:
        yesterday's undelivered messages must not keep the hotline from starting today.

        Raises:
            OSError, sqlite3.OperationalError: the folder cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return cls(_connect(path), limit=limit)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            aside = path.with_name(f"{path.name}.broken-{int(time.time())}")
            path.rename(aside)
            log.error("outbox unreadable, begun anew", error=str(error), put_aside=str(aside))  # noqa: TRY400 - the cause is in the message
            return cls(_connect(path), limit=limit)

    def append(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Add (topic, payload) pairs in one transaction; return how many old ones had to go.

        Raises:
            sqlite3.Error: nothing was added (disk full, for one).
        """
        with self._db:
            self._db.executemany(
                "INSERT INTO outbox (topic, payload) VALUES (?, ?)",
                messages,
            )
            excess = self.count() - self._limit
            if excess <= 0:
                return 0
            self._db.execute(
                "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox ORDER BY seq LIMIT ?)",
                (excess,),
            )
            return excess

    def oldest(self, count: int) -> list[Letter]:
        """Return up to ``count`` messages, oldest first."""
        rows = self._db.execute(
            "SELECT seq, topic, payload FROM outbox ORDER BY seq LIMIT ?", (count,)
        )
        return [Letter(*row) for row in rows]

    def remove(self, letters: Sequence[Letter]) -> None:
        """Forget acknowledged messages."""
        with self._db:
            self._db.executemany(
                "DELETE FROM outbox WHERE seq = ?", [(letter.seq,) for letter in letters]
            )

    def next(self, done: Sequence[Letter], count: int) -> tuple[list[Letter], int]:
        """Forget acknowledged messages; return the oldest of the others, and how many there are."""
        if done:
            self.remove(done)
        letters = self.oldest(count)
        # Where fewer came than were asked for there are no more.
        return letters, self.count() if len(letters) == count else len(letters)

    def count(self) -> int:
        """Return how many messages wait."""
        (count,) = self._db.execute("SELECT COUNT(*) FROM outbox").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=1.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        # AUTOINCREMENT: a number is never given twice, not even after the table ran empty.
        connection.execute(
            "CREATE TABLE IF NOT EXISTS outbox ("
            "seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL)"
        )
        connection.execute("SELECT COUNT(*) FROM outbox")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
