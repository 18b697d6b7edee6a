"""Which calls wait at which node, told to all nodes through Redis.

One hash, a field for each node; what a node has not renewed lately is not believed, so the waiting
calls of a node that died vanish from the boards by themselves.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from calls.statistics.live import Waiting
from eventbus.known import known

BELIEVED_SECONDS: Final = 10.0
_PATIENCE_SECONDS: Final = 1.0


class SharedWaiting:
    """The hash ``{prefix}:waiting``.

    Args:
        redis: the client.
        prefix: first part of the key.
        node: whose field is written.
    """

    def __init__(self, redis: Redis, *, prefix: str, node: str) -> None:
        self._redis = redis
        self._key = f"{prefix}:waiting"
        self._node = node

    async def exchange(self, now: float, own: Sequence[Waiting]) -> list[Waiting]:
        """Tell of this node's waiting calls and return the others'; nothing while Redis is away."""
        told = json.dumps({"at": now, "calls": [asdict(call) for call in own]})
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._redis.pipeline() as pipe:
                pipe.hset(self._key, self._node, told)
                pipe.expire(self._key, int(BELIEVED_SECONDS * 6))
                pipe.hgetall(self._key)
                found = (await pipe.execute())[-1]
        except (RedisError, OSError, TimeoutError):
            return []
        return [
            call
            for node, text in found.items()
            if _text(node) != self._node
            for call in read(_text(text), now)
        ]


def read(text: str, now: float) -> list[Waiting]:
    """Return the calls of one field; none of one that is stale or not ours."""
    try:
        told: Any = json.loads(text)
        if now - told["at"] > BELIEVED_SECONDS:
            return []
        return [Waiting(**known(Waiting, call)) for call in told["calls"]]
    except (ValueError, TypeError, KeyError):
        return []


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
