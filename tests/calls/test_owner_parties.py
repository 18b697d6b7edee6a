"""The owner's part of conferences and supervision: who is recorded, what is played, who is told."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from calls.errors import TransferError
from telephony.leg import LegRinging
from tests.calls.house import House, open_house, sdp
from tests.calls.scenes import AGENT, POLICE, Scene, scene
from tests.support.node import until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def comes_true(condition: Callable[[], Any]) -> None:
    """Wait for something of the house to be so."""

    async def so() -> bool:
        return bool(condition())

    await until(so, seconds=10, every=0.001)


def right_side(talk: Scene) -> set[str]:
    """Return who is recorded on the right, by what the sessions' names end with."""
    sides = talk.house.media.right.get(talk.call_id, ())
    return {session.removeprefix(f"{talk.call_id}.") for session in sides}


def played(talk: Scene) -> dict[str, str]:
    """Return what is played to whom."""
    return {
        session.removeprefix(f"{talk.call_id}."): what
        for session, what in talk.house.media.playing.values()
    }


async def test_a_partner_in_three_is_recorded_beside_the_agent_until_he_is_dropped(
    house: House,
) -> None:
    talk = await scene(house)
    await talk.asks("partner:110", "conference")
    police = await house.phone(1)
    police.pick_up()
    assert (await talk.told("merged")).mode == "conference"
    await comes_true(lambda: right_side(talk) == {AGENT, POLICE})
    (view,) = house.service.live()
    assert [dict(party) for party in view.parties] == [
        {"id": "agent.1.0", "name": "agent:1001", "role": "holder"},
        {"id": "p1-1.0", "name": "partner:110", "role": "target"},
    ]
    with pytest.raises(TransferError, match="unknown party"):
        house.service.drop(talk.call_id, "agent.1.0")
    house.service.drop(talk.call_id, "p1-1.0")
    assert police.over
    await talk.hears("caller", AGENT)
    await comes_true(lambda: right_side(talk) == {AGENT})
    talk.citizen.end()
    record = await house.record()
    assert [part["outcome"] for part in record["segments"]] == ["answered", "conferred"]
    assert house.service.partners()[0]["health"] == "ok"
    await house.nothing_is_left()


async def test_music_ringing_and_announcements_while_a_partner_is_asked(house: House) -> None:
    talk = await scene(house)
    await talk.asks("partner:110", "consult")
    police = await house.phone(1)
    await comes_true(lambda: played(talk) == {"caller": "ringback", AGENT: "ringback"})
    # his exchange announces something before he answers: the agent hears it, the citizen does not
    police.on_event(LegRinging(183, sdp(port=4400)))
    await talk.hears(AGENT, POLICE)
    await comes_true(lambda: played(talk) == {"caller": "ringback"})
    assert house.media.sessions[f"{talk.call_id}.{POLICE}"]["port"] == 4400
    police.pick_up()
    await talk.told("joined")
    await talk.steps("cancel")
    await talk.hears("caller", AGENT)
    await comes_true(lambda: not house.media.playing)
    talk.citizen.end()
    await house.record()
    await house.nothing_is_left()


async def test_early_media_that_cannot_be_used_is_only_ringing(house: House) -> None:
    talk = await scene(house)
    await talk.asks("partner:110", "consult")
    police = await house.phone(1)
    police.on_event(LegRinging(183, "v=0\r\nnonsense"))
    await talk.told("ringing")
    police.pick_up()
    await talk.told("joined")
    await talk.hears(AGENT, POLICE)
    talk.citizen.end()
    await house.record()
    await house.nothing_is_left()


async def test_music_that_cannot_be_played_undoes_nothing(house: House) -> None:
    talk = await scene(house)
    house.media.refuses["play"] = "prompt"
    await talk.asks("partner:110", "consult")
    (await house.phone(1)).pick_up()
    await talk.told("joined")
    await talk.hears(AGENT, POLICE)
    talk.citizen.end()
    await house.record()
    await house.nothing_is_left()


async def test_a_leader_who_barges_in_is_recorded(house: House) -> None:
    talk = await scene(house)
    await house.ready_agent("2001")
    await house.service.supervise(talk.call_id, "barge", supervisor="2001")
    (await house.phone(1)).pick_up()
    await comes_true(lambda: right_side(talk) == {AGENT, "lead.1"})
    await house.service.supervise(talk.call_id, "whisper", supervisor="2001")
    await comes_true(lambda: right_side(talk) == {AGENT})
    house.service.end_supervision(talk.call_id, supervisor="2001")
    await talk.hears("caller", AGENT)
    await house.until_state("2001", "ready")
    talk.citizen.end()
    record = await house.record()
    assert [(part["kind"], part["how"], part["outcome"]) for part in record["segments"]] == [
        ("agent", "line", "answered"),
        ("supervisor", "barge", "supervised"),
    ]
    await house.nothing_is_left()
