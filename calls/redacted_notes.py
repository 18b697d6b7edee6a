"""What redaction takes out of notes of a call: at its wrap-up, its call-back, its inspection."""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.after_call import dispositions
from calls.callback_store import callbacks
from calls.quality import assessments

_NOTES: Final = (
    (dispositions, dispositions.c.note),
    (callbacks, callbacks.c.note),
    (assessments, assessments.c.comment),
)


async def redact_notes(
    connection: AsyncConnection, call_id: str, text: Callable[[str], str]
) -> None:
    """Take words out of the notes of a call.

    Args:
        connection: in a transaction.
        call_id: the call.
        text: returns a text without the words.
    """
    for table, note in _NOTES:
        keys = list(table.primary_key.columns)
        query = sa.select(note, *keys).where(table.c.call_id == call_id, note.is_not(None))
        for said, *key in (await connection.execute(query)).all():
            here = (column == value for column, value in zip(keys, key, strict=True))
            # A mark may be longer than what it stands for.
            left = text(said)[: getattr(note.type, "length", None)]
            await connection.execute(table.update().where(*here).values({note.name: left}))
    marked = sa.select(assessments.c.id, assessments.c.marks)
    of_call = marked.where(assessments.c.call_id == call_id)
    for row in (await connection.execute(of_call)).all():
        marks = [{**mark, "note": text(mark["note"])} for mark in row.marks]
        await connection.execute(
            assessments.update().where(assessments.c.id == row.id).values(marks=marks)
        )
