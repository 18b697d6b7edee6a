"""Real books of documents that are kept in memory."""

from collections.abc import Callable
from typing import Any

from calls.documents import Book, MemoryVersions, Note
from calls.routing_book import RoutingBook
from calls.text_readers import GAZETTEER
from eventbus.bus import EventBus
from hotline.documents import EMPTY_GAZETTEER, partners_form

POLICE = {"name": "公安报警", "numbers": ["110"], "shares": ["name", "address"]}


def fake_documents(
    routing: RoutingBook, bus: EventBus, note: Note, clock: Callable[[], float]
) -> dict[str, Book[Any]]:
    """Return the routing document, one of tables and one of text."""
    partners: Book[Any] = Book(
        partners_form({"sbc": None}),
        MemoryVersions(),
        configured=lambda: {"partners": {"110": POLICE}, "experts": {}},
        bus=bus,
        note=note,
        clock=clock,
    )
    gazetteer: Book[Any] = Book(
        GAZETTEER,
        MemoryVersions(),
        configured=lambda: {"text": EMPTY_GAZETTEER, "format": "csv"},
        bus=bus,
        note=note,
        clock=clock,
    )
    return {book.name: book for book in (routing, partners, gazetteer)}
