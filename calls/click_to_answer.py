"""Answering a desk phone by a click: which phone that rings can be told to, and telling it."""

from typing import TYPE_CHECKING

from calls.errors import TransferError

if TYPE_CHECKING:
    from calls.owner import CallOwner
    from telephony.leg import Leg


class ClickToAnswer:
    """The phones of one call that answer when they are told to.

    Args:
        owner: the call's.
    """

    def __init__(self, owner: "CallOwner") -> None:
        self._owner = owner
        self._able: set[str] = set()

    def note(self, name: str) -> None:
        """A phone rings, by its leg's name, and has said that it can be told to answer."""
        self._able.add(name)

    def possible(self, agent_id: str | None) -> bool:
        """Tell whether a phone of the agent to whom the call is held out can be told."""
        return agent_id is not None and self._leg(agent_id) is not None

    def pick_up(self, agent_id: str) -> None:
        """Have the agent's phone answer.

        Raises:
            TransferError: ``not_by_click``: none of his phones rings that could be told to.
        """
        leg = self._leg(agent_id)
        if leg is None:
            raise TransferError("not_by_click")
        leg.pick_up()

    def _leg(self, agent_id: str) -> "Leg | None":
        token = self._owner.call.offer_to(agent_id)
        if token is None:
            return None
        mine = sorted(name for name in self._able if name.startswith(f"agent.{token}."))
        return next((leg for name in mine if (leg := self._owner.legs.get(name))), None)
