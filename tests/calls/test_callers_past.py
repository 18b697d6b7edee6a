"""What is known of a caller before he waits: who spoke with him, and whether he is owed a call."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, get_args

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from agents.demand import agents_own
from agents.floor_model import FloorModel
from agents.node_floor import NodeFloor
from calls.callback_store import CallBackStore
from calls.callbacks import CallBackRules, Closed, Missed, Reason
from calls.callers_past import MOST_FORESEEN, PastCalls
from calls.records import calls
from calls.routing import CallRouter
from calls.routing_book import RoutingBook
from config.routing import RoutingSettings
from config.settings import load
from eventbus.bus import EventBus
from tests.support.documents import MemoryVersions
from tests.support.floors import TIMES, Clock, ModelEngine, Node
from tests.support.waiting import PATIENCE, until

NUMBER, NOW = "13862311001", 1_000_000.0


@pytest.fixture
async def floor() -> AsyncIterator[Node]:
    engine = ModelEngine(FloorModel(TIMES), Clock(), "n1", [])
    node = Node(NodeFloor(engine, node="n1", times=TIMES))
    await node.floor.start()
    yield node
    await node.floor.close()


def router(engine: AsyncEngine, floor: Node, **changes: Any) -> CallRouter:
    def note(*_: Any) -> None:
        pass

    book = RoutingBook(
        MemoryVersions(),
        configured=load(None, {}).routing.model_copy(update=changes),
        lines={"12345": "general"},
        bus=EventBus(),
        note=note,
    )
    past = PastCalls(engine)
    return CallRouter(book=book, floor=floor.floor, past=past, wall_clock=lambda: NOW)


async def spoke(
    engine: AsyncEngine, agent_id: str, *, ago: float, direction: str = "inbound"
) -> None:
    row = {
        "call_id": f"{agent_id}-{ago}",
        "node": "n1",
        "line": "12345",
        "caller": NUMBER,
        "direction": direction,
        "sip_call_id": "s",
        "arrived_at": NOW - ago,
        "answered_at": NOW - ago,
        "agent_id": agent_id,
    }
    async with engine.begin() as connection:
        await connection.execute(calls.insert().values(row))


async def test_who_spoke_with_him_last_is_preferred(engine: AsyncEngine, floor: Node) -> None:
    for agent_id in ("1001", "1002", "1003"):
        await floor.ready_agent(agent_id)
    await spoke(engine, "1001", ago=7200.0)
    await spoke(engine, "1002", ago=3600.0)
    await spoke(engine, "1003", ago=60.0, direction="outbound")
    plan = await router(engine, floor).route("12345", NUMBER)
    assert plan.wants[0].pool == agents_own("1002")
    assert plan.priority == 0
    for changes in ({"preferred_days": 0}, {"preferred_days": 0, "call_back_priority": 0}):
        plan = await router(engine, floor, **changes).route("12345", NUMBER)
        assert agents_own("1002") not in {want.pool for want in plan.wants}


@pytest.mark.parametrize("reason", get_args(Reason))
async def test_who_is_owed_a_call_goes_before_others(
    engine: AsyncEngine, floor: Node, reason: Reason
) -> None:
    store = CallBackStore(engine, rules=CallBackRules())
    entry_id, _ = await store.missed(Missed(NUMBER, "12345", reason, "c1"), now=NOW)
    owed = reason in {"scheduled", "asked", "failed"}
    for days in (0, 7):
        asked = router(engine, floor, preferred_days=days, call_back_priority=9)
        assert (await asked.route("12345", NUMBER)).priority == (9 if owed else 0)
        assert (await asked.route("12345", "13900000000")).priority == 0
    await floor.ready_agent("1001")
    await spoke(engine, "1001", ago=60.0)
    plan = await asked.route("12345", NUMBER)
    assert (plan.priority, plan.wants[0].pool) == (9 if owed else 0, agents_own("1001"))
    await store.change(entry_id, Closed("reached", "1001"), now=NOW)
    assert (await asked.route("12345", NUMBER)).priority == 0
    # By other rules he keeps his place: nothing is asked again.
    anew = router(engine, floor, preferred_days=0, call_back_priority=7)
    again = await anew.route("12345", NUMBER, before=plan)
    assert (again.priority, again.wants[0].pool) == (7 if owed else 0, agents_own("1001"))


@pytest.fixture
def questions(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whom the database was asked about; what is foreseen is not forgotten meanwhile."""
    monkeypatch.setattr("calls.callers_past.PAST_SECONDS", 10 * PATIENCE)
    asked: list[str] = []

    def note(*arguments: Any) -> None:
        asked.append(next(one for one in arguments[3] if str(one).isdigit()))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    return asked


async def test_who_is_foreseen_is_not_asked_about_when_his_call_is_planned(
    engine: AsyncEngine, floor: Node, questions: list[str]
) -> None:
    await floor.ready_agent("1001")
    await spoke(engine, "1001", ago=60.0)
    questions.clear()
    asked = router(engine, floor)
    asked.foresee(NUMBER)
    await until(lambda: questions)
    for times in (1, 2):  # it holds for one call
        plan = await asked.route("12345", NUMBER)
        assert plan.wants[0].pool == agents_own("1001")
        assert questions == [NUMBER] * times
    off = router(engine, floor, preferred_days=0, call_back_priority=0)
    off.foresee(NUMBER)
    await off.route("12345", NUMBER)
    assert len(questions) == 2


async def test_of_a_flood_nothing_is_asked_in_advance(
    engine: AsyncEngine, floor: Node, questions: list[str]
) -> None:
    asked = router(engine, floor)
    for number in range(MOST_FORESEEN + 5):
        asked.foresee(str(number))
        asked.foresee(str(number))
    await until(lambda: len(questions) == MOST_FORESEEN)
    last = str(MOST_FORESEEN)
    await asked.route("12345", last)
    assert questions[-1] == last
    assert len(questions) == MOST_FORESEEN + 1


async def test_the_next_calls_look_up_is_not_forgotten_with_the_one_before(
    engine: AsyncEngine, questions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[Callable[[], object]] = []

    def call_later(_delay: float, function: Callable[..., object], *args: object) -> None:
        later.append(partial(function, *args))

    past = PastCalls(engine)
    loop = asyncio.get_running_loop()
    with monkeypatch.context() as patched:
        patched.setattr(loop, "call_later", call_later)
        past.foresee(NUMBER, since=0.0)
    first, *_ = later
    assert await past.known(NUMBER, since=0.0) == (None, False)
    past.foresee(NUMBER, since=0.0)
    first()
    await until(lambda: len(questions) == 2)
    assert await past.known(NUMBER, since=0.0) == (None, False)
    assert len(questions) == 2
    with monkeypatch.context() as patched:
        later.clear()
        patched.setattr(loop, "call_later", call_later)
        past.foresee(NUMBER, since=0.0)
    later[0]()
    assert await past.known(NUMBER, since=0.0) == (None, False)
    await until(lambda: len(questions) == 4)


async def test_what_fails_and_nobody_asks_for_is_logged(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr("calls.callers_past.rows_of", broken)
    unheard: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unheard.append(context))
    past = PastCalls(engine)
    with capture_logs() as logs:
        past.foresee(NUMBER, since=0.0)
        await until(lambda: logs)
    del past
    gc.collect()
    assert [entry["event"] for entry in logs] == ["callers_past_failed"]
    assert unheard == []


def test_a_document_from_before_there_was_the_priority_is_read() -> None:
    document = load(None, {}).routing.model_dump(mode="json")
    del document["call_back_priority"]
    assert RoutingSettings.model_validate(document).call_back_priority == 0
