"""One call that hangs holds up no other: each has its own queue of work, and there is no lock."""

import asyncio
from pathlib import Path

from typing_extensions import override

from tests.calls.house import open_house
from tests.calls.scenes import POLICE, scene
from tests.support.node import until


class FirstOnly(asyncio.Event):
    """Holds up whoever comes first, and nobody else."""

    came = False

    @override
    async def wait(self) -> bool:  # type: ignore[override]
        if self.came:
            return True
        self.came = True
        return await super().wait()


async def test_a_transfer_that_hangs_holds_up_no_other_call(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        talk = await scene(house)
        await talk.asks("partner:110")
        gate = house.media.gates["bridge"] = FirstOnly()
        (await house.phone(1)).pick_up()

        async def hangs() -> bool:
            return gate.came

        await until(hangs, seconds=10, every=0.001)
        await house.ready_agent("1002")
        other = house.arrives(caller="13862311002", sip_call_id="sip-2")
        (await house.phone(2)).pick_up()
        await house.until_state("1002", "talking")

        async def second_talks() -> bool:
            return sorted(view.state for view in house.service.live()) == ["talking", "talking"]

        await until(second_talks, seconds=10, every=0.001)
        assert other.done[-1] == "answer"
        other.end()
        await house.until_state("1002", "wrap_up")
        gate.set()
        await talk.told("completed")
        await talk.hears("caller", POLICE)
        talk.citizen.end()
        await house.record()
        await house.nothing_is_left()
