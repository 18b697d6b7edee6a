"""What a leg tells its owner. Frozen values, so a test of any order of events is plain equality."""

from dataclasses import dataclass
from typing import Literal

from telephony.sip.refer import Replaces


@dataclass(frozen=True, slots=True)
class LegRinging:
    """Outbound: the peer sent a provisional response other than 100 (RFC 3261 §21.1).

    Told once for each change of status or description, not for each repetition.

    Attributes:
        status: 180, 181, 182, 183 …
        sdp: the session description in it (early media), or None.
        fork: the peer's tag: which of several phones behind one address it is (§12.1.2).
        picks_up: the phone can be told to answer (`Leg.pick_up`).
    """

    status: int = 180
    sdp: str | None = None
    fork: str = ""
    picks_up: bool = False


@dataclass(frozen=True, slots=True)
class LegAnswered:
    """Outbound: the peer picked up.

    Attributes:
        sdp: its answer to our offer. Its 2xx has been acknowledged.
        offered: our INVITE had no offer, so ``sdp`` is the peer's: the owner answers it at once
            (`Leg.answer`), for the ACK has to carry the answer.
    """

    sdp: str
    offered: bool = False


@dataclass(frozen=True, slots=True)
class LegConfirmed:
    """Inbound: the peer acknowledged our 200.

    Attributes:
        sdp: its answer when the offer was ours (the INVITE had no session description), else None.
            Told again, with an answer, when a re-INVITE without a session description was answered
            with our current one.
    """

    sdp: str | None = None


@dataclass(frozen=True, slots=True)
class LegReoffered:
    """The peer offers another session description; the owner answers it, or refuses with 488.

    Attributes:
        sdp: the offer; None: a re-INVITE without one (§14.2). Then the owner's answer is an offer,
            of everything that he can do, and what the peer says to it comes as LegConfirmed.
    """

    sdp: str | None


@dataclass(frozen=True, slots=True)
class LegReferred:
    """The peer asks us to call somebody else (REFER); the owner says whether he does.

    Attributes:
        uri: whom to call.
        replaces: the peer's other dialog with us, which that call shall take the place of.
    """

    uri: str
    replaces: Replaces | None = None


@dataclass(frozen=True, slots=True)
class LegDigit:
    """The peer pressed a key, said in INFO; those in its RTP are not told here.

    Attributes:
        key: one of ``0-9*#A-D``.
        milliseconds: how long it was held.
    """

    key: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class LegReanswered:
    """The peer answered an offer that we made in a call under way, or in early media."""

    sdp: str


@dataclass(frozen=True, slots=True)
class LegReofferRefused:
    """The peer refused `Leg.reoffer`; the session goes on as it was.

    Attributes:
        status: its final response; 488 where it answered without a session description.
        reason: the reason phrase.
    """

    status: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class LegHeld:
    """The peer no longer wants to hear us: sendonly, inactive, or 0.0.0.0 (RFC 3264 §8.4)."""


@dataclass(frozen=True, slots=True)
class LegResumed:
    """The peer wants to hear us again."""


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The leg is over: said exactly once, and nothing is said after it.

    Attributes:
        by: who ended it; ``failure`` is silence or a broken transport.
        status: the final status of the INVITE where there is one (486, 487, 408 on time-out …).
        reason: its reason phrase, the text of a Reason header (RFC 3326), or our own words.
        retry_after: seconds for which the peer wants to be left alone (503 with Retry-After).
    """

    by: Literal["remote", "local", "failure"]
    status: int | None = None
    reason: str | None = None
    retry_after: int | None = None


LegEvent = (
    LegRinging
    | LegAnswered
    | LegConfirmed
    | LegReoffered
    | LegReanswered
    | LegReofferRefused
    | LegHeld
    | LegResumed
    | LegReferred
    | LegDigit
    | LegEnded
)
