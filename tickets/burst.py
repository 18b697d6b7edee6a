"""集中: many tickets of one kind from one place within a short time are one large matter."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tickets.numerals import figures
from tickets.places import find_places
from tickets.urgency import Urgency

_TOO_COARSE = frozenset({"district"})
"""A whole district is no place: everything happens there."""


@dataclass(frozen=True, slots=True)
class BurstRule:
    """How many tickets of one category and place within how long make a burst."""

    tickets: int = 5
    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Burst:
    """A burst: its place, its tickets, and how pressing it makes each of them."""

    place: str
    tickets: tuple[str, ...]
    urgency: Urgency


def find_burst(
    address: str | None,
    category: str,
    ticket_id: str,
    others: Iterable[Mapping[str, Any]],
    rule: BurstRule,
) -> Burst | None:
    """Tell whether a ticket is one of a burst.

    Args:
        address: of this ticket.
        category: of this ticket.
        ticket_id: its own number.
        others: stored tickets of the same category within the window.
        rule: how many it takes. Several tickets of one caller count once.
    """
    best: tuple[str, tuple[str, ...]] | None = None
    listed = [other for other in others if other["id"] != ticket_id]
    for place in places_of(address):
        callers: dict[str, str] = {}
        for other in listed:
            if place in places_of(other["fields"].get("address", {}).get("value")):
                caller = other["fields"].get("phone", {}).get("value") or other["id"]
                callers.setdefault(caller, other["id"])
        tickets = (*sorted(callers.values()), ticket_id)
        if len(tickets) >= rule.tickets and (best is None or len(tickets) > len(best[1])):
            best = (place, tickets)
    if best is None:
        return None
    place, tickets = best
    minutes = round(rule.seconds / 60)
    reason = f"集中：{minutes}分钟内{place}{category}{len(tickets)}件"
    return Burst(place, tickets, Urgency("紧急", reason, None, place, None))


def places_of(address: str | None) -> frozenset[str]:
    """Return the names of the places in an address, house numbers left out."""
    if not address:
        return frozenset()
    places = find_places(figures(address).text, asked=True)
    return frozenset(p.name for p in places if p.name and p.kind not in _TOO_COARSE)
