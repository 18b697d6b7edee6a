"""Who comes onto the call-back list, and how agents call him: his phone first, then the citizen."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DataError

from agents.demand import Want
from calls.callback_desk import Automatic, CallBackDesk
from calls.callback_store import CallBackStore
from calls.callbacks import CallBack, CallBackError, CallBackRules, Missed, QuietRule, Scheduled
from calls.errors import TransferError
from config.settings import load
from eventbus.catalogue import CallArrived, CallBackChanged
from eventbus.precedence import at_once
from hotline.call_backs import ready_agents, waiting_calls, within
from telephony.bindings import Binding
from telephony.leg import LegRinging
from telephony.trunks.numbers import NumberRules
from tests.calls.house import House, open_house, sdp
from tests.support.node import until
from tests.support.waiting import PATIENCE

NUMBER = "13862311001"


@dataclass
class Desk:
    """A house with a call-back list."""

    house: House
    desk: CallBackDesk
    store: CallBackStore

    async def missed(self) -> int:
        """Put a citizen on the list."""
        entry_id, _ = await self.store.missed(Missed(NUMBER, "12345", "abandoned", "c1"), now=1.0)
        return entry_id

    async def status(self, status: str) -> dict[str, Any]:
        """Wait until the one entry has a status."""

        async def reached() -> dict[str, Any] | None:
            await self.desk.flush()
            found = await self.store.list_()
            assert len(found) <= 1
            return found[0] if found and found[0]["status"] == status else None

        found: dict[str, Any] = await until(reached, seconds=10, every=0.01)
        return found


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        yield desk


@asynccontextmanager
async def open_desk(
    folder: Path,
    kind: type[CallBackStore] = CallBackStore,
    give_way: Callable[[], Awaitable[None]] = at_once,
) -> AsyncIterator[Desk]:
    async with open_house(folder) as house:
        store = kind(house.engine, rules=CallBackRules(attempts=2))
        desk = CallBackDesk(
            store,
            bus=house.bus,
            node="n1",
            expiry_seconds=60.0,
            wall_clock=lambda: 1000.0,
            known_as=NumberRules(load(None, {}).numbers.inbound).apply,
            give_way=give_way,
        )
        desk.click = house.service.clicks.call
        await desk.start()
        try:
            yield Desk(house, desk, store)
        finally:
            await house.service.drain(5.0)
            await desk.close()


async def test_who_gives_up_waiting_is_on_the_list_and_off_it_when_he_is_served(
    desk: Desk,
) -> None:
    desk.house.arrives().end()
    entry = await desk.status("open")
    assert (entry["number"], entry["line"], entry["reason"]) == (NUMBER, "12345", "abandoned")
    await desk.house.ready_agent("1001")
    citizen = desk.house.arrives(sip_call_id="sip-2")
    (await desk.house.phone()).pick_up()
    await desk.house.until_talking()
    assert (await desk.status("closed"))["outcome"] == "called_again"
    citizen.end()
    told = [event for event in desk.house.events if isinstance(event, CallBackChanged)]
    assert [event.status for event in told] == ["open", "closed"]


async def test_a_number_stands_there_once_however_it_is_written(desk: Desk) -> None:
    for written in (NUMBER, f"+86{NUMBER}", f"0086{NUMBER}", f"0{NUMBER}"):
        desk.desk.missed(f"c-{written}", written, "12345", "missed")
    assert (await desk.status("open"))["calls"] == 4
    await desk.desk.schedule(Scheduled(f"+86 {NUMBER}", "12345", "c9", 2000.0, "1001"))
    entry = await desk.status("open")
    assert (entry["number"], entry["reason"], entry["calls"]) == (NUMBER, "scheduled", 4)


async def test_who_withholds_his_number_cannot_be_called_back(desk: Desk) -> None:
    desk.house.arrives(caller=None).end()
    await desk.house.record()
    await desk.desk.flush()
    assert await desk.store.list_() == []


class OftenRefusing(CallBackStore):
    """A database that will never take one number."""

    async def missed(self, event: Missed, *, now: float) -> tuple[int, CallBack]:
        if event.number == "bad":
            raise DataError("INSERT", {}, ValueError("value too long"))
        return await super().missed(event, now=now)


async def test_what_the_database_will_never_take_holds_nobody_up(tmp_path: Path) -> None:
    async with open_desk(tmp_path, OftenRefusing) as desk:
        desk.desk.missed("c1", "bad", "12345", "missed")
        desk.desk.missed("c2", "9" * 80, "12345", "missed")  # SIP's user part may be any
        assert (await desk.status("open"))["number"] == "9" * 32


async def test_the_list_is_written_behind_calls_that_look_for_their_agents(tmp_path: Path) -> None:
    asked, free = asyncio.Event(), asyncio.Event()

    async def give_way() -> None:
        asked.set()
        await free.wait()

    async with open_desk(tmp_path, give_way=give_way) as desk:
        desk.desk.missed("c1", NUMBER, "12345", "missed")
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
        assert await desk.store.list_() == []
        free.set()
        await desk.status("open")


async def test_one_click_calls_the_agent_and_then_the_citizen(desk: Desk) -> None:
    entry_id = await desk.missed()
    await desk.house.ready_agent("1001")
    await desk.desk.call(entry_id, agent_id="1001")
    phone = await desk.house.phone()
    assert (await desk.status("calling"))["agent_id"] == "1001"
    await desk.house.until_state("1001", "not_ready")  # nobody else's call meanwhile
    phone.pick_up()
    citizen = await desk.house.phone(1)
    assert (citizen.called, citizen.caller) == (NUMBER, "12345")
    citizen.on_event(LegRinging())

    async def rings() -> bool:
        return bool(desk.house.media.playing)

    await until(rings, seconds=10, every=0.001)  # the agent hears it
    citizen.on_event(LegRinging(183, sdp(port=4400)))

    async def announces() -> bool:
        return bool(desk.house.media.bridges) and not desk.house.media.playing

    await until(announces, seconds=10, every=0.001)  # and then what the network says
    citizen.pick_up()
    entry = await desk.status("closed")
    assert (entry["outcome"], entry["agent_id"]) == ("reached", "1001")
    assert not desk.house.media.playing
    assert len(desk.house.media.bridges) == 1
    phone.end()
    record = await desk.house.record()
    assert (record["direction"], record["called"], record["line"]) == ("outbound", NUMBER, "12345")
    assert (record["agent_id"], record["outcome"]) == ("1001", "answered")
    await desk.house.until_state("1001", "ready")
    await desk.house.nothing_is_left()


async def test_a_citizen_who_does_not_answer_is_called_again_later(desk: Desk) -> None:
    entry_id = await desk.missed()
    await desk.house.ready_agent("1001")
    await desk.desk.call(entry_id, agent_id="1001")
    (await desk.house.phone()).pick_up()
    (await desk.house.phone(1)).end(status=480)
    entry = await desk.status("open")
    assert (entry["attempts"], entry["due_at"]) == (1, 1900.0)
    await desk.house.until_state("1001", "ready")
    await desk.house.nothing_is_left()


async def test_an_agent_who_does_not_pick_up_costs_no_attempt(desk: Desk) -> None:
    entry_id = await desk.missed()
    await desk.house.ready_agent("1001")
    await desk.desk.call(entry_id, agent_id="1001")
    (await desk.house.phone()).end(status=486)
    assert (await desk.status("open"))["attempts"] == 0
    await desk.house.until_state("1001", "ready")
    assert len(desk.house.gateway.phones) == 1  # the citizen's did not ring
    await desk.house.nothing_is_left()


async def test_a_click_while_not_ready_only_where_that_is_allowed(desk: Desk) -> None:
    entry_id = await desk.missed()
    await desk.house.ready_agent("1001")
    await desk.house.floor.set_not_ready("1001", "break")
    desk.house.service.clicks.while_not_ready = False
    with pytest.raises(TransferError, match="not ready"):
        await desk.desk.call(entry_id, agent_id="1001")
    assert not desk.house.gateway.phones
    desk.house.service.clicks.while_not_ready = True
    await desk.desk.flush()  # the entry is free again
    await desk.desk.call(entry_id, agent_id="1001")
    (await desk.house.phone()).end(status=486)

    async def given_back() -> bool:
        return not desk.house.media.sessions

    await until(given_back, seconds=10, every=0.01)
    await desk.house.nothing_is_left()


async def test_an_agent_whose_phone_rings_for_a_call_of_his_own_gets_no_other(
    desk: Desk,
) -> None:
    entry_id = await desk.missed()
    await desk.house.ready_agent("1001")
    await desk.desk.call(entry_id, agent_id="1001")
    phone = await desk.house.phone()
    with pytest.raises(TransferError, match="not ready"):  # clicked twice
        await desk.house.service.clicks.call(
            "1001", "13862311002", line="12345", on_result=lambda _reached: None
        )
    await desk.house.floor.set_ready("1001")  # and said that he was ready
    citizen = desk.house.arrives()

    async def passed_over() -> bool:
        presence = await desk.house.floor.presence("1001")
        return presence is not None and presence.not_before is not None

    await until(passed_over, seconds=10, every=0.01)
    assert len(desk.house.gateway.phones) == 1
    phone.end(status=486)
    citizen.end()
    await desk.house.record()
    await desk.house.nothing_is_left()


async def test_a_browser_is_called_in_its_own_way_and_silenced_when_the_node_stops(
    desk: Desk,
) -> None:
    entry_id = await desk.missed()
    await desk.house.ready_agent("1001")
    binding = Binding("1001", "sip:1001@x.invalid", ("127.0.0.1", 5062), "page", 1, 2e10)
    binding = replace(binding, transport="WSS")
    desk.house.bindings.replace("1001", [binding])
    await desk.desk.call(entry_id, agent_id="1001")
    phone = await desk.house.phone()
    assert "UDP/TLS/RTP/SAVPF" in phone.offer
    await desk.house.service.drain(5.0)
    assert phone.over
    assert (await desk.status("open"))["attempts"] == 0
    await desk.house.nothing_is_left()


async def test_an_agent_without_a_phone_cannot_and_nobody_else_is_kept_from_it(
    desk: Desk,
) -> None:
    entry_id = await desk.missed()
    with pytest.raises(TransferError):
        await desk.desk.call(entry_id, agent_id="1009")
    assert (await desk.status("open"))["attempts"] == 0
    desk.house.media.away = True
    await desk.house.ready_agent("1001")
    with pytest.raises(TransferError, match="media away"):
        await desk.desk.call(entry_id, agent_id="1001")
    desk.house.media.away = False
    await desk.house.until_state("1001", "ready")


async def test_an_entry_is_called_by_one_agent_only(desk: Desk) -> None:
    entry_id = await desk.missed()
    await desk.house.ready_agent("1001")
    await desk.house.ready_agent("1002")
    await desk.desk.call(entry_id, agent_id="1001")
    with pytest.raises(CallBackError, match="taken"):
        await desk.desk.call(entry_id, agent_id="1002")
    (await desk.house.phone()).end(status=486)
    await desk.status("open")


async def test_an_entry_is_closed_by_hand(desk: Desk) -> None:
    entry_id = await desk.missed()
    await desk.desk.finish(entry_id, agent_id="1001", outcome="wrong_number", note="空号")
    entry = await desk.status("closed")
    assert (entry["outcome"], entry["note"]) == ("wrong_number", "空号")


@pytest.mark.parametrize(
    "ready, waiting, hour_allowed, handed_out",
    [(1, 0, True, True), (0, 0, True, False), (1, 1, True, False), (1, 0, False, False)],
)
async def test_the_system_hands_entries_out_in_quiet_times_alone(
    desk: Desk, *, ready: int, waiting: int, hour_allowed: bool, handed_out: bool
) -> None:
    entry_id = await desk.missed()
    for number in range(ready):
        await desk.house.ready_agent(f"100{number + 1}")
    for number in range(waiting):  # for somebody else
        wants = [Want("agent:nobody")]
        await desk.house.floor.enqueue(f"w{number}", arrived_at=1.0, wants=wants)
    noted: list[Any] = []
    rule = quiet(desk.house, allowed=hour_allowed, noted=noted)
    assert await desk.desk.hand_out_one(rule) == (entry_id if handed_out else None)
    entry = ("system", "callback.offer", str(entry_id), {"agent_id": "1001"})
    assert noted == ([entry] if handed_out else [])
    if handed_out:
        (await desk.house.phone()).end(status=486)
        await desk.status("open")


async def test_linkage_seats_are_left_to_the_green_channel(desk: Desk) -> None:
    await desk.missed()
    await desk.house.ready_agent("1001")
    await desk.house.floor.set_pools("1001", {}, "linkage")
    noted: list[Any] = []
    rule = quiet(desk.house, noted=noted)
    assert await desk.desk.hand_out_one(rule) is None  # nobody else is ready
    await desk.house.ready_agent("1002")
    assert await desk.desk.hand_out_one(rule) is not None
    assert noted[0][-1] == {"agent_id": "1002"}
    (await desk.house.phone()).end(status=486)
    await desk.status("open")


async def test_a_caller_whose_node_died_holds_no_call_back_up(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        entry_id = await desk.missed()
        await desk.house.ready_agent("1001")
        bus, rule = desk.house.bus, quiet(desk.house)
        # Another node told that he came, and died before it could tell that he had gone.
        bus.publish(CallArrived(at=1.0, call_id="c9", line="12345", caller=None))
        assert await desk.desk.hand_out_one(rule) == entry_id
        (await desk.house.phone()).end(status=486)
        await desk.status("open")


def quiet(house: House, *, allowed: bool = True, noted: list[Any] | None = None) -> Automatic:
    return Automatic(
        rule=QuietRule(ready=1),
        every_seconds=1.0,
        allowed=lambda _now: allowed,
        ready=ready_agents(lambda: house.floor, lambda: {"linkage"}),
        waiting=waiting_calls(lambda: house.floor),
        note=lambda *entry: noted.append(entry) if noted is not None else None,
    )


async def test_a_promised_call_is_handed_to_who_promised_it(desk: Desk) -> None:
    for agent in ("1001", "1002"):
        await desk.house.ready_agent(agent)
    promise = Scheduled(NUMBER, "12345", "c1", 1.0, "1002")
    assert (await desk.desk.schedule(promise))["status"] == "open"
    assert await desk.desk.hand_out_one(quiet(desk.house)) is not None
    assert (await desk.status("calling"))["agent_id"] == "1002"
    (await desk.house.phone()).end(status=486)
    await desk.status("open")


async def test_callers_of_a_dead_node_are_on_the_list(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        desk.house.records.arrived(
            "cut", line="12345", caller=NUMBER, sip_call_id="s", arrived_at=1.0
        )
        await desk.house.records.get("cut")
        later = CallBackDesk(
            desk.store, bus=desk.house.bus, node="n1", expiry_seconds=60.0, wall_clock=lambda: 9.0
        )
        await later.start()  # what a node does that was killed and starts again
        entry = await desk.status("open")
        assert (entry["reason"], entry["call_id"]) == ("failed", "cut")
        record = await desk.house.records.get("cut")
        assert record is not None
        assert (record["outcome"], record["ended_at"]) == ("failed", 9.0)
        await later.close()


@pytest.mark.parametrize(
    "hours, at, allowed",
    [
        ("", 0.0, True),
        ("08:30-20:00", 0.0, False),  # 08:00 in China
        ("08:30-20:00", 1800.0, True),
        ("08:30-20:00", 12 * 3600.0, False),
        ("20:00-09:00", 0.0, True),
        ("20:00-09:00", 3600.0, False),
    ],
)
def test_hours(hours: str, at: float, *, allowed: bool) -> None:
    within_hours: Callable[[float], bool] = within(hours)
    assert within_hours(at) is allowed
