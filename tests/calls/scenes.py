"""A citizen who talks with agent 1001, and what a test has the two do."""

from typing import Any, cast

from eventbus.catalogue import CallTransfer
from tests.calls.house import House, StandInLeg
from tests.support.node import until

AGENT, POLICE = "agent.1", "p1-1"


class Scene:
    """A citizen who talks with agent 1001."""

    def __init__(self, house: House, citizen: StandInLeg, phone: StandInLeg) -> None:
        self.house = house
        self.citizen = citizen
        self.phone = phone
        self.call_id = house.service.live()[0].call_id

    async def asks(self, target: str, mode: Any = "blind") -> None:
        await self.house.service.transfer(
            self.call_id, target, mode, agent_id="1001", reason="斗殴"
        )

    async def steps(self, step: str) -> None:
        await self.house.service.transfer_step(self.call_id, step)

    async def hears(self, *parties: str) -> None:
        """Wait until exactly these two are bridged (by what their sessions' names end with)."""

        async def bridged() -> bool:
            found = [
                {session.removeprefix(f"{self.call_id}.") for session in pair}
                for pair in self.house.media.bridges
            ]
            return found == ([set(parties)] if parties else [])

        await until(bridged, seconds=30, every=0.001)

    async def told(self, stage: str) -> CallTransfer:
        """Wait for a transfer's event."""

        async def published() -> CallTransfer | None:
            steps = (event for event in self.house.events if isinstance(event, CallTransfer))
            return next((event for event in steps if event.stage == stage), None)

        return cast("CallTransfer", await until(published, seconds=30, every=0.001))


async def scene(house: House, **citizen: Any) -> Scene:
    await house.ready_agent("1001")
    leg = house.arrives(**citizen)
    phone = await house.phone()
    phone.pick_up()
    await house.until_talking()
    return Scene(house, leg, phone)
