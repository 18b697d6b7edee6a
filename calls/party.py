"""Who takes part in a call beside the caller, and what is remembered of his part."""

from dataclasses import dataclass
from typing import Literal

from calls.supervision_events import SupervisionMode

How = Literal[
    "line", "blind", "consult", "conference", "requeued", "overflow", "outbound", SupervisionMode
]
"""How somebody was called: he was next; a transfer; after one that failed; no agent was free; an
agent's own call; as a supervisor."""


SUPERVISING = frozenset({"listen", "whisper", "barge"})


@dataclass(frozen=True, slots=True)
class Summons:
    """Why somebody is called into a call.

    Attributes:
        how: what brought him in.
        by: the agent who wanted him.
        reason: why, in that agent's words.
    """

    how: How = "line"
    by: str | None = None
    reason: str | None = None


@dataclass(slots=True, kw_only=True)
class Segment:
    """One participant's part in the call: it was held out to him, perhaps answered, is over.

    Times are the machine's (monotonic seconds).

    Attributes:
        agent_id: the agent; None for somebody outside.
        partner_id: the partner's entry in the directory, if it is one.
        number: what was dialled for somebody outside.
        summons: why he was called.
        outcome: an OfferOutcome; ``answered``, ``transferred`` (and left the call to another) or
            ``consulted`` (was asked, and never had the caller); ``conferred`` (talked along);
            ``supervised``; None while it lasts.
    """

    offered_at: float
    agent_id: str | None = None
    partner_id: str | None = None
    number: str | None = None
    summons: Summons = Summons()
    answered_at: float | None = None
    ended_at: float | None = None
    outcome: str | None = None

    @property
    def kind(self) -> Literal["agent", "partner", "supervisor"]:
        """What he was in the call; a supervisor who took it over is its agent."""
        if self.agent_id is None:
            return "partner"
        return "supervisor" if self.summons.how in SUPERVISING else "agent"

    def end(self, now: float, outcome: str) -> None:
        """Note the end, once."""
        if self.ended_at is None:
            self.ended_at = now
            self.outcome = outcome


@dataclass(slots=True)
class Party:
    """Somebody who has answered.

    Attributes:
        leg: his leg's name.
        segment: what is remembered of him.
        token: of the offer he took; None for somebody outside.
    """

    leg: str
    segment: Segment
    token: int | None = None

    @property
    def agent_id(self) -> str | None:
        """The agent, None for somebody outside."""
        return self.segment.agent_id
