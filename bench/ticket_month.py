"""A made-up month of calls and tickets, and its report worked out the plain way.

The plain way reads every row in Python; what the database counts must be equal to it.
"""

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from bench.bulk_load import load
from calls.after_call import ratings
from calls.records import calls, segments
from calls.reporting.exchanges import CONSULTED
from calls.reporting.figures import ANSWER_SECONDS, FREQUENT
from calls.reporting.period import DAY, HOUR, Period
from calls.reporting.report import NOT_SAID, Share
from calls.reporting.volumes import TOP
from tickets.exchange.store import handovers_table
from tickets.masking import mask_number
from tickets.store import tickets_table

Row = dict[str, Any]

LINES = {"12345": "便民热线", "12333": "社保热线", "12315": "消费热线", "12319": "城管热线"}
_CATEGORIES = ("市容管理", "物业管理", "路况管理", "消费维权", "道路设施", "社会保障", None)
_STREETS = (*(f"{name}街道" for name in ("城厢", "娄东", "平江", "双塔", "沧浪")), None)
_UNITS = ("城管局", "住建局", "人社局", "市场监管局", "公安局")
_TYPES = ("咨询", "求助", "投诉", "举报", "建议", "表扬", None)
_CHANNELS = ("电话",) * 9 + ("互转",)


@dataclass(frozen=True, slots=True)
class Month:
    """All rows, and the moment at which the report is made."""

    calls: Sequence[Row]
    segments: Sequence[Row]
    tickets: Sequence[Row]
    ratings: Sequence[Row]
    handovers: Sequence[Row]
    now: float
    _by_time: dict[tuple[str, str], tuple[list[float], list[Row]]] = field(default_factory=dict)

    def within(self, table: str, at: str, period: Period) -> list[Row]:
        """Return a table's rows with this time in a period; sorted by it, once."""
        if (table, at) not in self._by_time:
            rows = [row for row in getattr(self, table) if row[at] is not None]
            rows.sort(key=itemgetter(at))
            self._by_time[table, at] = [row[at] for row in rows], rows
        times, rows = self._by_time[table, at]
        return rows[bisect_left(times, period.start) : bisect_left(times, period.end)]


def make(period: Period, *, tickets: int, calls_: int, seed: int = 1) -> Month:
    """Make a period and the one before it, with these numbers in each."""
    chance = random.Random(seed)
    all_calls: list[Row] = []
    all_tickets: list[Row] = []
    for part in (period.before, period):
        # In the order of time, as they come: neighbours in time are neighbours on the disk.
        came, handed_in = (_times(chance, part, count) for count in (calls_, tickets))
        all_calls += [_call(chance, at, n) for n, at in enumerate(came, len(all_calls))]
        all_tickets += [_ticket(chance, at, n) for n, at in enumerate(handed_in, len(all_tickets))]
    all_segments = [_segment(chance, call) for call in all_calls if call["answered_at"] is not None]
    rated = [_rating(chance, call) for call in all_calls if call["answered_at"] is not None]
    exchanged = [_handover(chance, t) for t in all_tickets if chance.random() < 0.01]
    return Month(all_calls, all_segments, all_tickets, rated, exchanged, period.end + 3 * DAY)


def _times(chance: random.Random, period: Period, count: int) -> list[float]:
    return sorted(chance.uniform(period.start, period.end) for _ in range(count))


def _call(chance: random.Random, arrived: float, number: int) -> Row:
    outcomes = ("answered", "abandoned", "call_back", "rejected", "failed")
    outcome = chance.choices(outcomes, (90, 5, 2, 2, 1))[0]
    waited = chance.expovariate(1 / 8)
    answered = arrived + waited if outcome == "answered" else None
    caller = f"138{chance.randrange(90000):08}" if chance.random() < 0.97 else None
    return {
        "call_id": f"c{number:08}",
        "node": "n1",
        "line": chance.choice(tuple(LINES)),
        "caller": caller,
        "sip_call_id": "s",
        "arrived_at": arrived,
        "answered_at": answered,
        "ended_at": arrived + waited + (chance.expovariate(1 / 150) if answered else 0.0),
        "outcome": outcome,
        "ended_by": "citizen",
        "direction": "outbound" if chance.random() < 0.03 else "inbound",
    }


def _rating(chance: random.Random, call: Row) -> Row:
    rated = chance.random() < 0.4
    return {
        "call_id": call["call_id"],
        "seq": 0,
        "agent_id": "1001",
        "outcome": "rated" if rated else "timeout",
        "score": chance.choices((5, 4, 3, 2, 1), (80, 10, 5, 2, 3))[0] if rated else None,
        "at": call["ended_at"],
    }


def _segment(chance: random.Random, call: Row) -> Row:
    """One participant beside the citizen: mostly an agent, at times a partner."""
    out = chance.random() < 0.05
    return {
        "call_id": call["call_id"],
        "seq": 1,
        "agent_id": "1001",
        "kind": "partner" if out else "agent",
        "offered_at": call["arrived_at"],
        "partner": chance.choice(("110", "120")) if out else None,
        "direction": chance.choice(("out", "in")) if out else None,
        "reason": chance.choice(("警情", "伤病", None)) if out else None,
        "answered_at": call["arrived_at"] + 5 if chance.random() < 0.9 else None,
        "outcome": chance.choice(("answered", "transferred", CONSULTED, None)),
    }


def _handover(chance: random.Random, ticket: Row) -> Row:
    """A ticket, or the draft of a call, that went to a partner or came from one."""
    return {
        "partner": chance.choice(("110", "12345-苏州")),
        "direction": chance.choice(("out", "in")),
        "kind": "ticket" if chance.random() < 0.9 else "draft",
        "number": ticket["id"],
        "state": "finished",
        "step": 1,
        "ticket_id": ticket["id"] if chance.random() < 0.9 else None,
        "reason": "已办结",
        "matter": {},
        "said_at": ticket["submitted_at"],
        "created_at": ticket["submitted_at"],
        "changed_at": ticket["submitted_at"] + 60,
    }


def _ticket(chance: random.Random, submitted: float, number: int) -> Row:
    row: Row = {
        "id": f"t{number:08}",
        "call_id": f"c{number:08}",
        "agent_id": "1001",
        "status": "answered",
        "channel": chance.choice(_CHANNELS),
        "created_at": submitted - 200,
        "updated_at": submitted,
        "submitted_at": submitted,
        "submitted_by": "1001",
        "type": chance.choice(_TYPES),
        "category": chance.choice(_CATEGORIES),
        "street": chance.choice(_STREETS),
        "urgency": chance.choices(("普通", "一般", "紧急", "特急"), (80, 14, 5, 1))[0],
        "secret": chance.random() < 0.05,
        "fields": {},
        "reopens": f"t{0:08}" if number and chance.random() < 0.02 else None,
        "unit": None,
        "passed_at": None,
        "deadline_at": None,
        "ended_at": submitted + 60,
        "reached": None,
        "solved": None,
        "satisfied": None,
    }
    if chance.random() < 0.2:
        row["unit"], row["passed_at"] = chance.choice(_UNITS), submitted + 600
        row["deadline_at"] = submitted + 5 * DAY
        ended = submitted + chance.expovariate(1 / (3 * DAY))
        open_ = chance.random() < 0.1
        row["status"] = "passed" if open_ else "closed"
        row["ended_at"] = None if open_ else ended
    if row["ended_at"] is not None and chance.random() < 0.5:
        row["reached"] = chance.random() < 0.9
        if row["reached"]:
            row["solved"], row["satisfied"] = chance.random() < 0.9, chance.random() < 0.95
    return row


async def store(engine: AsyncEngine, month: Month) -> None:
    """Write the rows into a migrated, empty database, as fast as it takes them."""
    for table, rows in (
        (calls, month.calls),
        (segments, month.segments),
        (tickets_table, month.tickets),
        (ratings, month.ratings),
        (handovers_table, month.handovers),
    ):
        await load(engine, table, rows)


# -- the plain way ---------------------------------------------------------------------------------


def recount(month: Month, period: Period) -> dict[str, Any]:
    """Return what ``Report.to_dict`` must say, as far as it is counted."""
    before = period.before
    now_, then = _figures(month, period), _figures(month, before)
    return {
        "counts": {
            name: {"count": now_["counts"][name], "before": then["counts"][name]}
            for name in now_["counts"]
        },
        "shares": {
            name: {**now_["shares"][name], "before": then["shares"][name]}
            for name in now_["shares"]
        },
        "seconds": {
            name: {"mean": now_["seconds"][name], "before": then["seconds"][name]}
            for name in now_["seconds"]
        },
        "course": _course(month, period),
        "volumes": _volumes(month, period),
        "hot": _hot(month, period),
        "frequent": _frequent(month, period),
        "units": _units(month, period),
        "exchanges": _exchanges(month, period),
    }


def _in(rows: Iterable[Row], at: str, period: Period) -> list[Row]:
    return [row for row in rows if row[at] is not None and period.start <= row[at] < period.end]


def _taken(month: Month, period: Period) -> list[Row]:
    return [
        row
        for row in month.within("calls", "arrived_at", period)
        if row["outcome"] != "rejected" and row["direction"] == "inbound"
    ]


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 2) if values else None


def _figures(month: Month, period: Period) -> dict[str, Any]:
    taken = _taken(month, period)
    answered = [row for row in taken if row["answered_at"] is not None]
    waits = [row["answered_at"] - row["arrived_at"] for row in answered]
    abandoned = sum(row["outcome"] == "abandoned" for row in taken)
    submitted = month.within("tickets", "submitted_at", period)
    ended = month.within("tickets", "ended_at", period)
    due = [row for row in ended if row["deadline_at"] is not None]
    on_line = sum(row["status"] == "answered" for row in submitted)

    asked = month.within("ratings", "at", period)
    scores = [row["score"] for row in asked if row["score"] is not None]

    def share(part: int, whole: int, of: str) -> Row:
        return Share(part, whole, of).to_dict()

    def verdict(name: str, of: str) -> Row:
        said = [row[name] for row in ended if row[name] is not None]
        return share(sum(said), len(said), of)

    return {
        "counts": {
            "calls": len(taken),
            "answered": len(answered),
            "abandoned": abandoned,
            "call_backs": sum(row["outcome"] == "call_back" for row in taken),
            "tickets": len(submitted),
            "urgent": sum(row["urgency"] in {"紧急", "特急"} for row in submitted),
            "reopened": sum(row["reopens"] is not None for row in submitted),
        },
        "seconds": {
            "waited": _mean(waits),
            "talked": _mean([row["ended_at"] - row["answered_at"] for row in answered]),
        },
        "shares": {
            "connected": share(len(answered), len(taken), "来电"),
            "within_15_s": share(sum(wait <= ANSWER_SECONDS for wait in waits), len(taken), "来电"),
            "abandoned": share(abandoned, len(taken), "来电"),
            "on_line": share(on_line, len(submitted), "提交工单"),
            "on_time": share(
                sum(row["ended_at"] <= row["deadline_at"] for row in due),
                len(due),
                "有期限的办结工单",
            ),
            "solved": verdict("solved", "回访问及解决情况的办结工单"),
            "satisfied": verdict("satisfied", "回访问及满意度的办结工单"),
            "rated": share(len(scores), len(asked), "请求按键评价的通话"),
            "pleased": share(sum(score >= 4 for score in scores), len(scores), "按键评价的通话"),
        },
    }


def _course(month: Month, period: Period) -> list[Row]:
    width = HOUR if period.kind == "day" else DAY
    slots = round((period.end - period.start) / width)
    found: list[list[int]] = [[0, 0] for _ in range(slots)]
    for row in _taken(month, period):
        slot = found[int((row["arrived_at"] - period.start) // width)]
        slot[0] += 1
        slot[1] += row["answered_at"] is not None
    return [{"calls": came, "answered": taken} for came, taken in found]


def _volumes(month: Month, period: Period) -> Mapping[str, list[Row]]:
    volumes = {}
    for kind in ("line", "channel", "type", "category"):
        if kind == "line":
            now, then = _taken(month, period), _taken(month, period.before)
        else:
            now = month.within("tickets", "submitted_at", period)
            then = month.within("tickets", "submitted_at", period.before)
        counts = Counter(row[kind] or NOT_SAID for row in now)
        earlier = Counter(row[kind] or NOT_SAID for row in then)
        names = sorted(counts | earlier, key=lambda name: (-counts[name], name))
        volumes[kind] = [
            {
                "name": LINES.get(name, name),
                "count": counts[name],
                "before": earlier[name],
                "percent": Share(counts[name], len(now), "").percent,
                "change": _change(counts[name], earlier[name]),
            }
            for name in names
        ]
    return volumes


def _change(now: int, then: int) -> float | None:
    """Return by how many percent there are more now; None where there were none."""
    return round(100 * (now - then) / then, 2) if then else None


def _hot(month: Month, period: Period) -> list[Row]:
    def count(part: Period) -> Counter[tuple[str, str]]:
        rows = month.within("tickets", "submitted_at", part)
        return Counter(
            (row["category"], row["street"]) for row in rows if row["category"] and row["street"]
        )

    now, then = count(period), count(period.before)
    ranked = sorted(now, key=lambda place: (-now[place], *place))[:TOP]
    return [
        {"category": place[0], "street": place[1], "count": now[place], "before": then[place]}
        for place in ranked
    ]


def _frequent(month: Month, period: Period) -> list[Row]:
    counts = Counter(row["caller"] for row in _taken(month, period) if row["caller"])
    often = [caller for caller, count in counts.items() if count >= FREQUENT]
    often.sort(key=lambda caller: (-counts[caller], caller))
    return [{"caller": mask_number(caller), "calls": counts[caller]} for caller in often[:TOP]]


def _units(month: Month, period: Period) -> list[Row]:
    until = min(period.end, month.now)
    rows = []
    for unit in _UNITS:
        its = [row for row in month.tickets if row["unit"] == unit and row["passed_at"] < until]
        passed = _in(its, "passed_at", period)
        ended = _in(its, "ended_at", period)
        open_ = [row for row in its if row["ended_at"] is None or row["ended_at"] >= until]
        late = [row for row in open_ if row["deadline_at"] < until]
        late += [row for row in ended if row["deadline_at"] < row["ended_at"] < until]
        on_time = sum(row["ended_at"] <= row["deadline_at"] for row in ended)
        if passed or open_ or ended:
            rows.append(
                {
                    "name": unit,
                    "passed": len(passed),
                    "overdue": len(late),
                    "open": len(open_),
                    "on_time": Share(on_time, len(ended), "有期限的办结工单").to_dict(),
                }
            )
    return sorted(rows, key=lambda row: (-row["overdue"], -row["passed"], row["name"]))


def _exchanges(month: Month, period: Period) -> list[Row]:
    passed_on = [
        ("call", row["partner"], row["direction"], row["reason"] or NOT_SAID)
        for row in month.within("segments", "offered_at", period)
        if row["partner"] and row["answered_at"] is not None and row["outcome"] != CONSULTED
    ]
    about = {row["id"]: row["category"] for row in month.tickets}
    handed_over = [
        ("ticket", row["partner"], row["direction"], about.get(row["ticket_id"]) or NOT_SAID)
        for row in month.within("handovers", "created_at", period)
        if row["kind"] == "ticket"
    ]
    counts = Counter(passed_on + handed_over)
    ranked = sorted(counts, key=lambda key: (-counts[key], *key[1:3], key[0], key[3]))
    names = ("what", "partner", "direction", "reason")
    return [{**dict(zip(names, key, strict=True)), "count": counts[key]} for key in ranked]


def comparable(report: Mapping[str, Any]) -> dict[str, Any]:
    """Cut a report's dict down to what ``recount`` returns."""
    counted = {name: report[name] for name in ("counts", "shares", "seconds", "hot", "frequent")}
    return {
        **counted,
        "course": [
            {"calls": point["calls"], "answered": point["answered"]} for point in report["course"]
        ],
        "volumes": {
            kind: [
                {
                    "name": row["name"],
                    "count": row["count"],
                    "before": row["before"],
                    "percent": row["share"]["percent"],
                    "change": row["change"]["percent"],
                }
                for row in rows
            ]
            for kind, rows in report["volumes"].items()
        },
        "units": report["units"],
        "exchanges": report["exchanges"],
    }
