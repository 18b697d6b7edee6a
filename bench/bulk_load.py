"""Very many rows into a table at once: a bench wants to measure the reading, not the writing."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

_BATCH = 50_000
_CACHE = -500_000
"""Of SQLite's pages: negative, in kB."""


async def load(engine: AsyncEngine, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, all with the same keys, into a table: COPY, or one statement for many rows.

    Columns that the rows have not get what the database has for a default.
    """
    if not rows:
        return
    names = list(rows[0])
    json_columns = [n for n in names if isinstance(table.c[n].type, sa.JSON)]
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            raw = await connection.get_raw_connection()
            driver = raw.driver_connection
            assert driver is not None  # noqa: S101 - it is connected
            await driver.copy_records_to_table(
                table.name, records=_tuples(rows, names, json_columns), columns=names
            )
            # As the server does by itself within a minute of so many changes.
            await connection.exec_driver_sql(f"ANALYZE {table.name}")
            return
        marks = ", ".join("?" * len(names))
        statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - names of our own
        # All pages that change stay in memory until the end.
        (kept,) = (await connection.exec_driver_sql("PRAGMA cache_size")).one()
        await connection.exec_driver_sql(f"PRAGMA cache_size = {_CACHE}")
        records = _tuples(rows, names, json_columns)
        while batch := list(itertools.islice(records, _BATCH)):
            await connection.exec_driver_sql(statement, batch)
        await connection.exec_driver_sql(f"PRAGMA cache_size = {kept}")


def _tuples(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], json_columns: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    pick = itemgetter(*names)
    for row in rows:
        written = {name: json.dumps(row[name]) for name in json_columns}
        yield pick({**row, **written} if written else row)
