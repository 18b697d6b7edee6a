"""Live figures and intervals against a plain recount of the records."""

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.after_call import ratings
from calls.records import RecordWriter, calls, segments
from calls.reporting.period import Period
from calls.statistics.accumulator import Accumulator, Key
from calls.statistics.counts import QUARTER, Counts
from calls.statistics.live import Waiting, live_figures
from calls.statistics.rated import Rated, rated_between
from calls.statistics.shared_waiting import BELIEVED_SECONDS, read
from calls.statistics.store import IntervalStore
from eventbus.catalogue import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallOffered,
    CallOfferFailed,
    Event,
)
from hotline.database import migrate, open_engine
from tests.web.fake_oversight import NOW, a_day

DAY = Period.containing("day", NOW).start
GROUPS = {"1001": "市级", "1002": "外包"}
SKILLS = {"12345": "general", "12348": "law"}

_SECONDS = st.integers(3, 90)  # an offer runs out after one
_CALL = st.fixed_dictionaries(
    {
        "line": st.sampled_from([*SKILLS, "12329"]),
        "arrived": st.integers(0, 4 * int(QUARTER)),
        "missed": st.sampled_from([(), ("1001",), ("1002", "1001")]),
        "answer": st.sampled_from([None, "1001", "1002"]),
        "wait": _SECONDS,
        "talk": _SECONDS,
        "outcome": st.sampled_from(["abandoned", "failed"]),
        "handed_on": st.booleans(),
    }
)
Story = tuple[list[Event], dict[str, Any], list[dict[str, Any]]]


def told(number: int, plan: dict[str, Any]) -> Story:
    """One call as events, as its record, and as its segments."""
    call_id, at = f"c{number}", DAY + plan["arrived"]
    events: list[Event] = [
        CallArrived(at=at, call_id=call_id, line=plan["line"], caller="13862311001")
    ]
    record: dict[str, Any] = {
        "call_id": call_id,
        "node": "n1",
        "sip_call_id": call_id,
        "direction": "inbound",
        "line": plan["line"],
        "arrived_at": at,
        "answered_at": None,
    }
    parts: list[dict[str, Any]] = []

    def offered(agent_id: str, begin: float, answer: float | None, outcome: str) -> None:
        events.append(
            CallOffered(at=begin, call_id=call_id, agent_id=agent_id, line="", caller=None)
        )
        parts.append(
            {
                "call_id": call_id,
                "seq": len(parts),
                "kind": "agent",
                "agent_id": agent_id,
                "offered_at": begin,
                "answered_at": answer,
                "outcome": outcome,
            }
        )

    for agent_id in plan["missed"]:
        offered(agent_id, at, None, "missed")
        events.append(
            CallOfferFailed(at=at + 1, call_id=call_id, agent_id=agent_id, outcome="missed")
        )
    end = at + plan["wait"]
    if agent_id := plan["answer"]:
        offered(agent_id, at + 2, end + 2, "answered")
        record["answered_at"] = end + 2
        events.append(_answered(end + 2, call_id, agent_id))
        if plan["handed_on"]:
            other = "1002" if agent_id == "1001" else "1001"
            offered(other, end + 3, end + 5, "answered")
            events.append(_answered(end + 5, call_id, other))
        end += 5 + plan["talk"]
    outcome = "answered" if plan["answer"] else plan["outcome"]
    events.append(
        CallEnded(at=end, call_id=call_id, outcome=outcome, ended_by="citizen", talked=0.0)
    )
    return events, {**record, "ended_at": end, "outcome": outcome}, parts


def _answered(at: float, call_id: str, agent_id: str) -> CallAnswered:
    return CallAnswered(
        at=at, call_id=call_id, agent_id=agent_id, line="", caller=None, ticket_id="t", waited=0
    )


def plainly(stories: list[Story]) -> dict[Key, Counts]:
    """Count records without any of the code under test, one figure after the other."""
    found: dict[Key, Counts] = defaultdict(Counts)
    for _, record, parts in stories:
        start = record["arrived_at"] // 900 * 900
        keys: list[Key] = [(start, "line", record["line"])]
        if record["line"] in SKILLS:
            keys.append((start, "skill", SKILLS[record["line"]]))
        for key in keys:
            row = found[key]
            row.calls += 1
            if record["answered_at"] is None:
                row.abandoned += record["outcome"] == "abandoned"
                row.failed += record["outcome"] == "failed"
                continue
            waited = record["answered_at"] - record["arrived_at"]
            row.answered += 1
            row.quick += waited <= 15
            row.waited += waited
            row.longest = max(row.longest, waited)
            row.ended += 1
            row.talked += record["ended_at"] - record["answered_at"]
        for part in parts:
            row = found[part["offered_at"] // 900 * 900, "group", GROUPS[part["agent_id"]]]
            row.calls += 1
            if part["answered_at"] is None:
                row.abandoned += 1
                continue
            waited = part["answered_at"] - part["offered_at"]
            row.answered += 1
            row.quick += waited <= 15
            row.waited += waited
            row.longest = max(row.longest, waited)
    return dict(found)


def accumulator() -> Accumulator:
    return Accumulator(skill_of=SKILLS.get, group_of=GROUPS.__getitem__)


@given(st.lists(_CALL, max_size=12))
def test_events_and_records_give_the_plain_count(plans: list[dict[str, Any]]) -> None:
    stories = [told(number, plan) for number, plan in enumerate(plans)]
    events = sorted((e for story in stories for e in story[0]), key=lambda event: event.at)
    live = accumulator()
    for event in events:
        live.handle(event)
    again = accumulator()
    again.recount([s[1] for s in stories], [part for s in stories for part in s[2]])
    assert live.rows == again.rows == plainly(stories)
    assert live.changed == set(live.rows)
    assert not live.open


def test_what_was_never_admitted_and_what_agents_dial_is_not_counted() -> None:
    counting = accumulator()
    counting.handle(CallArrived(at=DAY, call_id="c1", line="12345", caller=None))
    end = CallEnded(at=DAY, call_id="c1", outcome="rejected", ended_by="system", talked=0)
    counting.handle(end)
    counting.handle(_answered(DAY, "outbound", "1001"))
    assert all(counts == Counts() for counts in counting.rows.values())


def test_an_offer_that_the_caller_ended_is_nobodys_miss() -> None:
    counting = accumulator()
    counting.handle(CallArrived(at=DAY, call_id="c1", line="12345", caller=None))
    counting.handle(CallOffered(at=DAY, call_id="c1", agent_id="1001", line="", caller=None))
    counting.handle(CallOfferFailed(at=DAY + 1, call_id="c1", agent_id="1001", outcome="cancelled"))
    assert counting.rows[DAY, "group", "市级"].offers_to_dict()["taken"]["whole"] == 0


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url)
    await migrate(engine)
    yield engine
    await engine.dispose()


async def test_what_is_kept_in_sql_is_what_was_counted(engine: AsyncEngine) -> None:
    plan: dict[str, Any] = {
        "line": "12345",
        "arrived": 100,
        "missed": ("1002",),
        "answer": "1001",
        "wait": 7,
        "talk": 60,
        "outcome": "abandoned",
        "handed_on": True,
    }
    stories = [
        told(number, {**plan, "arrived": 400 * number, "answer": "1001" if number % 3 else None})
        for number in range(9)
    ]
    writer = RecordWriter(engine, on_status=lambda _status, _detail: None)
    writer.start()
    store, other = (IntervalStore(engine, writer, node=node) for node in ("n1", "n2"))
    async with engine.begin() as connection:
        await connection.execute(insert(calls), [story[1] for story in stories])
        rows = [part for story in stories for part in story[2]]
        await connection.execute(insert(segments), rows)
    counting = accumulator()
    counting.recount(*await store.records(DAY, DAY + 86_400))
    for _ in range(2):  # writing again changes nothing
        store.write(counting.rows.items())
    assert await store.read(DAY, DAY + 86_400) == plainly(stories)
    assert await store.read(DAY, DAY + 86_400, others_only=True) == {}
    other.write(counting.rows.items())
    both = await store.read(DAY, DAY + 86_400)
    assert both[DAY, "line", "12345"].calls == 2 * counting.rows[DAY, "line", "12345"].calls
    assert both[DAY, "line", "12345"].longest == counting.rows[DAY, "line", "12345"].longest
    await writer.close()


async def test_ratings_count_for_line_skill_and_group(engine: AsyncEngine) -> None:
    plan: dict[str, Any] = {
        "arrived": 0,
        "missed": (),
        "wait": 3,
        "talk": 9,
        "outcome": "abandoned",
        "handed_on": False,
        "answer": "1001",
    }
    records = [
        {**told(number, {**plan, "line": line})[1]}
        for number, line in enumerate(("12345", "12345", "12329"))
    ]
    given = [("c0", "1001", 5, 10.0), ("c1", "1002", None, 20.0), ("c2", "1001", 1, 901.0)]
    async with engine.begin() as connection:
        await connection.execute(insert(calls), records)
        for call_id, agent_id, score, at in given:
            outcome = "none" if score is None else "rated"
            row = {"call_id": call_id, "seq": 0, "agent_id": agent_id, "at": DAY + at}
            await connection.execute(insert(ratings).values(**row, outcome=outcome, score=score))

    async def rated(start: float) -> dict[Key, Rated]:
        return await rated_between(
            engine, start, DAY + 86_400, skill_of=SKILLS.get, group_of=GROUPS.__getitem__
        )

    found = await rated(DAY)
    later = DAY + QUARTER
    assert found == {
        (DAY, "line", "12345"): Rated(2, 1, 1),
        (DAY, "skill", "general"): Rated(2, 1, 1),
        (DAY, "group", "市级"): Rated(1, 1, 1),
        (DAY, "group", "外包"): Rated(1, 0, 0),
        (later, "line", "12329"): Rated(1, 1, 0),
        (later, "group", "市级"): Rated(1, 1, 0),
    }
    assert await rated(later) == {key: one for key, one in found.items() if key[0] == later}
    floor = replace(a_day(later + 1), rated=found)
    (line,) = (one for one in live_figures(floor)["lines"] if one["line"] == "12345")
    assert (line["today"]["rated"]["part"], line["today"]["rated"]["whole"]) == (1, 2)
    assert line["quarter"]["rated"]["whole"] == 0
    (group,) = (one for one in live_figures(floor)["groups"] if one["group"] == "市级")
    assert (group["today"]["pleased"]["part"], group["today"]["pleased"]["whole"]) == (1, 2)
    assert group["quarter"]["pleased"]["percent"] == 0.0


def test_every_percentage_says_of_what() -> None:
    figures = live_figures(a_day())

    def shares(value: Any) -> int:
        if isinstance(value, list):
            return sum(map(shares, value))
        if not isinstance(value, dict):
            return 0
        if "percent" in value:
            assert value["of"]
            whole = value["whole"]
            assert value["percent"] == (round(100 * value["part"] / whole, 2) if whole else None)
            return 1
        return sum(map(shares, value.values()))

    assert shares(figures) > 100


def test_the_live_figures_add_up() -> None:
    floor = a_day()
    figures = live_figures(floor)
    assert (
        figures["now"]["waiting"]
        == len(floor.waiting)
        == sum(line["waiting"] for line in figures["lines"])
    )
    assert figures["now"]["longest_wait"] == max(NOW - call.arrived_at for call in floor.waiting)
    assert figures["now"]["signed_in"] == sum(figures["now"]["states"].values())
    for kind in ("lines", "skills"):
        assert sum(row["today"]["calls"] for row in figures[kind]) == figures["today"]["calls"]
    assert sum(point["calls"] for point in figures["course"]) == figures["today"]["calls"]
    assert sum(group["signed_in"] for group in figures["groups"]) == len(floor.agents)
    assert [call["arrived_at"] for call in figures["waiting"]] == sorted(
        call.arrived_at for call in floor.waiting
    )


def test_a_silent_nodes_waiting_calls_are_not_believed() -> None:
    told_at = '{"at": 100.0, "calls": [{"call_id": "c", "line": "l", "arrived_at": 9.0}]}'
    assert read(told_at, 100 + BELIEVED_SECONDS) == [Waiting("c", "l", 9.0)]
    assert read(told_at, 101 + BELIEVED_SECONDS) == []


def test_a_newer_nodes_waiting_calls_are_counted() -> None:
    call = '{"call_id": "c", "line": "l", "arrived_at": 9.0, "colour": "red"}'
    assert read(f'{{"at": 100.0, "calls": [{call}]}}', 100) == [Waiting("c", "l", 9.0)]


@given(st.text() | st.recursive(st.none() | st.integers(), st.lists).map(str))
def test_whatever_stands_in_the_hash_is_read_without_error(text: str) -> None:
    assert read(text, 0.0) == []
