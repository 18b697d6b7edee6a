"""A party of whom nothing comes is hung up, and the record says so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from calls.audio_policy import AudioPolicy
from calls.dead_legs import limit_for
from telephony.sip.offer_answer import parse_audio
from tests.calls.house import House, open_house

POLICY = AudioPolicy(dead_leg_seconds=60.0, inband_keys=frozenset({"old"}))
DESCRIPTION = "\r\n".join(
    [
        *("v=0", "o=- 1 1 IN IP4 10.0.0.1", "s=-", "c=IN IP4 10.0.0.1", "t=0 0"),
        *("m=audio 4000 RTP/AVP 8", "a={}", ""),
    ]
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, audio=POLICY) as house:
        yield house


@pytest.mark.parametrize(
    "direction, limit",
    [("sendrecv", 60.0), ("sendonly", None), ("recvonly", None), ("inactive", None)],
)
def test_who_holds_may_be_silent(direction: str, limit: float | None) -> None:
    assert limit_for(parse_audio(DESCRIPTION.format(direction)), 60.0) == limit
    assert limit_for(parse_audio(DESCRIPTION.format(direction)), None) is None


async def talking(house: House) -> str:
    await house.ready_agent("1001")
    house.arrives()
    (await house.phone()).pick_up()
    await house.until_talking()
    return house.service.live()[0].call_id


async def test_a_citizen_of_whom_nothing_comes_is_hung_up(house: House) -> None:
    call_id = await talking(house)
    assert set(house.media.watched.values()) == {(60.0, False)}
    house.service.on_rtp_timeout(f"{call_id}.caller", 60.1)
    record = await house.record()
    assert (record["outcome"], record["ended_by"]) == ("answered", "system")
    assert record["media"]["caller"]["dead_seconds"] == 60.1
    await house.nothing_is_left()


async def test_an_agent_of_whom_nothing_comes_is_hung_up(house: House) -> None:
    call_id = await talking(house)
    (group,) = (name for name in house.media.sessions if not name.endswith(".caller"))
    house.service.on_rtp_timeout(group, 60.1)
    record = await house.record()
    assert record["media"][group.removeprefix(f"{call_id}.")]["dead_seconds"] == 60.1
    assert "dead_seconds" not in record["media"]["caller"]
    await house.nothing_is_left()


async def test_what_times_out_when_all_is_over_is_nobodys(house: House) -> None:
    call_id = await talking(house)
    house.service.on_rtp_timeout(f"{call_id}.nobody", 60.1)
    house.service.on_rtp_timeout("other.caller", 60.1)
    assert house.service.live()
