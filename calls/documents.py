"""Documents that administrators change while calls go on: routing, partners, rules, texts.

A document is in force on all nodes. The configuration brings the first; every change is a new
version, kept for good with who made it and when, and what it was before and after is in the audit
trail. All nodes share the versions through SQL: the node that makes one publishes an event, the
others load it, and look by themselves now and then in case they missed it.

What a document holds and what it means is its *form's* matter (``calls/document_forms.py``).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog
from sqlalchemy import JSON, Column, Double, Integer, String, Table, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.document_rows import Lists
from calls.document_terms import BadDocument, Document
from calls.records import metadata
from eventbus.bus import EventBus
from eventbus.catalogue import DocumentChanged, Event

log = structlog.get_logger(__name__)

Note = Callable[[str, str, str, Mapping[str, Any]], None]
"""Writes into the audit trail: who, action, subject, detail."""

document_versions = Table(
    "document_versions",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("who", String(32), nullable=False),
    # none: back to what the configuration says
    Column("document", JSON(none_as_null=True), nullable=True),
)


class StaleDocument(Exception):
    """Somebody else has changed it meanwhile; nothing was changed."""


class UnknownEntry(Exception):
    """There is no such section, entry or version."""


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a document; ``document`` None: the configuration's. ``at``: Unix seconds."""

    number: int
    at: float
    who: str
    document: Document | None


class Versions(Protocol):
    """Where the versions of one document are kept."""

    async def latest(self) -> Version | None:
        """Return the one in force, None when there never was one."""

    async def get(self, number: int) -> Version | None:
        """Return a certain one."""

    async def add(self, version: Version) -> bool:
        """Keep a version; False when its number is taken."""


class SqlVersions(Versions):
    """Versions of the document ``name`` in the database."""

    def __init__(self, engine: AsyncEngine, name: str) -> None:
        self._engine = engine
        self._name = name

    async def latest(self) -> Version | None:
        """Return the one with the highest number."""
        return await self._one(None)

    async def get(self, number: int) -> Version | None:
        """Return a certain one."""
        return await self._one(number)

    async def _one(self, number: int | None) -> Version | None:
        table = document_versions.c
        query = select(table.number, table.at, table.who, table.document).where(
            table.name == self._name
        )
        if number is not None:
            query = query.where(table.number == number)
        async with self._engine.connect() as connection:
            rows = await connection.execute(query.order_by(table.number.desc()).limit(1))
            row = rows.mappings().one_or_none()
        return None if row is None else Version(**row)

    async def add(self, version: Version) -> bool:
        """Insert a row; the primary key settles who of two was first."""
        statement = insert(document_versions).values(
            name=self._name,
            number=version.number,
            at=version.at,
            who=version.who,
            document=None if version.document is None else dict(version.document),
        )
        try:
            async with self._engine.begin() as connection:
                await connection.execute(statement)
        except IntegrityError:
            return False
        return True


T = TypeVar("T")


class Form(Protocol[T]):
    """What a document holds: how it is read, written down, and told of in the trail."""

    @property
    def name(self) -> str:
        """What the document goes by."""

    @property
    def sections(self) -> tuple[str, ...]:
        """Its tables, whose entries can be changed one at a time."""

    @property
    def lists(self) -> Lists:
        """What of a text can be changed row by row (``calls/document_rows.py``)."""

    @property
    def slow(self) -> bool:
        """Whether reading may take long: it is done in a thread then."""

    def read(self, document: Document) -> T:
        """Return what the document says; raise ``BadDocument``."""

    def write(self, value: T) -> dict[str, Any]:
        """Return it as it is kept."""

    def counts(self, value: T) -> dict[str, int]:
        """Return how much of what it holds."""

    def difference(self, before: Document, after: Document) -> dict[str, Any]:
        """Return ``before`` and ``after`` for the trail: what differs."""


class Book(Generic[T]):
    """One document as it is in force on this node.

    Args:
        form: what it holds.
        versions: where all nodes keep it.
        configured: returns the configuration's document, in force until somebody changes it. Asked
            when it is needed first: most texts are never looked at.
        bus: told of changes made here.
        note: the audit trail; the action is ``<name>.change``.
        clock: Unix seconds.

    Attributes:
        version: number of the version in force; 0: the configuration's.
        unusable: number of a newer version that this program cannot read, None: there is none.
        on_change: called after another version has come into force here.
    """

    def __init__(
        self,
        form: Form[T],
        versions: Versions,
        *,
        configured: Callable[[], Document],
        bus: EventBus,
        note: Note,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.form = form
        self._versions = versions
        self._configured = configured
        self._bus = bus
        self._note = note
        self._clock = clock
        self.version = 0
        self.unusable: int | None = None
        self.on_change: Callable[[], None] = lambda: None
        self._value: T | None = None
        self._own: Document | None = None

    @property
    def name(self) -> str:
        """What the document goes by."""
        return self.form.name

    @property
    def action(self) -> str:
        """What changes are called in the audit trail."""
        return f"{self.name}.change"

    @property
    def value(self) -> T:
        """What the document in force says; may be slow when it is the configuration's."""
        if self._value is None:
            self._value = self.form.read(self._configured())
        return self._value

    @property
    def changed(self) -> bool:
        """Whether administrators' words are in force rather than the configuration's."""
        return self._own is not None

    @property
    def document(self) -> Document:
        """The document in force, as it is kept."""
        return self._configured() if self._own is None else self._own

    async def load(self) -> None:
        """Take the newest version into force, if there is one that is not yet."""
        latest = await self._versions.latest()
        if latest is not None and latest.number > self.version:
            await self._take(latest)

    async def at(self, number: int) -> Document:
        """Return an earlier version's document; raise ``UnknownEntry``."""
        version = await self._versions.get(number) if number else None
        if number and version is None:
            raise UnknownEntry(f"{self.name} version {number}")
        kept = version.document if version is not None else None
        return self._configured() if kept is None else kept

    async def check(self, document: Document) -> dict[str, int]:
        """Return how much a document holds, changing nothing; raise ``BadDocument``."""
        return self.form.counts(await self._read(document))

    async def put(
        self,
        section: str,
        key: str,
        entry: Document | None,
        *,
        who: str,
        expected: int | None = None,
    ) -> None:
        """Set or (None) remove one entry of a section.

        Args:
            section: which table.
            key: the entry's.
            entry: its options.
            who: an administrator's number.
            expected: the version that he has seen; None: whatever it is.

        Raises:
            BadDocument: the document would not be consistent.
            StaleDocument: another version is in force.
            UnknownEntry: there is no such section, or nothing to remove.
        """
        if section not in self.form.sections:
            raise UnknownEntry(section)
        number = await self._next_number(expected)
        document = self.form.write(self.value)
        table = document[section]
        before = table.pop(key, None)
        if entry is not None:
            table[key] = dict(entry)
        elif before is None:
            raise UnknownEntry(f"{section}.{key}")
        value = await self._read(document)
        after = self.form.write(value)
        detail = {"before": before, "after": after[section].get(key)}
        version = Version(number, self._clock(), who, after)
        await self._add(version, value, f"{section}.{key}", detail)

    async def replace(
        self, document: Document | None, *, who: str, expected: int | None = None
    ) -> None:
        """Set the whole document; None: what the configuration says.

        Raises:
            BadDocument: it is not consistent.
            StaleDocument: another version is in force.
        """
        number = await self._next_number(expected)
        before = self.document
        value = await self._read(self._configured() if document is None else document)
        after = self.form.write(value)
        detail = self.form.difference(before, after)
        version = Version(number, self._clock(), who, None if document is None else after)
        await self._add(version, value, self.name, detail)

    async def _read(self, document: Document) -> T:
        if self.form.slow:
            return await asyncio.to_thread(self.form.read, document)
        return self.form.read(document)

    async def _next_number(self, expected: int | None) -> int:
        """Return the number of a change to what is in force now: whoever is faster takes it."""
        await self.load()
        if expected is not None and expected != self.version:
            raise StaleDocument(f"version {self.version} is in force, not {expected}")
        return max(self.version, self.unusable or 0) + 1

    async def _add(self, version: Version, value: T, subject: str, detail: Document) -> None:
        if not await self._versions.add(version):
            raise StaleDocument("somebody else has changed it in this moment")
        self._in_force(version, value)
        self._note(version.who, self.action, subject, {**detail, "version": version.number})
        self._bus.publish(self._event(version))

    async def _take(self, latest: Version) -> None:
        document = self._configured() if latest.document is None else latest.document
        try:
            value = await self._read(document)
        except BadDocument as error:
            # An older program's document: calls go on by the one in force. Its number is taken.
            self.unusable = max(latest.number, self.unusable or 0)
            log.error(  # noqa: TRY400 - what it says is whole
                "document_unusable", document=self.name, version=latest.number, reason=str(error)
            )
            return
        self._in_force(latest, value)

    def _in_force(self, version: Version, value: T) -> None:
        if version.number <= self.version:
            return  # overtaken while it was read or stored
        self.version = version.number
        if self.unusable is not None and self.unusable < version.number:
            self.unusable = None
        self._own = version.document
        self._value = value
        log.info("document_in_force", document=self.name, version=version.number, who=version.who)
        self._taken()
        self.on_change()

    def _taken(self) -> None:
        """Prepare what follows from the value; for those who derive from this."""

    def _event(self, version: Version) -> Event:
        return DocumentChanged(
            at=version.at, document=self.name, version=version.number, by=version.who
        )
