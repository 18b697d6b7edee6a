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
from telephony.bindings import Binding, BindingStore, Changed
from telephony.redis_bindings import OPERATION_SECONDS
from telephony.sip.hop import life_of

log = structlog.get_logger(__name__)

#: A node beats so often at least, and three times within what it takes to be dead.
BEAT_SECONDS: Final = 2.0

_BEAT: Final = """
local beats = redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
return {beats, redis.call('HGETALL', KEYS[1])}
"""


class Lives(Protocol):
    """Where the lives of all nodes beat."""

    async def beat(self, life: int) -> Mapping[str, float] | None:
        """Beat once more; return how often each life has. None: that is not known now."""
        ...

    async def forget(self, life: str) -> bool:
        """Forget one that is over; whoever lives that life learns by it. False: not done."""
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

    async def forget(self, life: str) -> bool:
        """See `Lives`."""
        with suppress(RedisError, OSError):
            async with asyncio.timeout(OPERATION_SECONDS):
                await self._redis.hdel(self._key, life)
                return True
        return False


class LostConnections:
    """Takes back what was registered over connections of nodes that have died.

    Args:
        bindings: of all nodes.
        lives: of all nodes.
        life: this node's own, once it listens.
        expiry_seconds: without a beat for so long a node is dead.
        clock: monotonic seconds.

    Attributes:
        beat_seconds: how often to beat.
        due: set while there is something for `take_back` to do.
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
        self.beat_seconds = min(BEAT_SECONDS, expiry_seconds / 3)
        self.due = asyncio.Event()
        self._bindings = bindings
        self._lives = lives
        self._life = life
        self._expiry = expiry_seconds
        self._clock = clock
        self._signs = VitalSigns(expiry_seconds)
        self._beats: Mapping[str, float] = {}
        self._dead: set[str] = set()
        self._begun: dict[str, float] = {}  # whose phones are being taken back → beats until then
        self._buried = False  # others took us for dead, and our phones are not restored yet
        self._untold: set[str] = set()

    async def beat(self) -> None:
        """Show that this node lives, and see who else does."""
        own = str(self._life())
        beats = await self._lives.beat(self._life())
        if beats is None:
            # the others may not have been able to beat either
            self._signs, self._dead = VitalSigns(self._expiry), set()
            return
        # whoever takes a life for dead forgets it: then it begins to count anew
        self._buried |= beats[own] <= self._beats.get(own, 0.0)
        self._beats = beats
        self._dead = set(self._signs.look(beats, self._clock())) - {own}
        if self._buried or self._dead or self._begun or self._untold:
            self.due.set()

    async def take_back(self) -> list[str]:
        """Bury the dead, and restore our own phones if we were taken for dead.

        Returns: the addresses-of-record whose phones may have changed, as soon as the bindings can
        say how many are left.
        """
        self.due.clear()
        done = [await self._bury(life) for life in sorted(self._dead | self._begun.keys())]
        if self._buried:
            self._buried = False
            done.append(await self._bindings.restore())
            self._buried |= not done[-1].whole
        for changed in done:
            self._untold.update(changed.aors)
        if not all(changed.whole for changed in done):
            return []
        told, self._untold = sorted(self._untold), set()
        return told

    async def _bury(self, life: str) -> Changed:
        """Take back a dead life's phones; a burial that has begun ends with its being forgotten.

        A node that was only slow does not know what was taken from it until then.
        """

        def ended(binding: Binding) -> bool:
            return binding.hop.tied and str(life_of(binding.flow)) == life

        changed = Changed([])
        if life in self._dead:
            self._begun.setdefault(life, self._beats[life])
            changed = await self._bindings.end(ended)
            if changed.aors:
                log.warning("phones_of_a_dead_node", count=len(changed.aors))
            over = changed.whole
        else:  # it lives after all, or somebody else has forgotten it
            over = life in self._begun and self._beats.get(life) != self._begun[life]
        if over and await self._lives.forget(life):
            self._begun.pop(life, None)
            self._dead.discard(life)
        return changed


def _text(word: bytes | str) -> str:
    return word.decode() if isinstance(word, bytes) else word
