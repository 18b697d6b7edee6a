"""A call of ours: from its INVITE to its end (RFC 3261 §13.2, §15; CANCEL §9.1)."""

from dataclasses import replace

from aiosipua import SipRequest, SipResponse

from telephony.sip.bodies import sdp_of
from telephony.sip.client_auth import DigestClient
from telephony.sip.dialog import Dialog, OutgoingRequest, dialog_id, peer_tag
from telephony.sip.dice import Dice
from telephony.sip.errors import LocalProtocolError, TransactionFailure
from telephony.sip.identity import reason_header
from telephony.sip.in_dialog import InviteDialog
from telephony.sip.invite_usage import (
    Answer,
    GotRequest,
    GotResponse,
    HangUp,
    LegEffect,
    LegInput,
    PickUp,
    Refuse,
    Reoffer,
    Reply,
    RequestFailed,
    Ring,
    SendAck,
    SendCancel,
    SendRequest,
    Tell,
    TimePassed,
)
from telephony.sip.leg_events import LegEnded, LegRinging
from telephony.sip.message import FAILED, FINAL, TRYING, retry_after
from telephony.sip.redirection import Redirections, RedirectPolicy
from telephony.sip.reliability import ReliableSequence, is_reliable
from telephony.sip.remote_talk import notify, picks_up
from telephony.sip.reoffering import Terms
from telephony.sip.session_timer import SessionPolicy, SessionTimer
from telephony.sip.transaction import Timers

MOST_FORKS = 16  # early dialogs that are kept; a peer cannot fill our memory with tags
_MOST_PENDING = 3  # how often a 491 to the INVITE itself is tried again
# A transaction without an answer counts as these statuses (§8.1.3.1).
_FAILURES: dict[TransactionFailure, tuple[int, str]] = {
    "timeout": (408, "no answer to the INVITE"),
    "transport": (503, "the INVITE could not be sent"),
}


class _Fork:
    """One phone that our INVITE has reached: its early dialog, and what of it has been told."""

    def __init__(self, usage: InviteDialog) -> None:
        self.usage = usage
        self.reliable = ReliableSequence()
        self.told: LegRinging | None = None


class OutboundLeg:
    """The machine of an outgoing call. LegEnded is its last Tell, and comes exactly once.

    A 2xx of another branch of a forked INVITE is acknowledged and hung up, also after the end: the
    INVITE's client transaction lives 64*T1 after the first 2xx, and keeps handing them up.

    Args:
        invite: the INVITE; without a session description the peer makes the offer.
        timers: the base intervals.
        pinned: the peer is a registered phone: always reached at the INVITE's destination.
        credentials: (user, password) to answer challenges with, or None.
        cnonce: a random string for that answer.
        session: the session timer's policy; None: no session timer.
        redirects: how far 3xx are followed; None: they are refusals.
        seed: of what has to look random: the waits after 491.
    """

    def __init__(
        self,
        invite: OutgoingRequest,
        *,
        timers: Timers,
        pinned: bool = False,
        credentials: tuple[str, str] | None = None,
        cnonce: str = "",
        session: SessionPolicy | None = None,
        redirects: RedirectPolicy | None = None,
        seed: int = 0,
    ) -> None:
        self._plain = invite  # without what one attempt adds to it
        self._timer = SessionTimer(session)  # says what the INVITE asks for
        self.invite = self._with_timer(invite)
        self.over = False
        dice = Dice(seed)
        digest = DigestClient(credentials, cnonce)
        self._terms = Terms(timers, session, dice, digest, calls=True)
        self._redirections = Redirections(redirects, invite.uri, invite.destination)
        self._pinned = pinned
        self._started = False
        self._provisional = False
        self._pending = 0  # 491s
        self._again_at: float | None = None
        self._forks: dict[str, _Fork] = {}  # by the peer's tag
        self._acks: dict[str, OutgoingRequest] = {}  # of the other forks' 2xx, by the peer's tag
        self._wish: Reoffer | None = None  # before any fork could be asked
        self._ending: LegEnded | None = None  # the owner has hung up before the answer
        self._why: tuple[tuple[str, str], ...] = ()  # in the CANCEL
        self._winner: str | None = None  # the tag of the fork whose 2xx came first

    @property
    def dialog(self) -> Dialog | None:
        """The confirmed dialog."""
        return None if self._winner is None else self._forks[self._winner].usage.dialog

    @property
    def dialogs(self) -> tuple[Dialog, ...]:
        """Every dialog in which requests may come: the confirmed one, else the early ones."""
        if self.dialog is not None:
            return (self.dialog,)
        return tuple(fork.usage.dialog for fork in self._forks.values())

    @property
    def deadline(self) -> float | None:
        """When `handle` wants TimePassed; None: never. How long to ring is the owner's matter."""
        if self.over:
            return None
        if self._winner is not None:
            return self._forks[self._winner].usage.deadline
        times = [self._again_at, *(fork.usage.deadline for fork in self._forks.values())]
        return min((at for at in times if at is not None), default=None)

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
            return self._got_response(event.response, now)
        if self._winner is not None:
            usage = self._forks[self._winner].usage
            effects = usage.handle(event, now)
            self.over = usage.over
            return effects
        return [] if self.over else self._handle_early(event, now)

    def _handle_early(  # noqa: PLR0911 - a table: one line for each input
        self, event: LegInput, now: float
    ) -> list[LegEffect]:
        match event:
            case HangUp(reason, cause) if self._ending is None:
                if cause is not None:
                    self._why = (reason_header(cause, reason or ""),)
                return self._hang_up(LegEnded("local", None, reason))
            case RequestFailed(to, cause) if to == self.invite:
                return self._end(self._ending or LegEnded("failure", *_FAILURES[cause]))
            case Answer() | Refuse():
                asking = (fork for fork in self._forks.values() if fork.usage.asks_owner)
                fork = next(asking, None)
                return fork.usage.handle(event, now) if fork else []
            case Reoffer():
                return self._reoffer(event, now)
            case PickUp() if self._ending is None:
                return self._pick_up()
            case GotRequest(request):
                return self._got_request(request, now)
            case TimePassed():
                return self._time_passed(now)
            case GotResponse() | RequestFailed():
                return self._everywhere(event, now)
            case _:
                return []

    def _everywhere(self, event: LegInput, now: float) -> list[LegEffect]:
        """Let every fork look at an input; at most one of them knows the request in it."""
        return [effect for fork in self._forks.values() for effect in fork.usage.handle(event, now)]

    # The owner, before the answer

    def _hang_up(self, ending: LegEnded) -> list[LegEffect]:
        if not self._started or self._again_at is not None:
            return self._end(ending)
        self._ending = ending
        # §9.1: "If no provisional response has been received, the CANCEL request MUST NOT be sent;
        # rather, the client MUST wait for the arrival of a provisional response"
        return [
            *self._let_go(),
            *([SendCancel(self.invite, self._why)] if self._provisional else []),
        ]

    def _let_go(self, *, but: str | None = None) -> list[LegEffect]:
        """Leave no request of the forks' without its answer."""
        self._wish = None
        losers = [fork for tag, fork in self._forks.items() if tag != but]
        return [effect for fork in losers for effect in fork.usage.let_go()]

    def _reoffer(self, wish: Reoffer, now: float) -> list[LegEffect]:
        """Pass a wish to the one phone that rings; among several it waits for the one that wins."""
        if len(self._forks) != 1:
            self._wish = wish
            return []
        return self._everywhere(wish, now)

    def _pick_up(self) -> list[LegEffect]:
        """Tell the first phone that can be told; what it does is seen by its 200 to the INVITE."""
        for fork in self._forks.values():
            if fork.told is not None and fork.told.picks_up:
                return [SendRequest(notify(fork.usage.dialog))]
        return []

    # Responses to the INVITE

    def _got_response(self, response: SipResponse, now: float) -> list[LegEffect]:
        if FINAL <= response.status_code < FAILED:
            return self._got_success(response, now)
        if self.over or self._winner is not None:
            return []
        if response.status_code < FINAL:
            return self._got_provisional(response, now)
        return self._got_refusal(response, now)

    def _got_provisional(self, response: SipResponse, now: float) -> list[LegEffect]:
        first, self._provisional = not self._provisional, True
        if self._ending is not None:
            return [SendCancel(self.invite, self._why)] if first else []
        if response.status_code == TRYING:
            return []
        tag = peer_tag(response)
        fork = self._forks.get(tag)
        if fork is None and len(self._forks) < MOST_FORKS:
            fork = self._new_fork(tag, response)
        if fork is None:
            return []
        effects: list[LegEffect] = []
        if is_reliable(response):
            rack = fork.reliable.rack(response)
            if rack is None:
                return []
            effects = fork.usage.got_reliable(response, rack)
        else:
            fork.usage.preview = sdp_of(response) or fork.usage.preview
        fork.usage.learn(response)
        before = fork.told is not None and fork.told.picks_up  # said once, it holds
        told = LegRinging(
            response.status_code, sdp_of(response), tag, picks_up=before or picks_up(response)
        )
        if told != fork.told:
            fork.told = told
            effects.insert(0, Tell(told))
        if self._wish is not None and len(self._forks) == 1:
            wish, self._wish = self._wish, None
            return [*effects, *fork.usage.handle(wish, now)]
        return [*effects, *fork.usage.handle(TimePassed(), now)]

    def _new_fork(self, tag: str, response: SipResponse) -> _Fork:
        dialog = Dialog.as_uac(self.invite, response, pinned=self._pinned)
        usage = InviteDialog(dialog, offer=self.invite.sdp, terms=self._terms)
        self._forks[tag] = _Fork(usage)
        return self._forks[tag]

    def _got_refusal(self, response: SipResponse, now: float) -> list[LegEffect]:
        status, reason = response.status_code, response.reason_phrase or None
        if self._ending is not None:
            return self._end(replace(self._ending, status=status))
        effects, self._provisional = self._let_go(), False
        again = self._next_invite(response, now)
        if again is None:
            wait = retry_after(response) if status == 503 else None  # noqa: PLR2004 - SIP's statuses are words
            return [*effects, *self._end(LegEnded("remote", status, reason, wait))]
        self._forks.clear()
        self.invite = again
        if self._again_at is None:
            effects.append(SendRequest(again))
        return effects

    def _next_invite(self, response: SipResponse, now: float) -> OutgoingRequest | None:
        """Return the INVITE to try after a refusal, None: the call is over."""
        cseq = self.invite.cseq + 1
        answered = self._terms.digest.answer(self.invite, response)
        if answered is not None:
            return replace(answered, cseq=cseq)
        if response.status_code == 422 and self._timer.refused(response):  # noqa: PLR2004
            return self._with_timer(replace(self._plain, cseq=cseq))
        if response.status_code == 491 and self._pending < _MOST_PENDING:  # noqa: PLR2004
            self._pending += 1
            self._again_at = now + self._terms.dice.between(210, 400) / 100  # §14.1
            return replace(self.invite, cseq=cseq)
        target = self._redirections.next(response)
        if target is None:
            return None
        # §8.1.3.4: "It is RECOMMENDED that the UAC reuse the same To, From, and Call-ID"
        self._plain = replace(self._plain, uri=target[0], destination=target[1])
        return self._with_timer(replace(self._plain, cseq=cseq))

    def _with_timer(self, invite: OutgoingRequest) -> OutgoingRequest:
        return replace(invite, headers=invite.headers + self._timer.request_headers())

    def _got_success(self, response: SipResponse, now: float) -> list[LegEffect]:
        tag = peer_tag(response)
        if self._winner == tag:
            usage = self._forks[tag].usage
            return usage.handle(GotResponse(self.invite, response), now)
        if tag in self._acks:
            # §13.2.2.4: the ACK is sent again "each time a retransmission of the 2xx arrives"
            return [SendAck(self._acks[tag])]
        if self._winner is not None or self.over:
            return self._hang_up_fork(tag, response)
        wish, effects = self._wish, self._let_go(but=tag)
        fork = self._forks.get(tag) or self._new_fork(tag, response)
        self._winner = tag
        effects += fork.usage.accepted(response, invite=self.invite, ending=self._ending, now=now)
        if wish is not None:
            effects += fork.usage.handle(wish, now)
        return effects

    def _hang_up_fork(self, tag: str, response: SipResponse) -> list[LegEffect]:
        """§13.2.2.4: the other branches: "the UAC … MUST … acknowledge … and … a BYE"."""
        if tag in self._forks:
            dialog = self._forks[tag].usage.dialog
            dialog.confirm(response)
        else:
            dialog = Dialog.as_uac(self.invite, response, pinned=self._pinned)
        ack = self._acks[tag] = dialog.ack(self.invite)
        return [SendAck(ack), SendRequest(dialog.request("BYE"))]

    # The peer's requests, time, the end

    def _got_request(self, request: SipRequest, now: float) -> list[LegEffect]:
        """Take a request in an early dialog."""
        tag = dialog_id(request).remote_tag
        fork = self._forks.get(tag)
        if fork is None or request.method == "ACK":
            return []
        if request.method == "BYE":
            # §15: "the callee's UA MUST NOT send a BYE on an early dialog"; its INVITE still needs
            # a final response
            return [Reply(request, 200)]
        if request.method == "INVITE":
            # §14.2: "while an INVITE … that it had sent is in progress": 491
            return [Reply(request, 491)]
        return fork.usage.handle(GotRequest(request), now)

    def _time_passed(self, now: float) -> list[LegEffect]:
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
            return [SendRequest(self.invite)]
        return self._everywhere(TimePassed(), now)

    def _end(self, ended: LegEnded) -> list[LegEffect]:
        self.over = True
        return [*self._let_go(), Tell(ended)]
