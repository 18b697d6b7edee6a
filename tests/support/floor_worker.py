"""A node's floor in a process of its own, whose callers and agents follow a seeded script.

Run by ``tests.support.floor_race`` as ``python -m tests.support.floor_worker SCRIPT`` (JSON).
Callers arrive all the while and some give up; agents answer, refuse, let it ring, take breaks, sign
out, lose their phones. Whether somebody answers is for the *exchange* to say, in the race's own
process, where each agent has one telephone: who talks is busy there, whatever the floor believes.
"""

import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import Coroutine, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import structlog

from agents.demand import Want, wants_text
from agents.floor import FloorTimes, Offer
from agents.presence import PresenceError
from agents.redis_floor import connect
from agents.resilient_floor import open_floor

SKILLS: Final = ("general@own", "english@own")
MOST_OPEN: Final = 6
"""Callers of one node at a time."""
WANTS: Final = (
    (Want(SKILLS[0]),),
    (Want(SKILLS[1], level=3), Want(SKILLS[0], after=0.2)),
    (Want(SKILLS[1]), Want("any", after=0.1, keep=1)),
)
Answer = Literal["answer", "refused", "busy", "missed", "unreachable", "ignored"]
ANSWERS: Final[dict[Answer, int]] = {
    "answer": 80, "refused": 8, "missed": 4, "busy": 3, "unreachable": 2, "ignored": 3,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Script:
    """What a worker is told.

    Attributes:
        node: its name.
        redis: where Redis is.
        exchange: the Unix socket of the race's process.
        seed: of everything that happens by chance.
        calls: what its calls' names begin with.
        agents: who works here.
        others: whom it may make ready, or send away, as well.
        times: the floor's intervals.
    """

    node: str
    redis: str
    exchange: str
    seed: int
    calls: str
    agents: list[str]
    others: list[str]
    times: dict[str, float]


@dataclass
class Caller:
    """One citizen.

    Attributes:
        taken: somebody is answering, and sees to his end.
        hung_up: he has had enough.
    """

    call_id: str
    taken: bool = False
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)


class Exchange:
    """The way to the race's process: notes, and questions that are answered in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asked: deque[asyncio.Future[bool]] = deque()
        self.enough = asyncio.Event()
        self.stop = asyncio.Event()

    async def listen(self) -> None:
        """Take in answers and commands until the race is over."""
        while line := (await self._reader.readline()).decode().strip():
            match line:
                case "enough":
                    self.enough.set()
                case "stop":
                    self.stop.set()
                case answer:
                    self._asked.popleft().set_result(answer == "yes")
        self.enough.set()
        self.stop.set()

    def note(self, what: str, **more: object) -> None:
        """Tell what has happened."""
        self._writer.write(json.dumps({"op": what, **more}).encode() + b"\n")

    async def ask(self, what: str, **more: object) -> bool:
        """Ask."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self.note(what, **more)
        return await answer


class Worker:
    """One node."""

    def __init__(self, script: Script, exchange: Exchange) -> None:
        self._script = script
        self._exchange = exchange
        self._random = random.Random(script.seed)
        self._redis = connect(script.redis)
        times = FloorTimes(**script.times)
        self._floor = open_floor(redis=self._redis, node=script.node, times=times)
        self._floor.on_offer = lambda offer: self._do(self._serve(offer))
        self._callers: dict[str, Caller] = {}
        self._came = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Let callers come until it is enough, serve them all, stay until told to stop."""
        await self._floor.start()
        self._do(self._tend())
        while not self._exchange.enough.is_set():
            if len(self._callers) < MOST_OPEN:
                self._do(self._call())
            await asyncio.sleep(self._random.random() * 0.03)
        while self._callers:  # noqa: ASYNC110 -- each ends by itself
            await asyncio.sleep(0.01)
        self._exchange.note("done")
        await self._exchange.stop.wait()
        await asyncio.gather(*self._tasks)
        await self._floor.close()
        await self._redis.aclose()

    def _do(self, deed: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(deed)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Citizens

    async def _call(self) -> None:
        self._came += 1
        caller = Caller(f"{self._script.calls}-{self._came}")
        self._callers[caller.call_id] = caller
        wants, priority = self._random.choice(WANTS), self._random.randint(0, 2)
        wanted = self._random.choice(self._script.agents) if self._random.random() < 0.05 else None
        patience = self._random.random() * 0.15 if self._random.random() < 0.15 else None
        arrived_at = time.time()
        place = arrived_at - priority * self._script.times["ageing"]
        self._exchange.note(
            "arrives",
            call=caller.call_id,
            at=arrived_at,
            place=place,
            wants=wanted or wants_text(wants),
        )
        await self._floor.enqueue(
            caller.call_id, arrived_at=arrived_at, priority=priority, wanted=wanted, wants=wants
        )
        self._exchange.note("waits", call=caller.call_id, at=time.time())
        if patience is not None:
            await asyncio.sleep(patience)
            caller.hung_up.set()
            if not caller.taken:
                await self._give_up(caller)

    async def _give_up(self, caller: Caller) -> None:
        if self._callers.pop(caller.call_id, None) is not None:
            await self._floor.dequeue(caller.call_id)
            self._tell_over(caller, "gave up")

    def _tell_over(self, caller: Caller, how: str) -> None:
        away = self._floor.status == "away"
        self._exchange.note("over", call=caller.call_id, how=how, away=away, at=time.time())

    # Offers

    async def _serve(self, offer: Offer) -> None:
        away = self._floor.status == "away"
        self._exchange.note("offered", call=offer.call_id, token=offer.token, away=away)
        caller = self._callers.get(offer.call_id)
        if caller is None:
            await self._floor.release(offer, "cancelled")
            return
        if not await self._floor.ringing(offer):
            return
        how = self._random.choices(list(ANSWERS), list(ANSWERS.values()))[0]
        await asyncio.sleep(self._random.random() * 0.01)
        match how:
            case "ignored":
                pass  # the lease runs out
            case "answer":
                await self._answer(offer, caller)
            case refusal:
                await self._floor.release(offer, refusal)

    async def _answer(self, offer: Offer, caller: Caller) -> None:
        if caller.taken or offer.call_id not in self._callers:
            return
        caller.taken = True
        who = {"call": offer.call_id, "agent": offer.agent_id}
        if not await self._exchange.ask("answer", **who):
            await self._floor.release(offer, "busy")
        elif await self._floor.talking(offer):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._random.random() * 0.015):
                    await caller.hung_up.wait()
            self._exchange.note("hangs", **who)
            await self._floor.finish(offer.agent_id, offer.call_id)
            del self._callers[offer.call_id]
            self._tell_over(caller, "served")
            return
        else:
            self._exchange.note("hangs", **who)  # the lease was lost meanwhile
        caller.taken = False
        if caller.hung_up.is_set():
            await self._give_up(caller)

    # Agents

    async def _tend(self) -> None:
        """Do what agents do; when no more callers come, all go on working."""
        for agent_id in self._script.agents:
            await self._work(agent_id)
        while not self._exchange.stop.is_set():
            await asyncio.sleep(0.01 + self._random.random() * 0.03)
            whose = self._script.agents if self._random.random() < 0.9 else self._script.others
            agent_id = self._random.choice(whose)
            with suppress(PresenceError):  # he is signed out, or has extended it before
                await self._step(agent_id)

    async def _step(self, agent_id: str) -> None:
        chance = self._random.random()
        if chance < 0.5 or self._exchange.enough.is_set():
            await self._work(agent_id)
        elif chance < 0.65:
            await self._floor.set_not_ready(agent_id, "break")
        elif chance < 0.75:
            await self._floor.sign_out(agent_id)
        elif chance < 0.8:
            await self._floor.set_phones(agent_id, 0)
        elif chance < 0.9:
            await self._floor.set_desktop(agent_id, connected=self._random.random() < 0.5)
        elif chance < 0.95:
            await self._floor.extend_wrap_up(agent_id)
        else:
            await self._floor.end_wrap_up(agent_id)

    async def _work(self, agent_id: str) -> None:
        number = int(agent_id[1:])
        await self._floor.sign_in(agent_id)
        await self._floor.set_pools(agent_id, {SKILLS[0]: 1, SKILLS[number % 2]: 2 + number % 3})
        await self._floor.set_phones(agent_id, 1)
        await self._floor.set_ready(agent_id)


async def run(script: Script) -> None:
    """Join the race."""
    exchange = Exchange(*await asyncio.open_unix_connection(script.exchange))
    exchange.note("joins", node=script.node, calls=script.calls)

    def forward(_logger: object, level: str, event: MutableMapping[str, Any]) -> str:
        if level in {"warning", "error", "critical"}:
            text = f"{event.get('event')} {event.get('error', '')} {event.get('exception', '')}"
            exchange.note("logs", level=level, text=text)
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.processors.format_exc_info, forward])
    listening = asyncio.create_task(exchange.listen())
    await Worker(script, exchange).run()
    exchange.note("leaves")
    listening.cancel()


if __name__ == "__main__":
    asyncio.run(run(Script(**json.loads(sys.argv[1]))))
