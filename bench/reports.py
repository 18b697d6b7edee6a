"""How long the reports of a month take, on SQLite and on PostgreSQL, checked against a recount.

    python -m bench.reports [--tickets 60000] [--calls 390000] [--json]

Each kind of report (month, a week, a day) is made from a database of two made-up months; every
figure must be what counting the rows in Python gives. Prints seconds, those of the processors (this
process's and the database server's), and the ratio to the plain recount's in the same run.
"""

import argparse
import asyncio
import gc
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from bench.processes import family_cpu_seconds
from bench.ticket_month import LINES, Month, comparable, make, recount, store
from calls.reporting.figures import Reporter
from calls.reporting.page import to_page
from calls.reporting.period import Period
from calls.reporting.tables import to_csv, to_xlsx
from hotline.database import migrate, open_engine
from tests.support.postgres import PostgresServer, find_postgres

MONTH = Period("month", date(2026, 10, 1))
KINDS = (MONTH, Period("week", date(2026, 10, 12)), Period("day", date(2026, 10, 14)))


@dataclass(frozen=True, slots=True)
class Plain:
    """A report worked out the plain way, and the seconds that it took."""

    figures: dict[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Database:
    """An empty one; ``cpu``: the processor seconds that it and this process have used."""

    name: str
    url: str
    cpu: Callable[[], float]


@asynccontextmanager
async def databases(folder: Path) -> AsyncIterator[list[Database]]:
    """Yield an empty database of each kind that is installed."""
    sqlite = Database("SQLite", f"sqlite+aiosqlite:///{folder / 'month.db'}", time.process_time)
    if find_postgres() is None:
        yield [sqlite]
        return
    server = PostgresServer()
    await server.start()
    try:

        def cpu() -> float:
            return time.process_time() + family_cpu_seconds(server.pid)

        yield [sqlite, Database("PostgreSQL", server.url, cpu)]
    finally:
        await server.stop()


def plainly(month: Month) -> dict[str, Plain]:
    """Work each report out from the rows."""
    found = {}
    for period in KINDS:
        begun = time.perf_counter()
        figures = recount(month, period)
        found[period.kind] = Plain(figures, time.perf_counter() - begun)
    return found


async def measure(
    database: Database, month: Month, plain: Mapping[str, Plain]
) -> list[dict[str, Any]]:
    """Make each report; return a row each."""
    engine = open_engine(database.url)
    rows = []
    try:
        await migrate(engine)
        begun = time.perf_counter()
        await store(engine, month)
        sys.stderr.write(f"{database.name}: stored in {time.perf_counter() - begun:.1f} s\n")
        reporter = Reporter(engine, lines=LINES, clock=lambda: month.now)
        for period in KINDS:
            begun, cpu = time.perf_counter(), database.cpu()
            report = await reporter.report(period)
            queried, used = time.perf_counter(), database.cpu() - cpu
            sizes = [len(write(report)) for write in (to_csv, to_xlsx, to_page)]
            written = time.perf_counter()
            beside = plain[period.kind]
            rows.append(
                {
                    "database": database.name,
                    "report": period.kind,
                    "seconds": round(queried - begun, 3),
                    "cpu_seconds": round(used, 3),
                    "three_files_seconds": round(written - queried, 3),
                    "ratio_to_plain_recount": round((queried - begun) / beside.seconds, 3),
                    "figures_equal_recount": comparable(report.to_dict()) == beside.figures,
                    "bytes": sizes,
                }
            )
    finally:
        await engine.dispose()
    return rows


async def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure on every database."""
    begun = time.perf_counter()
    month = make(MONTH, tickets=arguments.tickets, calls_=arguments.calls)
    sys.stderr.write(f"rows made in {time.perf_counter() - begun:.1f} s\n")
    gc.freeze()  # millions of rows that stay: nobody needs to look through them again
    plain = plainly(month)
    with tempfile.TemporaryDirectory() as folder:
        async with databases(Path(folder)) as found:
            return [row for each in found for row in await measure(each, month, plain)]


def main() -> int:
    """Print the table; 1 when a figure differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tickets", type=int, default=60_000, help="in each of two months")
    parser.add_argument("--calls", type=int, default=390_000, help="in each of two months")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = asyncio.run(run(arguments))
    if arguments.json:
        print(json.dumps({"tickets": arguments.tickets, "calls": arguments.calls, "rows": rows}))
    else:
        print(f"{arguments.tickets} tickets and {arguments.calls} calls in each of two months")
        for row in rows:
            print(
                f"{row['database']:<11}{row['report']:<6} {row['seconds']:7.3f} s   "
                f"CPU {row['cpu_seconds']:6.3f} s   csv+xlsx+html "
                f"{row['three_files_seconds']:6.3f} s   × plain recount "
                f"{row['ratio_to_plain_recount']:6.3f}   "
                f"{'equal' if row['figures_equal_recount'] else 'DIFFERENT'}"
            )
    return 0 if all(row["figures_equal_recount"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
