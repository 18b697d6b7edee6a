"""What a call's machine (``calls/call.py``) takes in, and what it wants done."""

from dataclasses import dataclass
from typing import Literal

OfferOutcome = Literal["missed", "refused", "busy", "unreachable", "cancelled"]
EndedBy = Literal["citizen", "agent", "system"]

# -- inputs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrived:
    """The INVITE was admitted; always the first input."""


@dataclass(frozen=True, slots=True)
class AgentOffered:
    """The floor matched this call with an agent and reserved him under a lease."""

    agent_id: str
    token: int


@dataclass(frozen=True, slots=True)
class PhonesCalled:
    """INVITEs to the agent's phones are out; ``legs`` has one id per phone."""

    token: int
    legs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfferFailed:
    """The agent's phones could not even be called: none registered, or no media process."""

    token: int
    reason: Literal["no_phone", "no_media"]


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """The agent will not take the call: said otherwise than by his phone."""

    token: int


@dataclass(frozen=True, slots=True)
class AgentLegRinging:
    """One of the agent's phones rings."""

    leg: str


@dataclass(frozen=True, slots=True)
class AgentLegAnswered:
    """One of the agent's phones was picked up."""

    leg: str


@dataclass(frozen=True, slots=True)
class AgentLegEnded:
    """An agent's leg is over: refused (``status`` is the SIP response's) or hung up."""

    leg: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class LeaseConfirmed:
    """The floor agrees that the agent is ours and talking."""

    token: int


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """The lease had run out before the answer: somebody else may have the agent."""

    token: int


@dataclass(frozen=True, slots=True)
class Bridged:
    """Both legs hear each other."""

    token: int


@dataclass(frozen=True, slots=True)
class MediaFailed:
    """The bridge could not be made, or the media process died: our own side's fault."""


@dataclass(frozen=True, slots=True)
class CallerEnded:
    """The citizen's leg is over: CANCEL, BYE, or it failed."""

    failed: bool = False


@dataclass(frozen=True, slots=True)
class HangUpAsked:
    """Somebody on our side wants the call ended."""

    by: EndedBy


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """``deadline`` has come."""


CallInput = (
    Arrived
    | AgentOffered
    | PhonesCalled
    | OfferFailed
    | OfferRefused
    | AgentLegRinging
    | AgentLegAnswered
    | AgentLegEnded
    | LeaseConfirmed
    | LeaseLost
    | Bridged
    | MediaFailed
    | CallerEnded
    | HangUpAsked
    | DeadlinePassed
)


# -- effects ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RingCaller:
    """Let the citizen hear ringing (180)."""


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Put the call where the floor sees it, with its first arrival time."""


@dataclass(frozen=True, slots=True)
class Dequeue:
    """Nobody is needed any more."""


@dataclass(frozen=True, slots=True)
class CallPhones:
    """INVITE every phone of the agent; answered by PhonesCalled or OfferFailed."""

    agent_id: str
    token: int


@dataclass(frozen=True, slots=True)
class MarkRinging:
    """Tell the floor that the agent's phone rings."""

    token: int


@dataclass(frozen=True, slots=True)
class HangUpLeg:
    """CANCEL or BYE an agent's leg."""

    leg: str


@dataclass(frozen=True, slots=True)
class ReleaseOffer:
    """Give the agent back to the floor and say how the offer ended.

    May follow a ConfirmLease whose answer has not come yet; the floor sees both in this order.
    """

    agent_id: str
    token: int
    outcome: OfferOutcome


@dataclass(frozen=True, slots=True)
class ConfirmLease:
    """Turn the reservation into a conversation; answered by LeaseConfirmed or LeaseLost."""

    token: int


@dataclass(frozen=True, slots=True)
class Connect:
    """Bridge citizen and agent, answer the citizen; answered by Bridged or MediaFailed."""

    leg: str
    token: int


@dataclass(frozen=True, slots=True)
class FinishAgent:
    """The agent's conversation is over: wrap-up."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class HangUpCaller:
    """End the citizen's leg, whatever state it is in."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The call is over: close media, store the record. Always the last effect but one-offs."""


CallEffect = (
    RingCaller
    | Enqueue
    | Dequeue
    | CallPhones
    | MarkRinging
    | HangUpLeg
    | ReleaseOffer
    | ConfirmLease
    | Connect
    | FinishAgent
    | HangUpCaller
    | Finish
)
