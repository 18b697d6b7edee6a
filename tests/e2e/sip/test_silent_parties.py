"""What the audio itself tells a node: keys pressed as tones, and that nobody is there any more."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telephony.media.tones import key
from tests.e2e.sip.conftest import TRUNK, Duty
from tests.e2e.sip.raw import HOST, Address, Caller, RawSip, description, media_of
from tests.e2e.sip.talk import talking
from tests.support.node import RunningNode, running_node, until
from tests.support.rtp_phone import RtpPhone

pytestmark = pytest.mark.e2e

PATIENCE = 6.0


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningNode]:
    """A node of this test's own, whose trunk has keys as tones, and which hangs up soon."""
    settings = {
        "asr__enabled": "false",
        "trunks__local__networks": f"{TRUNK}/32",
        "trunks__local__inband_keys": "true",
        "waiting__by": "answer",
        "waiting__after_seconds": 0.2,
        "waiting__languages": "zh",
        "media__dead_leg_seconds": PATIENCE,
    }
    async with running_node(tmp_path / "node", settings) as node:
        yield node


async def test_a_key_as_tones_and_a_call_in_which_nobody_speaks(
    trunk: RawSip, sip: Address, duty: Duty
) -> None:
    async with RtpPhone(ssrc=7) as voice:
        citizen = Caller(trunk, sip, number="13862311002")
        citizen.invite(description(voice.address[1], formats="8"))  # no telephone-event
        answer = await citizen.answered()
        citizen.ack()
        await voice.heard(25, within=30.0)
        pressed = np.concatenate([np.zeros(1600, np.int16), key("1"), np.zeros(1600, np.int16)])
        await voice.play(pressed, (HOST, media_of(answer)[0]))
        goodbye = await trunk.request("BYE", seconds=60.0)
        citizen.answer(200, goodbye)

    async with duty("1001") as agent:

        async def listed() -> Any:
            return (await agent.api.get("/callbacks", status="open"))["items"]

        (entry,) = await until(listed, seconds=30)
        assert (entry["number"], entry["reason"]) == ("138****1002", "asked")
        trunk.forget()
        async with talking(trunk, agent, sip) as talk:
            goodbye = await trunk.request("BYE", seconds=60.0)
            talk.citizen.answer(200, goodbye)
            talk.agent.answer(200, await agent.phone.request("BYE", seconds=60.0))

        async def ended() -> Any:
            calls = (await agent.api.get("/calls"))["items"]
            return calls[0] if calls and calls[0]["ended_at"] else None

        call = await until(ended, seconds=30)
        record = await agent.api.get(f"/calls/{call['call_id']}")
        assert (record["outcome"], record["ended_by"]) == ("answered", "system")
        dead = [party.get("dead_seconds") for party in record["media"].values()]
        assert any(seconds is not None and seconds >= PATIENCE for seconds in dead)
