"""A call of ours: from its INVITE to its end (RFC 3261 §13.2, §15; CANCEL §9.1)."""

from dataclasses import replace

from aiosipua import SipDigestAuth, SipResponse, build_credentials, stringify_auth
from aiosipua.headers import parse_auth

from telephony.sip.dialog import Dialog, OutgoingRequest, peer_tag, sdp_of
from telephony.sip.errors import LocalProtocolError, TransactionFailure
from telephony.sip.established import EstablishedDialog
from telephony.sip.identity import reason_header
from telephony.sip.invite_usage import (
    GotResponse,
    HangUp,
    LegEffect,
    LegInput,
    RequestFailed,
    Ring,
    SendAck,
    SendCancel,
    SendRequest,
    Tell,
)
from telephony.sip.leg_events import LegAnswered, LegEnded, LegRinging
from telephony.sip.message import FAILED, FINAL, TRYING
from telephony.sip.transaction import Timers

_CHALLENGES = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}
# A transaction without an answer counts as these statuses (§8.1.3.1).
_FAILURES: dict[TransactionFailure, tuple[int, str]] = {
    "timeout": (408, "no answer to the INVITE"),
    "transport": (503, "the INVITE could not be sent"),
}


class OutboundLeg:
    """The machine of an outgoing call. LegEnded is its last Tell, and comes exactly once.

    A 2xx of another branch of a forked INVITE is acknowledged and hung up, also after the end: the
    INVITE's client transaction lives 64*T1 after the first 2xx, and keeps handing them up.

    Args:
        invite: the INVITE, with a session description.
        timers: the base intervals.
        pinned: the peer is a registered phone: always reached at the INVITE's destination.
        credentials: (user, password) to answer one challenge with, or None.
        cnonce: a random string for that answer.
    """

    def __init__(
        self,
        invite: OutgoingRequest,
        *,
        timers: Timers,
        pinned: bool = False,
        credentials: tuple[str, str] | None = None,
        cnonce: str = "",
    ) -> None:
        self.invite = invite
        self.dialog: Dialog | None = None
        self.over = False
        self._timers = timers
        self._pinned = pinned
        self._credentials = credentials
        self._cnonce = cnonce
        self._started = False
        self._provisional = False
        self._told_status = 0
        self._early_sdp: dict[str, str] = {}  # by the peer's tag
        self._acks: dict[str, OutgoingRequest] = {}  # by the peer's tag
        self._ending: LegEnded | None = None  # the owner has hung up before the answer
        self._why: tuple[tuple[str, str], ...] = ()  # in the CANCEL
        self._established: EstablishedDialog | None = None

    @property
    def deadline(self) -> float | None:
        """When `handle` wants TimePassed; None: never. How long to ring is the owner's matter."""
        return self._established.deadline if self._established and not self.over else None

    def start(self) -> list[LegEffect]:
        """Return the first effects; none when the owner has already hung up."""
        self._started = True
        return [] if self.over else [SendRequest(self.invite)]

    def handle(self, event: LegInput, now: float) -> list[LegEffect]:
        """Take one input, return what is to be done.

        Raises:
            LocalProtocolError: only who is called can ring.
        """
        if isinstance(event, Ring):
            raise LocalProtocolError("only an inbound leg rings")
        if isinstance(event, GotResponse) and event.to == self.invite:
            return self._got_response(event.response)
        if self.over:
            return []
        if self._established is not None:
            effects = self._established.handle(event, now)
            self.over = self._established.over
            return effects
        match event:
            case HangUp(reason, cause) if self._ending is None:
                if cause is not None:
                    self._why = (reason_header(cause, reason or ""),)
                return self._hang_up(LegEnded("local", None, reason))
            case RequestFailed(to, cause) if to == self.invite:
                return self._end(self._ending or LegEnded("failure", *_FAILURES[cause]))
            case _:
                return []

    def _hang_up(self, ending: LegEnded) -> list[LegEffect]:
        if not self._started:
            return self._end(ending)
        self._ending = ending
        # §9.1: "If no provisional response has been received, the CANCEL request MUST NOT be sent;
        # rather, the client MUST wait for the arrival of a provisional response"
        return [SendCancel(self.invite, self._why)] if self._provisional else []

    def _got_response(self, response: SipResponse) -> list[LegEffect]:
        if FINAL <= response.status_code < FAILED:
            return self._got_success(response)
        if self.over or self._established is not None:
            return []
        if response.status_code < FINAL:
            return self._got_provisional(response)
        return self._got_refusal(response)

    def _got_provisional(self, response: SipResponse) -> list[LegEffect]:
        first, self._provisional = not self._provisional, True
        if self._ending is not None:
            return [SendCancel(self.invite, self._why)] if first else []
        status, sdp = response.status_code, sdp_of(response)
        if sdp is not None:
            self._early_sdp[peer_tag(response)] = sdp
        if status in (TRYING, self._told_status):
            return []
        self._told_status = status
        return [Tell(LegRinging(status, sdp))]

    def _got_refusal(self, response: SipResponse) -> list[LegEffect]:
        status, reason = response.status_code, response.reason_phrase or None
        if self._ending is not None:
            return self._end(replace(self._ending, status=status))
        again = self._answer_challenge(response)
        if again is None:
            return self._end(LegEnded("remote", status, reason))
        self.invite = again
        self._provisional = False
        return [SendRequest(again)]

    def _answer_challenge(self, response: SipResponse) -> OutgoingRequest | None:
        """Return the INVITE with credentials (§22.2), None when there is no answer to give."""
        names = _CHALLENGES.get(response.status_code)
        credentials, self._credentials = self._credentials, None  # one attempt: no endless loop
        if names is None or credentials is None:
            return None
        for value in response.headers.get(names[0]):
            built = build_credentials(
                SipDigestAuth(*credentials),
                parse_auth(value),
                "INVITE",
                self.invite.uri,
                cnonce=self._cnonce,
            )
            if built is not None:
                header = (names[1], stringify_auth(built))
                return replace(
                    self.invite, cseq=self.invite.cseq + 1, headers=(*self.invite.headers, header)
                )
        return None

    def _got_success(self, response: SipResponse) -> list[LegEffect]:
        tag = peer_tag(response)
        if tag in self._acks:
            # §13.2.2.4: the ACK is sent again "each time a retransmission of the 2xx arrives"
            return [SendAck(self._acks[tag])]
        dialog = Dialog.as_uac(self.invite, response, pinned=self._pinned)
        ack = self._acks[tag] = dialog.ack(self.invite.cseq)
        if self._established is not None or self.over:
            # §13.2.2.4: the other branches of a fork: "the UAC … MUST … acknowledge … and … a BYE"
            return [SendAck(ack), SendRequest(dialog.request("BYE"))]
        self.dialog = dialog
        self._established = EstablishedDialog(
            dialog, local_sdp=self.invite.sdp or "", timers=self._timers
        )
        sdp = sdp_of(response) or self._early_sdp.get(tag)
        if self._ending is not None:
            return [SendAck(ack), *self._established.end_with(self._ending)]
        if sdp is None:
            ended = LegEnded("failure", 488, "answered without a session description")
            return [SendAck(ack), *self._established.end_with(ended)]
        return [SendAck(ack), Tell(LegAnswered(sdp))]

    def _end(self, ended: LegEnded) -> list[LegEffect]:
        self.over = True
        return [Tell(ended)]
