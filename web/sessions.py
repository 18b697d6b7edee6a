"""Who is signed in on the web: random tokens, kept on the server, with an idle time-out.

A token is 256 random bits. Stores keep only its SHA-256, so nobody who reads the store can sign
in with what he finds. Nodes share sessions through Redis; while Redis is away each node goes on
with those it has seen.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
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

    async def revoke(self, token: str) -> None:
        """Forget the token."""


def _key(token: str) -> str:
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
        agent_id, ends = self._sessions.get(_key(token), (None, 0.0))
        if agent_id is None or ends <= self._clock():
            self._sessions.pop(_key(token), None)
            return None
        self.remember(token, agent_id)
        return agent_id

    async def revoke(self, token: str) -> None:
        """See `SessionStore.revoke`."""
        self._sessions.pop(_key(token), None)

    def remember(self, token: str, agent_id: str) -> None:
        """Put a session that was made elsewhere, or start its idle time anew."""
        self._sessions[_key(token)] = (agent_id, self._clock() + self._idle)


class RedisSessions:
    """Sessions that all nodes share: one expiring key each, ``{prefix}:session:{sha256}``.

    A sign-out is kept as an empty value, so that a key which is merely missing can only mean that
    Redis lost it (a restart): the node that knows the session puts it back, and nobody has to
    sign in again in the middle of a call.

    Args:
        redis: a client with ``decode_responses`` on or off.
        prefix: first part of every key.
        idle_seconds: an unused session ends after this.
        clock: monotonic seconds, for the node's own copy.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        prefix: str = "hotline",
        idle_seconds: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._prefix = prefix
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
        name = self._name(token)
        if name in self._revoked:
            return None
        try:
            for revoked in tuple(self._revoked):
                await self._write(revoked, "")
                self._revoked.discard(revoked)
            async with asyncio.timeout(_PATIENCE_SECONDS):
                found = await self._redis.getex(name, px=self._idle_ms)
            if found is None:
                return await self._put_back(token)
        except (RedisError, OSError):
            return await self._seen.touch(token)
        agent_id = found.decode() if isinstance(found, bytes) else str(found)
        if not agent_id:
            await self._seen.revoke(token)
            return None
        self._seen.remember(token, agent_id)
        return agent_id

    async def revoke(self, token: str) -> None:
        """See `SessionStore.revoke`."""
        await self._seen.revoke(token)
        try:
            await self._write(self._name(token), "")
        except (RedisError, OSError):
            self._revoked.add(self._name(token))

    async def _put_back(self, token: str) -> str | None:
        agent_id = await self._seen.touch(token)
        if agent_id is not None:
            await self._write(self._name(token), agent_id)
        return agent_id

    async def _write(self, name: str, value: str) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await self._redis.set(name, value, px=self._idle_ms)

    def _name(self, token: str) -> str:
        return f"{self._prefix}:session:{_key(token)}"
