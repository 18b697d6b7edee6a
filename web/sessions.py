"""Who is signed in on the web: random tokens, kept on the server, with an idle time-out.

A token is 256 random bits. Stores keep only its SHA-256, so nobody who reads the store can sign
in with what he finds. Nodes share sessions through Redis; while Redis is away each node goes on
with those it has seen.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

IDLE_SECONDS = 3600.0
_PATIENCE_SECONDS = 1.0  # with a Redis that is connected but says nothing


class SessionStore(Protocol):
    """Tokens and whose they are."""

    async def create(self, agent_id: str) -> str:
        """Return a new token for the agent."""

    async def touch(self, token: str) -> str | None:
        """Return whose token it is and start its idle time anew; None when unknown or too old."""

    async def peek(self, token: str) -> str | None:
        """Return whose token it is; its idle time goes on."""

    async def revoke(self, token: str) -> None:
        """Forget the token."""

    async def revoke_others(self, agent_id: str, *, keep: str | None = None) -> None:
        """Forget all tokens of an agent but this one."""

    async def lasts(self, digest: str) -> bool:
        """Tell whether the session with this digest goes on; its idle time too."""


class Ended(Protocol):
    """Where ended sessions are noted for good (``agents/ended_sessions.py``)."""

    async def add(self, digests: Iterable[str]) -> None:
        """Note sessions as ended."""

    async def has(self, digest: str) -> bool:
        """Tell whether a session was ended."""


class MemoryEnded:
    """Ended sessions of one process."""

    def __init__(self) -> None:
        self._digests: set[str] = set()

    async def add(self, digests: Iterable[str]) -> None:
        """See `Ended.add`."""
        self._digests.update(digests)

    async def has(self, digest: str) -> bool:
        """See `Ended.has`."""
        return digest in self._digests


def session_digest(token: str) -> str:
    """Return what tells a session from others and cannot be used as one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class MemorySessions:
    """Sessions of one node.

    Args:
        idle_seconds: an unused session ends after this.
        clock: monotonic seconds.
    """

    def __init__(
        self, *, idle_seconds: float = IDLE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._idle = idle_seconds
        self._clock = clock
        self._sessions: dict[str, tuple[str, float]] = {}

    async def create(self, agent_id: str) -> str:
        """See `SessionStore.create`; also forgets sessions that ran out."""
        now = self._clock()
        self._sessions = {k: entry for k, entry in self._sessions.items() if entry[1] > now}
        token = secrets.token_urlsafe(32)
        self.remember(token, agent_id)
        return token

    async def touch(self, token: str) -> str | None:
        """See `SessionStore.touch`."""
        agent_id, ends = self._sessions.get(session_digest(token), (None, 0.0))
        if agent_id is None or ends <= self._clock():
            self._sessions.pop(session_digest(token), None)
            return None
        self.remember(token, agent_id)
        return agent_id

    async def peek(self, token: str) -> str | None:
        """See `SessionStore.peek`."""
        agent_id, ends = self._sessions.get(session_digest(token), (None, 0.0))
        return agent_id if ends > self._clock() else None

    async def revoke(self, token: str) -> None:
        """See `SessionStore.revoke`."""
        self._sessions.pop(session_digest(token), None)

    async def revoke_others(self, agent_id: str, *, keep: str | None = None) -> None:
        """See `SessionStore.revoke_others`."""
        kept = session_digest(keep) if keep is not None else None
        for digest in self.digests_of(agent_id):
            if digest != kept:
                del self._sessions[digest]

    def digests_of(self, agent_id: str) -> list[str]:
        """Return the digests of an agent's sessions."""
        return [digest for digest, (whose, _) in self._sessions.items() if whose == agent_id]

    async def lasts(self, digest: str) -> bool:
        """See `SessionStore.lasts`."""
        _, ends = self._sessions.get(digest, (None, 0.0))
        return ends > self._clock()

    def remember(self, token: str, agent_id: str, left: float | None = None) -> None:
        """Put a session that was made elsewhere, or start its idle time anew.

        Args:
            token: of the session.
            agent_id: whose it is.
            left: seconds of its idle time; None: all of it.
        """
        ends = self._clock() + (self._idle if left is None else left)
        self._sessions[session_digest(token)] = (agent_id, ends)

    def left(self, token: str) -> float:
        """Return how many seconds of a session's idle time are left; 0: it is unknown or over."""
        _, ends = self._sessions.get(session_digest(token), (None, 0.0))
        return max(ends - self._clock(), 0.0)


class RedisSessions:
    """Sessions that all nodes share: one expiring key each, ``{prefix}:session:{sha256}``.

    A sign-out is kept as an empty value, so that a key which is merely missing can only mean that
    Redis lost it (a restart): the node that knows the session puts it back, with what is left of
    its idle time, and nobody has to sign in again in the middle of a call. Sign-outs are also noted
    where they last: without it another node that knows the session would put it back.

    Args:
        redis: a client with ``decode_responses`` on or off.
        ended: where ended sessions are noted.
        prefix: first part of every key.
        idle_seconds: an unused session ends after this.
        clock: monotonic seconds, for the node's own copy.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        ended: Ended | None = None,
        prefix: str = "hotline",
        idle_seconds: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._ended = ended or MemoryEnded()
        self._prefix_of_names = f"{prefix}:session:"
        self._idle_ms = int(idle_seconds * 1000)
        self._seen = MemorySessions(idle_seconds=idle_seconds, clock=clock)
        self._revoked: set[str] = set()  # signed out while Redis was away; told on its return

    async def create(self, agent_id: str) -> str:
        """See `SessionStore.create`."""
        token = await self._seen.create(agent_id)
        with suppress(RedisError, OSError):  # put back by the first touch after Redis returned
            await self._write(self._name(token), agent_id)
        return token

    async def touch(self, token: str) -> str | None:
        """See `SessionStore.touch`."""
        if self._name(token) in self._revoked:
            return None
        try:
            await self._tell_revoked()
            async with asyncio.timeout(_PATIENCE_SECONDS):
                found = await self._redis.getex(self._name(token), px=self._idle_ms)
            if found is None:
                return await self._put_back(token, await self._seen.touch(token))
        except (RedisError, OSError):
            return await self._unless_ended(token, await self._seen.touch(token))
        return await self._known(token, found, None)

    async def peek(self, token: str) -> str | None:
        """See `SessionStore.peek`."""
        name = self._name(token)
        if name in self._revoked:
            return None
        try:
            await self._tell_revoked()
            async with asyncio.timeout(_PATIENCE_SECONDS):
                found, left = await asyncio.gather(self._redis.get(name), self._redis.pttl(name))
            if found is None:
                return await self._put_back(token, await self._seen.peek(token))
        except (RedisError, OSError):
            return await self._unless_ended(token, await self._seen.peek(token))
        return await self._known(token, found, max(left, 0) / 1000)

    async def revoke(self, token: str) -> None:
        """See `SessionStore.revoke`."""
        await self._seen.revoke(token)
        await self._end({self._name(token)})

    async def revoke_others(self, agent_id: str, *, keep: str | None = None) -> None:
        """See `SessionStore.revoke_others`; looks at every session, for it is seldom asked for."""
        kept = self._name(keep) if keep is not None else None
        names = {self._prefix_of_names + digest for digest in self._seen.digests_of(agent_id)}
        await self._seen.revoke_others(agent_id, keep=keep)
        with suppress(RedisError, OSError):  # then only those that this node has seen
            async for raw in self._redis.scan_iter(match=f"{self._prefix_of_names}*", count=1000):
                name = raw.decode() if isinstance(raw, bytes) else raw
                if _text(await self._redis.get(name)) == agent_id:
                    names.add(name)
        await self._end(names - {kept})

    async def lasts(self, digest: str) -> bool:
        """See `SessionStore.lasts`."""
        name = self._prefix_of_names + digest
        if name in self._revoked:
            return False
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                found = await self._redis.get(name)
        except (RedisError, OSError):
            found = None
        if found is not None:
            return bool(found)
        return await self._seen.lasts(digest) and not await self._ended.has(digest)

    async def _end(self, names: set[str]) -> None:
        await self._ended.add(name.removeprefix(self._prefix_of_names) for name in names)
        for name in names:
            try:
                await self._write(name, "")
            except (RedisError, OSError):
                self._revoked.add(name)

    async def _unless_ended(self, token: str, agent_id: str | None) -> str | None:
        """Return whose session it is; None when it was ended, which Redis may not know."""
        if agent_id is None or not await self._ended.has(session_digest(token)):
            return agent_id
        await self._seen.revoke(token)
        return None

    async def _tell_revoked(self) -> None:
        for revoked in tuple(self._revoked):
            await self._write(revoked, "")
            self._revoked.discard(revoked)

    async def _known(self, token: str, found: bytes | str, left: float | None) -> str | None:
        agent_id = _text(found)
        if not agent_id:
            await self._seen.revoke(token)
            return None
        self._seen.remember(token, agent_id, left)
        return agent_id

    async def _put_back(self, token: str, agent_id: str | None) -> str | None:
        agent_id = await self._unless_ended(token, agent_id)
        left_ms = int(self._seen.left(token) * 1000)
        if agent_id is not None and left_ms > 0:
            await self._write(self._name(token), agent_id, left_ms)
        return agent_id

    async def _write(self, name: str, value: str, left_ms: int | None = None) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await self._redis.set(name, value, px=left_ms or self._idle_ms)

    def _name(self, token: str) -> str:
        return self._prefix_of_names + session_digest(token)


def _text(found: bytes | str | None) -> str:
    return found.decode() if isinstance(found, bytes) else found or ""
