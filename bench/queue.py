"""How long a routing decision takes, and what it costs Redis: ``python -m bench.queue``.

One redis-server, one node's commands. A floor with many agents, a tenth of them ready, 300 skills
and waiting callers whose level nobody has; then calls arrive at a steady rate. Each is offered
to an agent (or an agent who becomes ready takes a waiting one), rings, is answered, ends, wraps up:
a decision is one command that matches, as the node sees it, there and back.

For each size: p50 and p99 of a decision there and back; p50 and p99 of the same decision within
redis-server (how much INFO commandstats has grown by it: what remains where other programs keep
this one waiting); the same for all commands on average; then, over further calls whose times nobody
takes, the processor time of redis-server for a command and for a call with all of them, and how the
former grows with the number of agents. The goal is about the decision itself: the time within
redis-server.
"""

import argparse
import asyncio
import json
import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from redis.asyncio import Redis

from agents.commands import Command
from agents.demand import Want, pools_text, wants_text
from agents.floor import FloorTimes
from agents.redis_floor import FloorUnreachable, RedisEngine, connect
from tests.support.redis_server import running_redis

SKILLS = 300
SKILLS_OF_AN_AGENT = 5
GOAL_P99_MS = 5.0
BARE_DECISIONS = 1_000
"""Over so many the processor time is taken."""
_NODE = "bench"
_TRIES, _PAUSE = 20, 0.5
_TIMES = FloorTimes(offer=3600, reoffer=5, wrap_up=3600, node=3600)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one size gave; milliseconds and microseconds."""

    agents: int
    waiting: int
    decisions: int
    per_second: float
    p50_ms: float
    p99_ms: float
    redis_p50_ms: float
    redis_p99_ms: float
    redis_us_per_command: float
    redis_us_per_offer: float
    cpu_us_per_command: float
    cpu_us_per_call: float


class Floor:
    """A floor that is filled and driven by commands."""

    def __init__(self, redis: Redis, *, agents: int, waiting: int, seed: int) -> None:
        self._redis = redis
        self._engine = RedisEngine(redis, node=_NODE, times=_TIMES)
        self._random = random.Random(seed)
        self._agents = agents
        self._waiting = waiting
        self._numbers = 0
        self._talking: list[tuple[str, str]] = []
        self.seconds: list[float] = []
        self.within: list[float] = []
        self.commands = 0
        self.watched = True

    async def run_command(self, name: Any, **arguments: object) -> Any:
        """Execute one command; return the reply. A starved machine is given time."""
        self.commands += 1
        for _ in range(_TRIES):
            try:
                return await self._engine.execute(Command(name, arguments), None)
            except FloorUnreachable:  # safe to repeat, as every command is
                await asyncio.sleep(_PAUSE)
        raise FloorUnreachable(f"{name}: not within {_TRIES} attempts")

    async def _decision(self, name: Any, **arguments: object) -> Any:
        """Execute one that matches; take its time there and back, and within Redis."""
        if not self.watched:
            return await self.run_command(name, **arguments)
        before, began = await self.spent(), time.perf_counter()
        reply = await self.run_command(name, **arguments)
        self.seconds.append(time.perf_counter() - began)
        self.within.append(await self.spent() - before)
        return reply

    async def spent(self) -> float:
        """Return the seconds that scripts have taken within redis-server so far."""
        info: dict[str, Any] = await self._redis.info("commandstats")
        return sum(
            float(info[name]["usec"]) / 1e6
            for name in ("cmdstat_evalsha", "cmdstat_eval")
            if name in info
        )

    async def processor_seconds(self) -> float:
        """Return what redis-server has used so far."""
        info: dict[str, Any] = await self._redis.info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    async def cost(self, decisions: int) -> tuple[float, float]:
        """Return redis-server's processor seconds for a command, and for a call with all of its."""
        self.watched, self.commands = False, 0
        before = await self.processor_seconds()
        for _ in range(decisions):
            await self.decide()
        used = await self.processor_seconds() - before
        return used / self.commands, used / decisions

    async def fill(self) -> None:
        """Sign everybody in, nine of ten in conversations; let callers wait for rare skills."""
        await self.run_command("restore", agents=[], calls=[], token=0)
        for number in range(self._agents):
            agent_id = f"{number:05d}"
            skills = self._random.sample(range(SKILLS), SKILLS_OF_AN_AGENT)
            pools = {f"skill{skill}@own": self._random.randint(1, 9) for skill in skills}
            await self.run_command("sign_in", agent_id=agent_id, pools=pools_text(pools))
            await self.run_command("set_phones", agent_id=agent_id, count=1)
            if number % 10 == 0:
                await self.run_command("set_ready", agent_id=agent_id)
        for _ in range(self._waiting):
            # A level that nobody has: they go on waiting, in the queues of skills that are in use.
            await self._enqueue(level=10, priority=self._random.randint(0, 5))

    async def _enqueue(
        self, *, level: int = 1, priority: int = 0, measured: bool = False
    ) -> tuple[str, Any]:
        self._numbers += 1
        call_id = f"c{self._numbers}"
        skill = self._random.randrange(SKILLS)
        neighbour = (skill + 1) % SKILLS
        wants = [
            Want(f"skill{skill}@own", level=level),
            Want(f"skill{neighbour}@own", after=0.0, level=level),
            Want(f"skill{skill}@outsourced", after=30.0, level=level),
        ]
        execute = self._decision if measured else self.run_command
        reply = await execute(
            "enqueue",
            call_id=call_id,
            arrived_at=time.time(),
            priority=priority,
            wants=wants_text(wants),
        )
        return call_id, reply

    async def decide(self) -> int:
        """Let a call arrive, and as many end as talk; return how many offers came of it."""
        _, reply = await self._enqueue(measured=True)
        made = await self._answer(reply)
        while len(self._talking) > self._agents // 20:
            call_id, agent_id = self._talking.pop(0)
            await self.run_command("finish", agent_id=agent_id, call_id=call_id)
            freed = await self._decision("end_wrap_up", agent_id=agent_id)
            made += await self._answer(freed)
        return made

    async def _answer(self, reply: Any) -> int:
        """Answer what was offered."""
        made = 0
        for call in reply.calls:
            if call.state == "offered":
                made += 1
                lease = {"call_id": call.call_id, "agent_id": call.agent_id, "token": call.token}
                await self.run_command("ringing", **lease)
                await self.run_command("talking", **lease)
                self._talking.append((call.call_id, call.agent_id))
        return made


async def measure(agents: int, *, waiting: int, rate: float, seconds: float) -> Figures:
    """Fill a floor, drive it at a rate of offers, and take the times."""
    async with running_redis() as server:
        redis = connect(server.url)
        try:
            floor = Floor(redis, agents=agents, waiting=waiting, seed=agents)
            await floor.fill()
            floor.seconds.clear()
            floor.within.clear()
            floor.commands = 0
            spent, began, offers = await floor.spent(), time.perf_counter(), 0
            while (passed := time.perf_counter() - began) < seconds:
                if offers > passed * rate:
                    await asyncio.sleep(0.001)
                else:
                    offers += max(1, await floor.decide())
            spent, commands = await floor.spent() - spent, floor.commands
            cpu_command, cpu_call = await floor.cost(BARE_DECISIONS)
        finally:
            await redis.aclose()
    cuts = statistics.quantiles(floor.seconds, n=100)
    inside = statistics.quantiles(floor.within, n=100)
    return Figures(
        agents=agents,
        waiting=waiting,
        decisions=len(floor.seconds),
        per_second=round(offers / seconds, 1),
        p50_ms=round(cuts[49] * 1e3, 3),
        p99_ms=round(cuts[98] * 1e3, 3),
        redis_p50_ms=round(inside[49] * 1e3, 3),
        redis_p99_ms=round(inside[98] * 1e3, 3),
        redis_us_per_command=round(spent / commands * 1e6, 1),
        redis_us_per_offer=round(spent / max(offers, 1) * 1e6, 1),
        cpu_us_per_command=round(cpu_command * 1e6, 1),
        cpu_us_per_call=round(cpu_call * 1e6, 1),
    )


def show(found: Sequence[Figures]) -> None:
    """Print a table, and how it grows."""
    titles = ("agents", "waiting", "offers/s", "p50 ms", "p99 ms", "Redis p50", "Redis p99")
    costs = ("us/command", "us/offer", "CPU us/cmd", "CPU us/call")
    print("".join(f"{title:>11}" for title in titles) + "".join(f"{cost:>12}" for cost in costs))
    for one in found:
        row = (one.agents, one.waiting, one.per_second, one.p50_ms, one.p99_ms)
        print(
            "".join(f"{value:>11}" for value in (*row, one.redis_p50_ms, one.redis_p99_ms))
            + f"{one.redis_us_per_command:>12}{one.redis_us_per_offer:>12}"
            + f"{one.cpu_us_per_command:>12}{one.cpu_us_per_call:>12}"
        )
    first, last = found[0], found[-1]
    if last.agents > first.agents:
        grown = last.cpu_us_per_command / first.cpu_us_per_command
        logarithmic = math.log(last.agents) / math.log(first.agents)
        print(f"from {first.agents} to {last.agents} agents: Redis's CPU x {grown:.2f} a command; "
              f"logarithmic would be x {logarithmic:.2f}")  # fmt: skip
    print(f"goal: p99 under {GOAL_P99_MS} ms with {last.agents} agents: "
          f"{'reached' if last.redis_p99_ms < GOAL_P99_MS else 'missed'} within Redis, "
          f"{'reached' if last.p99_ms < GOAL_P99_MS else 'missed'} there and back")  # fmt: skip


async def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each size")
    parser.add_argument("--agents", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--waiting", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=200.0, help="offers a second")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    wanted = parser.parse_args()
    found = [
        await measure(agents, waiting=wanted.waiting, rate=wanted.rate, seconds=wanted.seconds)
        for agents in wanted.agents
    ]
    if wanted.json:
        print(json.dumps({"sizes": [asdict(one) for one in found]}))
    else:
        show(found)


if __name__ == "__main__":
    asyncio.run(main())
