"""Processes race for the same agents on one real Redis, while nodes and Redis die.

The race's own process watches in three ways. It is the *exchange*: each agent has one telephone
there, so who is in which conversation is known without asking the floor. It is told by each worker
what befell its callers. And it looks into Redis: after a sweep, in the same transaction, the
reference model is given everything that stands there and must find nothing left to do: no lease or
node overdue, no call waiting for whom somebody fits, nobody listed who could not take a call.
"""

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import redis.exceptions

from agents.commands import Command, call_from, presence_from
from agents.floor import FloorTimes
from agents.floor_model import FloorModel
from agents.presence import HELD, State
from agents.redis_floor import connect
from agents.resilient_floor import open_floor
from agents.scripts import floor_script
from tests.support.floor_worker import Script
from tests.support.redis_server import RedisServer

TIMES: Final = FloorTimes(
    offer=0.4, reoffer=0.02, wrap_up=0.02, node=2.0, alone=0.3,
    extension=0.05, ageing=0.5, grace=0.4, sweep=0.05,
)  # fmt: skip
NODES: Final = ("a", "b", "c", "d")
OBSERVER: Final = "observer"
PATIENCE: Final = 120.0
"""Seconds for one step of the race: only against hanging for ever."""
WITHOUT_REDIS: Final = 3
"""So many callers are served by the nodes alone before Redis comes back."""

Fault = Literal["node dies", "node restarts", "node freezes", "Redis restarts", "Redis is emptied"]

BASE: Final = "hotline:{floor}"
SNAPSHOT: Final = """
local function load(kind, id) return redis.call('HGETALL', KEYS[1] .. ':' .. kind .. ':' .. id) end
local found = { agents = {}, calls = {}, nodes = {} }
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1] .. ':agents')) do
  table.insert(found.agents, load('agent', id))
end
for _, node in ipairs(redis.call('KEYS', KEYS[1] .. ':node:*')) do
  for _, id in ipairs(redis.call('SMEMBERS', node)) do
    table.insert(found.calls, load('call', id))
  end
end
found.nodes = redis.call('ZRANGE', KEYS[1] .. ':nodes', 0, -1, 'WITHSCORES')
found.claims = redis.call('HGETALL', KEYS[1] .. ':claims')
found.held = redis.call('GET', KEYS[1] .. ':held') or ''
return cjson.encode(found)
"""


@dataclass
class Told:
    """What is known of one caller.

    Attributes:
        node_life: the worker's life that has him.
        place: his place in the order; lower is earlier.
        wants: whom he may have.
        arrived: Unix seconds.
        waits: when the floor had taken him, Unix seconds.
        token: of the first offer by Redis; None: there was none.
        how: how it ended; None: it has not.
    """

    node_life: str
    place: float
    wants: str
    arrived: float
    waits: float | None = None
    token: int | None = None
    how: str | None = None


@dataclass
class Findings:
    """What came of a race.

    Attributes:
        outcomes: how many callers were served, gave up, or were cut off by their node's death.
        without_redis: callers who were served while Redis was away.
        faults: what was done, and how often.
        busy: answers at a telephone that was in another conversation.
        buried: how often a living node was taken for dead, or found Redis emptied.
        looks: how often Redis was looked into.
        longest_wait: seconds from arrival to the end, of those who were served.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    without_redis: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    busy: int = 0
    buried: int = 0
    looks: int = 0
    longest_wait: float = 0.0


class Race:
    """Workers, Redis, and whoever watches them; made by ``running_race``."""

    def __init__(self, server: RedisServer, folder: Path, *, seed: int, agents: int) -> None:
        self.findings = Findings()
        self._server = server
        self._socket = folder / "x"
        self._errors = folder / "errors"
        self._seed = seed
        self._agents = {node: [f"{node}{n}" for n in range(agents)] for node in NODES}
        self._lives: Counter[str] = Counter()
        self._workers: dict[str, asyncio.subprocess.Process] = {}
        self._ways: dict[str, asyncio.StreamWriter] = {}
        self._callers: dict[str, Told] = {}
        self._talks: dict[str, tuple[str, str]] = {}  # agent → a worker's life, and the call
        self._done: set[str] = set()
        self._left: set[str] = set()
        self._problems: list[str] = []
        self._redis = connect(server.url)
        self._floor = open_floor(redis=self._redis, node=OBSERVER, times=TIMES)
        self._exchange: asyncio.Server | None = None

    # The way of a race

    async def open(self) -> None:
        """Let all workers begin."""
        self._exchange = await asyncio.start_unix_server(self._serve, self._socket)
        await self._floor.start()
        for node in NODES:
            await self._start(node)

    async def go_on(self, calls: int) -> None:
        """Wait until so many more callers are through, looking into Redis all the while."""
        goal = sum(self.findings.outcomes.values()) + calls
        await self._until(
            lambda: sum(self.findings.outcomes.values()) >= goal, f"{calls} more callers"
        )

    async def strike(self, fault: Fault, node: str) -> None:
        """Let something break."""
        self.findings.faults[fault] += 1
        match fault:
            case "node dies" | "node restarts":
                await self._kill(node)
                if fault == "node restarts":
                    await self._start(node)
                    life = f"{node}{self._lives[node]}"
                    await self._until(lambda: life in self._ways, f"{life} joins")
                else:
                    await self._until_forgotten(node)
            case "node freezes":
                self._workers[node].send_signal(signal.SIGSTOP)
                await self._until_forgotten(node)
                self._workers[node].send_signal(signal.SIGCONT)
            case "Redis restarts" | "Redis is emptied":
                await self._server.kill()
                served = self.findings.without_redis + WITHOUT_REDIS
                await self._until(
                    lambda: self.findings.without_redis >= served, "callers served without Redis"
                )
                await self._server.restart(wipe=fault == "Redis is emptied")

    async def end(self) -> None:
        """Let no more callers come, and see all served and everything given back."""
        living = {f"{node}{self._lives[node]}" for node in self._workers}
        for life in living:
            self._ways[life].write(b"enough\n")
        await self._until(lambda: living <= self._done, "all callers served")
        for life in living:
            self._ways[life].write(b"stop\n")
        await self._until(lambda: living <= self._left, "all workers gone")
        for node, worker in self._workers.items():
            assert await worker.wait() == 0, (node, self._errors.read_text())
        assert self._problems == []
        assert [name for name, told in self._callers.items() if told.how is None] == []
        assert self._talks == {}
        found = await self._look()
        assert found is not None
        assert found.calls == {}
        assert [agent for agent in found.agents.values() if agent.state in HELD] == []

    async def close(self) -> None:
        """Leave nothing running."""
        for worker in self._workers.values():
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
        if self._exchange is not None:
            self._exchange.close()
            await self._exchange.wait_closed()
        await self._floor.close()
        await self._redis.aclose()

    def check_undisturbed(self) -> None:
        """Check what holds as long as nothing has broken.

        Nobody who talks was offered a call, and nobody was overtaken. (A machine may be so busy
        that a node seems dead for two seconds: then nothing is said.)
        """
        if not self.findings.buried:
            assert self.findings.busy == 0
            assert self.overtaken() == []

    def overtaken(self) -> list[tuple[str, str]]:
        """Return who was offered an agent after somebody who came later and wants the same."""
        known = sorted(
            (told for told in self._callers.items() if told[1].token is not None),
            key=lambda told: told[1].token or 0,
        )
        return [
            (late, early)
            for n, (early, first) in enumerate(known)
            for late, second in known[n + 1 :]
            if first.wants == second.wants
            and second.place < first.place
            and second.waits is not None
            and second.waits < first.arrived
        ]

    # Workers

    async def _start(self, node: str) -> None:
        self._lives[node] += 1
        life = f"{node}{self._lives[node]}"
        script = Script(
            node=node,
            redis=self._server.url,
            exchange=str(self._socket),
            seed=self._seed * 1000 + sum(self._lives.values()),
            calls=life,
            agents=self._agents[node],
            others=[agent for agents in self._agents.values() for agent in agents],
            times=asdict(TIMES),
        )
        with self._errors.open("ab") as errors:
            self._workers[node] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.support.floor_worker", json.dumps(asdict(script)),
                stderr=errors,
            )  # fmt: skip

    async def _kill(self, node: str) -> None:
        """Kill a worker; its conversations end with it, and its callers are cut off."""
        life = f"{node}{self._lives[node]}"
        await self._until(lambda: life in self._ways, f"{life} joins")
        self._left.add(life)
        worker = self._workers.pop(node)
        worker.kill()
        await worker.wait()
        await self._until(lambda: life not in self._ways, f"{life} is gone")

    async def _until_forgotten(self, node: str) -> None:
        """Wait until nothing of a node that does not beat is on the floor."""

        def forgotten(found: FloorModel) -> bool:
            nodes = {call.node for call in found.calls.values()} | found.nodes.keys()
            return node not in nodes

        ends = time.monotonic() + PATIENCE
        while (found := await self._look()) is None or not forgotten(found):
            assert self._problems == [], self._problems
            assert time.monotonic() < ends, f"{node} is not forgotten"
            await asyncio.sleep(0.05)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hear one worker until it ends, or is killed."""
        life = json.loads(await reader.readline())["calls"]
        self._ways[life] = writer
        with suppress(ConnectionResetError):  # killed while it was being answered
            while line := await reader.readline():
                try:
                    self._hear(life, json.loads(line), writer)
                except (AssertionError, KeyError) as error:
                    self._problems.append(f"{life} says {line!r}: {error!r}")
        if life not in self._left:
            self._problems.append(f"{life} ended: {self._errors.read_text()}")
        for agent, talk in list(self._talks.items()):
            if talk[0] == life:
                del self._talks[agent]
        for told in self._callers.values():
            if told.node_life == life and told.how is None:
                self._over(told, "cut off")
        del self._ways[life]
        writer.close()

    def _hear(self, life: str, told: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        match told["op"]:
            case "answer" | "hangs" as what:
                self._hear_phone(life, what, told["agent"], told["call"], writer)
            case "logs":
                if told["level"] == "warning" and "user_script" not in told["text"]:
                    self.findings.buried += "taken for dead" in told["text"]
                else:
                    self._problems.append(f"{life}: {told['text']}")
            case "done":
                self._done.add(life)
            case "leaves":
                self._left.add(life)
            case what:
                self._hear_caller(life, what, told)

    def _hear_phone(
        self, life: str, what: str, agent: str, call: str, writer: asyncio.StreamWriter
    ) -> None:
        if what == "hangs":
            assert self._talks.pop(agent) == (life, call)
            return
        free = agent not in self._talks
        if free:
            self._talks[agent] = (life, call)
        else:
            self.findings.busy += 1
        writer.write(b"yes\n" if free else b"no\n")

    def _hear_caller(self, life: str, what: str, told: dict[str, Any]) -> None:
        if what == "arrives":
            assert told["call"] not in self._callers
            caller = Told(life, told["place"], told["wants"], told["at"])
            self._callers[told["call"]] = caller
            return
        caller = self._callers[told["call"]]
        if what == "waits":
            caller.waits = told["at"]
        elif what == "offered":
            if caller.token is None and not told["away"]:
                caller.token = told["token"]
        else:
            self._over(caller, told["how"])
            if told["how"] == "served":
                self.findings.without_redis += told["away"]
                waited = told["at"] - caller.arrived
                self.findings.longest_wait = max(self.findings.longest_wait, waited)

    def _over(self, told: Told, how: str) -> None:
        if told.how is not None:
            self._problems.append(f"a caller ended twice: {told}, {how}")
        told.how = how
        self.findings.outcomes[how] += 1

    # Looking

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Look into Redis again and again until the condition holds."""
        ends = time.monotonic() + PATIENCE
        while not condition():
            assert self._problems == [], self._problems
            assert time.monotonic() < ends, f"in vain: {what}; {self._open()}"
            await self._look()
            await asyncio.sleep(0.02)

    def _open(self) -> list[tuple[str, Told]]:
        return [item for item in self._callers.items() if item[1].how is None]

    async def _look(self) -> FloorModel | None:
        """Sweep and read Redis in one transaction, and check it; None while it is away."""
        times = [f"{seconds:.17g}" for seconds in (
            TIMES.offer, TIMES.reoffer, TIMES.wrap_up, TIMES.node,
            TIMES.alone, TIMES.extension, TIMES.ageing, TIMES.grace,
        )]  # fmt: skip
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.eval(floor_script(), 1, BASE, "", OBSERVER, "beat", "{}", *times)
                pipeline.eval(SNAPSHOT, 1, BASE)
                beat, snapshot = (json.loads(answer) for answer in await pipeline.execute())
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, TimeoutError):
            return None
        if beat.get("unknown"):
            return None  # our own floor puts us back
        self.findings.looks += 1
        model = read_snapshot(snapshot)
        check_records(model)
        if not snapshot["held"]:
            check_nothing_is_left_to_do(model, float(beat["now"]))
        return model


def read_snapshot(snapshot: dict[str, Any]) -> FloorModel:
    """Put what stands in Redis into the reference model."""

    def record(flat: list[str]) -> dict[str, str]:
        flat = flat or []  # Lua has one kind of empty table
        return dict(zip(flat[::2], flat[1::2], strict=True))

    model = FloorModel(TIMES)
    for flat in snapshot["agents"]:
        agent = presence_from(record(flat))
        model.agents[agent.agent_id] = agent
    for flat in snapshot["calls"]:
        call = call_from(record(flat))
        assert call.call_id not in model.calls, "a call is two nodes'"
        model.calls[call.call_id] = call
    model.nodes = {name: float(end) for name, end in record(snapshot["nodes"]).items()}
    model.claims = record(snapshot["claims"])
    return model


def check_records(model: FloorModel) -> None:
    """No agent is in two calls; calls and agents say the same; each call has a node."""
    holders = Counter(
        call.agent_id
        for call in model.calls.values()
        if call.agent_id and model.claims.get(call.agent_id) != call.call_id
    )
    assert all(times == 1 for times in holders.values()), holders
    for call in model.calls.values():
        assert call.node in model.nodes, call
        assert (call.state == "waiting") == (call.agent_id is None), call
        if call.agent_id is not None:
            agent = model.agents[call.agent_id]
            if model.claims.get(call.agent_id) == call.call_id:
                # Redis is back just now: he is believed to talk elsewhere until that is cleared up
                assert agent.state is State.TALKING, (call, agent)
                assert call.state == "talking", (call, agent)
                continue
            assert (agent.call_id, agent.call_node) == (call.call_id, call.node), (call, agent)
            assert (agent.state is State.TALKING) == (call.state == "talking"), (call, agent)
            assert (call.state == "offered") == (call.expires_at is not None), call
    for agent in model.agents.values():
        if agent.state in HELD:
            assert model.calls[agent.call_id or ""].agent_id == agent.agent_id, agent


def check_nothing_is_left_to_do(model: FloorModel, now: float) -> None:
    """No lease, node or pause is overdue, and nobody waits for whom somebody fits."""
    reply = model.handle(OBSERVER, Command("beat"), now)
    assert (reply.presences, reply.calls) == ((), ())


@asynccontextmanager
async def running_race(server: RedisServer, *, seed: int, agents: int = 3) -> AsyncIterator[Race]:
    """Let four nodes race, each with so many agents; none is left behind."""
    with tempfile.TemporaryDirectory(prefix="race-", dir="/tmp") as folder:
        race = Race(server, Path(folder), seed=seed, agents=agents)
        try:
            await race.open()
            yield race
        finally:
            await race.close()
