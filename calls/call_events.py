"""What a call's machine (``calls/call.py``) takes in, and what it wants done."""

from dataclasses import dataclass
from typing import Literal

from calls.hearing import NOBODY, Hearing
from calls.party import Party
from calls.supervision_events import SupervisionEffect, SupervisionInput
from calls.targets import NumberTarget, Target

OfferOutcome = Literal["missed", "refused", "busy", "unreachable", "cancelled"]
EndedBy = Literal["citizen", "agent", "partner", "system"]
TransferMode = Literal["blind", "consult", "conference"]
TransferStage = Literal[
    "started", "ringing", "joined", "merged", "completed", "cancelled", "failed", "left"
]

# -- inputs ----------------------------------------------------------------------------------------


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


# -- effects ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RingCaller:
    """Let the citizen hear ringing (180)."""


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Put the call where the floor sees it, with its first arrival time.

    Attributes:
        seat: a call that is being transferred has an agent already and wants another: for the
            floor each such place is a call of its own, numbered from 0.
        priority: higher goes first.
        wanted: the one agent who may have it.
        line: whose agents are wanted, if not those of the number that was dialled.
        skill: what they have to be good for, if not what the line asks for.
    """

    seat: int = 0
    priority: int = 0
    wanted: str | None = None
    line: str | None = None
    skill: str | None = None


@dataclass(frozen=True, slots=True)
class Dequeue:
    """Nobody is needed any more for this place."""

    seat: int = 0


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
class CallNumber:
    """INVITE somebody outside; ``leg`` is what it shall be called in the inputs that follow.

    Attributes:
        leg: its name.
        number: whom.
        trunks: by which, any when empty.
        asserts: tell him also a number that is withheld.
        role: of whoever wants him called; see `NumberTarget`.
    """

    leg: str
    number: str
    trunks: tuple[str, ...] = ()
    asserts: bool = False
    role: str = ""


@dataclass(frozen=True, slots=True)
class HangUpLeg:
    """CANCEL or BYE another leg than the caller's.

    Attributes:
        leg: which.
        why: for its Reason header: ``answered elsewhere``, ``transferred``; None: nothing special.
        status: what to refuse it with, if it called us and was not answered.
    """

    leg: str
    why: str | None = None
    status: int | None = None


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
class RingLeg:
    """Let a second leg of the agent's phone, by which he called the target, hear ringing."""

    leg: str


@dataclass(frozen=True, slots=True)
class Connect:
    """Take a leg that has answered into the call; answered by Bridged or MediaFailed.

    Whoever is in ``hearing`` and has called us is answered, if he has not been.
    """

    leg: str
    hearing: Hearing = NOBODY


@dataclass(frozen=True, slots=True)
class TakeEarly:
    """Take in what a leg sends that has not answered yet; who hears it is told apart."""

    leg: str


@dataclass(frozen=True, slots=True)
class Hear:
    """Change who hears whom among those who are in the call.

    Who has called us and is not answered yet hears it before his answer.
    """

    hearing: Hearing


@dataclass(frozen=True, slots=True)
class HandOver:
    """The caller talks with somebody else from now on; None: with nobody, until one is found."""

    before: Party | None
    after: Party | None


@dataclass(frozen=True, slots=True)
class TransferStep:
    """Say how a transfer goes.

    Attributes:
        stage: where it is.
        target: whom it is to.
        mode: as asked for, or as it has become.
        agent_id: who asked.
        outcome: why it failed.
        status: the same as a SIP status, for a phone that asked by REFER.
    """

    stage: TransferStage
    target: Target
    mode: TransferMode
    agent_id: str
    outcome: str | None = None
    status: int = 200


@dataclass(frozen=True, slots=True)
class FinishAgent:
    """The agent's conversation is over: wrap-up. ``token`` is that of the offer he took."""

    agent_id: str
    token: int


@dataclass(frozen=True, slots=True)
class HangUpCaller:
    """End the caller's leg, whatever state it is in.

    ``status``: what to refuse it with if it was not answered; None: there is nothing to say.
    """

    status: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The call is over: close media, store the record. Always the last effect but one-offs."""


CallEffect = (
    RingCaller
    | Enqueue
    | Dequeue
    | CallPhones
    | CallNumber
    | MarkRinging
    | RingLeg
    | HangUpLeg
    | ReleaseOffer
    | ConfirmLease
    | Connect
    | TakeEarly
    | Hear
    | HandOver
    | TransferStep
    | FinishAgent
    | HangUpCaller
    | SupervisionEffect
    | Finish
)
