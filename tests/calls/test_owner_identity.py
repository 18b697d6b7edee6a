"""Who calls: a partner by his own trunk, and citizens who withhold their number."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.sip.identity import Forwarding, Identity
from tests.calls.house import House, open_house
from tests.calls.scenes import scene


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def test_a_call_by_the_polices_own_trunk_is_marked_with_their_reference(
    house: House,
) -> None:
    talk = await scene(house, trunk="police", reference="JQ-7")
    (live,) = house.service.live()
    assert (live.partner, live.reference) == ("110", "JQ-7")
    talk.citizen.end()
    record = await house.record()
    assert (record["partner"], record["reference"]) == ("110", "JQ-7")
    (segment,) = record["segments"]
    assert (segment["partner"], segment["direction"]) == ("110", "in")
    told = {event.name: event.to_dict() for event in house.events}
    for name in ("call.arrived", "call.offered", "call.answered"):
        assert (told[name]["partner"], told[name]["reference"]) == ("110", "JQ-7")
    await house.until_state("1001", "wrap_up")
    await house.nothing_is_left()


async def test_a_citizens_header_is_no_reference(house: House) -> None:
    talk = await scene(house, trunk="local", reference="JQ-7")
    (live,) = house.service.live()
    assert (live.partner, live.reference) == (None, None)
    talk.citizen.end()
    record = await house.record()
    assert (record["partner"], record["segments"][0]["direction"]) == (None, None)


async def test_a_withheld_number_is_shown_nowhere_and_kept_apart(house: House) -> None:
    talk = await scene(
        house,
        caller=None,
        identity=Identity("13862311001", withheld=True),
        forwardings=(Forwarding("96000", "unconditional"),),
    )
    assert house.service.live()[0].caller is None
    await talk.asks("partner:110")
    police = await house.phone(1)
    assert police.caller is None
    assert police.headers["P-Asserted-Identity"] == "<tel:13862311001>"  # an emergency service
    police.end(status=486)
    await talk.told("started")
    talk.citizen.end()
    record = await house.record()
    assert record["caller"] is None
    assert record["forwarded"] == ["96000 unconditional"]
    assert "13862311001" not in repr([event.to_dict() for event in house.events])
    assert "13862311001" not in repr(record)
    assert await house.service.withheld_number(talk.call_id) == "13862311001"
    assert await house.service.withheld_number("another") is None


async def test_a_merged_line_keeps_its_number_and_its_name(house: House) -> None:
    talk = await scene(house, called="12315")
    told = {event.name: event.to_dict() for event in house.events}
    assert (told["call.arrived"]["line"], told["call.offered"]["line"]) == ("12315", "12315")
    assert talk.phone.display == "消费者投诉举报"  # on the agent's phone
    talk.citizen.end()
    assert (await house.record())["line"] == "12315"
    nobodys = house.arrives(called="12399", sip_call_id="sip-2")
    assert nobodys.done == ["refuse 404"]
