"""Keeps a node at the newest versions of its documents."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from calls.documents import Book
from eventbus.bus import EventBus
from eventbus.catalogue import DocumentChanged, Event
from eventbus.tasks import end

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 60.0
"""So often a node looks by itself, in case it missed an event."""


class DocumentKeeper:
    """Loads what other nodes have changed.

    Args:
        books: the documents.
        bus: says that another node has changed one.
        look_seconds: how often it looks by itself.
    """

    def __init__(
        self, books: Iterable[Book[Any]], *, bus: EventBus, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._books = {book.name: book for book in books}
        self._bus = bus
        self._look_seconds = look_seconds
        self._stale: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Take the newest versions into force and begin to watch."""
        for book in self._books.values():
            await book.load()
        self._unsubscribe = self._bus.subscribe(self._on_event)
        self._task = asyncio.create_task(self._watch(), name="documents")

    async def close(self) -> None:
        """Stop."""
        self._unsubscribe()
        await end(self._task)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, DocumentChanged) and event.document in self._books:
            self._stale.add(event.document)
            self._wake.set()

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._look_seconds):
                    await self._wake.wait()
            except TimeoutError:
                self._stale |= set(self._books)
            self._wake.clear()
            names, self._stale = self._stale, set()
            for name in names:
                await self._load(self._books[name])

    async def _load(self, book: Book[Any]) -> None:
        try:
            await book.load()
        except (SQLAlchemyError, OSError) as error:
            log.warning("document_not_loaded", document=book.name, error=str(error))
        except Exception:  # the task's outermost boundary
            log.exception("document_watch_failed", document=book.name)
