"""The call-back list in SQL: one open entry a number, whoever writes at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.callback_store import CallBackStore
from calls.callbacks import (
    Attempted,
    CallBackError,
    CallBackRules,
    CalledAgain,
    Closed,
    Missed,
    Reason,
    Scheduled,
    Taken,
)
from calls.records import CallRecords, RecordWriter
from hotline.database import migrate, open_engine

RULES = CallBackRules(attempts=2, retry_seconds=600.0)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url)
    await migrate(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> CallBackStore:
    return CallBackStore(engine, rules=RULES)


def missed(call_id: str, number: str = "13862311001", reason: Reason = "abandoned") -> Missed:
    return Missed(number, "12345", reason, call_id)


async def test_many_at_once_make_one_entry(store: CallBackStore) -> None:
    made = await asyncio.gather(
        *(store.missed(missed(f"c{number}"), now=float(number)) for number in range(5))
    )
    assert len({entry_id for entry_id, _ in made}) == 1
    (entry,) = await store.list_(status="open")
    assert (entry["calls"], entry["number"]) == (5, "13862311001")
    assert "open_number" not in entry


async def test_a_closed_entry_stays_and_a_new_one_begins(store: CallBackStore) -> None:
    first, _ = await store.missed(missed("c1"), now=1.0)
    await store.change(first, Closed("not_needed", "1001", "已办结"), now=2.0)
    second, _ = await store.missed(missed("c2"), now=3.0)
    assert second != first
    assert [entry["id"] for entry in await store.list_()] == [second, first]
    assert [entry["note"] for entry in await store.list_(status="closed")] == ["已办结"]
    assert await store.counts() == {"open": 1, "calling": 0}


async def test_one_of_two_agents_gets_it(store: CallBackStore) -> None:
    entry_id, _ = await store.missed(missed("c1"), now=1.0)
    results = await asyncio.gather(
        *(store.change(entry_id, Taken(agent), now=2.0) for agent in ("1001", "1002")),
        return_exceptions=True,
    )
    assert sum(isinstance(result, CallBackError) for result in results) == 1
    _, entry = await store.change(entry_id, Attempted(reached=True), now=9.0)
    assert entry.outcome == "reached"


async def test_a_call_of_his_closes_it(store: CallBackStore) -> None:
    await store.missed(missed("c1"), now=1.0)
    changed = await store.of_number("13862311001", CalledAgain(), now=5.0)
    assert changed is not None
    assert changed[1].outcome == "called_again"
    assert await store.of_number("13862311001", CalledAgain(), now=6.0) is None


async def test_no_such_entry(store: CallBackStore) -> None:
    with pytest.raises(CallBackError, match="unknown"):
        await store.change(17, Taken("1001"), now=1.0)
    assert await store.get(17) is None


async def test_a_promised_call_stands_first_once_it_is_due(store: CallBackStore) -> None:
    waiting, _ = await store.missed(missed("c1"), now=1.0)
    promise = Scheduled("13900000000", "12345", "c2", 50.0, "1001", "补材料")
    promised, entry = await store.schedule(promise, now=2.0)
    assert (entry.status, entry.due_at, entry.note) == ("open", 50.0, "补材料")
    assert await store.next_due(now=49.0) == (waiting, None)
    assert await store.next_due(now=50.0) == (promised, "1001")
    again, _ = await store.schedule(replace(promise, at=70.0), now=3.0)
    assert again == promised
    assert await store.next_due(now=60.0) == (waiting, None)
    await store.change(promised, Taken("1002"), now=70.0)
    await store.change(promised, Attempted(reached=None), now=71.0)
    assert await store.next_due(now=71.0) == (promised, "1001")  # who called was not who promised


async def test_who_asked_goes_first_and_nobody_before_he_is_due(store: CallBackStore) -> None:
    gave_up, _ = await store.missed(missed("c1", "13862311001"), now=1.0)
    asked, _ = await store.missed(missed("c2", "13862311002", "asked"), now=2.0)
    assert await store.next_due(now=2.0) == (asked, None)
    await store.change(asked, Taken("1001"), now=3.0)
    assert await store.next_due(now=3.0) == (gave_up, None)
    await store.change(gave_up, Taken("1002"), now=3.0)
    await store.change(gave_up, Attempted(reached=False), now=4.0)
    assert await store.next_due(now=600.0) is None
    assert await store.next_due(now=604.0) == (gave_up, None)


async def test_the_calls_of_a_dead_node(store: CallBackStore, engine: AsyncEngine) -> None:
    writer = RecordWriter(engine, on_status=lambda _status, _detail: None)
    writer.start()
    records = CallRecords(engine, writer, node="n2")
    rows: dict[str, dict[str, Any]] = {
        "live": {"caller": "13862311001"},
        "own": {"caller": None, "direction": "outbound"},
        "over": {"caller": "13862311002", "ended_at": 5.0},
    }
    for call_id, values in rows.items():
        records.arrived(call_id, line="12345", sip_call_id="s", arrived_at=1.0, **values)
    await writer.close()
    assert await store.orphans("n1") == []
    assert await store.orphans("n2") == [
        {"call_id": "live", "line": "12345", "caller": "13862311001"}
    ]
    assert sorted(await store.end_orphans("n2", now=9.0)) == ["live", "own"]
    assert await store.end_orphans("n2", now=9.0) == []


async def test_beats(store: CallBackStore) -> None:
    assert await store.beat("n1", now=1.0) == {"n1": 1.0}
    assert await store.beat("n2", now=2.0) == {"n1": 1.0, "n2": 2.0}
    assert await store.beat("n1", now=3.0) == {"n1": 3.0, "n2": 2.0}
    await store.forget("n2")
    assert await store.beat("n1", now=4.0) == {"n1": 4.0}
