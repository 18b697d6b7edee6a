"""The echo test: an agent's phone hears itself, and is in no other call meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from calls import echo
from telephony.leg import Leg
from telephony.sip.leg_events import LegConfirmed, LegReoffered
from telephony.sip.offer_answer import parse_audio
from tests.calls.house import House, StandInLeg, open_house, sdp
from tests.support.node import until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


def dials(house: House, agent_id: str | None = "1001", **fields: Any) -> StandInLeg:
    leg = StandInLeg(**{"remote_sdp": sdp(), "account": agent_id, "called": "*43", **fields})
    house.service.on_call(cast("Leg", leg))
    return leg


async def holds(condition: Callable[[], object]) -> None:
    async def held() -> object:
        return condition()

    await until(held, seconds=10, every=0.001)


async def nothing_is_left(house: House) -> None:
    await holds(lambda: not house.media.sessions and not house.service.agents.calls_out("1001"))
    assert len(house.service.echo) == 0
    assert await house.service.calls(limit=1) == []
    await house.nothing_is_left()


async def test_a_phone_hears_itself_and_its_agent_is_not_ready(house: House) -> None:
    await house.ready_agent("1001")
    leg = dials(house)
    await holds(lambda: leg.done == ["answer"])
    (session,) = house.media.sessions
    assert list(house.media.matrices.values()) == [{session: {session}}]
    await house.until_state("1001", "not_ready")
    leg.end()
    await house.until_state("1001", "ready")
    await nothing_is_left(house)


async def test_who_talks_or_tests_already_is_busy(house: House) -> None:
    await house.ready_agent("1001")
    house.arrives()
    (await house.phone()).pick_up()
    await house.until_talking()
    assert dials(house).done == ["refuse 486"]
    first = dials(house, "1002")
    assert dials(house, "1002").done == ["refuse 486"]
    await holds(lambda: first.done == ["answer"])


async def test_who_is_held_out_a_call_in_this_moment_is_busy(house: House) -> None:
    await house.ready_agent("1001")
    house.arrives()
    await house.until_state("1001", "reserved")
    leg = dials(house)
    await holds(lambda: leg.done)
    assert leg.done == ["refuse 486"]
    await holds(lambda: not house.service.agents.calls_out("1001"))


async def test_it_is_for_agents(house: House) -> None:
    assert dials(house, None).done == ["refuse 404"]


@pytest.mark.parametrize("command", ["open", "set_remote", "matrix"])
async def test_without_the_media_process_there_is_none(house: House, command: str) -> None:
    house.media.refuses[command] = "no_ports"
    leg = dials(house)
    await holds(lambda: leg.done == ["refuse 503"])
    await nothing_is_left(house)


async def test_a_phone_that_moves_or_asks_for_an_offer_is_answered(house: House) -> None:
    leg = dials(house)
    await holds(lambda: leg.done == ["answer"])
    (session,) = house.media.sessions
    leg.on_event(LegReoffered(sdp(port=4444)))
    await holds(lambda: house.media.sessions[session]["port"] == 4444)
    leg.on_event(LegReoffered(None))
    assert [parse_audio(answer).port for answer in leg.answers] == [20000] * 3
    leg.on_event(LegConfirmed(sdp(port=4446)))
    await holds(lambda: house.media.sessions[session]["port"] == 4446)
    leg.on_event(LegReoffered("v=0\r\n"))
    assert leg.done == ["answer", "answer", "answer", "refuse 488"]


@pytest.mark.parametrize("lost", [True, False])
async def test_it_ends_with_its_session_and_when_nothing_comes(house: House, *, lost: bool) -> None:
    leg = dials(house)
    await holds(lambda: leg.done == ["answer"] and len(house.service.echo) == 1)
    (session,) = house.media.sessions
    if lost:
        house.service.on_media_lost([session])
    else:
        house.service.on_rtp_timeout(session, 60.0)
    assert leg.done == ["answer", "hang up"]
    await nothing_is_left(house)


async def test_it_does_not_last_for_ever(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "LONGEST_SECONDS", 0.01)
    leg = dials(house)
    await holds(lambda: leg.done == ["answer", "hang up"])
    await nothing_is_left(house)


async def test_a_node_that_stops_ends_it(house: House) -> None:
    leg = dials(house)
    await holds(lambda: len(house.service.echo) == 1)
    await house.service.drain(5.0)
    assert leg.done == ["answer", "hang up"]
    await nothing_is_left(house)


async def test_a_node_that_stops_ends_one_that_has_only_begun(house: House) -> None:
    opening = house.media.gates["open"] = asyncio.Event()
    leg = dials(house)
    await house.until_asked("open")
    closing = asyncio.create_task(house.service.echo.close())
    asyncio.get_running_loop().call_soon(opening.set)
    async with asyncio.timeout(10):
        await closing
    assert leg.done == ["answer", "hang up"]
    await nothing_is_left(house)
