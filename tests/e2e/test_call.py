"""A citizen's call reaches an agent: phones nobody here wrote; tones prove who hears whom."""

from pathlib import Path
from typing import Literal

import httpx
import numpy as np
import pytest

from tests.e2e.ask import ended_call, until_nothing_is_left, until_state
from tests.e2e.conftest import Desk
from tests.support.baresip import Baresip
from tests.support.node import PASSWORD, RunningNode
from tests.support.pyvoip import PyVoipPhone
from tests.support.tones import read_stereo, tone_level, usual_level
from tests.support.waiting import until
from tests.support.waveforms import read_mono

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

CITIZENS_TONE, AGENTS_TONE = 700, 440
Codec = Literal["PCMA", "PCMU"]


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    return {"asr__enabled": "false"}


def assert_hears(samples: np.ndarray, tone: int, other: int, *, spoken: np.ndarray) -> None:
    """The tone is there, as loud as it was spoken, and the other party's is not."""
    middle = samples[len(samples) // 3 : 2 * len(samples) // 3]
    loud = usual_level(spoken[8000:16000], tone)
    assert usual_level(middle, tone) == pytest.approx(loud, abs=1.0)
    assert tone_level(middle, other) < loud - 40


@pytest.mark.parametrize("citizens,agents", [("PCMA", "PCMA"), ("PCMU", "PCMU"), ("PCMU", "PCMA")])
async def test_citizen_and_agent_hear_each_other(
    node: RunningNode, desk: Desk, tmp_path: Path, citizens: Codec, agents: Codec
) -> None:
    hotline = ("127.0.0.1", node.sip_port)
    async with (
        Baresip(
            tmp_path / "agent",
            user="1001",
            password=PASSWORD,
            registrar=hotline,
            source=AGENTS_TONE,
            codec=agents,
        ) as agent,
        Baresip(
            tmp_path / "citizen", user="13862311001", source=CITIZENS_TONE, codec=citizens
        ) as citizen,
    ):
        await agent.register()
        async with desk("1001") as api:
            await citizen.dial(f"sip:12345@127.0.0.1:{node.sip_port}")
            await agent.wait_event("CALL_INCOMING")
            await until_state(api, "ringing")
            await agent.answer()
            await citizen.wait_event("CALL_ESTABLISHED")
            await until_state(api, "talking")
            live = await api.get("/calls/live")
            assert [(call["caller"], call["line"]) for call in live] == [("13862311001", "12345")]
            with pytest.raises(TimeoutError):  # three seconds of talk, and nobody hangs up
                await citizen.wait_event("CALL_CLOSED", seconds=3)
            await citizen.hang_up()
            await agent.wait_event("CALL_CLOSED")
            await until_state(api, "wrap_up")
            record = await ended_call(api)
            recording = tmp_path / "recording.wav"
            wav = await api.client.get(f"/calls/{record['call_id']}/recording")
            recording.write_bytes(wav.content)

    assert (record["outcome"], record["ended_by"], record["agent_id"]) == (
        "answered",
        "citizen",
        "1001",
    )
    assert [part["outcome"] for part in record["segments"]] == ["answered"]
    assert record["gaps"] == [], "nobody wants a transcript here: nothing is missing from it"
    by_citizen, by_agent = read_mono(citizen.spoke()), read_mono(agent.spoke())
    assert_hears(read_mono(citizen.heard()), AGENTS_TONE, CITIZENS_TONE, spoken=by_agent)
    assert_hears(read_mono(agent.heard()), CITIZENS_TONE, AGENTS_TONE, spoken=by_citizen)
    left, right = read_stereo(recording)
    assert_hears(left, CITIZENS_TONE, AGENTS_TONE, spoken=by_citizen)
    assert_hears(right, AGENTS_TONE, CITIZENS_TONE, spoken=by_agent)
    assert len(left) / 8000 == pytest.approx(record["ended_at"] - record["answered_at"], abs=0.5)
    await until_nothing_is_left(node)


async def test_pyvoip_is_an_agents_phone(node: RunningNode, desk: Desk, tmp_path: Path) -> None:
    hotline = ("127.0.0.1", node.sip_port)
    async with (
        PyVoipPhone(
            tmp_path / "agent",
            user="1003",  # nobody else's: it leaves without taking its registration back
            password=PASSWORD,
            registrar=hotline,
            source=AGENTS_TONE,
        ) as agent,
        Baresip(tmp_path / "citizen", user="13862311002", source=CITIZENS_TONE) as citizen,
    ):
        await agent.register()
        async with desk("1003") as api:
            await citizen.dial(f"sip:12345@127.0.0.1:{node.sip_port}")
            await agent.wait_event("incoming")
            await agent.answer()
            await citizen.wait_event("CALL_ESTABLISHED")
            await until_state(api, "talking")
            with pytest.raises(TimeoutError):
                await citizen.wait_event("CALL_CLOSED", seconds=4)
            await agent.hang_up()
            await citizen.wait_event("CALL_CLOSED")
            record = await ended_call(api)
            recording = tmp_path / "recording.wav"
            wav = await api.client.get(f"/calls/{record['call_id']}/recording")
            recording.write_bytes(wav.content)

    assert (record["outcome"], record["ended_by"]) == ("answered", "agent")
    left, right = read_stereo(recording)
    # pyVoIP is an 8-bit phone: the tone is there, its level is its own.
    assert usual_level(read_mono(citizen.heard())[-16000:-8000], AGENTS_TONE) > -30
    assert usual_level(left[16000:24000], CITIZENS_TONE) > -30
    assert usual_level(right[16000:24000], AGENTS_TONE) > -30
    assert usual_level(read_mono(agent.heard)[-16000:-8000], CITIZENS_TONE) > -30
    await until_nothing_is_left(node)


async def test_the_longest_ready_agent_is_rung(
    node: RunningNode, desk: Desk, tmp_path: Path
) -> None:
    hotline = ("127.0.0.1", node.sip_port)
    async with (
        Baresip(tmp_path / "1", user="1001", password=PASSWORD, registrar=hotline) as first,
        Baresip(tmp_path / "2", user="1002", password=PASSWORD, registrar=hotline) as second,
        Baresip(tmp_path / "citizen", user="13862311001") as citizen,
    ):
        await first.register()
        await second.register()
        async with desk("1002"), desk("1001"):  # 1002 is ready before 1001
            await citizen.dial(f"sip:12345@127.0.0.1:{node.sip_port}")
            await second.wait_event("CALL_INCOMING")
            assert not [event for event in first.events if event["type"] == "CALL_INCOMING"]
            await citizen.hang_up()
            await second.wait_event("CALL_CLOSED")
    await until_nothing_is_left(node)


async def test_a_stranger_is_no_trunk_and_a_wrong_password_no_phone(
    node: RunningNode, tmp_path: Path
) -> None:
    hotline = ("127.0.0.1", node.sip_port)
    async with Baresip(tmp_path / "1", user="1001", password="wrong", registrar=hotline) as phone:
        # It may have been told before anybody could hear of it from its events.
        await until(lambda: phone.said().count("SIP/2.0 401 ") >= 2)
        assert "SIP/2.0 200 " not in phone.said()
    async with httpx.AsyncClient(base_url=node.web, trust_env=False) as client:
        body = {"agent_id": "1001", "password": "wrong"}
        assert (await client.post("/api/v1/session", json=body)).status_code == 401
        assert (await client.get("/api/v1/calls")).status_code == 401
