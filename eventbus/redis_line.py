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
from dataclasses import dataclass, field
from typing import Any, Final

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from eventbus.tasks import end

Word = str | bytes | int | float


_GRACE_SECONDS: Final = 0.1
"""Who is late may have answered: a busy loop reads late."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A command under way, and until when its answer is waited for."""

    answer: asyncio.Future[Any]
    until: float


@dataclass(slots=True)
class _Link:
    """One connection, and what is under way over it.

    Attributes:
        send_seconds: the connection's own time-out for sending, which is off meanwhile.
        heard: how many answers have come.
        late: what ``heard`` was when an answer was found to be late; None: none is.
    """

    connection: AbstractConnection
    send_seconds: float | None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    outgoing: list[bytes] = field(default_factory=list)
    asked: deque[_Asked] = field(default_factory=deque)
    tasks: Sequence[asyncio.Task[None]] = ()
    heard: int = 0
    late: int | None = None


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
        self._link: _Link | None = None
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
        packed = [_pack(words) for words in commands]  # what cannot be sent waits for no answer
        link = self._link
        if link is None:
            async with self._connecting:
                link = self._link or await self._connect()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._answer_seconds
        asked = [_Asked(loop.create_future(), until) for _ in packed]
        link.asked += asked
        link.outgoing += packed
        link.wake.set()
        if self._watch is None:
            self._watch = loop.call_at(until, self._look)
        return [await each.answer for each in asked]

    async def close(self) -> None:
        """Close the connection; who asks again gets a new one. Idempotent."""
        if self._link is not None:
            self._break(self._link, RedisConnectionError("closed"))
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._closing is not None:
            await self._closing

    async def _connect(self) -> _Link:
        async with asyncio.timeout(self._answer_seconds):
            connection = await self._pool.get_connection()
        link = self._link = _Link(connection, connection.socket_timeout)
        # redis-py would make a task for each write, to watch its time; here `_look` watches.
        connection.socket_timeout = None
        link.tasks = (
            asyncio.create_task(self._send(link), name="redis-line-send"),
            asyncio.create_task(self._read(link), name="redis-line-read"),
        )
        return link

    async def _send(self, link: _Link) -> None:
        """Send what is to be sent until the connection breaks."""
        try:
            while True:
                await link.wake.wait()
                link.wake.clear()
                outgoing, link.outgoing = link.outgoing, []
                await link.connection.send_packed_command(outgoing, check_health=False)
        except (RedisError, OSError) as error:
            self._break(link, error)
        except AttributeError as error:  # redis-py's own connection broke while it was being read
            if link.connection.is_connected:
                raise
            self._break(link, RedisConnectionError(str(error)))

    async def _read(self, link: _Link) -> None:
        """Give each answer to who waits for it, until the connection breaks."""
        try:
            while True:
                try:
                    answer = await link.connection.read_response(timeout=math.inf)
                except ResponseError as error:
                    answer = error
                link.heard += 1
                if not link.asked:
                    raise RedisConnectionError("an answer to nothing")
                waiting = link.asked.popleft().answer
                if not waiting.done():  # who has been cancelled waits no more
                    waiting.set_result(answer)
        except (RedisError, OSError) as error:
            self._break(link, error)

    def _look(self) -> None:
        """Take Redis for away when what was asked first has waited for too long."""
        self._watch = None
        loop, link = asyncio.get_running_loop(), self._link
        if link is None or not link.asked:
            return
        due = link.asked[0].until
        if due <= loop.time():
            if link.late == link.heard:
                self._break(link, RedisTimeoutError("no answer in time"))
                return
            link.late = link.heard
            due = loop.time() + _GRACE_SECONDS
        self._watch = loop.call_at(due, self._look)

    def _break(self, link: _Link, error: Exception) -> None:
        """Tell everybody who waits; who asks next connects again."""
        if self._link is not link:
            return
        self._link = None
        if not isinstance(error, RedisError):
            error = RedisConnectionError(str(error))
        for each in link.asked:
            if not each.answer.done():
                each.answer.set_exception(error)
                each.answer.exception()  # asyncio complains of one that nobody has asked for
        link.asked.clear()
        self._closing = asyncio.create_task(self._give_back(link), name="redis-line-close")

    async def _give_back(self, link: _Link) -> None:
        await end(*link.tasks)
        await link.connection.disconnect(nowait=True)
        link.connection.socket_timeout = link.send_seconds
        await self._pool.release(link.connection)


def _pack(words: Sequence[Word]) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(words))  # type: ignore[arg-type]
    return packed
