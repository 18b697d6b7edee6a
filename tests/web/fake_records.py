"""What is kept and worked out beside calls: audit, ladders, knowledge, reports, health."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from calls.ladders import Ladder
from calls.reporting.period import Period
from calls.reporting.report import (
    Exchange,
    Frequent,
    Hot,
    Point,
    Report,
    Share,
    Unit,
    Volume,
)
from eventbus.catalogue import (
    CallHelp,
)
from tests.web.fake_people import Clock
from tickets.help.knowledge import Entry
from tickets.help.knowledge_base import Found


class FakeAudit:
    """A trail in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.entries: list[dict[str, Any]] = []

    def note(
        self, who: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        entry = {"who": who, "action": action, "subject": subject, "detail": detail}
        self.entries.append({"id": len(self.entries) + 1, "at": self._clock(), **entry})

    def look(
        self, who: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        look = {"who": who, "action": action, "subject": subject, "detail": detail}
        if not any(look.items() <= entry.items() for entry in self.entries):
            self.note(who, action, subject, detail)

    async def list_(
        self,
        *,
        who: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        found = [
            entry
            for entry in reversed(self.entries)
            if who in {None, entry["who"]}
            and action in {None, entry["action"]}
            and subject in {None, entry["subject"]}
            and (since is None or entry["at"] >= since)
            and (until is None or entry["at"] < until)
        ]
        return found[offset : offset + limit]


@dataclass
class FakeHelper:
    """What a test puts in."""

    told: dict[str, CallHelp] = field(default_factory=dict)

    def latest(self, call_id: str) -> CallHelp | None:
        return self.told.get(call_id)


@dataclass
class FakeLadders:
    """Ladders that a test puts in."""

    known: dict[str, Ladder] = field(default_factory=dict)

    async def of(self, call_id: str) -> Ladder | None:
        return self.known.get(call_id)


class FakeKnowledgeBase:
    """A few entries and their versions, found by words of their titles."""

    def __init__(self) -> None:
        self.versions: dict[str, list[Entry]] = {}
        self.retired: set[str] = set()

    async def search(self, said: str, *, limit: int = 5) -> list[Found]:
        current = [(name, len(kept), kept[-1]) for name, kept in self.versions.items()]
        return [
            Found(entry, version, 1.0, entry.body[:20], ())
            for name, version, entry in current
            if name not in self.retired and any(word in said for word in entry.keywords)
        ][:limit]

    async def get(self, entry_id: str, version: int | None = None) -> tuple[Entry, int] | None:
        kept = self.versions.get(entry_id, [])
        number = len(kept) if version is None else version
        return (kept[number - 1], number) if 0 < number <= len(kept) else None

    async def put(self, entry: Entry, *, who: str) -> int:  # noqa: ARG002 - the port's
        kept = self.versions.setdefault(entry.id, [])
        if not kept or kept[-1] != entry:
            kept.append(entry)
        self.retired.discard(entry.id)
        return len(kept)

    async def retire(self, entry_id: str) -> bool:
        there = entry_id in self.versions and entry_id not in self.retired
        self.retired.add(entry_id)
        return there


class FakeReports:
    """A report with a little of everything."""

    async def report(self, period: Period) -> Report:
        share, before = Share(9, 10, "来电"), Share(0, 0, "来电")
        return Report(
            period=period,
            made_at=period.end,
            counts={"calls": (10, 0)},
            seconds={"waited": (7.5, None)},
            shares={"connected": (share, before)},
            course=(Point("00:00", 10, 9),),
            volumes={"line": (Volume("便民<热线>", 10, 0, Share(10, 10, "来电")),)},
            hot=(Hot("市容管理", "城厢镇", 3, 1),),
            frequent=(Frequent("138****1001", 4),),
            units=(Unit("=城管局", 3, 1, 2, Share(1, 1, "有期限的办结工单")),),
            exchanges=(Exchange("call", "110", "out", "警情", 2),),
        )


class FakeHealth:
    """A node whose parts are as a test sets them."""

    def __init__(self) -> None:
        self.status = "ok"
        self.parts: dict[str, dict[str, str | None]] = {
            part: {"status": "ok", "detail": None}
            for part in ("media", "recogniser", "redis", "mqtt", "database", "trunks")
        }

    async def __call__(self) -> dict[str, Any]:
        return {"status": self.status, "parts": self.parts, "counts": {"calls": 0}}
