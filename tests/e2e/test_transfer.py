"""Calls that are passed on, by phones nobody here wrote; tones prove who hears whom."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from tests.e2e.ask import ended_call, state_of, until_nothing_is_left, until_state
from tests.support.baresip import Baresip
from tests.support.node import PASSWORD, Api, RunningNode, running_node, until
from tests.support.ports import free_sip_port
from tests.support.tones import tone_level

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

HOST = "127.0.0.1"
CITIZEN, AGENT, POLICE, COLLEAGUE = 700, 440, 1000, 1400
LEADER = 1800
LOUD, SILENT = -25, -50


@dataclass
class Place:
    """A node whose trunk leads to the police's exchange."""

    node: RunningNode
    police_port: int

    def phone(self, folder: Path, user: str, tone: int) -> Baresip:
        return Baresip(
            folder / user,
            user=user,
            password=PASSWORD,
            registrar=(HOST, self.node.sip_port),
            source=tone,
        )

    def police(self, folder: Path) -> Baresip:
        return Baresip(folder / "110", user="110", source=POLICE, local_port=self.police_port)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    port = free_sip_port()
    settings = {
        "asr__enabled": "false",
        "trunks__local__networks": "127.0.0.0/8",
        "trunks__local__address": f"{HOST}:{port}",
        "trunks__local__options_seconds": 0,
    }
    async with running_node(tmp_path_factory.mktemp("transfer") / "node", settings) as node:
        yield Place(node, port)
        await until_nothing_is_left(node, seconds=40)


@dataclass
class Talk:
    """A citizen and an agent who talk."""

    citizen: Baresip
    agent: Baresip
    api: Api
    call_id: str


async def at_work(stack: AsyncExitStack, place: Place, phone: Baresip) -> Api:
    """Register an agent's phone, sign him in, make him ready."""
    await phone.register()
    api = await stack.enter_async_context(place.node.signed_in(phone.user))

    async def phone_is_there() -> bool:
        return bool((await api.get("/me"))["presence"]["phones"])

    await until(phone_is_there)
    await api.send("PUT", "/me/presence", {"state": "ready"})
    return api


async def talking(stack: AsyncExitStack, place: Place, folder: Path) -> Talk:
    """Let a citizen call and agent 1001 answer."""
    agent = await stack.enter_async_context(place.phone(folder, "1001", AGENT))
    citizen = await stack.enter_async_context(
        Baresip(folder / "citizen", user="13862311001", source=CITIZEN)
    )
    api = await at_work(stack, place, agent)
    await citizen.dial(f"sip:12345@{HOST}:{place.node.sip_port}")
    await agent.wait_event("CALL_INCOMING")
    await agent.answer()
    await citizen.wait_event("CALL_ESTABLISHED")
    await until_state(api, "talking")
    (live,) = await api.get("/calls/live")
    return Talk(citizen, agent, api, live["call_id"])


def last(phone: Baresip, seconds: float = 1.0) -> np.ndarray:
    """Return what a phone has heard lately; its file may still be growing, without a header."""
    data = phone.heard().read_bytes()[44:]
    samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2")
    return samples[-round(seconds * 8000) :]


def hears(phone: Baresip, tone: int, *others: int) -> None:
    """Assert that a phone has lately heard one tone and not the others."""
    heard = last(phone)
    assert tone_level(heard, tone) > LOUD
    for other in others:
        assert tone_level(heard, other) < SILENT


async def test_one_key_to_the_police_by_the_phones_own_transfer(
    place: Place, tmp_path: Path
) -> None:
    """REFER: the agent's phone hears how it goes, and is hung up once the police has answered."""
    async with AsyncExitStack() as stack:
        police = await stack.enter_async_context(place.police(tmp_path))
        talk = await talking(stack, place, tmp_path)
        await talk.agent.command("transfer", f"sip:110@{HOST}:{place.node.sip_port}")
        await police.wait_event("CALL_INCOMING")
        assert await state_of(talk.api) == "talking"
        await police.answer()
        await talk.agent.wait_event("CALL_CLOSED")
        await until_state(talk.api, "wrap_up")
        await police.wait_heard(1.5)
        await talk.citizen.hang_up()
        await police.wait_event("CALL_CLOSED")
        hears(police, CITIZEN, AGENT)
        hears(talk.citizen, POLICE, AGENT)
        record = await ended_call(talk.api)
    assert (record["outcome"], record["ended_by"]) == ("answered", "citizen")
    assert [(part["kind"], part["partner"], part["outcome"]) for part in record["segments"]] == [
        ("agent", None, "transferred"),
        ("partner", "110", "answered"),
    ]


async def test_a_colleague_is_asked_and_takes_over(place: Place, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        colleague = await stack.enter_async_context(place.phone(tmp_path, "1002", COLLEAGUE))
        talk = await talking(stack, place, tmp_path)
        other = await at_work(stack, place, colleague)
        path = f"/calls/{talk.call_id}/transfer"
        await talk.api.send("POST", path, {"target": "agent:1002", "mode": "consult"})
        await colleague.wait_event("CALL_INCOMING")
        await colleague.answer()

        async def joined() -> bool:
            live = await talk.api.get("/calls/live")
            return bool(live and live[0]["transfer_stage"] == "joined")

        await until(joined)
        await colleague.wait_heard(1.5)
        hears(colleague, AGENT, CITIZEN)  # the citizen is on hold
        await talk.api.send("POST", f"{path}/merge")
        await colleague.wait_heard(4.0)
        await talk.citizen.wait_heard(4.0)
        for phone, first, second in (
            (colleague, AGENT, CITIZEN),
            (talk.citizen, AGENT, COLLEAGUE),
            (talk.agent, CITIZEN, COLLEAGUE),
        ):
            heard = last(phone, 0.5)
            assert min(tone_level(heard, tone) for tone in (first, second)) > LOUD
        await talk.api.send("POST", f"{path}/complete")
        await talk.agent.wait_event("CALL_CLOSED")
        await until_state(talk.api, "wrap_up")
        await until_state(other, "talking")
        await colleague.wait_heard(7.0)
        await talk.citizen.hang_up()
        await colleague.wait_event("CALL_CLOSED")
        hears(colleague, CITIZEN, AGENT)
        hears(talk.citizen, COLLEAGUE, AGENT)
        record = await ended_call(other)
        assert record["agent_id"] == "1002"
        ticket = await other.get(f"/tickets/{record['ticket_id']}")
        assert ticket["agent_id"] == "1002"
        part = await other.client.get(f"/calls/{talk.call_id}/recording", params={"part": 2})
        assert part.status_code == 200
    await until_nothing_is_left(place.node)


async def test_the_police_is_busy_and_the_citizen_stays_with_the_agent(
    place: Place, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        police = await stack.enter_async_context(place.police(tmp_path))
        talk = await talking(stack, place, tmp_path)
        path = f"/calls/{talk.call_id}/transfer"
        await talk.api.send("POST", path, {"target": "partner:110", "mode": "consult"})
        await police.wait_event("CALL_INCOMING")
        await police.hang_up()  # 486

        async def over() -> bool:
            (live,) = await talk.api.get("/calls/live")
            return live["transfer_to"] is None

        await until(over)
        await talk.citizen.wait_heard(3.0)
        await talk.citizen.hang_up()
        await talk.agent.wait_event("CALL_CLOSED")
        hears(talk.citizen, AGENT)
    await until_nothing_is_left(place.node)


async def test_an_agent_calls_the_police_and_nobody_else(place: Place, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        police = await stack.enter_async_context(place.police(tmp_path))
        agent = await stack.enter_async_context(place.phone(tmp_path, "1003", AGENT))
        api = await at_work(stack, place, agent)
        await agent.dial(f"sip:90013862311001@{HOST}:{place.node.sip_port}")
        assert "403" in (await agent.wait_event("CALL_CLOSED"))["param"]
        await agent.dial(f"sip:110@{HOST}:{place.node.sip_port}")
        await police.wait_event("CALL_INCOMING")
        assert await state_of(api) == "not_ready"
        await police.answer()
        await police.wait_heard(1.5)
        await police.hang_up()
        await agent.wait_event("CALL_CLOSED")
        hears(police, AGENT)
        record = await ended_call(api)
        await until_state(api, "ready")
    assert (record["direction"], record["called"], record["ended_by"]) == (
        "outbound",
        "110",
        "partner",
    )
    await until_nothing_is_left(place.node)


async def comes_to_hear(phone: Baresip, *tones: int, nothing_of: int | None = None) -> None:
    """Wait until a phone hears all of these, and nothing of another."""

    async def heard() -> bool:
        lately = last(phone, 0.5)
        loud = all(tone_level(lately, tone) > LOUD for tone in tones)
        return loud and (nothing_of is None or tone_level(lately, nothing_of) < SILENT)

    await until(heard, seconds=20)


async def test_a_leader_listens_whispers_and_takes_over(place: Place, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        leader = await stack.enter_async_context(place.phone(tmp_path, "8001", LEADER))
        talk = await talking(stack, place, tmp_path)
        await leader.register()
        api = await stack.enter_async_context(place.node.signed_in("8001"))
        path = f"/calls/{talk.call_id}/supervision"
        await api.send("PUT", path, {"mode": "listen"})
        await leader.wait_event("CALL_INCOMING")
        await leader.answer()
        await comes_to_hear(leader, CITIZEN, AGENT)
        await comes_to_hear(talk.agent, CITIZEN, nothing_of=LEADER)
        await api.send("PUT", path, {"mode": "whisper"})
        await comes_to_hear(talk.agent, CITIZEN, LEADER)
        await comes_to_hear(talk.citizen, AGENT, nothing_of=LEADER)
        await api.send("PUT", path, {"mode": "take_over"})
        await talk.agent.wait_event("CALL_CLOSED")
        await until_state(talk.api, "wrap_up")
        await comes_to_hear(talk.citizen, LEADER, nothing_of=AGENT)
        await talk.citizen.hang_up()
        await leader.wait_event("CALL_CLOSED")
        record = await ended_call(api)
        assert [(part["agent_id"], part["kind"]) for part in record["segments"]] == [
            ("1001", "agent"),
            ("8001", "agent"),
        ]
    await until_nothing_is_left(place.node)


async def test_redis_killed_in_the_middle_changes_nothing(place: Place, tmp_path: Path) -> None:
    async def redis_is(status: str) -> bool:
        return bool((await place.node.health())["parts"]["redis"]["status"] == status)

    async with AsyncExitStack() as stack:
        colleague = await stack.enter_async_context(place.phone(tmp_path, "1002", COLLEAGUE))
        talk = await talking(stack, place, tmp_path)
        other = await at_work(stack, place, colleague)
        path = f"/calls/{talk.call_id}/transfer"
        await talk.api.send("POST", path, {"target": "agent:1002", "mode": "consult"})
        await colleague.wait_event("CALL_INCOMING")
        place.node.kill_child("redis")  # while it rings
        await colleague.answer()

        async def joined() -> bool:
            live = await talk.api.get("/calls/live")
            return bool(live and live[0]["transfer_stage"] == "joined")

        await until(joined, seconds=20)
        await until(lambda: redis_is("ok"), seconds=20)
        await talk.api.send("POST", f"{path}/merge")
        await comes_to_hear(talk.citizen, AGENT, COLLEAGUE)
        place.node.kill_child("redis")  # while three talk
        await comes_to_hear(colleague, CITIZEN, AGENT)
        await talk.api.send("POST", f"{path}/complete")
        await talk.agent.wait_event("CALL_CLOSED", seconds=20)
        await comes_to_hear(talk.citizen, COLLEAGUE, nothing_of=AGENT)
        await until(lambda: redis_is("ok"), seconds=20)
        await until_state(talk.api, "wrap_up", seconds=20)
        await until_state(other, "talking", seconds=20)
        await talk.citizen.hang_up()
        await colleague.wait_event("CALL_CLOSED", seconds=20)
        record = await ended_call(other, seconds=20)
        assert [(part["agent_id"], part["outcome"]) for part in record["segments"]] == [
            ("1001", "transferred"),
            ("1002", "answered"),
        ]
        await until_state(other, "wrap_up", seconds=20)
    await until_nothing_is_left(place.node, seconds=40)
