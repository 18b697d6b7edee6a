"""What desks are shown of this node's calls, and of whom these can be passed to."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from calls.agent_calls import AgentCalls
from calls.call import CallState
from calls.facilities import Facilities
from calls.owner import CallOwner
from calls.place_search import PlaceNames
from calls.views import CallView, view_of


class CallLists:
    """A part of ``CallService``, which makes what stands here.

    Attributes:
        agents: what agents do with calls; it has the directory.
    """

    agents: AgentCalls
    _owners: dict[str, CallOwner]
    _facilities: Facilities
    _lines: Mapping[str, str]
    _places: PlaceNames
    _wall_clock: Callable[[], float]

    def live(self) -> list[CallView]:
        """Return the calls in progress on this node, oldest first."""
        return [
            view_of(owner)
            for owner in self._owners.values()
            if owner.call.state is not CallState.ENDED
        ]

    def counts(self) -> dict[str, int]:
        """Return how many calls there are, by state."""
        states = Counter(owner.call.state.value for owner in self._owners.values())
        return {
            "calls": len(self._owners),
            "talking": states["talking"],
            "waiting": states["waiting"],
            "ending": states["ended"],
        }

    def is_live(self, call_id: str) -> bool:
        """Say whether a call is still going on, or its last words are still being written down."""
        return call_id in self._owners

    def experts(self, topic: str = "") -> list[dict[str, Any]]:
        """Return specialists: id, name, topics, target, on_duty."""
        listed = self.agents.directory.experts.listed(now=self._wall_clock(), topic=topic)
        return [
            {
                "id": expert.id,
                "name": expert.name,
                "topics": list(expert.topics),
                "target": f"expert:{expert.id}",
                "on_duty": on_duty,
            }
            for expert, on_duty in listed
        ]

    def partners(self) -> list[dict[str, Any]]:
        """Return the directory: id, name, numbers, topics, open, health, one_key, shares."""
        now = self._wall_clock()
        return [
            {
                "id": partner.id,
                "name": partner.name,
                "numbers": list(partner.numbers),
                "topics": list(partner.topics),
                "open": partner.is_open(now),
                "health": self._facilities.health.of(partner.id, asyncio.get_running_loop().time()),
                "one_key": partner.one_key,
                "shares": list(partner.shares),
            }
            for partner in self.agents.directory.partners
        ]

    def lines(self) -> dict[str, str]:
        """Return the lines' names, by number."""
        return dict(self._lines)

    def skills(self) -> Collection[str]:
        """Return the skills that a call can be transferred to."""
        return self.agents.directory.skills()

    def places(self, typed: str, *, limit: int) -> list[tuple[str, str, int]]:
        """Return names of places that complete what was typed: name, kind, from which character."""
        return self._places.complete(typed, limit=limit)
