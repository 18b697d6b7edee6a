"""What a call's machine (``calls/call.py``) takes in."""

from dataclasses import dataclass
from typing import Literal

from calls.call_terms import EndedBy, TransferMode
from calls.supervision_events import SupervisionInput
from calls.targets import NumberTarget, Target


@dataclass(frozen=True, slots=True)
class Arrived:
    """The INVITE was admitted; always the first input.

    Attributes:
        target: whom an agent's own call is for; None: a citizen's, for whoever is ready.
        agent_id: the agent who calls.
    """

    target: Target | None = None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True)
class AgentOffered:
    """The floor matched this call with an agent and reserved him under a lease.

    ``seat`` says which of the call's places he is wanted for: see `Enqueue`.
    """

    agent_id: str
    token: int
    seat: int = 0


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
class PartyRang:
    """A phone that was called rings.

    ``early``: it sends audio before it answers: the network's ringing or an announcement.
    """

    leg: str
    early: bool = False


@dataclass(frozen=True, slots=True)
class PartyAnswered:
    """A phone that was called was picked up."""

    leg: str


@dataclass(frozen=True, slots=True)
class PartyEnded:
    """Another leg than the caller's is over: refused (``status``: the response's) or hung up."""

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
    """A Connect is done: who shall hear each other does."""

    leg: str


@dataclass(frozen=True, slots=True)
class MediaFailed:
    """Our own side's fault.

    Attributes:
        leg: whom no bridge could be made with; None: the media process died.
    """

    leg: str | None = None


@dataclass(frozen=True, slots=True)
class CallerEnded:
    """The citizen's leg is over: CANCEL, BYE, or it failed."""

    failed: bool = False


@dataclass(frozen=True, slots=True)
class HangUpAsked:
    """Somebody on our side wants the call ended.

    Attributes:
        by: who.
        outcome: what came of a call that nobody has answered, where its end alone does not say it:
            the caller is going to be called back, or was told that the line is closed.
    """

    by: EndedBy
    outcome: Literal["call_back", "rejected"] | None = None


@dataclass(frozen=True, slots=True)
class OverflowAsked:
    """A call that waits shall go to somebody outside: another city's hotline."""

    target: NumberTarget


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """The agent who talks wants somebody else to take the call, or to be asked first.

    Attributes:
        target: whom.
        mode: ``blind``: he leaves as soon as the target answers; ``consult``: he talks with the
            target while the citizen waits; ``conference``: the target joins citizen and agent.
        via: the second leg of his phone, when it was the phone that called the target.
        reason: why, in his words.
    """

    target: Target
    mode: TransferMode
    via: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CompleteAsked:
    """The consulting agent leaves citizen and target to each other."""


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """The agent takes the citizen back; the target goes."""


@dataclass(frozen=True, slots=True)
class SwapAsked:
    """The consulting agent talks with the other of the two."""


@dataclass(frozen=True, slots=True)
class MergeAsked:
    """The consulting agent brings all three together."""


@dataclass(frozen=True, slots=True)
class DropAsked:
    """Somebody who was called in shall go, and all others go on."""

    leg: str


@dataclass(frozen=True, slots=True)
class PhoneReplaced:
    """A party goes on at another of his phones (RFC 3891): ``new`` stands where ``old`` stood."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class AssignAsked:
    """A call that waits shall be held out to this agent first."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """``deadline`` has come."""


CallInput = (
    Arrived
    | AgentOffered
    | PhonesCalled
    | OfferFailed
    | OfferRefused
    | PartyRang
    | PartyAnswered
    | PartyEnded
    | LeaseConfirmed
    | LeaseLost
    | Bridged
    | MediaFailed
    | CallerEnded
    | HangUpAsked
    | OverflowAsked
    | TransferAsked
    | CompleteAsked
    | CancelAsked
    | SwapAsked
    | MergeAsked
    | DropAsked
    | PhoneReplaced
    | AssignAsked
    | SupervisionInput
    | DeadlinePassed
)
