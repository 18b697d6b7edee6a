"""Hands published events to the desktops: each agent his own, others by their role (masked).

The hub is called by the bus for every event and must neither wait nor look at clients that the
event does not concern: clients are indexed by agent. A client that reads too slowly overflows its
own buffer and is dropped; it comes back and starts from a fresh snapshot.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog

from eventbus.catalogue import CallBackChanged, CallOffered, Event
from web.access import READERS
from web.audience import FOR_EVERYBODY, others_who_see
from web.masking import masked_event
from web.ports import Bus
from web.ports_people import OnDesktop
from web.sessions import session_digest

log = structlog.get_logger(__name__)

BUFFERED_EVENTS = 512

_MASKED_TO_ALL = (CallOffered, CallBackChanged)
"""Who is held out a call may not get it; who takes somebody off the list has not called him."""


def encode(message: Mapping[str, Any]) -> str:
    """Return a message as it goes over the WebSocket."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


class FeedClient:
    """One connected desktop.

    Attributes:
        agent_id: who sits at it.
        role: his role, which decides whether others' events are shown to it.
        token: the session that it was opened with.
        dropped: set when it must go; ``why`` tells: slow, signed_out or taken_over.
    """

    def __init__(self, agent_id: str, *, role: str, token: str, buffered: int) -> None:
        self.agent_id = agent_id
        self.role = role
        self.token = token
        self.dropped = asyncio.Event()
        self.why: str | None = None
        self._buffer: asyncio.Queue[str] = asyncio.Queue(maxsize=buffered)

    def put(self, text: str) -> None:
        """Buffer a message; drop the client when there is no room."""
        try:
            self._buffer.put_nowait(text)
        except asyncio.QueueFull:
            self.drop("slow")

    async def next(self) -> str:
        """Wait for the next message."""
        return await self._buffer.get()

    def drop(self, why: str) -> None:
        """Say that the client must go; the first reason counts."""
        if self.why is None:
            self.why = why
            self.dropped.set()


class FeedHub:
    """All desktops connected to this node.

    Args:
        bus: where events come from.
        on_desktop: told when an agent's first desktop connects and when the last one goes.
        buffered: messages kept for a client that does not read.
    """

    def __init__(
        self, *, bus: Bus, on_desktop: OnDesktop | None = None, buffered: int = BUFFERED_EVENTS
    ) -> None:
        self._bus = bus
        self._on_desktop = on_desktop
        self._buffered = buffered
        self._clients: defaultdict[str, set[FeedClient]] = defaultdict(set)
        self._readers: set[FeedClient] = set()
        self._company: defaultdict[str, dict[Callable[[], None], str]] = defaultdict(dict)
        self._unsubscribe: Callable[[], None] | None = None

    def open(self) -> None:
        """Start listening to the bus."""
        self._unsubscribe = self._bus.subscribe(self._deliver)

    def close(self) -> None:
        """Stop listening to the bus."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def count(self) -> int:
        """Return how many desktops are connected."""
        return sum(map(len, self._clients.values()))

    @contextmanager
    def join(self, agent_id: str, *, role: str, token: str) -> Iterator[FeedClient]:
        """Connect a desktop for as long as the context lasts."""
        client = FeedClient(agent_id, role=role, token=token, buffered=self._buffered)
        if role == "agent":
            # He works at one desk: where he signed in last. Leaders have several screens.
            for other in self._clients.get(agent_id, ()):
                if other.token != token:
                    other.drop("taken_over")
        self._clients[agent_id].add(client)
        if role in READERS:
            self._readers.add(client)
        if len(self._clients[agent_id]) == 1:
            self._tell(agent_id, connected=True)
        try:
            yield client
        finally:
            self._readers.discard(client)
            self._clients[agent_id].discard(client)
            if not self._clients[agent_id]:
                del self._clients[agent_id]
                self._tell(agent_id, connected=False)

    @contextmanager
    def accompany(self, agent_id: str, token: str, end: Callable[[], None]) -> Iterator[None]:
        """Have ``end`` called when the session ends while the context lasts."""
        self._company[agent_id][end] = token
        try:
            yield
        finally:
            del self._company[agent_id][end]
            if not self._company[agent_id]:
                del self._company[agent_id]

    def taken_over(self, agent_id: str, session: str) -> None:
        """Drop an agent's desktops here: he works elsewhere, with the session of this digest."""
        for client in self._clients.get(agent_id, ()):
            if client.role == "agent" and session_digest(client.token) != session:
                client.drop("taken_over")

    def end_session(self, agent_id: str, token: str) -> None:
        """Drop the desktops that were opened with this session, and what accompanies them."""
        self._end(agent_id, lambda whose: whose == token)

    def end_other_sessions(self, agent_id: str, *, keep: str) -> None:
        """Drop an agent's desktops but those of this session."""
        self._end(agent_id, lambda whose: whose != keep)

    def _end(self, agent_id: str, is_over: Callable[[str], bool]) -> None:
        for client in self._clients.get(agent_id, ()):
            if is_over(client.token):
                client.drop("signed_out")
        for end, token in tuple(self._company.get(agent_id, {}).items()):
            if is_over(token):
                end()

    def _tell(self, agent_id: str, *, connected: bool) -> None:
        log.info("desktop", agent_id=agent_id, connected=connected)
        if self._on_desktop is not None:
            self._on_desktop(agent_id, connected)

    def _deliver(self, event: Event) -> None:
        own = self._clients.get(event.agent_id, ()) if event.agent_id is not None else ()
        for_all = isinstance(event, FOR_EVERYBODY)
        if not own and not self._readers and not for_all:
            return
        message = event.to_dict()
        if for_all:
            text = encode(message)
            for clients in self._clients.values():
                for client in clients:
                    client.put(text)
            return
        if own:
            text = encode(masked_event(message) if isinstance(event, _MASKED_TO_ALL) else message)
            for client in own:
                client.put(text)
        roles = others_who_see(event)
        others = [c for c in self._readers if c.role in roles and c.agent_id != event.agent_id]
        if others:
            text = encode(masked_event(message))
            for client in others:
                client.put(text)
