"""``doctor --recordings``: whether the recordings on this machine are what was recorded."""

import asyncio
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from calls.records import calls, recordings
from calls.redaction import checksum
from hotline.database import open_engine

_NAMED = 5
"""So many bad recordings are named; the others are counted."""


class CannotCheck(Exception):
    """The database cannot be asked; the message says why."""


async def altered_recordings(url: str) -> tuple[int, list[str]]:
    """Compare every recording with its checksum.

    Returns:
        How many were compared, and what is wrong with which.

    Raises:
        CannotCheck: the database is away, or has never been made.
    """
    engine = open_engine(url)
    query = (
        sa.select(recordings.c.path, recordings.c.sha256)
        .join(calls, calls.c.call_id == recordings.c.call_id)
        .where(calls.c.recording.is_not(None))  # else it was let go when its time had come
        .order_by(recordings.c.call_id, recordings.c.part)
    )
    try:
        async with engine.connect() as connection:
            rows = list(await connection.execute(query))
    except (SQLAlchemyError, OSError) as error:
        raise CannotCheck(str(error).partition("\n")[0]) from error
    finally:
        await engine.dispose()
    wrong = [
        fault
        for path, known in rows
        if (fault := await asyncio.to_thread(_fault, Path(path), known)) is not None
    ]
    return len(rows), wrong


def in_short(wrong: list[str]) -> str:
    """Return what is wrong as one sentence."""
    more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    return "; ".join(wrong[:_NAMED]) + more


def _fault(path: Path, known: str) -> str | None:
    try:
        return None if checksum(path) == known else f"{path} was altered"
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path}: {error.strerror}"
