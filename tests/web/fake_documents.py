"""Real books of documents that are kept in memory."""

from collections.abc import Callable
from typing import Any

from calls.documents import Book, Note
from calls.routing_book import RoutingBook
from calls.text_readers import CATEGORIES, GAZETTEER, TEMPLATES, URGENCY
from eventbus.bus import EventBus
from hotline.documents import EMPTY_GAZETTEER, HANDLING, SHIPPED, partners_form
from tests.support.documents import MemoryVersions

POLICE = {"name": "公安报警", "numbers": ["110"], "shares": ["name", "address"]}


def fake_documents(
    routing: RoutingBook, bus: EventBus, note: Note, clock: Callable[[], float]
) -> dict[str, Book[Any]]:
    """Return all documents."""

    def text(form: Any, configured: Callable[[], dict[str, Any]]) -> Book[Any]:
        return Book(form, MemoryVersions(), configured=configured, bus=bus, note=note, clock=clock)

    def shipped(form: Any) -> Book[Any]:
        path = SHIPPED / f"{form.name}.toml"
        return text(form, lambda: {"text": path.read_text(encoding="utf-8"), "format": "toml"})

    partners: Book[Any] = Book(
        partners_form({"sbc": None}),
        MemoryVersions(),
        configured=lambda: {"partners": {"110": POLICE}, "experts": {}},
        bus=bus,
        note=note,
        clock=clock,
    )
    deadlines: Book[Any] = Book(
        HANDLING,
        MemoryVersions(),
        configured=lambda: {
            "working_days": 5,
            "working_days_by_type": {"咨询": 2},
            "working_days_by_urgency": {},
            "holidays": [],
            "workdays": [],
        },
        bus=bus,
        note=note,
        clock=clock,
    )
    names = text(GAZETTEER, lambda: {"text": EMPTY_GAZETTEER, "format": "csv"})
    texts = (shipped(URGENCY), shipped(TEMPLATES), shipped(CATEGORIES), names)
    return {book.name: book for book in (routing, partners, deadlines, *texts)}
