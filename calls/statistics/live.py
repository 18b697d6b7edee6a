"""The live figures: what a wall board and a shift leader look at. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.presence import Presence
from calls.statistics.accumulator import Key
from calls.statistics.counts import Counts, Kind, quarter_of, total
from calls.statistics.rated import Rated


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call that no agent has yet; it says nothing of who calls.

    Attributes:
        call_id, line, arrived_at: of the call.
        offered_to: the agent whose phone rings for it.
    """

    call_id: str
    line: str
    arrived_at: float
    offered_to: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """An agent's name and group."""

    name: str
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Everything that the figures are made from.

    Attributes:
        now: Unix seconds.
        waiting: calls of all nodes without an agent.
        agents: who is known to the floor.
        people: agent → his name and group.
        rows: today's counts.
        lines: line → its name.
        skill_of: line → the skill that its calls ask for.
        rated: today's ratings.
    """

    now: float
    waiting: Sequence[Waiting]
    agents: Sequence[Presence]
    people: Mapping[str, Person]
    rows: Mapping[Key, Counts]
    lines: Mapping[str, str]
    skill_of: Callable[[str], str | None]
    rated: Mapping[Key, Rated] = field(default_factory=dict)


class _Sums:
    """Today's rows, added up in one pass."""

    def __init__(
        self, rows: Mapping[Key, Counts], rated: Mapping[Key, Rated], quarter: float
    ) -> None:
        self._rated: dict[tuple[str, Kind, str], Rated] = {}
        for (start, kind, name), figures in rated.items():
            for span in ("today", "quarter") if start == quarter else ("today",):
                self._rated.setdefault((span, kind, name), Rated()).add(figures)
        self.today: dict[Kind, dict[str, Counts]] = {"line": {}, "skill": {}, "group": {}}
        self.quarter: dict[Kind, dict[str, Counts]] = {"line": {}, "skill": {}, "group": {}}
        self.course: dict[float, Counts] = {}
        for (start, kind, name), counts in rows.items():
            self.today[kind].setdefault(name, Counts()).add(counts)
            if start == quarter:
                self.quarter[kind].setdefault(name, Counts()).add(counts)
            if kind == "line":  # each call has one
                self.course.setdefault(start, Counts()).add(counts)

    def shown(self, span: Literal["today", "quarter"], kind: Kind, name: str) -> dict[str, Any]:
        """Return the figures of a line, skill or group."""
        counts = (self.today if span == "today" else self.quarter)[kind].get(name, Counts())
        told = counts.offers_to_dict() if kind == "group" else counts.to_dict()
        return {**told, **self._rated.get((span, kind, name), Rated()).to_dict()}


def live_figures(floor: Floor) -> dict[str, Any]:
    """Return the figures, JSON-ready; every percentage with its denominator."""
    on_floor = [agent for agent in floor.agents if agent.state != "signed_out"]
    states = Counter(str(agent.state) for agent in on_floor)
    quarter = quarter_of(floor.now)
    sums = _Sums(floor.rows, floor.rated, quarter)
    return {
        "at": floor.now,
        "now": {
            **_queue(floor.waiting, floor.now),
            "ready": states["ready"],
            "signed_in": len(on_floor),
            "states": dict(sorted(states.items())),
        },
        "quarter": sums.course.get(quarter, Counts()).to_dict(),
        "today": total(sums.course.values()).to_dict(),
        "course": [
            {"start": start, **counts.to_dict()} for start, counts in sorted(sums.course.items())
        ],
        "lines": _queues(floor, sums, "line"),
        "skills": _queues(floor, sums, "skill"),
        "groups": _groups(floor, sums, on_floor),
        "waiting": [
            {
                "call_id": call.call_id,
                "line": call.line,
                "name": floor.lines.get(call.line, call.line),
                "arrived_at": call.arrived_at,
                "offered_to": call.offered_to,
            }
            for call in sorted(floor.waiting, key=lambda call: call.arrived_at)
        ],
        "agents": [_agent(agent, floor.people) for agent in on_floor],
    }


def _queue(waiting: Sequence[Waiting], now: float) -> dict[str, Any]:
    longest = max((now - call.arrived_at for call in waiting), default=None)
    return {
        "waiting": len(waiting),
        "longest_wait": None if longest is None else round(max(longest, 0.0), 1),
    }


def _queues(floor: Floor, sums: _Sums, kind: Kind) -> list[dict[str, Any]]:
    waiting: dict[str | None, list[Waiting]] = {}
    for call in floor.waiting:
        name = call.line if kind == "line" else floor.skill_of(call.line)
        waiting.setdefault(name, []).append(call)
    known = set(floor.lines) if kind == "line" else {*map(floor.skill_of, floor.lines)}
    names = {name for name in known | set(waiting) | set(sums.today[kind]) if name is not None}
    return [
        {
            kind: name,
            "name": floor.lines.get(name, name) if kind == "line" else name,
            **_queue(waiting.get(name, ()), floor.now),
            "quarter": sums.shown("quarter", kind, name),
            "today": sums.shown("today", kind, name),
        }
        for name in sorted(names)
    ]


def _groups(floor: Floor, sums: _Sums, on_floor: Sequence[Presence]) -> list[dict[str, Any]]:
    nobody = Person("", "")
    states: dict[str, Counter[str]] = {name: Counter() for name in sums.today["group"]}
    for agent in on_floor:
        group = floor.people.get(agent.agent_id, nobody).group
        states.setdefault(group, Counter())[str(agent.state)] += 1
    return [
        {
            "group": name,
            "ready": states[name]["ready"],
            "signed_in": states[name].total(),
            "states": dict(sorted(states[name].items())),
            "quarter": sums.shown("quarter", "group", name),
            "today": sums.shown("today", "group", name),
        }
        for name in sorted(states)
    ]


def _agent(agent: Presence, people: Mapping[str, Person]) -> dict[str, Any]:
    person = people.get(agent.agent_id, Person(agent.agent_id, ""))
    return {
        "id": agent.agent_id,
        "name": person.name,
        "group": person.group,
        "state": str(agent.state),
        "reason": agent.reason,
        "since": agent.since,
        "talk": agent.talk,
        "phones": agent.phones,
        "call_id": agent.call_id,
    }
