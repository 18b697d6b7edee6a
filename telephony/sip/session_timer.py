"""Sessions that end unless they are refreshed (RFC 4028), from either side."""

import re
from dataclasses import dataclass
from typing import Literal

from aiosipua import SipMessage, SipRequest, SipResponse

from telephony.sip.invite_usage import Reply
from telephony.sip.reliability import lists

TAG = "timer"
LEAST_MINIMUM = 90  # §5: "the minimum … MUST NOT be less than 90 seconds"
_SECONDS = re.compile(r"\s*([0-9]{1,9})\s*(;.*)?")
_REFRESHER = re.compile(r";\s*refresher\s*=\s*(uac|uas)\b", re.IGNORECASE)
_LONGEST_NOTICE = 32.0

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How long a session may go without a refresh.

    Attributes:
        interval: what we ask for, in seconds.
        minimum: the least that we take, in seconds; at least 90.
    """

    interval: int = 1800
    minimum: int = LEAST_MINIMUM


class SessionTimer:
    """One dialog's session timer; without a policy it never runs, and says nothing.

    Attributes:
        refresher: who has to refresh; None while no timer runs.
        due: a refresh is ours to send.
    """

    def __init__(self, policy: SessionPolicy | None) -> None:
        self._policy = policy
        self._interval = policy.interval if policy else 0
        self._minimum = policy.minimum if policy else 0
        self.refresher: Literal["us", "peer"] | None = None
        self.due = False
        self._imposed = False  # the peer knows no session timers
        self._refresh_at: float | None = None
        self._expire_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """When `time_passed` is wanted."""
        times = (self._refresh_at, self._expire_at)
        return min((at for at in times if at is not None), default=None)

    # Asking

    def request_headers(self) -> Headers:
        """Return what an INVITE or a refresh of ours says."""
        if self._policy is None:
            return ()
        # §7.4: in a refresh "the refresher parameter SHOULD" keep the roles as they are
        role = {"us": ";refresher=uac", "peer": ";refresher=uas", None: ""}[self.refresher]
        expires = ("Session-Expires", f"{self._interval}{role}")
        return (expires, ("Min-SE", str(self._minimum)))

    def refused(self, response: SipResponse) -> bool:
        """Take over the Min-SE of a 422; False when it asks for nothing new (§7.3)."""
        least = _seconds(response, "Min-SE")
        if self._policy is None or least is None or least <= self._interval:
            return False
        self._interval = self._minimum = least
        return True

    def agreed(self, response: SipResponse, now: float) -> None:
        """Start from a 2xx to a request of ours that carried `request_headers` (§7.2).

        A peer without session timers is refreshed by us all the same: it is how a phone that was
        unplugged during its call is noticed.
        """
        if self._policy is None:
            return
        interval = _seconds(response, "Session-Expires")
        self._imposed = interval is None
        if interval is None:
            self._start("us", self._interval, now)
        else:
            self._start("peer" if _refresher(response) == "uas" else "us", interval, now)

    def refusal(self, now: float) -> None:
        """Take any refusal of a refresh but 408 and 481.

        A peer that knows session timers lets its session end; one that knows none has shown that it
        is alive, which is all that its refresh is for.
        """
        if self._imposed:
            self._start("us", self._interval, now)

    # Being asked

    def objection(self, request: SipRequest) -> Reply | None:
        """Return the 422 for too short an interval, None when it will do (§9)."""
        wanted = _seconds(request, "Session-Expires")
        if self._policy is None or wanted is None or wanted >= self._policy.minimum:
            return None
        if not lists(request, "Supported", TAG):
            return None  # §9: 422 means nothing to it
        return Reply(request, 422, headers=(("Min-SE", str(self._policy.minimum)),))

    def response_headers(self, request: SipRequest, now: float) -> Headers:
        """Start, and return what our 2xx to an INVITE or UPDATE says (§9, table 2)."""
        if self._policy is None:
            return ()
        supported = lists(request, "Supported", TAG)
        wanted = _seconds(request, "Session-Expires")
        interval = self._policy.interval if wanted is None else min(wanted, self._policy.interval)
        interval = max(interval, _seconds(request, "Min-SE") or 0, LEAST_MINIMUM)
        if wanted is not None and interval > wanted:
            interval = wanted  # "MUST NOT increase" what the request says
        theirs = supported and _refresher(request) != "uas"
        self._imposed = not supported
        self._start("peer" if theirs else "us", interval, now)
        if not theirs:
            return (("Session-Expires", f"{interval};refresher=uas"),)
        return (("Require", TAG), ("Session-Expires", f"{interval};refresher=uac"))

    # Time

    def _start(self, refresher: Literal["us", "peer"], interval: int, now: float) -> None:
        # §5 allows nobody less than our minimum; whoever says a second would be asked twice in it.
        interval = max(interval, min(self._minimum, self._interval))
        self.refresher, self.due = refresher, False
        # §10: "no less than half … before the expiration"; the other side says BYE "at least the
        # minimum of 32 seconds and one third of the session interval" before it
        self._refresh_at = now + interval / 2 if refresher == "us" else None
        self._expire_at = now + interval - min(_LONGEST_NOTICE, interval / 3)

    def time_passed(self, now: float) -> bool:
        """Note what is due; True when the session has expired."""
        if self._refresh_at is not None and now >= self._refresh_at:
            self._refresh_at, self.due = None, True
        return self._expire_at is not None and now >= self._expire_at

    def stop(self) -> None:
        """Let the session be: it is ending."""
        self._refresh_at = self._expire_at = None
        self.due = False


def _seconds(message: SipMessage, header: str) -> int | None:
    names = (header, "x") if header == "Session-Expires" else (header,)  # §4: compact form
    value = next((found for name in names if (found := message.headers.get_first(name))), "")
    match = _SECONDS.fullmatch(value)
    return int(match[1]) if match else None


def _refresher(message: SipMessage) -> str | None:
    value = message.headers.get_first("Session-Expires") or message.headers.get_first("x") or ""
    found = _REFRESHER.search(value)
    return found[1].lower() if found else None
