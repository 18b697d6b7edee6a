"""REGISTER, the client's side (RFC 3261 §10.2): how a carrier that knows us by an account finds us.

A machine without clock or chance: what is random comes in with the inputs.
"""

from dataclasses import dataclass, replace
from typing import Literal

from aiosipua import SipResponse

from telephony.sip.client_auth import answer_challenge, is_stale
from telephony.sip.dialog import OutgoingRequest
from telephony.sip.errors import TransactionFailure
from telephony.sip.message import FAILED, FINAL, retry_after
from telephony.sip.name_addr import AddressError, parse_name_addr

State = Literal["unregistered", "registering", "registered", "refreshing", "leaving"]

_MOST_CHALLENGES = 2  # for one attempt: a second one because the nonce was stale
_MOST_REDIRECTS = 5
_MOVED = (301, 302)
_TOO_BRIEF = 423
_FOREVER = 2**32 - 1  # §20.19
_FAILURES: dict[TransactionFailure, str] = {
    "timeout": "no answer",
    "transport": "could not be sent",
}

# Inputs


@dataclass(frozen=True, slots=True)
class Begin:
    """Register, and stay registered."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Un-register; the machine does nothing more after that."""


@dataclass(frozen=True, slots=True)
class GotResponse:
    """A response to the REGISTER.

    Attributes:
        response: what came.
        cnonce: a random string, for the case that it is a challenge.
        chance: a random number in [0, 1), for the case that it means waiting.
    """

    response: SipResponse
    cnonce: str = ""
    chance: float = 0.0


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """The REGISTER had no final response; ``chance`` as in `GotResponse`."""

    cause: TransactionFailure
    chance: float = 0.0


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The deadline has passed."""


RegisterInput = Begin | Leave | GotResponse | RequestFailed | TimePassed

# Effects


@dataclass(frozen=True, slots=True)
class SendRegister:
    """Send it through a client transaction, to its Request-URI or the account's outbound proxy."""

    request: OutgoingRequest


@dataclass(frozen=True, slots=True)
class Registered:
    """The registrar has our Contact for so many seconds; told once until it is lost."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Unregistered:
    """It has it no longer, or never had: refused, run out, or taken back by us."""

    reason: str


@dataclass(frozen=True, slots=True)
class Left:
    """Nothing more is to come of it: our leaving was answered, or never will be."""


RegisterEffect = SendRegister | Registered | Unregistered | Left


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a refused client waits, in seconds (as RFC 5626 §4.5 has it, with its own base).

    "W = min( max-time, (base-time * (2 ^ consecutive-failures)))", of which 50 to 100 % are waited.
    """

    base: float = 2.0
    longest: float = 300.0

    def wait(self, failures: int, chance: float) -> float:
        """Return how long to wait after so many failures in a row."""
        full = min(self.longest, self.base * 2.0 ** min(failures, 32))
        return full * (0.5 + 0.5 * chance)


class RegisterClient:
    """One binding at one registrar.

    Args:
        request: the REGISTER, without Contact, Expires and credentials, as CSeq 1 is to be.
        contact: our Contact URI.
        user: of the credentials.
        password: of the credentials.
        expires: the life that is asked for, seconds.
        patience: how long to wait after a refusal.

    Attributes:
        state: where it stands.
        deadline: when `handle` wants TimePassed; None: never.
    """

    def __init__(
        self,
        request: OutgoingRequest,
        *,
        contact: str,
        user: str,
        password: str,
        expires: int = 3600,
        patience: Patience = Patience(),
    ) -> None:
        self.state: State = "unregistered"
        self.deadline: float | None = None
        self._first = self._request = request
        self._contact = contact
        self._user = user
        self._password = password
        self._expires = expires
        self._patience = patience
        self._expires_at: float | None = None  # while a registrar has our Contact
        self._failures = 0
        self._challenges = 0
        self._redirects = 0
        self._proof: tuple[str, str] | None = None

    def handle(self, event: RegisterInput, now: float) -> list[RegisterEffect]:
        """Take one input, return what is to be done."""
        match event:
            case Begin():
                return self._attempt() if self.state == "unregistered" else []
            case Leave():
                return self._leave()
            case TimePassed():
                return self._time_passed(now)
            case GotResponse():
                waits = self.state in ("registering", "refreshing", "leaving")
                return self._got_response(event, now) if waits else []
            case RequestFailed(cause, chance):
                left = self.state == "leaving"
                return [Left()] if left else self._failed(_FAILURES[cause], now, chance)

    # Asking

    def _attempt(self) -> list[RegisterEffect]:
        self.state = "registering" if self._expires_at is None else "refreshing"
        self.deadline = self._expires_at
        self._challenges = self._redirects = 0
        self._proof = None
        # where a redirect led is forgotten: the next attempt begins where it should
        self._request = replace(self._first, cseq=self._request.cseq)
        return [self._send(self._expires)]

    def _send(self, expires: int) -> SendRegister:
        request = self._request
        self._request = replace(request, cseq=request.cseq + 1)
        headers = (
            *request.headers,
            ("Contact", f"<{self._contact}>"),
            ("Expires", str(expires)),
            *(() if self._proof is None else (self._proof,)),
        )
        return SendRegister(replace(request, headers=headers))

    def _leave(self) -> list[RegisterEffect]:
        had, self._expires_at, self.deadline = self._expires_at, None, None
        self.state = "leaving"
        self._challenges = 0
        self._proof = None
        return [Left()] if had is None else [self._send(0), Unregistered("un-registered")]

    def _time_passed(self, now: float) -> list[RegisterEffect]:
        if self.deadline is None or now < self.deadline or self.state == "leaving":
            return []
        lost = self._expires_at is not None and now >= self._expires_at
        effects: list[RegisterEffect] = []
        if lost:
            self._expires_at = None
            effects.append(Unregistered("expired"))
        if self.state == "refreshing":
            # the answer may still come: the transaction is alive
            self.state, self.deadline = "registering", None
            return effects
        return effects + self._attempt()

    # What comes back

    def _got_response(self, got: GotResponse, now: float) -> list[RegisterEffect]:
        response, status = got.response, got.response.status_code
        if status < FINAL:
            return []
        leaving = self.state == "leaving"
        if self._answer_challenge(response, got.cnonce):
            return [self._send(0 if leaving else self._expires)]
        if leaving:
            return [Left()]
        if status < FAILED:
            return self._accepted(response, now)
        if self._ask_for_more(response) or self._follow(response):
            return [self._send(self._expires)]
        reason = f"{status} {response.reason_phrase}".strip()
        return self._failed(reason, now, got.chance, at_least=retry_after(response) or 0.0)

    def _accepted(self, response: SipResponse, now: float) -> list[RegisterEffect]:
        seconds = self._granted(response)
        if seconds == 0:
            return self._failed("the registrar kept nothing", now, 0.0)
        new = self._expires_at is None
        self.state, self._failures = "registered", 0
        self._expires_at = now + seconds
        # long enough before the end for several attempts that are lost
        self.deadline = now + max(0.75 * seconds, min(seconds - 32.0, 0.95 * seconds))
        return [Registered(seconds)] if new else []

    def _granted(self, response: SipResponse) -> int:
        """Return for how long our Contact is kept (§10.2.4), whatever else is registered."""
        for value in response.headers.get("Contact"):
            try:
                contact = parse_name_addr(value)
            except AddressError:
                continue
            if contact.uri == self._contact and "expires" in contact.params:
                return _seconds(contact.params["expires"], self._expires)
        return _seconds(response.headers.get_first("Expires"), self._expires)

    def _answer_challenge(self, response: SipResponse, cnonce: str) -> bool:
        """Prove who we are (§22.2); False when that was tried, or cannot be."""
        # §22.2: what was refused is not tried again; a stale nonce says that it was not refused
        if self._challenges >= (_MOST_CHALLENGES if is_stale(response) else 1):
            return False
        self._proof = answer_challenge(
            response,
            user=self._user,
            password=self._password,
            method="REGISTER",
            uri=self._request.uri,
            cnonce=cnonce,
        )
        self._challenges += self._proof is not None
        return self._proof is not None

    def _ask_for_more(self, response: SipResponse) -> bool:
        """Take over the shortest life that the registrar grants (§10.2.8)."""
        shortest = _seconds(response.headers.get_first("Min-Expires"), 0)
        if response.status_code != _TOO_BRIEF or shortest <= self._expires:
            return False
        self._expires = shortest
        return True

    def _follow(self, response: SipResponse) -> bool:
        """Go where the registrar sends us (§8.1.3.4)."""
        if response.status_code not in _MOVED or self._redirects >= _MOST_REDIRECTS:
            return False
        for value in response.headers.get("Contact"):
            try:
                uri = parse_name_addr(value).uri
            except AddressError:
                continue
            if uri.lower().startswith("sip:"):
                self._redirects += 1
                self._challenges, self._proof = 0, None
                self._request = replace(self._request, uri=uri)
                return True
        return False

    def _failed(
        self, reason: str, now: float, chance: float, *, at_least: float = 0.0
    ) -> list[RegisterEffect]:
        if self.state not in ("registering", "refreshing"):
            return []
        again = now + max(self._patience.wait(self._failures, chance), at_least)
        self._failures += 1
        if self._expires_at is not None:
            # a failed refresh: what we have is good until it runs out
            self.state = "registered"
            self.deadline = min(again, self._expires_at)
            return []
        self.state, self.deadline = "unregistered", again
        return [Unregistered(reason)]


def _seconds(text: str | None, default: int) -> int:
    text = (text or "").strip()
    if not (text.isascii() and text.isdigit()):
        return default
    return min(int(text[:11]), _FOREVER)  # the digits are cut: int() of thousands takes long
