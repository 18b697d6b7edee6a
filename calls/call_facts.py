"""What a call is at a moment: who is in it, who is wanted, and who hears whom.

Read by everybody; written by the machine alone: ``calls/call.py``, ``calls/call_transfers.py``.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from calls.agent_search import AgentSearch
from calls.call_effects import Enqueue
from calls.call_terms import EndedBy, TransferMode, TransferStage
from calls.hearing import CALLER, NOBODY, Hearing, circle
from calls.number_search import NumberSearch
from calls.party import Party, Segment
from calls.search import Search, SearchState
from calls.supervision import Place, Supervision
from calls.targets import Target, name_of

CallOutcome = Literal["answered", "abandoned", "call_back", "failed", "rejected"]


class CallState(Enum):
    """Where the call is; see the module's picture."""

    NEW = "new"
    WAITING = "waiting"
    OFFERING = "offering"
    CONNECTING = "connecting"
    TALKING = "talking"
    ENDED = "ended"


_SEARCHING = {
    SearchState.WAITING: CallState.WAITING,
    SearchState.OFFERING: CallState.OFFERING,
    SearchState.CONNECTING: CallState.CONNECTING,
}


@dataclass(slots=True)
class Transfer:
    """A transfer under way: whom to, how far it is, and by whom."""

    target: Target
    mode: TransferMode
    agent_id: str
    search: Search
    via: str | None = None
    party: Party | None = None  # the target, once it has answered a consultation
    swapped: bool = False
    merged: bool = False
    told_ringing: bool = False


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who talks along: called in by an agent, and merged.

    Attributes:
        party: he.
        target: what he was called as.
        agent_id: who called him in.
    """

    party: Party
    target: Target
    agent_id: str


class CallFacts:
    """What is known of one call, without what may happen to it.

    Args:
        no_answer_seconds: how long an agent's phone may ring.
        partner_seconds: how long each number of somebody outside may ring.
    """

    def __init__(self, *, no_answer_seconds: float = 15.0, partner_seconds: float = 30.0) -> None:
        self.segments: list[Segment] = []
        self.arrived_at = 0.0
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.ended_by: EndedBy | None = None
        self.outcome: CallOutcome | None = None
        self.holder: Party | None = None
        self._no_answer = no_answer_seconds
        self._partner_ring = partner_seconds
        self._calling_agent: str | None = None  # who makes an outgoing call
        self._told_ringing = False
        self._search: Search | None = None
        self._transfer: Transfer | None = None
        self._seats = 0
        self.guests: list[Guest] = []
        self.supervision: Supervision | None = None
        self.supervisions: list[Segment] = []  # theirs stand apart: they are no part of the talk
        self._heard: Hearing | None = NOBODY  # what the owner was last told; None: unknown

    # -- facts -------------------------------------------------------------------------------------

    @property
    def state(self) -> CallState:
        """Where the call is."""
        if self.ended_at is not None:
            return CallState.ENDED
        if self.holder is not None or self._transfer is not None:
            return CallState.TALKING
        if self._search is not None:
            return _SEARCHING[self._search.state]
        return CallState.NEW

    @property
    def deadline(self) -> float | None:
        """When DeadlinePassed is wanted."""
        times = [search.deadline for search in self._searches()]
        times.append(self.supervision.deadline if self.supervision else None)
        return min((time for time in times if time is not None), default=None)

    @property
    def agent_id(self) -> str | None:
        """The agent whom the call is held out to or talking with; after the end, the last."""
        if self.holder is not None:
            return self.holder.agent_id or self._calling_agent
        if self._search is not None and self._calling_agent is None:
            return self._search.agent_id
        if self._calling_agent is not None or self.ended_at is None:
            return self._calling_agent
        talked = [part for part in self.segments if part.agent_id and part.answered_at is not None]
        return talked[-1].agent_id if talked else None

    @property
    def token(self) -> int | None:
        """The fencing token of the offer by which the call's own search is held out."""
        return self._search.token if isinstance(self._search, AgentSearch) else None

    @property
    def consulted(self) -> Party | None:
        """The target of a consultation that has answered."""
        return self._transfer.party if self._transfer else None

    @property
    def transferring(self) -> bool:
        """Whether a transfer is under way."""
        return self._transfer is not None

    @property
    def calling_agent(self) -> str | None:
        """The agent whose own call it is; None: a citizen's."""
        return self._calling_agent

    @property
    def rings_outside(self) -> bool:
        """Whether whom an agent calls himself has rung and has not answered."""
        return self._told_ringing and self.answered_at is None

    @property
    def is_calling(self) -> bool:
        """Whether somebody who shall come in has not answered yet."""
        return self._transfer is not None and self._transfer.party is None

    @property
    def consulting(self) -> bool:
        """Whether who holds the call asks somebody, apart from the caller."""
        transfer = self._transfer
        return transfer is not None and transfer.mode == "consult" and not transfer.merged

    @property
    def transfer_to(self) -> str | None:
        """The public name of whom the call is being transferred to."""
        return name_of(self._transfer.target) if self._transfer else None

    @property
    def transfer_stage(self) -> TransferStage | None:
        """How far the transfer is: started, ringing, joined or merged."""
        if self._transfer is None:
            return None
        if self._transfer.party is not None:
            return "merged" if self._transfer.merged else "joined"
        return "ringing" if self._transfer.told_ringing else "started"

    @property
    def supervised(self) -> Supervision | None:
        """The supervisor who is in the call, or is being called into it."""
        led = self.supervision
        return led if led is not None and led.place is not Place.OVER else None

    @property
    def via(self) -> str | None:
        """The second leg of the agent's phone, by which he consults."""
        return self._transfer.via if self._transfer else None

    def offer_to(self, agent_id: str) -> int | None:
        """Return the token of the offer by which an agent is held a place in this call."""
        offers = (search for search in self._searches() if isinstance(search, AgentSearch))
        return next((search.token for search in offers if search.agent_id == agent_id), None)

    @property
    def wishes(self) -> list[Enqueue]:
        """What the floor was told of the places for which agents are sought."""
        sought = (search for search in self._searches() if isinstance(search, AgentSearch))
        return [wish for search in sought if (wish := search.wish) is not None]

    def leg_of(self, agent_id: str) -> str | None:
        """Return the leg of an agent who is in the call, None when he is not."""
        guests = (guest.party for guest in self.guests)
        for party in (self.holder, self.consulted, *guests):
            if party is not None and party.agent_id == agent_id:
                return party.leg
        return None

    def expects(self, token: int) -> bool:
        """Tell whether an offer is still under way."""
        return any(
            search.token == token for search in self._searches() if isinstance(search, AgentSearch)
        )

    def calls(self, leg: str) -> bool:
        """Tell whether a number outside is still to be called."""
        searches = (search for search in self._searches() if isinstance(search, NumberSearch))
        return any(search.wants(leg) for search in searches)

    def caller_hears(self, leg: str) -> bool:
        """Tell whether a party and the caller shall hear each other now."""
        return (CALLER, leg) in self._hearing()

    def connecting(self, leg: str) -> bool:
        """Tell whether a Connect of this leg is still wanted."""
        if self.supervision is not None and self.supervision.connecting == leg:
            return True
        return any(search.connecting == leg for search in self._searches())

    @property
    def _agent_holds(self) -> bool:
        return self.holder is not None and self.holder.agent_id is not None

    def _searches(self) -> list[Search]:
        transfer = self._transfer.search if self._transfer else None
        return [search for search in (self._search, transfer) if search is not None]

    @property
    def hearing(self) -> Hearing:
        """Who shall hear whom now."""
        return self._hearing()

    def _hearing(self) -> Hearing:
        """Return who shall hear whom now."""
        base = self._conversing()
        if self.supervision is None:
            return base
        return self.supervision.hearing(base, self.holder.leg if self.holder else CALLER)

    def _conversing(self) -> Hearing:
        """Return who shall hear whom, but for a supervisor."""
        transfer, holder = self._transfer, self.holder
        company = (CALLER, *(guest.party.leg for guest in self.guests))
        if transfer is None:
            other = holder.leg if holder else self._sought
            return circle(*company) if other is None else circle(*company, other)
        target = transfer.party.leg if transfer.party else transfer.search.connecting
        early = transfer.search.early if target is None else None
        if holder is None:
            alone = target or early
            return circle(*company) if alone is None else circle(*company, alone)
        if transfer.mode == "blind":
            return circle(*company, holder.leg if target is None else target)
        return _consulting(transfer, company, holder.leg, target or early)

    @property
    def _sought(self) -> str | None:
        """The leg that the caller hears before anybody holds the call."""
        search = self._search
        if search is None:
            return None
        # what the other side's exchange says to an agent's own call is for him; a citizen waits
        return search.connecting or (search.early if self._calling_agent else None)

    def _present(self) -> dict[str, str]:
        """Return the parties who are in the call, beside the caller: leg → what he is."""
        present = {}
        if self.holder is not None:
            present[self.holder.leg] = "holder"
        if self._transfer is not None:
            if self._transfer.party is not None:
                present[self._transfer.party.leg] = "target"
            if self._transfer.via is not None:
                present[self._transfer.via] = "via"
        present.update((guest.party.leg, "guest") for guest in self.guests)
        return present

    def _holder_is(self) -> EndedBy:
        if self.holder is not None and self.holder.agent_id is None:
            return "partner"
        return "agent"


def _consulting(
    transfer: Transfer, company: tuple[str, ...], agent: str, target: str | None
) -> Hearing:
    """Return who hears whom while an agent consults.

    Args:
        transfer: the consultation.
        company: the citizen, and who talks along with him.
        agent: who consults.
        target: whom; None as long as nothing is heard of it.
    """
    with_caller = circle(*company, agent)
    if transfer.via is not None:
        # his phone keeps the two apart itself: each of its calls is a conversation of its own
        return with_caller | (circle(transfer.via, target) if target is not None else NOBODY)
    if transfer.swapped:
        return with_caller
    together = transfer.merged or transfer.mode == "conference"
    if target is None:
        return with_caller if together else circle(*company)
    if together and transfer.search.early is None:
        return circle(*company, agent, target)
    return with_caller if together else circle(*company) | circle(agent, target)
