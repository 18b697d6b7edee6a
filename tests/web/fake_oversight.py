"""Stand-ins for what leaders and inspectors need: the real pure parts on a day made up."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from agents.presence import Presence, State
from calls.finder import Sought
from calls.quality import Mark, total_of
from calls.statistics.accumulator import Key
from calls.statistics.counts import QUARTER, Counts
from calls.statistics.live import Floor, Person, Waiting, live_figures
from web.ports import Oversight

NOW = 1_760_000_000.0
LINES = {"12345": "政务服务便民热线", "12348": "法律服务", "12333": "人力社保"}
SKILLS = {"12345": "general", "12348": "law", "12333": "general"}
STATES = (State.READY, State.TALKING, State.TALKING, State.WRAP_UP, State.NOT_READY, State.RINGING)


def a_day(now: float = NOW, agents: int = 24) -> Floor:
    """A floor in the middle of a busy morning."""
    start = now - now % QUARTER
    rows: dict[Key, Counts] = {}
    for back in range(32):
        at = start - back * QUARTER
        calls = 30 + (back * 7) % 23
        counts = Counts(calls, calls - 2, calls - 5, 2, 0, 8.0 * calls, 41.0, 150.0 * calls, calls)
        rows[at, "line", "12345"] = rows[at, "skill", "general"] = counts
        rows[at, "line", "12348"] = rows[at, "skill", "law"] = Counts(4, 4, 3, 0, 0, 30, 16, 500, 4)
        rows[at, "group", "市级"] = Counts(calls, calls - 2, calls - 3, 2)
        rows[at, "group", "外包一组"] = Counts(9, 8, 8, 1)
    people = {
        f"{1001 + n}": Person(f"坐席{1001 + n}", "市级" if n % 3 else "外包一组")
        for n in range(agents)
    }
    presences = [
        Presence(
            agent_id,
            STATES[n % len(STATES)],
            reason="meal" if STATES[n % len(STATES)] is State.NOT_READY else None,
            since=now - 37 * (n + 1),
            phones=1,
        )
        for n, agent_id in enumerate(people)
    ]
    waiting = [Waiting(f"w{n}", ("12345", "12348")[n % 3 == 2], now - 9 * n - 4) for n in range(7)]
    return Floor(
        now=now,
        waiting=waiting,
        agents=presences,
        people=people,
        rows=rows,
        lines=LINES,
        skill_of=SKILLS.get,
    )


MATTERS: dict[str, Any] = {
    "tickets": 412,
    "topics": [
        {"name": name, "count": count, "usual": usual}
        for name, count, usual in (
            ("市容管理", 96, 61.4),
            ("物业管理", 71, 68.9),
            ("路况管理", 44, 70.0),
            ("消费维权", 39, None),
            ("道路设施", 31, 0.0),
            ("社会保障", 22, 20.1),
            ("劳动纠纷", 17, 21.0),
            ("环境保护", 12, 3.3),
        )
    ],
    "streets": [
        {"name": name, "count": count, "usual": usual}
        for name, count, usual in (
            ("城厢镇", 120, 75.0),
            ("浏河镇", 64, 66.3),
            ("沙溪镇", 51, 70.2),
            ("璜泾镇", 23, None),
        )
    ],
    "urgent": [
        {
            "ticket_id": f"T{n}",
            "at": NOW - 400 * n,
            "category": category,
            "street": "城厢镇",
            "level": level,
        }
        for n, (category, level) in enumerate(
            (("燃气泄漏", "特急"), ("道路塌陷", "紧急"), ("欠薪聚集", "紧急"))
        )
    ],
}


@dataclass
class FakeStatistics:
    """A made-up day."""

    floor: Floor = field(default_factory=a_day)

    async def figures(self) -> dict[str, Any]:
        return {**live_figures(self.floor), "matters": MATTERS, "satisfaction": {}}

    async def intervals(self, start: float, end: float) -> list[dict[str, Any]]:
        return [
            {
                "start": at,
                "kind": kind,
                "name": name,
                **(counts.offers_to_dict() if kind == "group" else counts.to_dict()),
            }
            for (at, kind, name), counts in sorted(self.floor.rows.items())
            if start <= at < end
        ]


@dataclass
class FakeFinder:
    """Finds the calls that a test puts in; notes what was asked for."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Sought] = field(default_factory=list)

    async def find(
        self, sought: Sought, *, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        self.asked.append(sought)
        return self.calls[offset : offset + limit]


@dataclass
class FakeQuality:
    """Assessments in memory."""

    said: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    async def assess(
        self,
        call_id: str,
        *,
        who: str,
        agent_id: str | None,
        scores: Mapping[str, int],
        marks: Sequence[Mark] = (),
        comment: str = "",
    ) -> dict[str, Any]:
        row = {
            "call_id": call_id,
            "at": NOW,
            "who": who,
            "agent_id": agent_id,
            "scores": dict(scores),
            "total": total_of(scores),
            "marks": [asdict(mark) for mark in marks],
            "comment": comment,
        }
        self.said.setdefault(call_id, []).append(row)
        return row

    async def of(self, call_id: str) -> list[dict[str, Any]]:
        return self.said.get(call_id, [])


def fake_oversight() -> Oversight:
    """Everything together."""
    return Oversight(statistics=FakeStatistics(), finder=FakeFinder(), quality=FakeQuality())
