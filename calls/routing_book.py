"""The routing document in force: the configuration's, or what administrators made of it since.

Every change is a new version, kept for good with who made it and when; what it was before and after
is in the audit trail. All nodes share the versions through SQL: the node that makes one publishes
``routing.changed``, the others load it, and look by themselves now and then in case they missed it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import structlog
from pydantic import ValidationError
from sqlalchemy import JSON, Column, Float, Integer, String, Table, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from agents.routing import RoutingPlan
from calls.records import metadata
from config.routing import RoutingSettings
from eventbus.bus import EventBus
from eventbus.catalogue import RoutingChanged

log = structlog.get_logger(__name__)

Section = Literal["groups", "rules", "lines", "callers", "agents", "reasons"]
SECTIONS: Final[tuple[Section, ...]] = ("groups", "rules", "lines", "callers", "agents", "reasons")

Note = Callable[[str, str, str, Mapping[str, Any]], None]
"""Writes into the audit trail: who, action, subject, detail."""

routing_versions = Table(
    "routing_versions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("who", String(32), nullable=False),
    # none: back to what the configuration file says
    Column("document", JSON(none_as_null=True), nullable=True),
)


class BadRouting(Exception):
    """The document cannot be as wanted; nothing was changed.

    Attributes:
        field: the part that is wrong, with dots.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class StaleRouting(Exception):
    """Somebody else has changed it meanwhile; nothing was changed."""


class UnknownEntry(Exception):
    """There is no such entry to remove."""


@dataclass(frozen=True, slots=True)
class Version:
    """One state of the document; ``document`` None: the configuration's. ``at``: Unix seconds."""

    number: int
    at: float
    who: str
    document: Mapping[str, Any] | None


class Versions(Protocol):
    """Where versions are kept."""

    async def latest(self) -> Version | None:
        """Return the one in force, None when there never was one."""

    async def add(self, version: Version) -> bool:
        """Keep a version; False when its number is taken."""


class SqlVersions(Versions):
    """Versions in the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def latest(self) -> Version | None:
        """Return the one with the highest number."""
        query = select(routing_versions).order_by(routing_versions.c.number.desc()).limit(1)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else Version(**row)

    async def add(self, version: Version) -> bool:
        """Insert a row; the primary key settles who of two was first."""
        statement = insert(routing_versions).values(
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


class MemoryVersions(Versions):
    """Versions of one process, for tests and tools."""

    def __init__(self) -> None:
        self._versions: dict[int, Version] = {}

    async def latest(self) -> Version | None:
        """Return the one with the highest number."""
        return self._versions[max(self._versions)] if self._versions else None

    async def add(self, version: Version) -> bool:
        """Keep it unless its number is taken."""
        return self._versions.setdefault(version.number, version) is version


class RoutingBook:
    """The document in force on this node.

    Args:
        versions: where all nodes keep it.
        configured: the configuration's document, in force until somebody changes it.
        lines: dialled number → the skill that the configuration gives it.
        bus: told of changes made here.
        note: the audit trail.
        clock: Unix seconds.

    Attributes:
        version: number of the version in force; 0: the configuration's.
        plan: the document, ready for questions.
        on_change: called after another version has come into force here.
    """

    def __init__(
        self,
        versions: Versions,
        *,
        configured: RoutingSettings,
        lines: Mapping[str, str],
        bus: EventBus,
        note: Note,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._versions = versions
        self._configured = configured
        self._lines = dict(lines)
        self._bus = bus
        self._note = note
        self._clock = clock
        self.version = 0
        self.plan = RoutingPlan(configured, self._lines)
        self.on_change: Callable[[], None] = lambda: None

    @property
    def settings(self) -> RoutingSettings:
        """The document in force."""
        return self.plan.settings

    async def load(self) -> None:
        """Take the newest version into force, if there is one that is not yet."""
        latest = await self._versions.latest()
        if latest is not None and latest.number > self.version:
            self._take(latest)

    def _take(self, version: Version) -> None:
        try:
            settings = _read(version.document) if version.document else self._configured
        except BadRouting as error:
            # An older program's document: calls go on by the one in force.
            log.error("routing_unusable", version=version.number, reason=str(error))  # noqa: TRY400
            return
        self.version = version.number
        self.plan = RoutingPlan(settings, self._lines)
        log.info("routing_in_force", version=version.number, who=version.who)
        self.on_change()

    async def put(
        self,
        section: Section,
        name: str,
        entry: Mapping[str, Any] | None,
        *,
        who: str,
        expected: int | None = None,
    ) -> None:
        """Set or (None) remove one entry of a section.

        Args:
            section: which table.
            name: the entry's key.
            entry: its options.
            who: an administrator's number.
            expected: the version that he has seen; None: whatever it is.

        Raises:
            BadRouting: the document would not be consistent.
            StaleRouting: another version is in force.
            UnknownEntry: there is nothing to remove.
        """
        await self._check(expected)
        document = self.settings.model_dump(mode="json")
        table = document[section]
        before = table.pop(name, None)
        if entry is not None:
            table[name] = dict(entry)
        elif before is None:
            raise UnknownEntry(f"{section}.{name}")
        after = _read(document).model_dump(mode="json")
        detail = {"before": before, "after": after[section].get(name)}
        await self._add(after, who, f"{section}.{name}", detail)

    async def replace(
        self, document: Mapping[str, Any] | None, *, who: str, expected: int | None = None
    ) -> None:
        """Set the whole document; None: what the configuration file says.

        Raises:
            BadRouting: it is not consistent.
            StaleRouting: another version is in force.
        """
        await self._check(expected)
        before = self.settings.model_dump(mode="json")
        after = (_read(document) if document is not None else self._configured).model_dump(
            mode="json"
        )
        changed = [name for name in after if after[name] != before[name]]
        detail = {
            "before": {name: before[name] for name in changed},
            "after": {name: after[name] for name in changed},
        }
        await self._add(after if document is not None else None, who, "routing", detail)

    async def _check(self, expected: int | None) -> None:
        await self.load()
        if expected is not None and expected != self.version:
            raise StaleRouting(f"version {self.version} is in force, not {expected}")

    async def _add(
        self,
        document: Mapping[str, Any] | None,
        who: str,
        subject: str,
        detail: Mapping[str, Any],
    ) -> None:
        version = Version(self.version + 1, self._clock(), who, document)
        if not await self._versions.add(version):
            raise StaleRouting("somebody else has changed it in this moment")
        self._take(version)
        self._note(who, "routing.change", subject, {**detail, "version": version.number})
        self._bus.publish(RoutingChanged(at=version.at, version=version.number, by=who))


def _read(document: Mapping[str, Any]) -> RoutingSettings:
    try:
        return RoutingSettings.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadRouting(field, first["msg"].removeprefix("Value error, ")) from error
