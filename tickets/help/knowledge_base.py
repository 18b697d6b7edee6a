"""The knowledge base in SQL: every version of every entry, and the full-text search.

The search is the database's own: FTS5 on SQLite, ``tsvector`` on PostgreSQL, both over terms that
:mod:`tickets.help.search_terms` makes. A title's words count most, sounds least.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tickets.help.knowledge import Entry, Expert
from tickets.help.search_terms import sounds, words
from tickets.store import metadata
from tickets.working_days import CHINA

entries_table = sa.Table(
    "knowledge_entries",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("current", sa.Boolean, nullable=False, index=True),
    sa.Column("title", sa.String(120), nullable=False),
    sa.Column("category", sa.String(100), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("keywords", sa.JSON, nullable=False),
    sa.Column("experts", sa.JSON, nullable=False),
    sa.Column("valid_until", sa.String(10), nullable=True),
    sa.Column("imported_at", sa.Float, nullable=False),
    sa.Column("imported_by", sa.String(32), nullable=False),
    sa.UniqueConstraint("id", "version"),
)
experts_table = sa.Table(
    "knowledge_experts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("unit", sa.String(100), nullable=False),
    sa.Column("phone", sa.String(32), nullable=False),
    sa.Column("duty", sa.JSON, nullable=False),
)
INDEX: Final = "knowledge_index"
"""The full-text index; made by the migration, different on each database."""
_TERMS_ASKED: Final = 60
_SNIPPET: Final = 120
_POSITIONS: Final = 16383
"""The highest position in a PostgreSQL tsvector."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that matches what was said.

    Attributes:
        entry: the entry.
        version: which version of it.
        score: higher is better; comparable within one search.
        snippet: the part of its text that matches best, word for word.
        experts: who is on duty for it now.
    """

    entry: Entry
    version: int
    score: float
    snippet: str
    experts: tuple[Expert, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: ids of entries by what became of them."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    retired: tuple[str, ...]
    unchanged: int


class FullText(Protocol):
    """The two ways of indexing."""

    async def put(self, connection: AsyncConnection, key: int, entry: Entry) -> None:
        """Index an entry under its key."""

    async def remove(self, connection: AsyncConnection, key: int) -> None:
        """Take a key out."""

    async def search(
        self, connection: AsyncConnection, found: Sequence[str], limit: int
    ) -> list[tuple[int, float]]:
        """Return keys and scores, best first, of what has any of the terms."""


def _parts(entry: Entry) -> tuple[list[str], list[str], list[str]]:
    title = words(f"{entry.title} {' '.join(entry.keywords)}")
    title += [keyword.lower() for keyword in entry.keywords if keyword.lower() not in title]
    return title, words(entry.body), sounds(title)


class Fts5:
    """SQLite."""

    async def put(self, connection: AsyncConnection, key: int, entry: Entry) -> None:
        """Index an entry under its key."""
        title, body, heard = (" ".join(part) for part in _parts(entry))
        await connection.execute(
            sa.text(
                f"INSERT INTO {INDEX} (rowid, title, body, sounds) "  # noqa: S608 - our own name
                "VALUES (:key, :title, :body, :sounds)"
            ),
            {"key": key, "title": title, "body": body, "sounds": heard},
        )

    async def remove(self, connection: AsyncConnection, key: int) -> None:
        """Take a key out."""
        await connection.execute(
            sa.text(f"DELETE FROM {INDEX} WHERE rowid = :key"),  # noqa: S608 - our own name
            {"key": key},
        )

    async def search(
        self, connection: AsyncConnection, found: Sequence[str], limit: int
    ) -> list[tuple[int, float]]:
        """Return keys and scores by BM25."""
        asked = " OR ".join('"' + term.replace('"', '""') + '"' for term in found)
        rows = await connection.execute(
            sa.text(
                f"SELECT rowid, -bm25({INDEX}, 6.0, 1.0, 1.0) AS score "  # noqa: S608 - our own name
                f"FROM {INDEX} WHERE {INDEX} MATCH :asked ORDER BY score DESC LIMIT :limit"
            ),
            {"asked": asked, "limit": limit},
        )
        return [(row[0], float(row[1])) for row in rows]


class Tsvector:
    """PostgreSQL. Lexemes are written as they are: its parser would take sounds for host names."""

    async def put(self, connection: AsyncConnection, key: int, entry: Entry) -> None:
        """Index an entry under its key."""
        lexemes: list[str] = []
        for weight, part in zip("ABC", _parts(entry), strict=True):
            lexemes += [
                f"{_quoted(term)}:{min(len(lexemes) + place, _POSITIONS)}{weight}"
                for place, term in enumerate(part, 1)
            ]
        await connection.execute(
            sa.text(
                f"INSERT INTO {INDEX} (key, terms) VALUES "  # noqa: S608 - our own name
                "(:key, CAST(CAST(:terms AS text) AS tsvector))"
            ),
            {"key": key, "terms": " ".join(lexemes)},
        )

    async def remove(self, connection: AsyncConnection, key: int) -> None:
        """Take a key out."""
        await connection.execute(
            sa.text(f"DELETE FROM {INDEX} WHERE key = :key"),  # noqa: S608 - our own name
            {"key": key},
        )

    async def search(
        self, connection: AsyncConnection, found: Sequence[str], limit: int
    ) -> list[tuple[int, float]]:
        """Return keys and scores by ts_rank, which sums the matching terms' weights."""
        asked = " | ".join(_quoted(term) for term in found)
        rows = await connection.execute(
            sa.text(
                "SELECT key, ts_rank('{0, 0.15, 0.2, 1}', terms, query) AS score "  # noqa: S608
                f"FROM {INDEX}, CAST(CAST(:asked AS text) AS tsquery) query "
                "WHERE terms @@ query ORDER BY score DESC, key LIMIT :limit"
            ),
            {"asked": asked, "limit": limit},
        )
        return [(row[0], float(row[1])) for row in rows]


def _quoted(term: str) -> str:
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"


class KnowledgeBase:
    """The knowledge base.

    Args:
        engine: the migrated database.
        clock: Unix seconds.
    """

    def __init__(self, engine: AsyncEngine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        self._index: FullText = Fts5() if engine.dialect.name == "sqlite" else Tsvector()

    async def import_(
        self, entries: Sequence[Entry], *, experts: Sequence[Expert] = (), who: str
    ) -> Imported:
        """Make these the current entries: new versions of what changed, the rest retired.

        All or nothing. Old versions stay, so that a citation can always be looked up.
        """
        async with self._engine.begin() as connection:
            current = await self._current(connection)
            added: list[str] = []
            changed: list[str] = []
            unchanged = 0
            for entry in entries:
                row = current.pop(entry.id, None)
                if row is not None and _entry(row) == entry:
                    unchanged += 1
                    continue
                (added if row is None else changed).append(entry.id)
                await self._replace(connection, row, entry, who)
            for row in current.values():
                await self._retire(connection, row)
            await connection.execute(experts_table.delete())
            if experts:
                listed = [{**asdict(expert), "duty": list(expert.duty)} for expert in experts]
                await connection.execute(experts_table.insert(), listed)
        return Imported(tuple(added), tuple(changed), tuple(current), unchanged)

    async def put(self, entry: Entry, *, who: str) -> int:
        """Add one entry, or a new version of it; return the version that is current now."""
        async with self._engine.begin() as connection:
            row = (await self._current(connection)).get(entry.id)
            if row is not None and _entry(row) == entry:
                return int(row.version)
            return await self._replace(connection, row, entry, who)

    async def retire(self, entry_id: str) -> bool:
        """Take an entry out of the search; False if it is not in it."""
        async with self._engine.begin() as connection:
            row = (await self._current(connection)).get(entry_id)
            if row is not None:
                await self._retire(connection, row)
            return row is not None

    async def is_new(self) -> bool:
        """Say whether nothing was ever imported."""
        query = sa.select(sa.func.count()).select_from(entries_table)
        async with self._engine.connect() as connection:
            return not (await connection.execute(query)).scalar_one()

    async def get(self, entry_id: str, version: int | None = None) -> tuple[Entry, int] | None:
        """Return an entry and its version: the newest, or the one that is asked for."""
        table = entries_table
        query = sa.select(table).where(table.c.id == entry_id).order_by(table.c.version.desc())
        if version is not None:
            query = query.where(table.c.version == version)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query.limit(1))).one_or_none()
        return None if row is None else (_entry(row), row.version)

    async def list_(self) -> list[tuple[Entry, int]]:
        """Return the current entries with their versions, by id."""
        async with self._engine.connect() as connection:
            rows = await self._current(connection)
        return [(_entry(rows[key]), rows[key].version) for key in sorted(rows)]

    async def search(self, said: str, *, limit: int = 5) -> list[Found]:
        """Return the entries that match what was said, best first; retired and expired ones not.

        Never raises for any text: what has no useful word finds nothing.
        """
        spoken = list(dict.fromkeys(words(said)))[-_TERMS_ASKED:]
        asked = spoken + list(dict.fromkeys(sounds([said])))[-_TERMS_ASKED:]
        if not asked:
            return []
        now = self._clock()
        today = (datetime.fromtimestamp(now, UTC) + CHINA).date()
        async with self._engine.connect() as connection:
            ranked = await self._index.search(connection, asked, limit * 2)
            keys = [key for key, _ in ranked]
            query = sa.select(entries_table).where(entries_table.c.key.in_(keys))
            rows = {row.key: row for row in await connection.execute(query)}
            asked_for = {name for row in rows.values() for name in row.experts}
            experts = await _experts(connection, asked_for)
        found = [
            Found(
                entry,
                rows[key].version,
                round(score, 4),
                snippet(entry.body, spoken),
                tuple(
                    expert
                    for name in entry.experts
                    if (expert := experts.get(name)) and expert.on_duty(now)
                ),
            )
            for key, score in ranked
            if (entry := _entry(rows[key])).valid_until is None or entry.valid_until >= today
        ]
        return found[:limit]

    async def _current(self, connection: AsyncConnection) -> dict[str, sa.Row[Any]]:
        query = sa.select(entries_table).where(entries_table.c.current.is_(True))
        return {row.id: row for row in await connection.execute(query)}

    async def _replace(
        self, connection: AsyncConnection, row: sa.Row[Any] | None, entry: Entry, who: str
    ) -> int:
        if row is not None:
            await self._retire(connection, row)
        table = entries_table
        newest = await connection.execute(
            sa.select(sa.func.max(table.c.version)).where(table.c.id == entry.id)
        )
        version = (newest.scalar_one_or_none() or 0) + 1
        until = entry.valid_until.isoformat() if entry.valid_until else None
        made = await connection.execute(
            table.insert().values(
                id=entry.id,
                version=version,
                current=True,
                title=entry.title,
                category=entry.category,
                source=entry.source,
                body=entry.body,
                keywords=list(entry.keywords),
                experts=list(entry.experts),
                valid_until=until,
                imported_at=self._clock(),
                imported_by=who,
            )
        )
        (key,) = made.inserted_primary_key or (0,)
        await self._index.put(connection, key, entry)
        return version

    async def _retire(self, connection: AsyncConnection, row: sa.Row[Any]) -> None:
        await connection.execute(
            entries_table.update().where(entries_table.c.key == row.key).values(current=False)
        )
        await self._index.remove(connection, row.key)


async def _experts(connection: AsyncConnection, ids: set[str]) -> dict[str, Expert]:
    if not ids:
        return {}
    rows = await connection.execute(sa.select(experts_table).where(experts_table.c.id.in_(ids)))
    return {row.id: Expert(row.id, row.name, row.unit, row.phone, tuple(row.duty)) for row in rows}


def _entry(row: sa.Row[Any]) -> Entry:
    return Entry(
        id=row.id,
        title=row.title,
        category=row.category,
        source=row.source,
        body=row.body,
        keywords=tuple(row.keywords),
        experts=tuple(row.experts),
        valid_until=date.fromisoformat(row.valid_until) if row.valid_until else None,
    )


def snippet(body: str, spoken: Sequence[str]) -> str:
    """Return the passage of ``body`` with most of the spoken words, at most 120 characters."""
    flat = " ".join(body.split())
    places = [place for word in spoken if (place := flat.lower().find(word)) >= 0]
    best = max(
        places or [0],
        key=lambda start: (sum(start <= place < start + _SNIPPET for place in places), -start),
    )
    begin = max(0, best - _SNIPPET // 6)
    return flat[begin : begin + _SNIPPET].strip()


def quotation(entry: Entry, version: int) -> str:
    """Return an entry's text for a ticket, with the citation that finds it again."""
    return f"{entry.body}\n【依据】{entry.title}（{entry.id}，第{version}版），{entry.source}"
