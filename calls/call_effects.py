"""What a call's machine (``calls/call.py``) wants done."""

from dataclasses import dataclass

from calls.call_terms import OfferOutcome, TransferMode, TransferStage
from calls.hearing import NOBODY, Hearing
from calls.party import Party
from calls.supervision_events import SupervisionEffect
from calls.targets import Target


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
