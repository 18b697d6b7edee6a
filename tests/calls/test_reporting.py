"""Reports: each figure against a plain recount, on both databases, and every format."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.ticket_month import LINES, comparable, make, recount, store
from calls.reporting.charts import bars, ceiling, course
from calls.reporting.figures import Reporter
from calls.reporting.page import to_page
from calls.reporting.period import DAY, Period, PeriodError
from calls.reporting.tables import to_csv, to_xlsx
from hotline.database import migrate, open_engine
from tests.web.fake_records import FakeReports

MONTH = Period("month", date(2026, 2, 1))
CHINA = 8 * 3600


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url)
    await migrate(engine)
    yield engine
    await engine.dispose()


PERIODS = (
    MONTH,
    Period("month", date(2026, 1, 1)),  # nothing at all was before it
    Period("week", date(2026, 2, 9)),
    Period("day", date(2026, 2, 14)),
    Period("day", date(2025, 1, 1)),
)


async def test_every_figure_is_what_counting_gives(engine: AsyncEngine) -> None:
    month = make(MONTH, tickets=700, calls_=1500)
    for number, period in enumerate(PERIODS):
        # The first moment belongs to a period, the last to the next one.
        for row, edge in zip(month.calls[number::100], (period.start, period.end), strict=False):
            row["arrived_at"] = edge
        for row, edge in zip(month.tickets[number::100], (period.start, period.end), strict=False):
            row["submitted_at"] = edge
    await store(engine, month)
    if engine.dialect.name == "postgresql":
        # The order of a city's own PostgreSQL; who comes first is the same all the same.
        async with engine.begin() as connection:
            for column in ("category", "street"):
                change = f'ALTER COLUMN {column} TYPE varchar(100) COLLATE "zh-x-icu"'
                await connection.execute(sa.text(f"ALTER TABLE tickets {change}"))
    reporter = Reporter(engine, lines=LINES, clock=lambda: month.now)
    for period in PERIODS:
        report = await reporter.report(period)
        assert comparable(report.to_dict()) == recount(month, period)
        json.dumps(report.to_dict())


async def test_a_days_report_tells_of_what_has_become_overdue_since(engine: AsyncEngine) -> None:
    month = make(MONTH, tickets=700, calls_=1)
    await store(engine, month)
    report = await Reporter(engine, lines=LINES, clock=lambda: month.now).report(
        Period("day", date(2026, 2, 14))
    )
    assert sum(unit.overdue for unit in report.units) > 0


@pytest.mark.parametrize(
    "text, days, before",
    [
        ("2026-11-22", 1, "2026-11-21"),
        ("2026-03-01", 1, "2026-02-28"),
        ("2026-W01", 7, "2025-W52"),
        ("2026-02", 28, "2026-01"),
        ("2026-01", 31, "2025-12"),
    ],
)
def test_periods_are_read_and_know_the_one_before(text: str, days: int, before: str) -> None:
    period = Period.parse(text)
    assert (period.name, period.days, period.before.name) == (text, days, before)
    assert period.end - period.start == days * DAY
    assert (period.start + CHINA) % DAY == 0
    assert period.before.end == period.start


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-02-30", "2026-W54", "2026-1-1", "一月"]
)
def test_what_is_no_period_is_named(text: str) -> None:
    with pytest.raises(PeriodError, match=re.escape(text) or "day"):
        Period.parse(text)


@given(st.floats(0, 4e9), st.sampled_from(["day", "week", "month"]))
def test_every_moment_lies_in_its_period(moment: float, kind: str) -> None:
    period = Period.containing(kind, moment)  # type: ignore[arg-type]
    assert period.start <= moment < period.end
    assert Period.parse(period.name) == period
    assert (period.first + timedelta(days=period.days)).day == 1 or kind != "month"


async def test_csv_opens_in_a_spreadsheet_and_runs_no_formula() -> None:
    report = await FakeReports().report(MONTH)
    text = to_csv(report).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["12345 热线月报 2026-02"]
    assert ["接通率", "90.0", "9", "10", "来电", "", "0", "0"] in rows
    assert ["'=城管局", "3", "1", "2", "100.0", "1", "1"] in rows
    assert ["电话转接", "110", "转出", "警情", "2"] in rows


async def test_the_workbook_has_a_sheet_for_each_table_and_a_chart() -> None:
    made = to_xlsx(await FakeReports().report(MONTH))
    book = load_workbook(io.BytesIO(made))
    assert book.sheetnames[:3] == ["summary", "shares", "course"]
    units = list(book["units"].iter_rows(values_only=True))
    assert units[1] == ("=城管局", 3, 1, 2, 100, 1, 1)
    assert book["units"]["A2"].data_type == "s"
    assert any(
        name.startswith("xl/charts/") for name in zipfile.ZipFile(io.BytesIO(made)).namelist()
    )


async def test_the_page_is_whole_escaped_and_says_its_denominators() -> None:
    page = to_page(await FakeReports().report(MONTH), watermark="导出人 8001 <x>").decode()
    assert "便民&lt;热线&gt;" in page
    assert "导出人 8001 &lt;x&gt;" in page
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    plots = re.findall(r"<svg.*?</svg>", page)
    assert len(plots) == 3
    for plot in plots:
        ET.fromstring(plot)  # noqa: S314 - our own


@given(
    st.lists(
        st.tuples(st.text(max_size=8), st.integers(0, 10**6), st.integers(0, 10**6)), max_size=30
    )
)
def test_plots_are_well_formed_and_stay_inside(rows: list[tuple[str, int, int]]) -> None:
    shown = [(re.sub(r"[^\w<&>]", "", name), now, before) for name, now, before in rows]
    labels = [name for name, _, _ in shown]
    drawn = bars("柱<状>", shown), course("线", labels, [("a", [now for _, now, _ in shown])])
    for svg in drawn:
        root = ET.fromstring(svg)  # noqa: S314 - our own
        width = float(root.attrib["viewBox"].split()[2])
        for element in root:
            assert float(element.attrib.get("x", 0)) <= width
    top = max((now for _, now, _ in rows), default=0)
    assert top <= ceiling(top) <= max(1, top * 2.5)
