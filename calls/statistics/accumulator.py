"""Counts one node's calls as they go, from the events that it publishes.

Pure: it is fed events and says which rows have changed. What it counts is what counting the stored
records would give (`recount`, with which a node begins after a restart).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from calls.statistics.counts import Counts, Kind, quarter_of
from eventbus.catalogue import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallOffered,
    CallOfferFailed,
    Event,
)

Key = tuple[float, Kind, str]
"""Start of the quarter, what is counted by, and whose row it is."""


@dataclass(slots=True)
class OpenCall:
    """A citizen's call that is not over.

    Attributes:
        line, arrived_at: of the call.
        answered_at: when an agent was first there.
        offers: agent → when the call was held out to him, until he takes it or does not.
    """

    line: str
    arrived_at: float
    answered_at: float | None = None
    offers: dict[str, float] = field(default_factory=dict)


class Accumulator:
    """The counts of one node.

    Args:
        skill_of: a line → the skill that its calls ask for; None: none.
        group_of: an agent → his group.

    Attributes:
        rows: everything counted so far.
        open: calls that are not over.
        changed: rows that have changed since somebody emptied it.
    """

    def __init__(
        self, *, skill_of: Callable[[str], str | None], group_of: Callable[[str], str]
    ) -> None:
        self._skill_of = skill_of
        self._group_of = group_of
        self.rows: dict[Key, Counts] = {}
        self.open: dict[str, OpenCall] = {}
        self.changed: set[Key] = set()

    def handle(self, event: Event) -> None:
        """Count what happened; calls that agents make are not counted."""
        match event:
            case CallArrived(call_id=str(call_id)):
                self.open[call_id] = call = OpenCall(event.line, event.at)
                for counts in self._of_call(call):
                    counts.calls += 1
            case CallOffered(call_id=str(call_id), agent_id=str(agent_id)):
                self._offered(call_id, agent_id, event.at)
            case CallOfferFailed(call_id=str(call_id), agent_id=str(agent_id)):
                self._not_taken(call_id, agent_id, event.outcome)
            case CallAnswered(call_id=str(call_id)):
                self._answered(call_id, event.agent_id, event.at)
            case CallEnded(call_id=str(call_id)):
                self._ended(call_id, event)
            case _:
                pass

    def forget(self, before: float) -> None:
        """Drop rows of earlier days; the database has them."""
        for key in [key for key in self.rows if key[0] < before]:
            del self.rows[key]
            self.changed.discard(key)

    def recount(
        self, calls: Iterable[Mapping[str, Any]], segments: Iterable[Mapping[str, Any]]
    ) -> None:
        """Count stored records: rows of `calls.records.calls` and of ``segments``, all over.

        The segments are those of citizens' calls.
        """
        for record in calls:
            if record["direction"] != "inbound" or record["outcome"] == "rejected":
                continue
            call = OpenCall(record["line"], record["arrived_at"])
            for counts in self._of_call(call):
                counts.calls += 1
                self._close(
                    counts,
                    record["outcome"],
                    waited=_span(record["arrived_at"], record["answered_at"]),
                    talked=_span(record["answered_at"], record["ended_at"]),
                )
        for segment in segments:
            if segment["agent_id"] is None:
                continue
            counts = self._of_group(segment["agent_id"], segment["offered_at"])
            counts.calls += 1
            if segment["answered_at"] is not None:
                counts.answer(segment["answered_at"] - segment["offered_at"])
            elif segment["outcome"] != "cancelled":
                counts.abandoned += 1

    # -- what an event does ------------------------------------------------------------------------

    def _offered(self, call_id: str, agent_id: str, at: float) -> None:
        call = self.open.get(call_id)
        if call is None or agent_id in call.offers:
            return
        call.offers[agent_id] = at
        self._of_group(agent_id, at).calls += 1

    def _not_taken(self, call_id: str, agent_id: str, outcome: str) -> None:
        call = self.open.get(call_id)
        offered_at = call.offers.pop(agent_id, None) if call is not None else None
        if offered_at is not None and outcome != "cancelled":  # then it was not his doing
            self._of_group(agent_id, offered_at).abandoned += 1

    def _answered(self, call_id: str, agent_id: str | None, at: float) -> None:
        """Count an answer; None: another hotline's, which is in no group of ours."""
        call = self.open.get(call_id)
        if call is None:
            return
        offered_at = call.offers.pop(agent_id, None) if agent_id is not None else None
        if offered_at is not None and agent_id is not None:
            self._of_group(agent_id, offered_at).answer(at - offered_at)
        if call.answered_at is None:
            call.answered_at = at
            for counts in self._of_call(call):
                counts.answer(at - call.arrived_at)

    def _ended(self, call_id: str, event: CallEnded) -> None:
        call = self.open.pop(call_id, None)
        if call is None:
            return
        for counts in self._of_call(call):
            if event.outcome == "rejected":
                counts.calls -= 1  # as when it had been refused at once: the line was closed
            elif call.answered_at is not None:
                counts.end(event.at - call.answered_at)
            else:
                self._close(counts, event.outcome, waited=None, talked=None)

    @staticmethod
    def _close(
        counts: Counts, outcome: str | None, *, waited: float | None, talked: float | None
    ) -> None:
        if waited is not None:
            counts.answer(waited)
            counts.end(talked or 0.0)
        elif outcome == "abandoned":
            counts.abandoned += 1
        elif outcome == "call_back":
            counts.call_backs += 1
        else:
            counts.failed += 1

    # -- whose row ---------------------------------------------------------------------------------

    def _of_call(self, call: OpenCall) -> list[Counts]:
        start = quarter_of(call.arrived_at)
        skill = self._skill_of(call.line)
        rows = [self._row((start, "line", call.line))]
        return rows if skill is None else [*rows, self._row((start, "skill", skill))]

    def _of_group(self, agent_id: str, at: float) -> Counts:
        return self._row((quarter_of(at), "group", self._group_of(agent_id)))

    def _row(self, key: Key) -> Counts:
        self.changed.add(key)
        return self.rows.setdefault(key, Counts())


def _span(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start
