"""Provisional responses that must arrive: 100rel and PRACK (RFC 3262)."""

import re
from dataclasses import dataclass, replace

from aiosipua import SipMessage, SipRequest, SipResponse

from telephony.sip.invite_usage import Reply
from telephony.sip.message import cseq_of
from telephony.sip.transaction import Timers

TAG = "100rel"
_RSEQ = re.compile(r"[0-9]{1,10}")
_RACK = re.compile(r"([0-9]{1,10})\s+([0-9]{1,10})\s+(\S+)")
_HIGHEST_RSEQ = 2**32 - 1


def lists(message: SipMessage, header: str, option: str) -> bool:
    """Tell whether an option tag stands in Supported or Require."""
    values = ",".join(message.headers.get(header)).lower().split(",")
    return option in (value.strip() for value in values)


@dataclass(slots=True)
class _Unacknowledged:
    reply: Reply
    again_at: float
    interval: float
    give_up_at: float


class ReliableResponses:
    """The called side: sends them one at a time, again and again, until each has its PRACK (§3).

    Args:
        invite: what is answered.
        first: the first RSeq; §3: "chosen uniformly between 1 and 2**31 - 1".
        timers: the base intervals.
    """

    def __init__(self, invite: SipRequest, *, first: int, timers: Timers) -> None:
        self._cseq = cseq_of(invite)[0]
        self._next = first
        self._timers = timers
        self._sent: _Unacknowledged | None = None
        self._silent = False

    @property
    def unacknowledged(self) -> Reply | None:
        """The response whose PRACK has not come."""
        return self._sent.reply if self._sent else None

    @property
    def deadline(self) -> float | None:
        """When `time_passed` is wanted."""
        if self._sent is None or self._silent:
            return None
        return min(self._sent.again_at, self._sent.give_up_at)

    def send(self, reply: Reply, now: float) -> Reply:
        """Return the response with its Require and RSeq; the one before has been acknowledged."""
        headers = (*reply.headers, ("Require", TAG), ("RSeq", str(self._next)))
        self._next += 1
        reply = replace(reply, headers=headers)
        t1 = self._timers.t1
        self._sent = _Unacknowledged(reply, now + t1, t1, now + self._timers.give_up)
        return reply

    def acknowledge(self, prack: SipRequest) -> Reply | None:
        """Return the response that a PRACK means and stop sending it; None: no such response."""
        named = _RACK.fullmatch((prack.headers.get_first("RAck") or "").strip())
        if self._sent is None or named is None:
            return None
        expected = (self._next - 1, self._cseq, "INVITE")
        if (int(named[1]), int(named[2]), named[3]) != expected:
            return None
        reply, self._sent = self._sent.reply, None
        return reply

    def time_passed(self, now: float) -> Reply | None:
        """Return what is to be sent again now, if anything."""
        sent = self._sent
        if sent is None or self._silent or now < sent.again_at:
            return None
        # §3: "The retransmission … starts at T1 seconds and then doubles for each retransmission";
        # T2 is no bound here
        sent.interval *= 2
        sent.again_at = now + sent.interval
        return sent.reply

    def is_given_up(self, now: float) -> bool:
        """Tell whether 64*T1 have passed without a PRACK."""
        return self._sent is not None and not self._silent and now >= self._sent.give_up_at

    def fall_silent(self) -> None:
        """Send nothing again: the final response is out. A late PRACK is still acknowledged."""
        self._silent = True


class ReliableSequence:
    """The calling side, one for each early dialog: which responses want a PRACK (§4)."""

    def __init__(self) -> None:
        self._latest: int | None = None

    def rack(self, response: SipResponse) -> str | None:
        """Return the RAck of a reliable response that comes in turn; None for every other.

        §4: "if the RSeq … is not one higher than the value of the sequence number … the UAC MUST
        NOT acknowledge the response with a PRACK, and MUST NOT process the response further"; the
        PRACK of a repeated one is repeated by its own transaction.
        """
        number = _rseq(response)
        if number is None or self._latest not in {None, number - 1}:
            return None
        self._latest = number
        cseq, method = cseq_of(response)
        return f"{number} {cseq} {method}"


def is_reliable(response: SipResponse) -> bool:
    """Tell whether a provisional response wants a PRACK."""
    return lists(response, "Require", TAG) and _rseq(response) is not None


def _rseq(response: SipResponse) -> int | None:
    value = (response.headers.get_first("RSeq") or "").strip()
    number = int(value) if _RSEQ.fullmatch(value) else 0
    return number if 0 < number <= _HIGHEST_RSEQ else None
