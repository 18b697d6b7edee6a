"""A report as tables: the one shape behind CSV, XLSX and the printable page."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import xlsxwriter

from calls.reporting.period import Period
from calls.reporting.report import Report, Share, Volume

Cell = str | int | float | None

KIND: Final[Mapping[str, str]] = {"day": "日报", "week": "周报", "month": "月报"}
COUNTS: Final[Mapping[str, str]] = {
    "calls": "来电",
    "answered": "接通",
    "abandoned": "放弃",
    "call_backs": "改为回拨",
    "tickets": "提交工单",
    "urgent": "紧急、特急工单",
    "reopened": "再处置工单",
}
SECONDS: Final[Mapping[str, str]] = {"waited": "平均等待（秒）", "talked": "平均通话（秒）"}
SHARES: Final[Mapping[str, str]] = {
    "connected": "接通率",
    "within_15_s": "15 秒内接通率",
    "abandoned": "放弃率",
    "on_line": "在线办结率",
    "on_time": "按时办结率",
    "solved": "解决率",
    "satisfied": "回访满意率",
    "rated": "按键参评率",
    "pleased": "按键满意率",
}
VOLUMES: Final[Mapping[str, str]] = {
    "line": "线路",
    "channel": "渠道",
    "type": "类型",
    "category": "类别",
}
DIRECTIONS: Final[Mapping[str, str]] = {"out": "转出", "in": "转入"}
EXCHANGED: Final[Mapping[str, str]] = {"call": "电话转接", "ticket": "工单互派"}


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table.

    Attributes:
        name: a file's or sheet's name, ASCII.
        title: in Chinese.
        head: the columns' names.
        rows: as long as the head, each.
    """

    name: str
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def title(period: Period) -> str:
    """Return the report's title."""
    return f"12345 热线{KIND[period.kind]} {period.name}"


def tables(report: Report) -> list[Table]:
    """Return all tables of a report. Percentages stand beside their part and whole."""
    return [
        _summary(report),
        _shares(report),
        _course(report),
        *(_volume(kind, rows) for kind, rows in report.volumes.items()),
        _hot(report),
        _frequent(report),
        _units(report),
        _exchanges(report),
    ]


def _summary(report: Report) -> Table:
    counted = [(COUNTS[name], now, before) for name, (now, before) in report.counts.items()]
    timed = [(SECONDS[name], now, before) for name, (now, before) in report.seconds.items()]
    return Table("summary", "总览", ("项目", "本期", "上期"), (*counted, *timed))


def _shares(report: Report) -> Table:
    head = ("指标", "百分比", "分子", "分母", "分母是", "上期百分比", "上期分子", "上期分母")
    rows = (
        (SHARES[name], now.percent, now.part, now.whole, now.of, *_bare(before))
        for name, (now, before) in report.shares.items()
    )
    return Table("shares", "比率", head, tuple(rows))


def _bare(share: Share) -> tuple[Cell, ...]:
    return share.percent, share.part, share.whole


def _course(report: Report) -> Table:
    rows = ((point.at, point.calls, point.answered) for point in report.course)
    when = "时段" if report.period.kind == "day" else "日期"
    return Table("course", "来电走势", (when, "来电", "接通"), tuple(rows))


def _volume(kind: str, rows: Iterable[Volume]) -> Table:
    head = (VOLUMES[kind], "数量", "占比 %", "占比分母", "分母是", "上期", "变化 %")
    cells = (
        (
            row.name,
            row.count,
            row.share.percent,
            row.share.whole,
            row.share.of,
            row.before,
            row.change.percent,
        )
        for row in rows
    )
    return Table(f"by_{kind}", f"按{VOLUMES[kind]}", head, tuple(cells))


def _hot(report: Report) -> Table:
    rows = ((row.category, row.street, row.count, row.before) for row in report.hot)
    return Table("hot", "热点：类别 × 街道", ("类别", "街道", "本期", "上期"), tuple(rows))


def _frequent(report: Report) -> Table:
    rows = ((row.caller, row.calls) for row in report.frequent)
    return Table("frequent", "高频来电人（已脱敏）", ("号码", "来电次数"), tuple(rows))


def _units(report: Report) -> Table:
    head = (
        "承办单位",
        "本期派单",
        "超期（在办与本期办结）",
        "在办",
        "按时办结率 %",
        "按时",
        "有期限的办结工单",
    )
    rows = (
        (row.name, row.passed, row.overdue, row.open, *_bare(row.on_time)) for row in report.units
    )
    return Table("units", "承办单位", head, tuple(rows))


def _exchanges(report: Report) -> Table:
    rows = (
        (
            EXCHANGED[row.what],
            row.partner,
            DIRECTIONS.get(row.direction, row.direction),
            row.reason,
            row.count,
        )
        for row in report.exchanges
    )
    head = ("方式", "单位", "方向", "原因或类别", "次数")
    return Table("exchanges", "转接与互派", head, tuple(rows))


def to_csv(report: Report) -> bytes:
    """Return all tables one below the other, UTF-8 with a byte order mark, which Excel needs."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([title(report.period)])
    for table in tables(report):
        writer.writerows([[], [table.title], table.head])
        writer.writerows([_harmless(cell) for cell in row] for row in table.rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _harmless(cell: Cell) -> Cell:
    """Keep a spreadsheet from taking a unit's name for a formula (CWE-1236)."""
    if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + cell
    return cell


def to_xlsx(report: Report) -> bytes:
    """Return a workbook, one sheet a table, with a chart of the course."""
    file = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, options) as book:
        bold = book.add_format({"bold": True, "bottom": 1})
        for table in tables(report):
            sheet = book.add_worksheet(table.name)
            sheet.write_row(0, 0, table.head, bold)
            for number, row in enumerate(table.rows, 1):
                sheet.write_row(number, 0, row)
            sheet.set_column(0, len(table.head) - 1, 16)
            sheet.freeze_panes(1, 0)
            if table.name == "course" and table.rows:
                _add_chart(book, sheet, table)
    return file.getvalue()


def _add_chart(
    book: xlsxwriter.Workbook, sheet: xlsxwriter.worksheet.Worksheet, table: Table
) -> None:
    chart = book.add_chart({"type": "line"})
    last = len(table.rows)
    for column in (1, 2):
        chart.add_series(
            {
                "name": [table.name, 0, column],
                "categories": [table.name, 1, 0, last, 0],
                "values": [table.name, 1, column, last, column],
            }
        )
    chart.set_title({"name": table.title})
    sheet.insert_chart("E2", chart)
