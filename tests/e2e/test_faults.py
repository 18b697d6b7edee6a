"""kill -9 of each child during a call: what goes on, what is lost, and new calls soon."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.ask import ended_call, state_of, until_nothing_is_left, until_state
from tests.e2e.conftest import Desk
from tests.eventbus.brokers import Broker, Gate
from tests.support.baresip import Baresip
from tests.support.node import PASSWORD, ROOT, Api, RunningNode, running_node, until
from tests.support.tones import read_stereo, usual_level
from tests.support.waveforms import read_mono, write_speech

pytestmark = pytest.mark.e2e

SPEECH = ROOT / "tests" / "assets" / "speech"
CITIZENS_TONE, AGENTS_TONE = 700, 440
#: The citizen's silence while the recogniser, killed at once, is started again.
SILENCE = 11.0


@dataclass
class Talk:
    """A call under way."""

    api: Api
    agent: Baresip
    citizen: Baresip
    node: RunningNode

    async def dial(self) -> None:
        await self.citizen.dial(f"sip:12345@127.0.0.1:{self.node.sip_port}")
        await self.citizen.wait_event("CALL_ESTABLISHED")
        await until_state(self.api, "talking")

    async def new_call_works(self) -> None:
        """Both phones hear each other in a new call."""
        await self.api.send("PUT", "/me/presence", {"state": "ready"})
        await self.dial()
        await self.citizen.wait_heard(1.5)
        await self.citizen.hang_up()
        await until_state(self.api, "wrap_up")
        assert usual_level(read_mono(self.citizen.heard())[4000:12000], AGENTS_TONE) > -30


@asynccontextmanager
async def talking(
    node: RunningNode, desk: Desk, folder: Path, *, citizen_says: int | Path = CITIZENS_TONE
) -> AsyncIterator[Talk]:
    """Have agent 1001 and a citizen talk with each other."""
    hotline = ("127.0.0.1", node.sip_port)
    async with (
        Baresip(
            folder / "agent",
            user="1001",
            password=PASSWORD,
            registrar=hotline,
            source=AGENTS_TONE,
            auto_answer=True,
        ) as agent,
        Baresip(folder / "citizen", user="13862311001", source=citizen_says) as citizen,
    ):
        await agent.register()
        async with desk("1001") as api:
            talk = Talk(api, agent, citizen, node)
            await talk.dial()
            yield talk


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningNode]:
    """A node for one test, which breaks something of it."""
    async with running_node(tmp_path / "node") as node:
        yield node


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def kill_and_see_replaced(node: RunningNode, child: str) -> None:
    """Kill a child that is back so soon that often nobody has missed it."""
    killed = node.kill_child(child)

    async def is_replaced() -> bool:
        return node.children().get(child, killed) != killed

    await until(is_replaced)


async def part_is(node: RunningNode, part: str, *statuses: str) -> None:
    async def reached() -> bool:
        return (await node.health()).get("parts", {}).get(part, {}).get("status") in statuses

    await until(reached)


async def test_media_process_its_calls_end_and_the_next_one_works(
    node: RunningNode, desk: Desk, tmp_path: Path
) -> None:
    async with talking(node, desk, tmp_path) as talk:
        await talk.citizen.wait_heard(2)
        node.kill_child("media")
        await talk.citizen.wait_event("CALL_CLOSED")
        await talk.agent.wait_event("CALL_CLOSED")
        record = await ended_call(talk.api)
        assert (record["outcome"], record["ended_by"]) == ("failed", "system")
        assert await state_of(talk.api) == "wrap_up"
        # What was recorded until then can be played.
        wav = await talk.api.client.get(f"/calls/{record['call_id']}/recording")
        recording = tmp_path / "recording.wav"
        recording.write_bytes(wav.content)
        left, right = read_stereo(recording)
        assert usual_level(left[4000:12000], CITIZENS_TONE) > -30
        assert usual_level(right[4000:12000], AGENTS_TONE) > -30
        await talk.new_call_works()
    await until_nothing_is_left(node)


async def test_recogniser_the_call_goes_on_and_is_heard_again(
    node: RunningNode, desk: Desk, tmp_path: Path
) -> None:
    # He begins to speak when the recogniser, killed at once, can be back.
    says = write_speech(tmp_path / "later.wav", SPEECH / "d01.wav", before=SILENCE)
    async with talking(node, desk, tmp_path, citizen_says=says) as talk:
        node.kill_child("recogniser")
        await part_is(node, "recogniser", "away")
        await part_is(node, "recogniser", "ok", "degraded")
        assert await state_of(talk.api) == "talking"
        call_id = (await talk.api.get("/calls/live"))[0]["call_id"]

        async def heard_after_the_kill() -> bool:
            transcript = await talk.api.get(f"/calls/{call_id}/transcript")
            return any(part["leg"] == "caller" for part in transcript)

        await until(heard_after_the_kill, seconds=60)
        await talk.citizen.hang_up()
        record = await ended_call(talk.api)
        assert record["outcome"] == "answered"

        async def caught_up() -> bool:
            gaps = (await talk.api.get(f"/calls/{call_id}"))["gaps"]
            return {(gap["leg"], gap["reason"], gap["state"]) for gap in gaps} == {
                (leg, "away", "recognised") for leg in ("caller", "agent")
            }

        await until(caught_up)
    await until_nothing_is_left(node)


async def test_redis_the_call_goes_on_and_the_next_one_is_offered(
    node: RunningNode, desk: Desk, tmp_path: Path
) -> None:
    async with talking(node, desk, tmp_path) as talk:
        await kill_and_see_replaced(node, "redis")
        assert await state_of(talk.api) == "talking"
        await talk.citizen.hang_up()
        await until_state(talk.api, "wrap_up")
        await talk.new_call_works()
        await part_is(node, "redis", "ok")
        # The rebuilt floor knows the agent, his phone, and nothing that has ended.
        presence = (await talk.api.get("/me"))["presence"]
        assert (presence["state"], presence["phones"]) == ("wrap_up", 1)
        assert (await ended_call(talk.api))["outcome"] == "answered"
        await talk.new_call_works()
    await until_nothing_is_left(node)


async def test_broker_the_call_goes_on(node: RunningNode, desk: Desk, tmp_path: Path) -> None:
    async with talking(node, desk, tmp_path) as talk:
        await kill_and_see_replaced(node, "broker")
        assert await state_of(talk.api) == "talking"
        await talk.citizen.hang_up()
        assert (await ended_call(talk.api))["outcome"] == "answered"
        await talk.new_call_works()

        async def sent() -> bool:
            counts = (await node.health())["counts"]
            return bool(counts["outbox_outbox"] == 0)

        await part_is(node, "mqtt", "ok")
        await until(sent)
    await until_nothing_is_left(node)


async def test_events_of_the_time_without_a_broker_arrive_later(tmp_path: Path) -> None:
    broker = Broker("mosquitto", tmp_path)
    gate = Gate(broker)
    await broker.start()
    await gate.open()
    settings = {"mqtt__url": f"mqtt://127.0.0.1:{gate.port}", "mqtt__protocol": "5"}
    try:
        async with (
            running_node(tmp_path / "node", settings) as node,
            Baresip(tmp_path / "citizen", user="13862311001") as citizen,
        ):
            await part_is(node, "mqtt", "ok")
            await gate.shut()
            await broker.program.stop()
            await citizen.dial(f"sip:12345@127.0.0.1:{node.sip_port}")
            await citizen.wait_event("CALL_RINGING")
            await citizen.hang_up()
            async with node.signed_in("8001") as leader:
                record = await ended_call(leader)
            await broker.start()
            async with broker.subscriber("hotline/call/#") as messages:
                await gate.open()

                def of_the_call() -> list[str]:
                    events = [json.loads(bytes(message.payload)) for message in messages]
                    return [e["event"] for e in events if e["call_id"] == record["call_id"]]

                async def ended() -> bool:
                    return "call.ended" in of_the_call()

                await until(ended)
        # call.waiting lies between them, unless he hung up before the queue had him.
        names = list(dict.fromkeys(of_the_call()))
        assert (names[0], names[-1]) == ("call.arrived", "call.ended")
    finally:
        await gate.shut()
        await broker.program.stop()


async def test_the_node_itself_leaves_no_orphans(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node") as node:
        children = node.children()
        assert set(children) == {"media", "recogniser", "redis", "broker"}
        node.process.kill()
        await node.process.wait()

        async def gone() -> bool:
            return not any(is_alive(pid) for pid in children.values())

        await until(gone)
