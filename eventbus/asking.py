"""Questions from node to node, over Redis pub/sub, each with its answer.

For what only the node that holds a call can do or tell. Nothing is kept and nothing repeated: a
question that cannot be put, or is not answered in time, fails, and whoever asked says so. It may
have been carried out nevertheless, as with any request whose answer is lost.

Messages, UTF-8 JSON: on ``<prefix>:ask:<node>`` and, for all, ``<prefix>:ask``
``{"from", "id", "question"}``, with id 0 where no answer is wanted; on
``<prefix>:answer:<node>`` ``{"id", "answer"}``.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from eventbus.tasks import end

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 3.0
MOST_AT_ONCE = 100
"""Questions of others under way; further ones are left unanswered."""
_RETRY_SECONDS = 0.25

Serve = Callable[[Any], Awaitable[Any]]


class NodeSilent(Exception):
    """A node did not answer: it is gone, or Redis is.

    Attributes:
        node: its name.
    """

    def __init__(self, node: str) -> None:
        super().__init__(f"node {node} does not answer")
        self.node = node


async def _nothing(_question: Any) -> None:
    return None


class NodeAsking:
    """One node's way to ask the others, and to be asked.

    Args:
        redis: a client of the shared Redis; the owner closes it.
        node: this node.
        prefix: put before the channels' names.
        patience: how long an answer may take, seconds.

    Attributes:
        serve: answers questions, JSON to JSON; set before ``start``.
        connected: whether questions and answers arrive.
    """

    def __init__(
        self,
        *,
        redis: Redis,
        node: str,
        prefix: str = "hotline",
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.serve: Serve = _nothing
        self.connected = False
        self._redis = redis
        self._node = node
        self._patience = patience
        self._all = f"{prefix}:ask"
        self._own = f"{prefix}:ask:{node}"
        self._answers = f"{prefix}:answer:"
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[Any]] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen; returns at once, Redis there or not."""
        self._listener = asyncio.create_task(self._listen(), name="asking-listen")

    async def close(self) -> None:
        """Stop; whoever still waits for an answer gets none."""
        await end(self._listener)
        await end(*self._serving)

    async def ask(self, node: str, question: Any) -> Any:
        """Return a node's answer.

        Raises:
            NodeSilent: there is none.
        """
        with self._awaited() as (number, answers):
            try:
                async with asyncio.timeout(self._patience):
                    if not await self._publish(f"{self._all}:{node}", number, question):
                        raise NodeSilent(node)
                    return await answers.get()
            except (RedisError, OSError, TimeoutError) as error:
                raise NodeSilent(node) from error

    async def ask_all(self, question: Any) -> list[Any]:
        """Return the answers of all other nodes that give one in time."""
        told: list[Any] = []
        with self._awaited() as (number, answers):
            try:
                async with asyncio.timeout(self._patience):
                    others = await self._publish(self._all, number, question) - self.connected
                    while len(told) < others:
                        told.append(await answers.get())
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("not_all_nodes_answered", answers=len(told), error=repr(error))
        return told

    async def tell_all(self, message: Any) -> None:
        """Tell all other nodes something to which there is no answer; lost without Redis."""
        try:
            async with asyncio.timeout(self._patience):
                await self._publish(self._all, 0, message)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("other_nodes_not_told", error=repr(error))

    @contextlib.contextmanager
    def _awaited(self) -> Iterator[tuple[int, asyncio.Queue[Any]]]:
        number, answers = next(self._numbers), asyncio.Queue[Any]()
        self._waiting[number] = answers
        try:
            yield number, answers
        finally:
            del self._waiting[number]

    async def _publish(self, channel: str, number: int, question: Any) -> int:
        message = {"from": self._node, "id": number, "question": question}
        return int(await self._redis.publish(channel, json.dumps(message)))

    async def _listen(self) -> None:
        while True:
            pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
            try:
                await pubsub.subscribe(self._all, self._own, f"{self._answers}{self._node}")
                self.connected = True
                await self._take_from(pubsub)
            except (RedisError, OSError) as error:
                log.info("other_nodes_cannot_be_asked", error=str(error))
            finally:
                self.connected = False
                with contextlib.suppress(RedisError, OSError):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(_RETRY_SECONDS)

    async def _take_from(self, pubsub: PubSub) -> None:
        """Take messages until the connection breaks, which raises."""
        while True:
            message = await pubsub.get_message(timeout=1.0)
            if message is None:
                continue
            try:
                self._take(json.loads(message["data"]))
            except (ValueError, KeyError, TypeError) as error:
                log.warning("message_of_another_node_not_understood", error=repr(error))

    def _take(self, message: dict[str, Any]) -> None:
        number = message["id"]
        if "question" not in message:
            if (answers := self._waiting.get(number)) is not None:
                answers.put_nowait(message["answer"])
        elif message["from"] != self._node and len(self._serving) < MOST_AT_ONCE:
            answering = self._answer(str(message["from"]), number, message["question"])
            task = asyncio.create_task(answering, name="asking-answer")
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    async def _answer(self, asker: str, number: int, question: Any) -> None:
        try:
            message = {"id": number, "answer": await self.serve(question)}
            if number:
                await self._redis.publish(f"{self._answers}{asker}", json.dumps(message))
        except (RedisError, OSError) as error:
            log.info("answer_not_sent", asker=asker, error=str(error))
        except Exception:  # the task's outermost boundary
            log.exception("question_failed", asker=asker)
