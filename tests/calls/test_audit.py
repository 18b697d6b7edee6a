from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from calls.audit import AuditTrail
from calls.records import RecordWriter, metadata


class Clock:
    now = 100.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
async def trail(database_url: str) -> AsyncIterator[AuditTrail]:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    writer = RecordWriter(engine, on_status=lambda _status, _detail: None)
    writer.start()
    yield AuditTrail(engine, writer, clock=Clock())
    await writer.close()
    await engine.dispose()


async def test_who_did_what_is_found_again(trail: AuditTrail) -> None:
    trail.note("1001", "ticket.view", "t1")
    trail.note("8001", "recording.redact", "c1", {"start": 1.0, "end": 2.0})
    trail.note("8001", "ticket.view", "t1")
    entries = await trail.list_()
    assert [(entry["who"], entry["action"], entry["at"]) for entry in entries] == [
        ("8001", "ticket.view", 103.0),
        ("8001", "recording.redact", 102.0),
        ("1001", "ticket.view", 101.0),
    ]
    assert entries[1]["detail"] == {"start": 1.0, "end": 2.0}
    assert [entry["id"] for entry in await trail.list_(subject="t1", who="1001")] == [
        entries[2]["id"]
    ]
    assert [entry["at"] for entry in await trail.list_(since=102.0, until=103.0)] == [102.0]
    assert [entry["at"] for entry in await trail.list_(limit=1, offset=1)] == [102.0]
    assert await trail.list_(action="no.such") == []


async def test_the_same_look_is_noted_once_a_minute(trail: AuditTrail) -> None:
    for _ in range(70):  # each takes a second
        trail.look("8001", "call.list", "all", {"count": 50})
    trail.look("8002", "call.list", "all", {"count": 50})
    trail.look("8001", "call.list", "all", {"count": 51})
    seen = [(entry["who"], entry["detail"]["count"]) for entry in await trail.list_()]
    assert seen == [("8001", 51), ("8002", 50), ("8001", 50), ("8001", 50)]
