"""The exchange of tickets with partners, in memory."""

from typing import Any

from tickets.exchange.machine import ExchangeError
from tickets.exchange.service import UnknownHandover


class FakeExchange:
    """Handovers as the exchange would return them; notes what it was asked for.

    Each has its ticket's ``agent_id`` with it.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.handovers: dict[int, dict[str, Any]] = {}

    def arrives(self, number: str, **more: Any) -> int:
        """A partner hands something over."""
        handover_id = len(self.handovers) + 1
        self.handovers[handover_id] = {
            "id": handover_id,
            "partner": "110",
            "direction": "in",
            "kind": "ticket",
            "number": number,
            "state": "arrived",
            "matter": {},
            "agent_id": None,
            "created_at": 1.0,
            "changed_at": 1.0,
            **more,
        }
        return handover_id

    async def list_(
        self, *, limit: int = 50, offset: int = 0, oldest_first: bool = False, **asked: Any
    ) -> list[dict[str, Any]]:
        wanted = {name: value for name, value in asked.items() if value is not None}
        found = [
            one for one in self.handovers.values() if all(one[n] == v for n, v in wanted.items())
        ]
        found.sort(key=lambda one: float(one["changed_at"]), reverse=not oldest_first)
        return found[offset : offset + limit]

    async def get(self, handover_id: int) -> dict[str, Any]:
        if handover_id not in self.handovers:
            raise UnknownHandover(str(handover_id))
        return self.handovers[handover_id]

    async def hand_over(
        self, ticket_id: str, partner: str, *, who: str, reason: str = ""
    ) -> dict[str, Any]:
        if partner != "110":
            raise UnknownHandover(partner)
        if ("hand_over", ticket_id, partner, who, reason) in self.asked:
            raise ExchangeError("already_sent", "he has it")
        self.asked.append(("hand_over", ticket_id, partner, who, reason))
        return await self.get(self.arrives(ticket_id, direction="out", state="sent"))

    async def decide(
        self,
        handover_id: int,
        *,
        accepted: bool,
        reason: str = "",
        who: str,
        agent_id: str | None = None,
    ) -> dict[str, Any]:
        found = await self.get(handover_id)
        assert agent_id in {None, who}
        if agent_id is not None and found["state"] != "arrived":
            raise ExchangeError("not_now", "somebody has decided it")
        if not accepted and not reason:
            raise ExchangeError("required", "a reason")
        self.asked.append(("decide", handover_id, accepted, reason, who))
        found["state"] = "accepted" if accepted else "returned"
        return found

    async def reopen(self, handover_id: int, *, reason: str, who: str) -> dict[str, Any]:
        found = await self.get(handover_id)
        self.asked.append(("reopen", handover_id, reason, who))
        return found | {"reopens": found["number"]}
