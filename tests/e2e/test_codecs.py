"""Calls in G.722 and Opus: the codecs of baresip and linphone, relayed where both have them."""

import contextlib
from pathlib import Path

import pytest

from tests.e2e.ask import ended_call, until_nothing_is_left
from tests.e2e.sip.test_transports import HOST, at_desk
from tests.support.baresip import Baresip, Codec
from tests.support.linphone import Linphone
from tests.support.node import PASSWORD, RunningNode, running_node
from tests.support.tones import read_stereo, usual_level
from tests.support.waveforms import read_any

pytestmark = pytest.mark.e2e

CITIZEN, AGENT = 700, 440
PAIRS: tuple[tuple[Codec, Codec], ...] = (("opus", "opus"), ("G722", "PCMA"))


RATES: dict[Codec, int] = {"PCMA": 8000, "G722": 16000, "opus": 48000}


def levels(path: Path, codec: Codec) -> tuple[float, float]:
    """Return how loud the citizen and the agent are in the last second of a file but one."""
    pcm, rate = read_any(path)
    assert rate == RATES[codec]  # what the phone itself decoded
    middle = pcm[-2 * rate : -rate]
    return usual_level(middle, CITIZEN, rate), usual_level(middle, AGENT, rate)


async def test_phones_of_wide_codecs_hear_each_other(tmp_path: Path) -> None:
    async with (
        running_node(tmp_path / "node", {"asr__enabled": "false"}) as node,
        contextlib.AsyncExitStack() as on,
    ):
        hotline = (HOST, node.sip_port)
        for number, (citizens, agents) in enumerate(PAIRS, 1):
            phone = await on.enter_async_context(
                Baresip(
                    tmp_path / f"agent-{number}",
                    user=f"100{number}",
                    password=PASSWORD,
                    registrar=hotline,
                    source=AGENT,
                    codec=agents,
                )
            )
            async with (
                at_desk(node, phone) as api,
                Baresip(
                    tmp_path / f"citizen-{number}",
                    user="13862311002",
                    source=CITIZEN,
                    codec=citizens,
                ) as citizen,
            ):
                await citizen.dial(f"sip:12345@{HOST}:{node.sip_port}")
                await phone.wait_event("CALL_INCOMING")
                await phone.answer()
                await citizen.wait_event("CALL_ESTABLISHED")
                await citizen.wait_heard(3.0)
                await phone.wait_heard(3.0)
                await phone.hang_up()
                await citizen.wait_event("CALL_CLOSED")
                record = await ended_call(api)
                wav = await api.client.get(f"/calls/{record['call_id']}/recording")
                recording = tmp_path / f"{number}.wav"
                recording.write_bytes(wav.content)
            pair = (citizens, agents)
            echo, voice = levels(citizen.heard(), citizens)
            assert voice > max(-15, echo + 25), pair
            voice, echo = levels(phone.heard(), agents)
            assert voice > max(-15, echo + 25), pair
            left, right = read_stereo(recording)
            assert usual_level(left[-16000:-8000], CITIZEN) > -15, pair
            assert usual_level(right[-16000:-8000], AGENT) > -15, pair
        await linphone_speaks_opus(node, tmp_path)
        await until_nothing_is_left(node)


async def linphone_speaks_opus(node: RunningNode, folder: Path) -> None:
    """Let a linphone that has nothing else be an agent's phone, for a baresip that has all."""
    async with (
        Linphone(
            folder / "linphone",
            user="1003",
            password=PASSWORD,
            registrar=(HOST, node.sip_port),
            tone=AGENT,
        ) as phone,
        Baresip(folder / "caller", user="13862311003", source=CITIZEN, codec="opus") as citizen,
    ):
        for number in await phone.codecs(but="opus"):
            await phone.command(f"codec disable {number}")
        async with at_desk(node, phone):
            await citizen.dial(f"sip:12345@{HOST}:{node.sip_port}")
            await phone.rings()
            await phone.answer()
            await phone.stands()
            await citizen.wait_heard(3.0)
            await citizen.hang_up()
            await phone.ended()
        echo, voice = levels(citizen.heard(), "opus")
        assert voice > max(-15, echo + 25)
