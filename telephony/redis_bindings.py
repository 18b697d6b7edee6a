"""Registered phones in Redis, shared by the nodes."""

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache, partial
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from eventbus.known import known
from eventbus.redis_line import RedisLine
from eventbus.tasks import end
from telephony.binding_scripts import END, KEPT_SECONDS, LOOKUP, REMOVE, SAVE
from telephony.bindings import Changed, MemoryBindings
from telephony.sip.hop import Hop
from telephony.sip.registrar import Binding, is_same_phone

RETRY_SECONDS = 1.0
OPERATION_SECONDS = 1.0  # a registration or an offer does not wait longer for Redis
_AWAY = (RedisError, OSError)
_AT_ONCE = 50
"""So many addresses-of-record are read, ended or restored in one turn."""
_WITHDRAWN_AT_ONCE = 200
"""So many of the withdrawn are read in one go: reading 10,000 takes half a second."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class RedisBindings:
    """Redis, shared by the nodes, with what this node knows at hand while Redis is away.

    No method raises because Redis is away: answers then come from the cache, and changes are kept
    and written when it is back. If it has lost its data, each node writes again what was registered
    there, except what another node has withdrawn: each learns that from a stream, whenever
    it asks who has lapsed.

    Args:
        redis: the client; its socket timeouts bound how long the first call after a loss waits.
        prefix: begins every key.
        clock: Unix seconds.
        retry_seconds: how often an absent Redis is tried.
        is_alive: tells whether a connection to this node is still there.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        prefix: str = "hotline",
        clock: Callable[[], float] = time.time,
        retry_seconds: float = RETRY_SECONDS,
        is_alive: Callable[[Hop], bool] = lambda _hop: True,
    ) -> None:
        self._redis = redis
        self._line = RedisLine(redis, answer_seconds=OPERATION_SECONDS)
        # one hash tag, so that the keys of a script are on one node of a Redis Cluster
        self._base = f"{{{prefix}:bindings}}"
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._is_alive = is_alive
        self._cache = MemoryBindings(clock=clock)
        self._own = MemoryBindings(clock=clock)  # registered at this node
        self._pending: dict[tuple[str, str], Binding | None] = {}  # None: remove it
        self._epoch: bytes | str | None = None  # of the data in Redis, when last seen
        self._read_until = "0"  # in the stream of the withdrawn
        self._turn = asyncio.Lock()
        self._changes = 0  # how many have been asked for: what was read before one may be old
        self._retrying: asyncio.Task[None] | None = None

    @property
    def away(self) -> bool:
        """Whether Redis did not answer when last asked."""
        return self._retrying is not None

    async def save(self, aor: str, binding: Binding) -> None:
        """See `BindingStore`."""
        if self._cache.put(aor, binding):
            self._own.put(aor, binding)
            await self._change(aor, binding.contact_uri, binding)

    async def remove(self, aor: str, contact: str) -> None:
        """See `BindingStore`."""
        self._cache.drop(aor, contact)
        self._own.drop(aor, contact)
        await self._change(aor, contact, None)

    async def end(self, over: Callable[[Binding], bool]) -> Changed:
        """See `BindingStore`."""
        ended: set[str] = set()
        whole = False
        with suppress(*_AWAY):
            aors = {aor for aor, _ in await self._in_turn(self._read_index)}
            for some in _parts(aors):
                await self._in_turn(partial(self._end, some, over, ended))
            whole = True
        return Changed(sorted(ended), whole)

    async def _end(
        self, aors: Sequence[str], over: Callable[[Binding], bool], ended: set[str]
    ) -> None:
        gone = [one for one in await self._read_all(aors) if over(one)]
        # noted first: Redis may do what it is asked and fail to say so
        ended |= {one.aor for one in gone}
        await asyncio.gather(
            *(
                self._run(
                    END,
                    one.aor,
                    one.contact_uri,
                    json.dumps([one.aor, one.contact_uri]),
                    one.call_id,
                    one.cseq,
                )
                for one in gone
            )
        )

    async def _read_all(self, aors: Iterable[str]) -> list[Binding]:
        found = await asyncio.gather(*(self._read(aor) for aor in aors))
        return [binding for _, bindings in found for binding in bindings]

    async def restore(self) -> Changed:
        """See `BindingStore`."""
        own = self._own.everything().values()
        aors = sorted({binding.aor for binding in own if self._is_held(binding)})
        whole = False
        with suppress(*_AWAY):
            await self._in_turn(self._forget_withdrawn)
            for some in _parts(aors):
                await self._in_turn(partial(self._save_again, some))
            whole = True
        return Changed(aors, whole)

    async def _save_again(self, aors: Sequence[str]) -> None:
        found = await self._read_all(aors)
        for aor in aors:
            present = [binding for binding in found if binding.aor == aor]
            for binding in self._own.live(aor):
                key = aor, binding.contact_uri
                missing = binding.contact_uri not in {one.contact_uri for one in present}
                if missing and self._is_held(binding) and not _is_replaced(binding, present):
                    self._pending.setdefault(key, binding)
        await self._write_pending()

    def _is_held(self, binding: Binding) -> bool:
        """Tell whether a connection to this node leads to the phone, and nothing else does."""
        return binding.hop.tied and self._is_alive(binding.hop)

    async def _change(self, aor: str, contact: str, binding: Binding | None) -> None:
        # taken out first: a later change of the same binding goes to the end of the line
        self._pending.pop((aor, contact), None)
        self._pending[aor, contact] = binding
        self._changes += 1
        if not self.away:
            with suppress(*_AWAY):
                await self._in_turn(self._write_pending)

    async def lookup(self, aor: str) -> list[Binding]:
        """See `BindingStore`."""
        if not self.away:
            with suppress(*_AWAY):
                await self._refresh(aor)
        return self._cache.live(aor)

    async def count(self) -> int:
        """See `BindingStore`."""
        return len(await self._index())

    async def aors(self) -> list[str]:
        """See `BindingStore`."""
        return sorted({aor for aor, _ in await self._index()})

    async def lapsed(self, since: float, until: float) -> list[str] | None:
        """See `BindingStore`."""
        if self.away:
            return None
        with suppress(*_AWAY):
            return await self._in_turn(partial(self._read_lapsed, since, until))
        return None

    async def _read_lapsed(self, since: float, until: float) -> list[str]:
        await self._forget_withdrawn()
        members: Any = await self._redis.zrangebyscore(
            self._key("index"), f"({since!r}", repr(until)
        )
        return sorted({json.loads(member)[0] for member in members})

    async def _forget_withdrawn(self) -> None:
        """Forget what was registered here and withdrawn at another node since it was looked last.

        Otherwise it would come back when Redis has lost its data, for its connection to this node
        may live on. What was only ended (`end`) is not in the stream: that may be an error.
        """
        more = True
        while more:  # what has been read stays so, however far the time suffices
            after = f"({self._read_until}"
            entries: Any = await self._redis.xrange(
                self._key("withdrawn"), after, count=_WITHDRAWN_AT_ONCE
            )
            for name, fields in entries:
                self._read_until = _text(name)
                [value] = fields.values()
                gone = _read_binding(value)
                for binding in self._own.live(gone.aor):
                    if binding == gone:
                        self._own.drop(gone.aor, gone.contact_uri)
            more = len(entries) == _WITHDRAWN_AT_ONCE

    async def _index(self) -> set[tuple[str, str]]:
        """Return AOR and Contact URI of all live bindings."""
        if not self.away:
            with suppress(*_AWAY):
                return await self._in_turn(self._read_index)
        return set(self._cache.everything())

    async def _read_index(self) -> set[tuple[str, str]]:
        now = repr(self._clock())
        members: Any = await self._redis.zrangebyscore(self._key("index"), f"({now}", "+inf")
        pairs = (json.loads(member) for member in members)
        return {(aor, contact) for aor, contact in pairs}

    async def close(self) -> None:
        """Stop trying; the client is its owner's to close."""
        await end(self._retrying)
        self._retrying = None
        await self._line.close()

    # Redis

    async def _in_turn(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something with Redis, nothing else of ours meanwhile that is done in turn."""
        async with self._turn:
            if self.away:  # found out by whoever was before us in the line
                raise ConnectionError("Redis is away")
            return await self._watched(work)

    async def _watched(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something with Redis; begin to wait for its return when it does not answer."""
        try:
            async with asyncio.timeout(OPERATION_SECONDS):
                return await work()
        except _AWAY as error:
            if self._retrying is None:
                log.warning("bindings_without_redis", error=str(error))
                self._retrying = asyncio.create_task(self._retry(), name="bindings-retry")
            raise

    async def _retry(self) -> None:
        """Wait for Redis, then write what it has missed."""
        while True:
            await asyncio.sleep(self._retry_seconds)
            with suppress(*_AWAY):
                async with self._turn, asyncio.timeout(OPERATION_SECONDS):
                    await self._restore()
                break
        self._retrying = None
        log.info("bindings_with_redis")

    async def _restore(self) -> None:
        whole, _ = await self._read("")
        if not whole:
            self._requeue_own()
        await self._write_pending()

    def _requeue_own(self) -> None:
        """Write again what was registered here: Redis has lost it."""
        self._epoch = None
        for key, binding in self._own.everything().items():
            if self._is_held(binding) or not binding.hop.tied:
                self._pending.setdefault(key, binding)

    async def _write_pending(self) -> None:
        """Write the changes in their order; what could not be written stays."""
        now = self._clock()
        while self._pending:
            (aor, contact), binding = next(iter(self._pending.items()))
            if binding is None:
                await self._run(REMOVE, aor, contact, json.dumps([aor, contact]))
            elif binding.expires_at > now:
                epoch = await self._run(
                    SAVE,
                    aor,
                    contact,
                    json.dumps(asdict(binding)),
                    binding.call_id,
                    binding.cseq,
                    repr(binding.expires_at),
                    json.dumps([aor, contact]),
                    repr(now),
                    KEPT_SECONDS,
                    secrets.token_hex(8),
                )
                if not self._is_whole(epoch):
                    self._requeue_own()
            if self._pending.get((aor, contact)) is binding:  # not changed while it was written
                del self._pending[aor, contact]

    async def _refresh(self, aor: str) -> None:
        """Bring the cache up to date for one AOR.

        Calls look up their agents' phones at the same time; in turn, each would wait for the
        answers to all others.
        """
        if self._pending or not await self._watched(partial(self._read_at_once, aor)):
            await self._in_turn(partial(self._read_in_turn, aor))

    async def _read_at_once(self, aor: str) -> bool:
        """Read, unless something changes meanwhile or Redis has lost all: then return False."""
        before = self._changes
        whole, bindings = await self._read(aor)
        if self._changes != before or not whole:
            return False
        self._take(aor, bindings)
        return True

    async def _read_in_turn(self, aor: str) -> None:
        await self._write_pending()
        whole, bindings = await self._read(aor)
        if not whole:
            self._requeue_own()
            await self._write_pending()
            _, bindings = await self._read(aor)
        self._take(aor, bindings)

    def _take(self, aor: str, bindings: Sequence[Binding]) -> None:
        """Take over what Redis holds for one AOR, and forget what another node removed.

        What we hold is kept: who took us for dead removed it too, and it is to be restored.
        """
        self._cache.replace(aor, bindings)
        kept = {binding.contact_uri for binding in bindings}
        for binding in self._own.live(aor):
            if self._is_held(binding):
                forgotten = _is_replaced(binding, bindings)
            else:
                forgotten = binding.contact_uri not in kept
            if forgotten:
                self._own.drop(aor, binding.contact_uri)

    async def _read(self, aor: str) -> tuple[bool, list[Binding]]:
        epoch, values = await self._run(LOOKUP, aor)
        return self._is_whole(epoch), [_read_binding(value) for value in values]

    def _is_whole(self, epoch: bytes | str | None) -> bool:
        """Tell whether Redis still has what it had when it was last seen."""
        if self._epoch is None:
            self._epoch = epoch
        return epoch == self._epoch

    async def _run(self, script: str, aor: str, *args: str | float) -> Any:
        names = (f"aor:{aor}", "index", "epoch", "withdrawn")
        keys = [self._key(name) for name in names]
        words = (str(len(keys)), *keys, *args)
        try:
            return await self._line.ask("EVALSHA", _sha(script), *words)
        except NoScriptError:
            return await self._line.ask("EVAL", script, *words)

    def _key(self, name: str) -> str:
        return f"{self._base}:{name}"


def _is_replaced(binding: Binding, present: Iterable[Binding]) -> bool:
    """Tell whether its phone has registered over another connection since."""
    return any(
        other.flow != binding.flow
        and other.expires_at >= binding.expires_at
        and (other.contact_uri == binding.contact_uri or is_same_phone(other, binding))
        for other in present
    )


def _parts(aors: Iterable[str]) -> Iterator[list[str]]:
    """Divide addresses-of-record into what is done in one turn."""
    rest = sorted(aors)
    while rest:
        part, rest = rest[:_AT_ONCE], rest[_AT_ONCE:]
        yield part


def _text(word: bytes | str) -> str:
    return word.decode() if isinstance(word, bytes) else word


@cache
def _sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _read_binding(value: str | bytes) -> Binding:
    fields = known(Binding, json.loads(value))
    fields |= {"received": tuple(fields["received"]), "path": tuple(fields.get("path", ()))}
    return Binding(**fields)
