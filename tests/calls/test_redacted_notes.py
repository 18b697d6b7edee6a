"""What was noted of a call is without what was redacted in it, on both kinds of database."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from calls.after_call import dispositions
from calls.callback_store import callbacks
from calls.quality import assessments
from calls.records import metadata
from calls.redacted_notes import redact_notes


async def test_notes_of_the_call_alone_are_changed(database_url: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        for call_id in ("c1", "c2"):
            of_call = {"call_id": call_id, "at": 1.0}
            for agent_id, note in (("1001", "卡号6222"), ("1002", None)):
                row = {**of_call, "agent_id": agent_id, "code": "解答", "note": note}
                await connection.execute(dispositions.insert().values(row))
            counts = {"version": 1, "calls": 1, "attempts": 0}
            times = {"first_at": 1.0, "last_at": 1.0, "due_at": 1.0}
            entry = {"number": "1", "line": "12345", "reason": "asked", "status": "closed"}
            await connection.execute(
                callbacks.insert().values(
                    call_id=call_id, note="卡号6222", **entry, **counts, **times
                )
            )
            marks = [{"at": 2.0, "note": "卡号6222"}]
            judged: dict[str, object] = {
                **of_call,
                "who": "3001",
                "scores": {},
                "total": 97,
                "comment": "卡号6222",
            }
            await connection.execute(assessments.insert().values(**judged, marks=marks))
        await redact_notes(connection, "c1", lambda text: text.replace("6222", "■■"))
        for table, columns in (
            (dispositions, (dispositions.c.note,)),
            (callbacks, (callbacks.c.note,)),
            (assessments, (assessments.c.comment, assessments.c.marks)),
        ):
            query = sa.select(table.c.call_id, *columns)
            for call_id, *notes in await connection.execute(query):
                said = [note for note in notes if note is not None]
                gone = call_id == "c1"
                assert ("6222" not in repr(said)) == (gone or not said)
                assert ("■■" in repr(said)) == (gone and bool(said))
    await engine.dispose()
