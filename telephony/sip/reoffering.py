"""Our re-INVITEs and UPDATEs: when one may go out, and what its refusal means (RFC 3261 §14.1)."""

from dataclasses import dataclass, replace

from aiosipua import SipMessage, SipResponse

from telephony.sip.client_auth import DigestClient
from telephony.sip.dialog import Dialog, OutgoingRequest
from telephony.sip.dice import Dice
from telephony.sip.invite_usage import ALLOW, LegEffect, Reoffer, SendRequest, Tell
from telephony.sip.leg_events import LegReofferRefused
from telephony.sip.message import retry_after
from telephony.sip.negotiation import Negotiation
from telephony.sip.session_timer import SessionPolicy, SessionTimer
from telephony.sip.transaction import Timers

MOST_ATTEMPTS = 8  # of one re-offer that is refused for the moment only
LONGEST_RETRY_AFTER = 30  # a re-offer that has to wait longer is refused
_HEADERS = (("Allow", ALLOW), ("Supported", "timer"))
_PENDING, _TOO_SMALL = 491, 422
_UNKNOWN_METHOD = (405, 501)


@dataclass(frozen=True, slots=True)
class Terms:
    """What every dialog of a leg has in common.

    Attributes:
        timers: the transactions' base intervals.
        session: the session timer's policy; None: there is none.
        dice: seeded by the caller, so that the same inputs have the same effects.
        digest: our credentials with the peer.
        calls: we called: the Call-ID is ours (§14.1).
    """

    timers: Timers
    session: SessionPolicy | None
    dice: Dice
    digest: DigestClient
    calls: bool

    def later(self) -> tuple[tuple[str, str], ...]:
        """Return the header that says when what was refused for the moment may come again.

        §14.2, RFC 3311 §5.2: Retry-After with "a randomly chosen value of between 0 and 10".
        """
        return (("Retry-After", str(self.dice.between(0, 10))),)


@dataclass(frozen=True, slots=True)
class Asked:
    """A re-INVITE or UPDATE of ours under way; ``wish`` None: it only refreshes the session."""

    request: OutgoingRequest
    wish: Reoffer | None


class Reoffering:
    """What we want of the peer in one dialog, one request at a time.

    Args:
        dialog: the requests' dialog.
        negotiation: its offers and answers.
        timer: its session timer.
        terms: see `Terms`.

    Attributes:
        asked: the request under way.
        retry_at: when what was refused for the moment may be asked again.
    """

    def __init__(
        self, dialog: Dialog, negotiation: Negotiation, timer: SessionTimer, terms: Terms
    ) -> None:
        self.asked: Asked | None = None
        self.retry_at: float | None = None
        self._dialog = dialog
        self._negotiation = negotiation
        self._timer = timer
        self._terms = terms
        self._allowed: frozenset[str] = frozenset()
        self._wish: Reoffer | None = None
        self._attempts = 0

    @property
    def is_inviting(self) -> bool:
        """Whether a re-INVITE of ours is under way."""
        return self.asked is not None and self.asked.request.method == "INVITE"

    @property
    def awaits_offer(self) -> bool:
        """Whether a re-INVITE of ours is under way that asks for the peer's offer."""
        return self.asked is not None and self.is_inviting and self.asked.request.sdp is None

    def learn(self, message: SipMessage) -> None:
        """Note which methods the peer says that it allows."""
        if message.headers.get("Allow"):
            methods = ",".join(message.headers.get("Allow")).split(",")
            self._allowed = frozenset(method.strip().upper() for method in methods)

    def want(self, wish: Reoffer) -> None:
        """Take a wish in place of the last one."""
        self._wish, self._attempts = wish, 0

    def forget(self) -> None:
        """Want nothing any more. What is under way goes on."""
        self._wish = self.retry_at = None

    # Asking

    def next(self, *, confirmed: bool) -> list[LegEffect]:
        """Send what is wanted; the caller has made sure that the peer wants nothing just now."""
        wish = self._wish
        if (wish is None and not self._timer.due) or self.asked is not None:
            return []
        if self.retry_at is not None or not self._negotiation.agreed:
            return []
        method = self._method(wish, confirmed=confirmed)
        if method is None:
            return []
        self._wish, self._timer.due = None, False
        # before the answer there is no session yet that could expire
        timer = self._timer.request_headers() if confirmed else ()
        if wish is not None:
            sdp = wish.sdp
        else:
            sdp = self._negotiation.local if method == "INVITE" else None
        request = self._dialog.request(method, (*_HEADERS, *timer))
        if sdp is not None:
            self._negotiation.propose(sdp, whose="ours")
        self._attempts += 1
        return self._send(Asked(replace(request, sdp=sdp), wish))

    def _method(self, wish: Reoffer | None, *, confirmed: bool) -> str | None:
        """Return INVITE or UPDATE, None when neither may be sent now."""
        updates = "UPDATE" in self._allowed
        if wish is None:  # a refresh
            return ("UPDATE" if updates else "INVITE") if confirmed else None
        if not confirmed:
            # §14.1: no second INVITE "while another INVITE transaction is in progress"
            return "UPDATE" if updates and wish.sdp is not None else None
        return "UPDATE" if updates and wish.method == "UPDATE" and wish.sdp else "INVITE"

    def _send(self, asked: Asked) -> list[LegEffect]:
        self.asked = asked
        return [SendRequest(asked.request)]

    # Being answered

    def agreed(self, response: SipResponse, now: float) -> None:
        """Note that the request under way succeeded; what was agreed is the caller's to note."""
        asked, self.asked, self._attempts = self.asked, None, 0
        if asked and any(name == "Session-Expires" for name, _ in asked.request.headers):
            self._timer.agreed(response, now)

    def failed(self) -> None:
        """Note that the request under way led to nothing."""
        self.withdraw()
        self.asked = None

    def withdraw(self) -> None:
        """Forget what the request under way offers; another open offer has nothing to do with it.

        A refresh without one may cross the peer's offer, or its request for ours.
        """
        if self.asked is not None and self.asked.request.sdp is not None:
            self._negotiation.drop()

    def refused(self, asked: Asked, response: SipResponse, now: float) -> list[LegEffect]:
        """Take a refusal that leaves the dialog as it is: ask again, later perhaps, or tell it."""
        again = self._terms.digest.answer(asked.request, response)
        if again is not None:
            return self._send(replace(asked, request=self._dialog.renumbered(again)))
        self.failed()
        wait = self._wait(asked, response)
        if wait is None:
            self._timer.refusal(now)
            told = LegReofferRefused(response.status_code, response.reason_phrase or None)
            return [Tell(told)] if asked.wish else []
        self.retry_at = now + wait if wait else None
        self._wish = self._wish or asked.wish
        self._timer.due = asked.wish is None or self._timer.due
        return []

    def _wait(self, asked: Asked, response: SipResponse) -> float | None:
        """Return the seconds to wait before the request is worth repeating, None when it never is.

        §14.1: after 491 the owner of the Call-ID waits "between 2.1 and 4 seconds in units of
        10 ms", the other side "between 0 and 2".
        """
        status = response.status_code
        if self._attempts >= MOST_ATTEMPTS:
            return None
        if status == _PENDING:
            low, high = (210, 400) if self._terms.calls else (1, 200)
            return self._terms.dice.between(low, high) / 100
        if status == _TOO_SMALL and self._timer.refused(response):
            return 0.0
        if status in _UNKNOWN_METHOD and asked.request.method == "UPDATE":
            self._allowed -= {"UPDATE"}
            return 0.0
        wait = retry_after(response)
        return wait if wait is not None and wait <= LONGEST_RETRY_AFTER else None
