"""What the web layer needs from the rest, one narrow protocol for each.

``calls/service.py``, ``agents/floor.py``, ``agents/accounts.py`` and ``eventbus/bus.py`` satisfy
these by shape; the tests' stand-ins do too. Times are Unix seconds. Those of people are in
``web/ports_people.py``, those of calls in ``web/ports_calls.py``.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from calls.documents import Book
from calls.finder import Sought
from calls.prompt_shelf import Prompt
from calls.quality import Mark
from calls.reporting.period import Period
from calls.reporting.report import Report
from eventbus.catalogue import Event
from tickets.help.knowledge import Entry
from tickets.help.knowledge_base import Found


class Exchange(Protocol):
    """Tickets handed over to and by partners (``tickets/exchange/service.py``)."""

    async def list_(
        self,
        *,
        direction: str | None = None,
        state: str | None = None,
        partner: str | None = None,
        kind: str | None = None,
        number: str | None = None,
        agent_id: str | None = None,
        oldest_first: bool = False,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Return handovers, the ones that changed last first; an agent's: of tickets of his."""

    async def get(self, handover_id: int) -> dict[str, Any]:
        """Return one; raise ``UnknownHandover``."""

    async def hand_over(
        self, ticket_id: str, partner: str, *, who: str, reason: str = ""
    ) -> dict[str, Any]:
        """Hand a ticket over; raise ``UnknownHandover``, ``ExchangeError``, ``LifeError``."""

    async def decide(
        self,
        handover_id: int,
        *,
        accepted: bool,
        reason: str = "",
        who: str,
        agent_id: str | None = None,
    ) -> dict[str, Any]:
        """Take a ticket in, for an agent, or give it back.

        Raise ``UnknownHandover``, ``ExchangeError``.
        """

    async def reopen(self, handover_id: int, *, reason: str, who: str) -> dict[str, Any]:
        """Have a finished matter taken up again; raise ``UnknownHandover``, ``ExchangeError``."""


Documents = Mapping[str, Book[Any]]
"""What administrators change while calls go on, by name (``calls/documents.py``)."""


class Prompts(Protocol):
    """What callers hear from the system (``calls/prompt_shelf.py``)."""

    def list_(self) -> list[Prompt]:
        """Return every recording. Blocking."""

    def path(self, name: str) -> Path:
        """Return the file that is played; raise ``UnknownPrompt``."""

    async def put(self, name: str, octets: bytes, *, who: str, expected: int | None = None) -> None:
        """Replace one; raise ``BadRecording``, ``UnknownPrompt``, ``StaleDocument``."""

    async def restore(self, name: str, *, who: str, expected: int | None = None) -> None:
        """Go back to the shipped one; raise ``UnknownPrompt``, ``UnknownEntry``."""


class Audit(Protocol):
    """Who looked at what, took it out, or changed it (``calls/audit.py``)."""

    def note(
        self, who: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Write it down; returns at once."""

    def look(
        self, who: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Write a look at a list down, the same once a minute; returns at once."""

    async def list_(
        self,
        *,
        who: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Return entries, newest first: id, at, who, action, subject, detail."""


class KnowledgeBase(Protocol):
    """The knowledge base (``tickets/help/knowledge_base.py``)."""

    async def search(self, said: str, *, limit: int = 5) -> list[Found]:
        """Return matching entries, best first."""

    async def get(self, entry_id: str, version: int | None = None) -> tuple[Entry, int] | None:
        """Return an entry and its version, or None."""

    async def put(self, entry: Entry, *, who: str) -> int:
        """Add an entry or a new version of it; return the version."""

    async def retire(self, entry_id: str) -> bool:
        """Take an entry out of the search; False when it is not in it."""


class Reports(Protocol):
    """Reports of a day, week or month (``calls/reporting``)."""

    async def report(self, period: Period) -> Report:
        """Count everything of a period."""


class Statistics(Protocol):
    """Live figures and interval statistics (``calls/statistics``)."""

    async def figures(self) -> dict[str, Any]:
        """Return the live figures."""

    async def intervals(self, start: float, end: float) -> list[dict[str, Any]]:
        """Return the kept quarters of a span."""


class Finder(Protocol):
    """Past calls (``calls/finder.py``)."""

    async def find(
        self, sought: Sought, *, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Return matching calls, newest first."""


class Quality(Protocol):
    """What inspectors say of calls (``calls/quality.py``)."""

    async def assess(
        self,
        call_id: str,
        *,
        who: str,
        agent_id: str | None,
        scores: Mapping[str, int],
        marks: Sequence[Mark] = (),
        comment: str = "",
    ) -> dict[str, Any]:
        """Add an assessment; raise ``BadAssessment``."""

    async def of(self, call_id: str) -> list[dict[str, Any]]:
        """Return a call's assessments, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversight:
    """What those need who lead, inspect and look at the wall."""

    statistics: Statistics
    finder: Finder
    quality: Quality


class Bus(Protocol):
    """The inside event bus."""

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call back for every event from any node; return the way to stop that."""


Health = Callable[[], Awaitable[Mapping[str, Any]]]
"""Returns {"status": ok | degraded | down, "parts": {part: {"status", "detail"}}, "counts": {}}."""


System = Callable[[], Awaitable[Mapping[str, Any]]]
"""Returns how the whole is (``hotline/overview.py``)."""
