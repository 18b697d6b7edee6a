"""How long the reports of a month take, on SQLite and on PostgreSQL, checked against a recount.

    python -m bench.reports [--tickets 60000] [--calls 390000] [--json]

Each kind of report (month, a week, a day) is made from a database of two made-up months; every
figure must be what counting the rows in Python gives. Prints seconds, and as ratios to the plain
recount's in the same run.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

from bench.ticket_month import LINES, Month, comparable, make, recount, store
from calls.reporting.figures import Reporter
from calls.reporting.page import to_page
from calls.reporting.period import Period
from calls.reporting.tables import to_csv, to_xlsx
from hotline.database import migrate, open_engine
from tests.support.postgres import PostgresServer, find_postgres

MONTH = Period("month", date(2026, 10, 1))
KINDS = (MONTH, Period("week", date(2026, 10, 12)), Period("day", date(2026, 10, 14)))


@asynccontextmanager
async def databases(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Yield the URLs of an empty database of each kind that is installed."""
    urls = {"SQLite": f"sqlite+aiosqlite:///{folder / 'month.db'}"}
    if find_postgres() is None:
        yield urls
        return
    server = PostgresServer()
    await server.start()
    try:
        yield urls | {"PostgreSQL": server.url}
    finally:
        await server.stop()


async def measure(name: str, url: str, month: Month) -> list[dict[str, Any]]:
    """Make each report; return a row each."""
    engine = open_engine(url)
    rows = []
    try:
        await migrate(engine)
        await store(engine, month)
        reporter = Reporter(engine, lines=LINES, clock=lambda: month.now)
        for period in KINDS:
            begun = time.perf_counter()
            report = await reporter.report(period)
            queried = time.perf_counter()
            sizes = [len(write(report)) for write in (to_csv, to_xlsx, to_page)]
            written = time.perf_counter()
            plain = recount(month, period)
            recounted = time.perf_counter()
            equal = comparable(report.to_dict()) == plain
            rows.append(
                {
                    "database": name,
                    "report": period.kind,
                    "seconds": round(queried - begun, 3),
                    "three_files_seconds": round(written - queried, 3),
                    "ratio_to_plain_recount": round((queried - begun) / (recounted - written), 3),
                    "figures_equal_recount": equal,
                    "bytes": sizes,
                }
            )
    finally:
        await engine.dispose()
    return rows


async def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure on every database."""
    month = make(MONTH, tickets=arguments.tickets, calls_=arguments.calls)
    with tempfile.TemporaryDirectory() as folder:
        async with databases(Path(folder)) as urls:
            return [row for name, url in urls.items() for row in await measure(name, url, month)]


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
                f"{row['database']:<11}{row['report']:<6} {row['seconds']:7.3f} s   csv+xlsx+html "
                f"{row['three_files_seconds']:6.3f} s   × plain recount "
                f"{row['ratio_to_plain_recount']:6.3f}   "
                f"{'equal' if row['figures_equal_recount'] else 'DIFFERENT'}"
            )
    return 0 if all(row["figures_equal_recount"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
