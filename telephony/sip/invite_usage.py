"""What goes into the INVITE machines and what comes out of them.

`InboundLeg` and `OutboundLeg` take these inputs and return these effects; once the call is answered
both hand over to `InviteDialog`. Messages of ours stay values (`OutgoingRequest`, `Reply`)
until the shell writes them, so a test compares them with ``==``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aiosipua import SipRequest, SipResponse

from telephony.sip.bodies import SDP
from telephony.sip.dialog import OutgoingRequest
from telephony.sip.errors import TransactionFailure
from telephony.sip.hop import Destination
from telephony.sip.leg_events import LegEvent
from telephony.sip.message import TRYING, make_response

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER"
#: Option tags (§19.2) that we understand, and that a peer may require of us: RFC 3262, RFC 4028,
#: RFC 3891 and RFC 4488.
SUPPORTED = ("100rel", "timer", "replaces", "norefersub")
LOWEST_REFUSAL, HIGHEST_STATUS = 300, 699
_WITH_CONTACT = frozenset({"INVITE", "UPDATE", "REFER", "SUBSCRIBE"})

# Inputs: what the owner wishes


@dataclass(frozen=True, slots=True)
class Ring:
    """Tell the caller what goes on before the answer; repeated every minute (§13.3.1.1).

    It is sent reliably (RFC 3262) to whoever understands that.

    Attributes:
        status: 180 (alerting), 181, 182 (queued) or 183 (progress).
        sdp: early media: our answer, or our offer when the INVITE has none.
    """

    status: int = 180
    sdp: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Accept the re-offer that is waiting, else the INVITE."""

    sdp: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse the INVITE, or the re-offer that is waiting, with a status of 300-699."""

    status: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HangUp:
    """End it, whatever the state.

    Attributes:
        reason: comes back in LegEnded.
        cause: a status for the peer to read in a Reason header (RFC 3326), with ``reason`` as its
            text: 200 in a CANCEL says that somebody else has answered, so this is no missed call.
    """

    reason: str | None = None
    cause: int | None = None


@dataclass(frozen=True, slots=True)
class PickUp:
    """Have the phone that rings answer, as if its user had lifted the handset."""


@dataclass(frozen=True, slots=True)
class AnswerRefer:
    """Answer the LegReferred that waits: 202, or a refusal."""

    status: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ReportRefer:
    """Say how the call asked for by REFER is going; a final status ends the telling."""

    status: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Reoffer:
    """Change the session as soon as the protocol allows; the latest wish counts.

    Attributes:
        sdp: our offer; None asks the peer for his, which comes as LegReoffered.
        method: INVITE or UPDATE; None chooses: UPDATE before the answer, INVITE after it.
    """

    sdp: str | None
    method: Literal["INVITE", "UPDATE"] | None = None


# Inputs: what the peer did


@dataclass(frozen=True, slots=True)
class GotRequest:
    """A request in this dialog: ACK, BYE, INVITE, UPDATE, PRACK, OPTIONS, INFO."""

    request: SipRequest


@dataclass(frozen=True, slots=True)
class GotCancel:
    """The peer takes back this INVITE; the CANCEL itself has been answered."""

    invite: SipRequest


@dataclass(frozen=True, slots=True)
class GotResponse:
    """A response to a request of ours."""

    to: OutgoingRequest
    response: SipResponse


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A request of ours got no final response."""

    to: OutgoingRequest
    cause: TransactionFailure


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The deadline has passed."""


LegInput = (
    Ring
    | Answer
    | Refuse
    | HangUp
    | AnswerRefer
    | ReportRefer
    | Reoffer
    | PickUp
    | GotRequest
    | GotCancel
    | GotResponse
    | RequestFailed
    | TimePassed
)

# Effects


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a request of the peer's."""

    to: SipRequest
    status: int
    reason: str | None = None
    sdp: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def names_contact(self) -> bool:
        """Whether it has a Contact (§12.1.1: it makes a dialog; RFC 3311 §5.2, RFC 3515 §2.2)."""
        return TRYING < self.status < LOWEST_REFUSAL and self.to.method in _WITH_CONTACT


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Send a request through a client transaction."""

    request: OutgoingRequest


@dataclass(frozen=True, slots=True)
class SendAck:
    """Send the ACK of a 2xx, outside any transaction."""

    request: OutgoingRequest


@dataclass(frozen=True, slots=True)
class SendCancel:
    """Take back our INVITE, which has had a provisional response; say why, where that is known."""

    invite: OutgoingRequest
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the owner."""

    event: LegEvent


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one way.

    Attributes:
        way: its name.
        outcome: "trying": the INVITE goes out on another way than the first; "answers": the first
            response has come; "silent": no response, or it could not be sent; "overloaded": 503;
            "left": the call goes on elsewhere, or is over; "passed_over": one of its addresses
            has failed, and its next is tried.
        retry_after: seconds, with "overloaded" and "passed_over".
        reason: with "silent".
        address: which has failed, with "passed_over".
    """

    way: str
    outcome: Literal["trying", "answers", "silent", "overloaded", "left", "passed_over"]
    retry_after: float | None = None
    reason: str | None = None
    address: Destination | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Tell whoever watches the trunks."""

    attempt: Attempt


LegEffect = Reply | SendRequest | SendAck | SendCancel | Tell | Report


def write_reply(
    reply: Reply, *, local_tag: str, contact: str | None, headers: Sequence[tuple[str, str]] = ()
) -> SipResponse:
    """Build the response that a Reply means; ``headers`` go into every one.

    ``contact`` is our URI for `Reply.names_contact`.
    """
    extra = list(headers)
    method = reply.to.method
    if contact is not None and reply.names_contact:
        extra.append(("Contact", f"<{contact}>"))
    if method in {"INVITE", "OPTIONS"} and TRYING < reply.status < LOWEST_REFUSAL:
        extra += [("Allow", ALLOW), ("Supported", ", ".join(SUPPORTED))]
    extra.extend(reply.headers)
    if reply.sdp is not None:
        extra.append(("Content-Type", SDP))
    response = make_response(reply.to, reply.status, reply.reason, to_tag=local_tag, headers=extra)
    if reply.sdp is not None:
        response.text = reply.sdp
    return response
