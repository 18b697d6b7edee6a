"""500 calls, 10 a second, against 11 agents' phones; 2 % of signalling lost, early hang-ups."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.ask import state_of, until_nothing_is_left
from tests.support.node import PASSWORD, Api, RunningNode, running_node, until
from tests.support.ports import free_udp_port
from tests.support.sipp import SippRun, register

pytestmark = pytest.mark.e2e

HOST = "127.0.0.1"
# Too few for ten calls a second, so that citizens wait, and some give up.
AGENTS = [str(number) for number in range(1001, 1012)]
CITIZENS, IMPATIENT = 450, 50
LOST_PERCENT = 2
SETTINGS = {
    "agents__seed": ",".join(AGENTS),
    "agents__wrap_up_seconds": 0.5,
    "log__level": "info",
    # What is spoken is nothing here: recognition would only cost the machine.
    "asr__enabled": "false",
    # The machine may be busy with other tests: nobody is turned away for that.
    "sip__overload_seconds": 0,
}


async def all_records(leader: Api) -> list[dict[str, Any]]:
    """Return every call record."""
    found: list[dict[str, Any]] = []
    while page := (await leader.get("/calls", limit=100, offset=len(found)))["items"]:
        found += page
    return found


def talking_times(count: int, seed: int) -> Sequence[int]:
    """Return milliseconds of talk: 0.5 to 1.5 s, sometimes an early hang-up after 0.1 to 0.5 s."""
    chance = random.Random(seed)
    return [
        chance.randint(100, 500) if chance.random() < 0.1 else chance.randint(500, 1500)
        for _ in range(count)
    ]


async def test_500_calls_with_losses_and_early_hang_ups(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node", SETTINGS) as node, AsyncExitStack() as stack:
        hotline = (HOST, node.sip_port)
        desks = await agents_at_their_desks(node, stack, tmp_path)
        before = (await node.health())["counts"]
        citizens = await stack.enter_async_context(
            SippRun(
                "citizen",
                directory=tmp_path / "citizens",
                remote=hotline,
                service="12345",
                calls=CITIZENS,
                rate=9,
                limit=CITIZENS,
                rows=[
                    (f"138{number:08}", milliseconds)
                    for number, milliseconds in enumerate(talking_times(CITIZENS, 1))
                ],
                lost=LOST_PERCENT,
            )
        )
        impatient = await stack.enter_async_context(
            SippRun(
                "citizen_abandons",
                directory=tmp_path / "impatient",
                remote=hotline,
                service="12345",
                calls=IMPATIENT,
                rate=1,
                limit=IMPATIENT,
                rows=[(f"139{n:08}", 50 + 97 * n % 3000) for n in range(IMPATIENT)],
                lost=LOST_PERCENT,
            )
        )
        await asyncio.gather(citizens.wait(420), impatient.wait(420))

        after = await until_nothing_is_left(node, seconds=120, transactions=True)
        missed = [agent for api in desks if (agent := await back_from_a_missed_call(api))]
        states = [await state_of(api) for api in desks]
        async with node.signed_in("8001") as leader:

            async def complete() -> list[dict[str, Any]] | None:
                records = await all_records(leader)
                done = all(record["ended_at"] is not None for record in records)
                return records if done else None

            records = await until(complete)

    assert len(records) == CITIZENS + IMPATIENT
    outcomes = Counter((record["caller"][:3], record["outcome"]) for record in records)
    # Who stays on the line is answered, always.
    assert outcomes["138", "answered"] == CITIZENS, outcomes
    # Who gives up is abandoned, or answered if his CANCEL came too late: nothing else.
    given_up = outcomes["139", "abandoned"] + outcomes["139", "answered"]
    assert given_up == IMPATIENT, outcomes
    assert outcomes["139", "abandoned"] > IMPATIENT // 2, outcomes
    assert set(states) <= {"ready", "wrap_up"}, states
    # Only a phone that gave up misses a call: SIPp does when an INVITE comes a second time.
    gave_up = [agent for agent in missed if "INVITE" in phone_errors(tmp_path / agent)]
    assert missed == gave_up
    # Tasks: what the node had before any call, and no more.
    assert after["tasks"] <= before["tasks"] + 2, (before, after)
    # When both sides' BYEs cross, SIPp stumbles over the 200 to its own; over nothing else.
    stumbled = re.findall(r"Aborting call.*?\nCSeq: (\w+ \w+)", citizens.errors(), re.DOTALL)
    assert set(stumbled) <= {"2 BYE"}, citizens.errors()[:3000]
    assert citizens.statistics.failed == len(stumbled)


async def back_from_a_missed_call(api: Api) -> str | None:
    """Press 示闲 for an agent whose phone missed a call; return who, None if it missed none."""
    presence = (await api.get("/me"))["presence"]
    if presence["state"] != "not_ready":
        return None
    assert presence["reason"] == "missed", presence
    await api.send("PUT", "/me/presence", {"state": "ready"})
    return str(presence["agent_id"])


def phone_errors(folder: Path) -> str:
    path = folder / "errors.log"
    return path.read_text(errors="replace") if path.exists() else ""


async def agents_at_their_desks(
    node: RunningNode, stack: AsyncExitStack, tmp_path: Path
) -> list[Api]:
    """Register the agents' phones, make the agents ready, and let the phones answer."""
    hotline = (HOST, node.sip_port)
    ports = {agent: free_udp_port() for agent in AGENTS}
    await register(
        tmp_path,
        registrar=hotline,
        phones={agent: (PASSWORD, (HOST, port)) for agent, port in ports.items()},
    )
    desks = []
    for seed, agent in enumerate(AGENTS):
        await stack.enter_async_context(
            SippRun(
                "agent",
                directory=tmp_path / agent,
                service=agent,
                rows=[(100, milliseconds) for milliseconds in talking_times(200, 10 + seed)],
                local_port=ports[agent],
                lost=LOST_PERCENT,
            )
        )
        api = await stack.enter_async_context(node.signed_in(agent))
        await api.send("PUT", "/me/presence", {"state": "ready"})
        desks.append(api)
    return desks
