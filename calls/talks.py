"""How each agent in a call talks: hold (保持), consultation (咨询), conference (三方).

The floor keeps it with the agent's state, so that leaders of all nodes see it.
"""

from functools import partial
from typing import TYPE_CHECKING

from agents.presence import Talk
from calls.call_facts import CallFacts
from calls.party import Party

if TYPE_CHECKING:
    from calls.owner import CallOwner


def talks(call: CallFacts, *, held: bool) -> dict[int, tuple[str, Talk | None]]:
    """Return how those agents talk whom the floor has lent to the call: token → agent, how.

    Args:
        call: the call.
        held: whether the agent who holds the call has its caller on hold.
    """
    several = bool(call.guests) or call.transfer_stage == "merged"
    found: dict[int, tuple[str, Talk | None]] = {}

    def note(party: Party | None, talk: Talk | None) -> None:
        if party is not None and party.token is not None and party.agent_id is not None:
            found[party.token] = party.agent_id, talk

    for guest in call.guests:
        note(guest.party, "conference")
    note(call.consulted, "consult" if call.consulting else "conference")
    if call.consulting:
        note(call.holder, "consult")
    elif several:
        note(call.holder, "conference")
    else:
        note(call.holder, "hold" if held else None)
    return found


class Talks:
    """Tells the floor how one call's agents talk, as it changes.

    Args:
        owner: the call's owner.
    """

    def __init__(self, owner: "CallOwner") -> None:
        self._owner = owner
        self._told: dict[int, Talk | None] = {}

    def follow(self) -> None:
        """Tell what is new, after what was decided before."""
        owner = self._owner
        for token, (agent_id, talk) in talks(owner.call, held=owner.controls.holding).items():
            if talk == self._told.get(token):
                continue
            self._told[token] = talk
            place = owner.calling.offers[token].call_id
            owner.do(partial(owner.facilities.floor.set_talk, agent_id, place, talk))
