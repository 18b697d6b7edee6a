"""A node speaks to callers: while one waits, and when the agent has left another."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from telephony.media.rtp import RtpPacket, build
from tests.e2e.sip.conftest import TRUNK, Duty
from tests.e2e.sip.raw import HOST, Address, Caller, RawSip, description, media_of
from tests.e2e.sip.talk import talking
from tests.support.node import Api, RunningNode, running_node, until
from tests.support.rtp_phone import RtpPhone
from tests.support.sipp import SippRun

pytestmark = pytest.mark.e2e

FORMATS = "8 101"
PRESSED = Path("/usr/share/sip-tester/dtmf_2833_1.pcap")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningNode]:
    """A node of these tests' own, which attends to callers."""
    settings = {
        "asr__enabled": "false",
        "trunks__local__networks": f"{TRUNK}/32",
        "waiting__by": "answer",
        "waiting__after_seconds": 0.2,
        "waiting__languages": "zh",
        "rating__enabled": "true",
    }
    folder = tmp_path_factory.mktemp("waiting") / "node"
    async with running_node(folder, settings) as node:
        yield node


def press(phone: RtpPhone, key: int, destination: Address) -> None:
    """Press a key as RFC 4733 says: its end thrice."""
    for number, (end, duration) in enumerate([(0, 160), (0, 320), *[(0x80, 480)] * 3]):
        payload = bytes([key, end | 10]) + duration.to_bytes(2, "big")
        packet = RtpPacket(101, number == 0, phone.sequence, phone.timestamp, phone.ssrc, payload)
        phone.transport.sendto(build(packet), destination)
        phone.sequence += 1


async def wants_a_call(api: Api, number: str) -> str:
    """Wait until a number is on the call-back list; return why."""

    async def listed() -> Any:
        entries = (await api.get("/callbacks", status="open"))["items"]
        return [entry["reason"] for entry in entries if entry["number"] == number]

    (reason,) = await until(listed)
    return str(reason)


async def test_a_caller_who_waits_and_one_whose_agent_has_left(
    trunk: RawSip, sip: Address, duty: Duty
) -> None:
    async with RtpPhone(ssrc=7) as voice:
        citizen = Caller(trunk, sip, number="13862311002")
        citizen.invite(description(voice.address[1], formats=FORMATS))
        answer = await citizen.answered()
        citizen.ack()
        await voice.heard(25, within=30.0)
        assert abs(voice.pcm()).max() > 1000  # the greeting
        press(voice, 1, (HOST, media_of(answer)[0]))
        goodbye = await trunk.request("BYE", seconds=60.0)  # after the words of thanks
        citizen.answer(200, goodbye)

    async with duty("1001") as agent:
        assert await wants_a_call(agent.api, "138****1002") == "asked"
        trunk.forget()
        async with talking(trunk, agent, sip, citizens_formats=FORMATS) as talk:
            talk.agent.ask("BYE")
            await agent.phone.response("200 BYE")
            talk.citizens_voice.datagrams.clear()
            await talk.citizens_voice.heard(25, within=30.0)  # the question
            press(talk.citizens_voice, 5, (HOST, talk.citizens_port))
            goodbye = await trunk.request("BYE", seconds=60.0)
            talk.citizen.answer(200, goodbye)

        async def rated() -> Any:
            calls = (await agent.api.get("/calls"))["items"]
            return (await agent.api.get(f"/calls/{calls[0]['call_id']}"))["ratings"]

        (rating,) = await until(rated, seconds=30)
        assert (rating["agent_id"], rating["score"]) == ("1001", 5)


@pytest.mark.skipif(os.geteuid() != 0, reason="SIPp plays recorded packets as root alone")
async def test_a_key_that_sipp_plays_from_a_recording_of_packets(
    node: RunningNode, sip: Address, tmp_path: Path
) -> None:
    """The caller asks to be called back: key 1, ten packets of a real phone."""
    async with SippRun(
        "citizen_presses",
        directory=tmp_path / "sipp",
        remote=sip,
        service="12345",
        calls=1,
        rows=[("13862311003", 1000)],
        keys={"pcap": str(PRESSED)},
    ) as citizen:
        statistics = await citizen.wait(60)
    assert (statistics.successful, statistics.failed) == (1, 0), citizen.errors()
    async with node.signed_in("1001") as api:
        assert await wants_a_call(api, "138****1003") == "asked"
