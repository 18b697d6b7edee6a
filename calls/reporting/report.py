"""The report itself: figures that say what they are figures of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from calls.reporting.period import Period

NOT_SAID: Final = "未填"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole.

    Attributes:
        part, whole: counts.
        of: what the whole is, in Chinese.
    """

    part: int
    whole: int
    of: str

    @property
    def percent(self) -> float | None:
        """The part in percent, to two places; None of nothing."""
        return round(100 * self.part / self.whole, 2) if self.whole else None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {"part": self.part, "whole": self.whole, "of": self.of, "percent": self.percent}


@dataclass(frozen=True, slots=True)
class Volume:
    """How many of one kind, in this period and in the one before."""

    name: str
    count: int
    before: int
    share: Share

    @property
    def change(self) -> Share:
        """The difference as a share of the period before."""
        return Share(self.count - self.before, self.before, "上期")


@dataclass(frozen=True, slots=True)
class Hot:
    """A topic at a street: how many tickets, and in the period before."""

    category: str
    street: str
    count: int
    before: int


@dataclass(frozen=True, slots=True)
class Frequent:
    """A caller (masked) and how often he called."""

    caller: str
    calls: int


@dataclass(frozen=True, slots=True)
class Unit:
    """What a unit had to do.

    Attributes:
        passed: tickets passed on to it in the period.
        overdue: of those that are open, and of those that ended in the period, how many are or
            were beyond their deadline, whenever they were passed on.
        open: with it at the end of the period or now, whichever is earlier.
        on_time: ended in time, of those with it that ended in the period.
    """

    name: str
    passed: int
    overdue: int
    open: int
    on_time: Share


@dataclass(frozen=True, slots=True, order=True)
class Exchange:
    """Calls or tickets (``what``) handed over to, or taken from, a partner, and for what reason."""

    what: str
    partner: str
    direction: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Point:
    """Calls of an hour (a day's report) or a day: which, how many, how many answered."""

    at: str
    calls: int
    answered: int


@dataclass(frozen=True, slots=True)
class Report:
    """Everything of one period.

    Attributes:
        counts: plain numbers by name, each with that of the period before.
        seconds: means by name, each with the period before's; None of nothing.
        shares: percentages by name, each with the period before's.
        volumes: by line, channel, type and category.
    """

    period: Period
    made_at: float
    counts: Mapping[str, tuple[int, int]]
    seconds: Mapping[str, tuple[float | None, float | None]]
    shares: Mapping[str, tuple[Share, Share]]
    course: tuple[Point, ...]
    volumes: Mapping[str, tuple[Volume, ...]]
    hot: tuple[Hot, ...]
    frequent: tuple[Frequent, ...]
    units: tuple[Unit, ...]
    exchanges: tuple[Exchange, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; every percentage with its denominator."""
        return {
            "period": {
                "kind": self.period.kind,
                "name": self.period.name,
                "start": self.period.start,
                "end": self.period.end,
                "before": self.period.before.name,
            },
            "made_at": self.made_at,
            "counts": {
                name: {"count": now, "before": before}
                for name, (now, before) in self.counts.items()
            },
            "seconds": {
                name: {"mean": now, "before": before}
                for name, (now, before) in self.seconds.items()
            },
            "shares": {
                name: {**now.to_dict(), "before": before.to_dict()}
                for name, (now, before) in self.shares.items()
            },
            "course": [
                {"at": point.at, "calls": point.calls, "answered": point.answered}
                for point in self.course
            ],
            "volumes": {
                kind: [
                    {
                        "name": row.name,
                        "count": row.count,
                        "before": row.before,
                        "share": row.share.to_dict(),
                        "change": row.change.to_dict(),
                    }
                    for row in rows
                ]
                for kind, rows in self.volumes.items()
            },
            "hot": [
                {
                    "category": row.category,
                    "street": row.street,
                    "count": row.count,
                    "before": row.before,
                }
                for row in self.hot
            ],
            "frequent": [{"caller": row.caller, "calls": row.calls} for row in self.frequent],
            "units": [
                {
                    "name": row.name,
                    "passed": row.passed,
                    "overdue": row.overdue,
                    "open": row.open,
                    "on_time": row.on_time.to_dict(),
                }
                for row in self.units
            ],
            "exchanges": [
                {
                    "what": row.what,
                    "partner": row.partner,
                    "direction": row.direction,
                    "reason": row.reason,
                    "count": row.count,
                }
                for row in self.exchanges
            ],
        }
