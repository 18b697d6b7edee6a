"""A report as a page for the printer: plots and tables, one file, nothing fetched from anywhere."""

from datetime import UTC, datetime
from html import escape
from typing import Final

from calls.reporting.charts import bars, course
from calls.reporting.report import Report
from calls.reporting.tables import Cell, Table, tables, title
from tickets.working_days import CHINA

_STYLE: Final = """
body { font: 14px/1.5 "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; color: #1f2937;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem }
h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #d1d5db; padding: .25rem .5rem; text-align: left }
td.number { text-align: right; font-variant-numeric: tabular-nums }
figure { margin: 1rem 0 }
figure, table, h2 { break-inside: avoid }
footer { margin-top: 2rem; color: #4b5563 }
@media print { body { margin: 0; max-width: none } }
"""
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""The Content-Security-Policy that the page needs: its own style, nothing else."""
_BARS: Final = 12


def to_page(report: Report, *, watermark: str = "") -> bytes:
    """Return the page as UTF-8 HTML.

    Args:
        report: what stands in it.
        watermark: who took it out of the house and when; stands at its foot.
    """
    made = datetime.fromtimestamp(report.made_at, UTC) + CHINA
    sections = []
    for table in tables(report):
        plot = _plot(report, table)
        figure = f"<figure>{plot}</figure>" if plot else ""
        sections.append(f"<h2>{escape(table.title)}</h2>{figure}{_table(table)}")
    name = escape(title(report.period))
    before = report.period.before.name
    foot = f"生成于 {made:%Y-%m-%d %H:%M}。每个百分比的分母写在旁边；上期：{before}。"
    return (
        f'<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>{name}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{name}</h1>{''.join(sections)}"
        f"<footer>{escape(foot)} {escape(watermark)}</footer></body></html>"
    ).encode()


def _plot(report: Report, table: Table) -> str:
    if table.name == "course":
        series = [
            ("来电", [point.calls for point in report.course]),
            ("接通", [point.answered for point in report.course]),
        ]
        return course(table.title, [point.at for point in report.course], series)
    if table.name.startswith("by_"):
        rows = report.volumes[table.name.removeprefix("by_")][:_BARS]
        return bars(table.title, [(row.name, row.count, row.before) for row in rows])
    if table.name == "hot":
        named = [
            (f"{row.street}{row.category}", row.count, row.before) for row in report.hot[:_BARS]
        ]
        return bars(table.title, named) if named else ""
    return ""


def _table(table: Table) -> str:
    if not table.rows:
        return "<p>无</p>"
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in table.head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: Cell) -> str:
    if cell is None:
        return "<td class=number>–</td>"
    if isinstance(cell, str):
        return f"<td>{escape(cell)}</td>"
    return f"<td class=number>{cell:,}</td>"
