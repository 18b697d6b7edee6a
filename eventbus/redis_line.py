"""One connection to Redis that many ask over at once.

redis-py takes a connection out of its pool for each command, sends, waits and puts it back, which
costs five times what the command costs itself. Here commands that come in the same moment leave in
one write, and their answers, which Redis gives in the order of the commands, come in one read. The
connection is one of redis-py's own, from the client's pool.
"""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from eventbus.tasks import end

Word = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class _Asked:
    """A command under way, and until when its answer is waited for."""

    answer: asyncio.Future[Any]
    until: float


class RedisLine:
    """Asks Redis.

    Args:
        redis: the client whose pool the connection comes from.
        answer_seconds: a Redis that says nothing for so long is away, and the connection closed.
    """

    def __init__(self, redis: Redis, *, answer_seconds: float) -> None:
        self._pool: Any = redis.connection_pool
        self._answer_seconds: Final = answer_seconds
        self._connecting = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._outgoing: list[bytes] = []
        self._wake = asyncio.Event()
        self._asked: deque[_Asked] = deque()
        self._tasks: Sequence[asyncio.Task[None]] = ()
        self._closing: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None

    async def ask(self, *words: Word) -> Any:
        """Send a command and return its answer.

        Raises:
            redis.exceptions.ResponseError: Redis refuses it.
            redis.exceptions.ConnectionError: no connection; whether it was executed is unknown.
            redis.exceptions.TimeoutError: no answer in time; as above.
        """
        (answer,) = await self.ask_all([words])
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    async def ask_all(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """Send commands, and return their answers; a refusal stands among them.

        Raises:
            redis.exceptions.ConnectionError, redis.exceptions.TimeoutError: as `ask`.
        """
        if self._connection is None:
            async with self._connecting:
                if self._connection is None:
                    await self._connect()
        packed = [_pack(words) for words in commands]  # what cannot be sent waits for no answer
        loop = asyncio.get_running_loop()
        until = loop.time() + self._answer_seconds
        asked = [_Asked(loop.create_future(), until) for _ in commands]
        self._asked += asked
        self._outgoing += packed
        self._wake.set()
        if self._watch is None:
            self._watch = loop.call_at(until, self._look)
        return [await each.answer for each in asked]

    async def close(self) -> None:
        """Close the connection; who asks again gets a new one. Idempotent."""
        if self._connection is not None:
            self._break(self._connection, RedisConnectionError("closed"))
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._closing is not None:
            await self._closing

    async def _connect(self) -> None:
        async with asyncio.timeout(self._answer_seconds):
            connection = await self._pool.get_connection()
        self._connection, self._wake = connection, asyncio.Event()
        self._tasks = (
            asyncio.create_task(self._send(connection, self._wake), name="redis-line-send"),
            asyncio.create_task(self._read(connection), name="redis-line-read"),
        )

    async def _send(self, connection: AbstractConnection, wake: asyncio.Event) -> None:
        """Send what is to be sent until the connection breaks."""
        try:
            while True:
                await wake.wait()
                wake.clear()
                outgoing, self._outgoing = self._outgoing, []
                await connection.send_packed_command(outgoing, check_health=False)
        except (RedisError, OSError) as error:
            self._break(connection, error)

    async def _read(self, connection: AbstractConnection) -> None:
        """Give each answer to who waits for it, until the connection breaks."""
        try:
            while True:
                try:
                    answer = await connection.read_response(timeout=math.inf)
                except ResponseError as error:
                    answer = error
                waiting = self._asked.popleft().answer
                if not waiting.done():  # who has been cancelled waits no more
                    waiting.set_result(answer)
        except (RedisError, OSError) as error:
            self._break(connection, error)

    def _look(self) -> None:
        """Take Redis for away when what was asked first has waited for too long."""
        self._watch = None
        loop, connection = asyncio.get_running_loop(), self._connection
        if connection is None or not self._asked:
            return
        if (until := self._asked[0].until) > loop.time():
            self._watch = loop.call_at(until, self._look)
        else:
            self._break(connection, RedisTimeoutError("no answer in time"))

    def _break(self, connection: AbstractConnection, error: Exception) -> None:
        """Tell everybody who waits; who asks next connects again."""
        if self._connection is not connection:
            return
        self._connection = None
        if not isinstance(error, RedisError):
            error = RedisConnectionError(str(error))
        asked, self._asked = self._asked, deque()
        self._outgoing.clear()
        for each in asked:
            if not each.answer.done():
                each.answer.set_exception(error)
                each.answer.exception()  # asyncio complains of one that nobody has asked for
        tasks, self._tasks = self._tasks, ()  # before anybody connects anew
        self._closing = asyncio.create_task(
            self._give_back(connection, tasks), name="redis-line-close"
        )

    async def _give_back(
        self, connection: AbstractConnection, tasks: Sequence[asyncio.Task[None]]
    ) -> None:
        await end(*tasks)
        await connection.disconnect(nowait=True)
        await self._pool.release(connection)


def _pack(words: Sequence[Word]) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(words))  # type: ignore[arg-type]
    return packed
