"""Records on SQLite and PostgreSQL: order, batches, and a database that is away."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.records import CallRecords, RecordWriter, _Entry, calls, grouped, metadata
from tests.support.waiting import until


@pytest.fixture
def statuses() -> list[str]:
    return []


@pytest.fixture
async def writer(engine: AsyncEngine, statuses: list[str]) -> AsyncIterator[RecordWriter]:
    writer = RecordWriter(engine, on_status=lambda status, _detail: statuses.append(status))
    writer.start()
    yield writer
    await writer.close()


@pytest.fixture
def records(engine: AsyncEngine, writer: RecordWriter) -> CallRecords:
    return CallRecords(engine, writer, node="n1")


def arrive(records: CallRecords, call_id: str, at: float = 1.0) -> None:
    records.arrived(call_id, line="12345", caller="13800000000", sip_call_id="x", arrived_at=at)


async def test_a_reader_sees_what_was_queued_before(records: CallRecords) -> None:
    arrive(records, "c1")
    records.change("c1", answered_at=2.0, agent_id="1001")
    records.segment("c1", 0, agent_id="1001", kind="agent", offered_at=1.5, outcome="answered")
    record = await records.get("c1")
    assert record is not None
    assert (record["caller"], record["answered_at"]) == ("13800000000", 2.0)
    assert [part["agent_id"] for part in record["segments"]] == ["1001"]
    assert await records.get("c2") is None


async def test_writing_gives_way_unless_somebody_wants_to_read(engine: AsyncEngine) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def give_way() -> None:
        asked.set()
        await go_on.wait()

    polite = RecordWriter(engine, on_status=lambda *_: None, give_way=give_way)
    records = CallRecords(engine, polite, node="n1")
    polite.start()
    arrive(records, "c1")
    assert await records.get("c1")
    assert not asked.is_set()
    arrive(records, "c2")
    await until(asked.is_set)
    assert polite.pending == 1
    go_on.set()
    await until(lambda: not polite.pending)
    await polite.close()


async def test_lists_are_newest_first_and_by_agent(records: CallRecords) -> None:
    for number in range(3):
        arrive(records, f"c{number}", at=float(number))
    records.change("c1", agent_id="1001")
    assert [row["call_id"] for row in await records.list_()] == ["c2", "c1", "c0"]
    assert [row["call_id"] for row in await records.list_(agent_id="1001")] == ["c1"]
    assert [row["call_id"] for row in await records.list_(limit=1, offset=1)] == ["c1"]


async def test_the_transcript_is_in_the_order_of_speaking(records: CallRecords) -> None:
    for seq, (leg, start) in enumerate([("agent", 3.0), ("caller", 1.0)]):
        records.utterance("c1", seq, leg=leg, start=start, end=start + 1, text=leg, confidence=None)
    assert [row["leg"] for row in await records.transcript("c1")] == ["caller", "agent"]


async def test_a_row_that_the_database_refuses_holds_up_nothing(records: CallRecords) -> None:
    arrive(records, "c1")
    arrive(records, "c1")  # as after a commit whose confirmation was lost
    arrive(records, "c2")
    assert len(await records.list_()) == 2


async def test_while_the_database_is_away_nothing_is_lost(
    records: CallRecords, writer: RecordWriter, statuses: list[str], engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
    arrive(records, "c1")
    with pytest.raises(TimeoutError):
        await writer.flush(max_seconds=0.3)
    assert (statuses, writer.pending) == (["away"], 1)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    async with asyncio.timeout(20):
        assert len(await records.list_()) == 1
    assert statuses == ["away", "ok"]


async def test_a_full_queue_drops_the_oldest_and_counts(engine: AsyncEngine) -> None:
    writer = RecordWriter(engine, on_status=lambda _status, _detail: None, limit=2)
    records = CallRecords(engine, writer, node="n1")
    for number in range(3):
        arrive(records, f"c{number}", at=float(number))
    writer.start()
    assert [row["call_id"] for row in await records.list_()] == ["c2", "c1"]
    assert writer.dropped == 1
    await writer.close()


async def test_calls_of_an_earlier_life_are_closed(records: CallRecords) -> None:
    arrive(records, "c1")
    arrive(records, "c2")
    records.change("c2", ended_at=3.0, outcome="answered", ended_by="citizen")
    assert len(await records.list_()) == 2
    assert await records.close_orphans(now=9.0) == 1
    record = await records.get("c1")
    assert record is not None
    assert (record["outcome"], record["ended_at"]) == ("failed", 9.0)


INSERT, CHANGE, WHOLE = insert(calls), update(calls), select(calls)


@st.composite
def entries(draw: st.DrawFn) -> list[Any]:
    kinds = st.sampled_from([(INSERT, "a"), (CHANGE, "a"), (CHANGE, "b"), (WHOLE, None)])
    subjects = st.sampled_from(["one", "two", "three"])
    found = []
    for number in range(draw(st.integers(0, 20))):
        statement, column = draw(kinds)
        if column is None:
            found.append(_Entry(statement))
        else:
            found.append(_Entry(statement, {column: number}, draw(subjects)))
    return found


@given(entries())
def test_rows_share_a_statement_and_nothing_of_one_call_changes_places(given_: list[Any]) -> None:
    groups = grouped(given_)
    numbers = {id(entry.row): n for n, entry in enumerate(given_) if entry.row is not None}
    order = [numbers[id(row)] for _, rows in groups for row in rows]
    assert sorted(order) == sorted(numbers.values())
    for subject in ("one", "two", "three"):
        own = [n for n in order if given_[n].subject == subject]
        assert own == sorted(own)
    # What has no subject stands where it stood: all before it are written before it.
    position, before = 0, 0
    barriers = [n for n, entry in enumerate(given_) if entry.row is None]
    for statement, rows in groups:
        if statement is WHOLE:
            earlier = {n for n in numbers.values() if n < barriers[before]}
            assert set(order[:position]) == earlier
            before += 1
        position += len(rows)
        assert len({tuple(row) for row in rows}) <= 1
    assert before == len(barriers)


def test_a_burst_of_calls_is_three_statements() -> None:
    burst = [
        _Entry(statement, {"a": n}, f"call {n}")
        for n in range(50)
        for statement in (INSERT, CHANGE, WHOLE)
    ]
    assert [len(rows) for _, rows in grouped(burst)] == [50, 50, 50]


@pytest.mark.parametrize("caller", ["1" * 65, "1380\0"])
async def test_a_row_that_no_database_takes_does_not_hold_up_others(
    records: CallRecords, caller: str
) -> None:
    records.arrived("c1", line="12345", caller=caller, sip_call_id="x", arrived_at=1.0)
    arrive(records, "c2")
    assert await records.get("c2") is not None  # PostgreSQL refuses the former, SQLite does not
