"""Phones whose connection ended with the node that held it.

A phone that came over TCP, TLS or WebSocket is reached over that connection alone (RFC 5626 §5.3),
and no other node takes it up: when a node dies, whoever lives takes back what was registered there.
Each run of a node is a *life* that beats in Redis; its connections' numbers tell which life they
are of (`telephony.sip.hop.life_of`).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from eventbus.vital_signs import VitalSigns
from telephony.bindings import Binding, BindingStore
from telephony.redis_bindings import OPERATION_SECONDS
from telephony.sip.hop import life_of

log = structlog.get_logger(__name__)

_BEAT: Final = """
local beats = redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
return {beats, redis.call('HGETALL', KEYS[1])}
"""


class Lives(Protocol):
    """Where the lives of all nodes beat."""

    async def beat(self, life: int) -> Mapping[str, float] | None:
        """Beat once more; return how often each life has. None: that is not known now."""
        ...

    async def forget(self, life: str) -> None:
        """Forget one that is over."""
        ...


class RedisLives:
    """One hash for all nodes, life → how often it has beaten.

    Args:
        redis: the client.
        prefix: begins the key.
    """

    def __init__(self, redis: Redis, *, prefix: str = "hotline") -> None:
        self._redis = redis
        self._key = f"{{{prefix}:bindings}}:lives"

    async def beat(self, life: int) -> Mapping[str, float] | None:
        """See `Lives`."""
        with suppress(RedisError, OSError):
            async with asyncio.timeout(OPERATION_SECONDS):
                answer: Any = await self._redis.eval(_BEAT, 1, self._key, str(life))
                words = [_text(word) for word in answer[1]]
                return {
                    name: float(beats) for name, beats in zip(words[::2], words[1::2], strict=True)
                }
        return None

    async def forget(self, life: str) -> None:
        """See `Lives`. With Redis away it stays, and is found dead again."""
        with suppress(RedisError, OSError):
            async with asyncio.timeout(OPERATION_SECONDS):
                await self._redis.hdel(self._key, life)


class LostConnections:
    """Takes back what was registered over connections of nodes that have died.

    Args:
        bindings: of all nodes.
        lives: of all nodes.
        life: this node's own, once it listens.
        expiry_seconds: without a beat for so long a node is dead.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        bindings: BindingStore,
        lives: Lives,
        *,
        life: Callable[[], int],
        expiry_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bindings = bindings
        self._lives = lives
        self._life = life
        self._expiry = expiry_seconds
        self._clock = clock
        self._signs = VitalSigns(expiry_seconds)
        self._beats = 0.0

    async def look(self) -> list[str]:
        """Beat, and bury the dead; return the addresses-of-record whose phones may have changed."""
        own = str(self._life())
        beats = await self._lives.beat(self._life())
        if beats is None:
            # the others may not have been able to beat either
            self._signs = VitalSigns(self._expiry)
            return []
        before, self._beats = self._beats, beats[own]
        changed = await self._bindings.restore() if beats[own] <= before else []
        for life in self._signs.look(beats, self._clock()):
            if life != own:
                changed += await self._bury(life)
        return changed

    async def _bury(self, life: str) -> list[str]:
        def ended(binding: Binding) -> bool:
            hop = binding.hop
            return hop.reliable and hop.pinned and str(life_of(binding.flow)) == life

        lost = await self._bindings.end(ended)
        if lost is None:
            return []
        await self._lives.forget(life)
        if lost:
            log.warning("phones_of_a_dead_node", count=len(lost))
        return lost


def _text(word: bytes | str) -> str:
    return word.decode() if isinstance(word, bytes) else word
