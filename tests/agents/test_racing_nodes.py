"""Four processes race for the same agents on one real Redis."""

import asyncio
import itertools
import sys
from collections import defaultdict

from redis.asyncio import Redis

from agents.resilient_floor import open_floor
from tests.agents.floor_worker import SKILLS, TIMES
from tests.support.redis_server import RedisServer

NODES = ("a", "b", "c", "d")
CALLS = 15
AGENTS = 6
PATIENCE = 90.0
"""Seconds: only against hanging for ever."""


async def run_workers(server: RedisServer) -> list[asyncio.subprocess.Process]:
    return [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.agents.floor_worker", node, server.url, str(CALLS), str(n),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for n, node in enumerate(NODES)
    ]  # fmt: skip


def check_calls(lines: list[list[str]]) -> None:
    """No call is lost, and none is served twice."""
    over = [line[1] for line in lines if line[0] in {"served", "gone"}]
    assert sorted(over) == sorted(f"{node}-{n}" for node in NODES for n in range(CALLS))


def check_agents(lines: list[list[str]]) -> None:
    """No agent is in two calls."""
    spans: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    began = {line[1]: (line[2], int(line[3])) for line in lines if line[0] == "began"}
    for line in lines:
        if line[0] == "ended":
            agent_id, since = began[line[1]]
            assert agent_id == line[2]
            spans[agent_id].append((since, int(line[3])))
    for taken in spans.values():
        taken.sort()
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(taken))


async def test_no_call_is_lost_and_no_agent_is_in_two_at_once(
    server: RedisServer, redis: Redis
) -> None:
    floor = open_floor(redis=redis, node="desk", times=TIMES)
    await floor.start()
    workers: list[asyncio.subprocess.Process] = []
    try:
        workers = await run_workers(server)
        for number in range(AGENTS):
            agent_id = f"100{number}"
            await floor.sign_in(agent_id)
            await floor.set_pools(agent_id, {SKILLS[0]: 1, SKILLS[number % 2]: 5})
            await floor.set_phones(agent_id, 1)
            await floor.set_ready(agent_id)
        async with asyncio.timeout(PATIENCE):
            outputs = await asyncio.gather(*(worker.communicate() for worker in workers))
        assert [worker.returncode for worker in workers] == [0] * len(NODES), outputs
        said = b"".join(out for out, _ in outputs)
        lines = [line.split() for line in said.decode().splitlines()]
        check_calls(lines)
        check_agents(lines)
        counts = await floor.counts()
        assert (counts["waiting"], counts["offers"], counts["conversations"]) == (0, 0, 0)
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
        await floor.close()
