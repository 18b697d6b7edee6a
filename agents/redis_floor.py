"""The shared floor: commands executed in Redis by one Lua script, and wake-ups between nodes.

Every operation here ends within about a second, whatever Redis does: time-outs are short, nothing
is retried, and ``FloorUnreachable`` is the one error the caller sees.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from agents.commands import Call, Command, Reply, call_from, presence_from, to_record
from agents.floor import FloorTimes, Stalled
from agents.presence import Input, Presence, PresenceError, State
from agents.scripts import floor_script
from eventbus.redis_line import RedisLine

SOCKET_TIMEOUT: Final = 0.5
"""Seconds for connecting, and for one answer."""
_OPERATION_TIMEOUT: Final = 0.8


class FloorUnreachable(Exception):
    """Redis did not answer in time, or could not do what was asked (loading, read-only)."""


@dataclass(frozen=True, slots=True)
class News:
    """What another node's command changed that concerns this node."""

    presences: tuple[Presence, ...]
    calls: tuple[Call, ...]
    sequence: int


def connect(url: str) -> Redis:
    """Make the client that the floor wants: short time-outs and no retries.

    Args:
        url: as redis-py takes it: ``redis://host:port/db`` or ``unix:///path/to/socket``.
    """
    return Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=SOCKET_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


class RedisEngine:
    """Executes commands in Redis in the name of one node.

    Args:
        redis: a client (``connect`` makes one); owned, and closed, by the caller.
        node: this node's name.
        times: the floor's intervals.
        prefix: what all keys begin with.
    """

    def __init__(
        self, redis: Redis, *, node: str, times: FloorTimes, prefix: str = "hotline"
    ) -> None:
        self._redis = redis
        self._line = RedisLine(redis, answer_seconds=SOCKET_TIMEOUT)
        self._node = node
        # One hash tag: all keys of the script are in one slot of a Redis Cluster.
        self._base = f"{prefix}:{{floor}}"
        self._times = [f"{seconds:.17g}" for seconds in (
            times.offer, times.reoffer, times.wrap_up, times.node,
            times.alone, times.extension, times.ageing, times.grace,
        )]  # fmt: skip
        self._script = floor_script()
        self._sha = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()

    async def execute(self, command: Command, now: float | None) -> Reply:
        """Execute atomically.

        Raises:
            FloorUnreachable: no answer; whether the command was executed is unknown.
        """
        return (await self.execute_all([(command, now)]))[0]

    async def execute_all(self, commands: Sequence[tuple[Command, float | None]]) -> list[Reply]:
        """Execute each atomically, in order, in one round trip.

        Raises:
            FloorUnreachable: an answer is missing; which of them were executed is unknown.
        """
        arguments = [
            (
                "" if now is None else format(now, ".17g"),
                self._node,
                command.name,
                json.dumps(_arguments(command), ensure_ascii=False),
                *self._times,
            )
            for command, now in commands
        ]
        try:
            answers = await self._run(arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise FloorUnreachable(str(error)) from error
        return [
            _reply(command, json.loads(answer))
            for (command, _), answer in zip(commands, answers, strict=True)
        ]

    async def close(self) -> None:
        """Close the connection that commands go over; the client stays its owner's."""
        await self._line.close()

    async def life(self) -> str:
        """Return what is different each time a Redis server has been started.

        Raises:
            FloorUnreachable: no answer.
        """
        try:
            async with asyncio.timeout(_OPERATION_TIMEOUT):
                return str((await self._redis.info("server"))["run_id"])
        except (RedisError, OSError, TimeoutError) as error:
            raise FloorUnreachable(str(error)) from error

    async def answers(self) -> bool:
        """Tell whether Redis can be spoken to."""
        try:
            async with asyncio.timeout(_OPERATION_TIMEOUT):
                await self._redis.ping()
        except (RedisError, OSError, TimeoutError):
            return False
        return True

    async def _run(self, arguments: Sequence[Sequence[str]]) -> list[str | bytes]:
        try:
            return await self._run_known(arguments)
        except NoScriptError:  # a new Redis, which has executed none of them
            await self._line.ask("SCRIPT", "LOAD", self._script)
            return await self._run_known(arguments)

    async def _run_known(self, arguments: Sequence[Sequence[str]]) -> list[str | bytes]:
        begin = ("EVALSHA", self._sha, "1", self._base)
        answers = await self._line.ask_all([(*begin, *each) for each in arguments])
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise answer
        return answers

    async def news(self) -> AsyncGenerator[News | None, None]:
        """Yield None once subscribed, then what other nodes' commands change here.

        Raises:
            FloorUnreachable: the subscription is lost.
        """
        async with self._redis.pubsub() as channel:
            try:
                async with asyncio.timeout(_OPERATION_TIMEOUT):
                    await channel.subscribe(f"{self._base}:to:{self._node}")
                while True:
                    message = await channel.get_message(timeout=None)
                    if message is None:
                        continue
                    if message["type"] == "subscribe":
                        yield None
                    elif message["type"] == "message":
                        yield _news(json.loads(message["data"]))
            except (RedisError, OSError, TimeoutError) as error:
                raise FloorUnreachable(str(error)) from error


def _arguments(command: Command) -> dict[str, Any]:
    """Prepare for JSON: None is left out, records become text."""
    return {
        name: [to_record(item) for item in value] if isinstance(value, list | tuple) else value
        for name, value in command.arguments.items()
        if value is not None
    }


def _reply(command: Command, answer: Mapping[str, Any]) -> Reply:
    if answer.get("unknown"):
        return Reply(unknown=True, now=float(answer["now"]), sequence=answer["sequence"])
    refused = answer.get("refused")
    due = answer.get("due")
    return Reply(
        result=_result(command, answer.get("result")),
        refused=None if refused is None else _refusal(refused),
        presences=tuple(presence_from(record) for record in answer["presences"]),
        calls=tuple(call_from(record) for record in answer["calls"]),
        due=None if due is None else float(due),
        now=float(answer["now"]),
        sequence=answer["sequence"],
    )


def _refusal(refused: Mapping[str, str]) -> PresenceError:
    return PresenceError(refused["agent_id"], State(refused["state"]), Input(refused["input"]))


def _result(command: Command, result: Any) -> Any:
    """Read a command's own answer; an empty list arrives as ``{}``: Lua has one kind of table."""
    match command.name:
        case "everyone":
            return [presence_from(record) for record in result]
        case "beat":
            return [call_from(record) for record in result]
        case "restore" | "known":
            return (
                [presence_from(record) for record in result["agents"]],
                [call_from(record) for record in result["calls"]],
            )
        case "counts" | "ringing" | "talking" | "position":
            return result
        case "stalled":
            return [Stalled(**each) for each in result]
        case _:
            return None if result is None else presence_from(result)


def _news(message: Mapping[str, Any]) -> News:
    return News(
        presences=tuple(presence_from(record) for record in message["presences"]),
        calls=tuple(call_from(record) for record in message["calls"]),
        sequence=message["sequence"],
    )
