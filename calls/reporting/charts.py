"""Two plots as SVG: a course over time, and bars.

Attributes only and no style element, so any content security policy takes them.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

INK: Final = "#1f2937"
FAINT: Final = "#9ca3af"
COLOURS: Final = ("#1d4ed8", "#0f766e", "#b45309")
_WIDTH: Final = 720
_LEFT: Final = 56
_BOTTOM: Final = 36
_TOP: Final = 28
_TICKS: Final = 4
_LABELS: Final = 12
_BAR: Final = 22
_NAMES: Final = 150


def _text(x: float, y: float, words: str, *, anchor: str = "start", colour: str = INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(words)}</text>"
    )


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {_WIDTH} {height:.0f}" '
        f'font-family="sans-serif"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def ceiling(value: float) -> int:
    """Return the next of 1, 2, 5, 10, 20, 50… that is not below ``value`` (at least 1)."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if factor * step >= value:
                return factor * step
        step *= 10


def course(title: str, labels: Sequence[str], series: Sequence[tuple[str, Sequence[int]]]) -> str:
    """Return lines over time, all series with one scale that begins at 0."""
    height = 260.0
    top = ceiling(max((value for _, values in series for value in values), default=1))
    plot_width, plot_height = _WIDTH - _LEFT - 12, height - _TOP - _BOTTOM

    def x(number: int) -> float:
        return _LEFT + plot_width * (number / max(1, len(labels) - 1))

    def y(value: float) -> float:
        return _TOP + plot_height * (1 - value / top)

    parts = []
    for tick in range(_TICKS + 1):
        value = top * tick / _TICKS
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - 12}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
            f'stroke="{FAINT}" stroke-width="0.5"/>'
        )
        parts.append(_text(_LEFT - 6, y(value) + 4, f"{value:g}", anchor="end"))
    every = max(1, -(-len(labels) // _LABELS))
    parts += [
        _text(x(number), height - 14, labels[number][-5:], anchor="middle")
        for number in range(0, len(labels), every)
    ]
    for place, (name, values) in enumerate(series):
        colour = COLOURS[place % len(COLOURS)]
        points = " ".join(f"{x(number):.1f},{y(value):.1f}" for number, value in enumerate(values))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts.append(_text(_LEFT + 90 * place, 16, f"— {name}", colour=colour))
    return _svg(height, title, parts)


def bars(title: str, rows: Sequence[tuple[str, int, int]]) -> str:
    """Return horizontal bars: name, this period (dark), the one before (faint below it)."""
    height = 12 + _BAR * 1.5 * max(1, len(rows))
    top = ceiling(max((max(now, before) for _, now, before in rows), default=1))
    scale = (_WIDTH - _NAMES - 60) / top
    parts = []
    for number, (name, now, before) in enumerate(rows):
        y = 6 + _BAR * 1.5 * number
        for value, offset, thick, colour in (
            (now, 0.0, 14, COLOURS[0]),
            (before, 15.0, 6, FAINT),
        ):
            parts.append(
                f'<rect x="{_NAMES}" y="{y + offset:.1f}" width="{value * scale:.1f}" '
                f'height="{thick}" fill="{colour}"/>'
            )
        parts.append(_text(_NAMES - 8, y + 12, name[:10], anchor="end"))
        parts.append(_text(_NAMES + now * scale + 6, y + 12, str(now)))
    return _svg(height, title, parts)
