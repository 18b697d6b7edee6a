"""A node in a process of its own for ``test_racing_nodes``: brings calls, and serves them all.

Run as ``python -m tests.agents.floor_worker NODE URL CALLS SEED``. It hands each of CALLS calls
through ringing and talking to the end (or refuses, or lets the caller go), and writes a line when a
conversation begins and ends, and when a call is over.
"""

import asyncio
import random
import sys
import time

from agents.demand import Want
from agents.floor import FloorTimes, Offer
from agents.redis_floor import connect
from agents.resilient_floor import open_floor

TIMES = FloorTimes(offer=2, reoffer=0.01, wrap_up=0.01, node=60, sweep=0.05)
SKILLS = ("general@own", "english@own")


def say(line: str) -> None:
    """Tell the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Worker:
    """One node."""

    def __init__(self, node: str, url: str, *, calls: int, seed: int) -> None:
        self._node = node
        self._redis = connect(url)
        self._floor = open_floor(redis=self._redis, node=node, times=TIMES)
        self._floor.on_offer = self._on_offer
        self._random = random.Random(seed)
        self._left = {f"{node}-{number}" for number in range(calls)}
        self._over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Bring all calls, serve them, end."""
        await self._floor.start()
        try:
            for call_id in sorted(self._left):
                wants = [Want(self._random.choice(SKILLS)), Want(SKILLS[0], after=0.2)]
                await self._floor.enqueue(
                    call_id,
                    arrived_at=time.time(),
                    priority=self._random.randint(0, 2),
                    wants=wants,
                )
            await self._over.wait()
            await asyncio.gather(*self._tasks)
        finally:
            await self._floor.close()
            await self._redis.aclose()

    def _on_offer(self, offer: Offer) -> None:
        task = asyncio.create_task(self._serve(offer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, offer: Offer) -> None:
        if not await self._floor.ringing(offer):
            return
        chance = self._random.random()
        if chance < 0.2:
            await self._floor.release(offer, "refused")
            return
        if chance < 0.3:
            await self._floor.release(offer, "cancelled")
            self._end(offer.call_id, f"gone {offer.call_id}")
            return
        if not await self._floor.talking(offer):
            return
        # Told while the agent is ours: lines that overlap are two calls of one agent.
        say(f"began {offer.call_id} {offer.agent_id} {time.monotonic_ns()}")
        await asyncio.sleep(self._random.random() / 100)
        say(f"ended {offer.call_id} {offer.agent_id} {time.monotonic_ns()}")
        await self._floor.finish(offer.agent_id, offer.call_id)
        self._end(offer.call_id, f"served {offer.call_id}")

    def _end(self, call_id: str, line: str) -> None:
        say(line)
        self._left.discard(call_id)
        if not self._left:
            self._over.set()


def main() -> None:
    """Read the arguments and run."""
    node, url, calls, seed = sys.argv[1:]
    asyncio.run(Worker(node, url, calls=int(calls), seed=int(seed)).run())


if __name__ == "__main__":
    main()
