"""What calls had is given back: of thirty, no object is left that belongs to one of them."""

from pathlib import Path

from tests.calls.house import House, open_house
from tests.support.census import census, left_of
from tests.support.waiting import until

CALLS = 30
RAREST = CALLS // 5  # who give up at once are the fewest


async def some_calls(house: House, numbers: range) -> None:
    """Let people call: some give up at once, of the others every second is left by his agent."""
    for number in numbers:
        rung = len(house.gateway.phones)
        citizen = house.arrives(caller=f"1380000{number:04}", sip_call_id=f"sip-{number}")
        if number % 5 == 0:
            citizen.end()  # gives up at once
        else:
            phone = await house.phone(rung)
            phone.pick_up()
            await house.until_talking()
            (citizen if number % 2 else phone).end()
        await until(lambda: house.service.counts()["calls"] == 0)
        await house.floor.end_wrap_up("1001")
        house.media.forks.clear()
    await until(lambda: house.records._writer.pending == 0)
    # What the stand-ins noted:
    house.gateway.phones.clear()
    house.gateway.waiting.clear()
    house.events.clear()
    house.media.asked.clear()
    house.media.said.clear()
    house.media.matrices.clear()
    house.media.was_paused.clear()
    house.media.right.clear()


async def test_thirty_calls_leave_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.ready_agent("1001")
        await some_calls(house, range(5))
        before = census()
        await some_calls(house, range(5, 5 + CALLS))
        assert left_of(RAREST, before) == {}
