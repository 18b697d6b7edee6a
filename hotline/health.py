"""How the node is: the state of each part, told when it changes, and what is alive just now."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from eventbus.bus import EventBus
from eventbus.catalogue import ServiceStatus

log = structlog.get_logger(__name__)

PARTS = ("media", "recogniser", "redis", "mqtt", "database", "trunks", "routing")

WELL = frozenset({"ok", "off"})
"""States in which nothing is wrong with a part."""

Counter = Callable[[], Awaitable[Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part's state: ok, degraded, away, no_model or off, and why."""

    status: str
    detail: str | None = None


class HealthBoard:
    """Collects the parts' states and the counts.

    Args:
        bus: told of every change of state.
        wall_clock: Unix seconds.
        counters: name of a group → what it counts, asked at each report.
    """

    def __init__(self, *, bus: EventBus, wall_clock: Callable[[], float]) -> None:
        self._bus = bus
        self._wall_clock = wall_clock
        self._parts = dict.fromkeys(PARTS, PartStatus("away", "not started"))
        self._counters: dict[str, Counter] = {}
        self.accepting = False

    def count(self, group: str, counter: Counter) -> None:
        """Add a group of counts to the report."""
        self._counters[group] = counter

    def set(self, part: str, status: str, detail: str | None = None) -> None:
        """Note a part's state; publish it if it changed."""
        new = PartStatus(status, detail)
        # Some parts are there only where they are configured: the exchange, the dispatch.
        before, self._parts[part] = self._parts.get(part), new
        if new == before:
            return
        log.info("part_status", part=part, status=status, detail=detail)
        self._bus.publish(
            ServiceStatus(at=self._wall_clock(), part=part, status=status, detail=detail)
        )

    async def report(self) -> dict[str, Any]:
        """Return ``status`` (ok, degraded, down), ``parts`` and ``counts``.

        The node is down when it takes no calls, degraded while any part is not well. A part that
        is switched off is as it should be.
        """
        well = all(part.status in WELL for part in self._parts.values())
        status = ("ok" if well else "degraded") if self.accepting else "down"
        groups = await asyncio.gather(
            *(self._ask(group, counter) for group, counter in self._counters.items())
        )
        counts = {f"{group}_{name}": n for group, found in groups for name, n in found.items()}
        counts["tasks"] = len(asyncio.all_tasks())
        return {
            "status": status,
            "parts": {
                name: {"status": part.status, "detail": part.detail}
                for name, part in self._parts.items()
            },
            "counts": counts,
        }

    @staticmethod
    async def _ask(group: str, counter: Counter) -> tuple[str, Mapping[str, int]]:
        try:
            return group, await counter()
        except Exception as error:  # noqa: BLE001 - whatever ails a part, the report must come
            log.debug("not_counted", group=group, error=str(error))
            return group, {}
