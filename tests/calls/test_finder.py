"""Finding calls in SQL, and what inspectors said of them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.finder import CallFinder, Sought
from calls.quality import CRITERIA, BadAssessment, Mark, QualityDesk
from calls.records import RecordWriter, calls, segments, utterances
from hotline.database import migrate, open_engine
from tickets.store import tickets_table as tickets


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url)
    await migrate(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
async def writer(engine: AsyncEngine) -> AsyncIterator[RecordWriter]:
    writer = RecordWriter(engine, on_status=lambda _status, _detail: None)
    writer.start()
    yield writer
    await writer.close()


def _call(name: str, at: float, **values: Any) -> dict[str, Any]:
    fixed = {"node": "n1", "sip_call_id": name, "line": "12345", "caller": None, "agent_id": None}
    return {"call_id": name, "arrived_at": at, "ticket_id": None, **fixed, **values}


def _ticket(name: str, category: str) -> dict[str, Any]:
    return {
        "id": name,
        "call_id": name,
        "status": "draft",
        "created_at": 1.0,
        "updated_at": 1.0,
        "urgency": "普通",
        "secret": False,
        "fields": {},
        "category": category,
    }


async def test_calls_are_found_by_what_is_known_of_them(
    engine: AsyncEngine, writer: RecordWriter
) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            insert(calls),
            [
                _call("c1", 100.0, caller="15250322668", agent_id="1001", ticket_id="t1"),
                _call("c2", 200.0, caller="13862311001", agent_id="1002", line="12348"),
                _call("c3", 300.0, caller="15250399999"),
            ],
        )
        await connection.execute(insert(tickets), [_ticket("t1", "市容管理")])
        await connection.execute(
            insert(segments),
            [
                {
                    "call_id": "c2",
                    "seq": 0,
                    "kind": "agent",
                    "agent_id": "1001",
                    "offered_at": 201.0,
                    "answered_at": 202.0,
                }
            ],
        )
        said = {"leg": "caller", "start": 0.0, "end": 1.0}
        await connection.execute(
            insert(utterances),
            [
                {"call_id": "c1", "seq": 1, "text": "门口的路灯不亮", **said},
                {"call_id": "c2", "seq": 1, "text": "亮了 100% 满意", **said},
            ],
        )
    finder = CallFinder(engine, writer)

    async def found(**sought: Any) -> list[str]:
        return [call["call_id"] for call in await finder.find(Sought(**sought))]

    assert await found() == ["c3", "c2", "c1"]
    assert await found(number="152503") == ["c3", "c1"]
    assert await found(agent_id="1001") == ["c2", "c1"]
    assert await found(line="12348") == ["c2"]
    assert await found(text="路灯") == ["c1"]
    assert await found(text="100%") == ["c2"]
    assert await found(text="1_0") == []
    assert await found(category="市容") == ["c1"]
    assert await found(since=200.0, until=300.0) == ["c2"]
    assert await found(number="152503", text="路灯", agent_id="1002") == []
    assert [c["call_id"] for c in await finder.find(Sought(), limit=1, offset=1)] == ["c2"]


async def test_the_latest_score_is_shown(engine: AsyncEngine, writer: RecordWriter) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(calls), [_call("c1", 100.0, agent_id="1001")])
    desk = QualityDesk(engine, writer, clock=lambda: 500.0)
    marks = [Mark(9.0, "语速过快"), Mark(2.5, "未报工号")]
    await desk.assess("c1", who="3001", agent_id="1001", scores=CRITERIA, marks=marks)
    second = {**CRITERIA, "closing": 0}
    await desk.assess("c1", who="3001", agent_id="1001", scores=second, comment="复核")
    first, latest = await desk.of("c1")
    assert (first["total"], [mark["at"] for mark in first["marks"]]) == (100, [2.5, 9.0])
    assert (latest["total"], latest["comment"], latest["at"]) == (95, "复核", 500.0)
    [call] = await CallFinder(engine, writer).find(Sought())
    assert call["score"] == 95


async def test_what_is_not_whole_is_not_kept(engine: AsyncEngine, writer: RecordWriter) -> None:
    desk = QualityDesk(engine, writer)
    with pytest.raises(BadAssessment, match="greeting"):
        await desk.assess("c1", who="3001", agent_id=None, scores={})
    assert await desk.of("c1") == []
