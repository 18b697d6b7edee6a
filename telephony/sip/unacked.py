"""A 2xx of ours that waits for its ACK (RFC 3261 §13.3.1.4)."""

from aiosipua import SipRequest

from telephony.sip.invite_usage import Reply
from telephony.sip.message import cseq_of
from telephony.sip.transaction import Timers


class UnackedAnswer:
    """Sent just now, and again "at intervals that start at T1 seconds and double" up to T2.

    Args:
        reply: the 2xx.
        first: it answers the INVITE that made the dialog.
        offers: it holds our offer, whose answer the ACK brings.
        timers: the base intervals.
        now: monotonic seconds.
    """

    def __init__(
        self, reply: Reply, *, first: bool, offers: bool, timers: Timers, now: float
    ) -> None:
        self.first = first
        self.offers = offers
        self._reply = reply
        self._longest = timers.t2
        self._interval = timers.t1
        self._again_at = now + timers.t1
        self._give_up_at = now + timers.give_up

    @property
    def deadline(self) -> float:
        """When `time_passed` is wanted."""
        return min(self._again_at, self._give_up_at)

    def is_acknowledged_by(self, ack: SipRequest) -> bool:
        """Tell whether this is its ACK: they have one CSeq number (§13.2.2.4)."""
        return cseq_of(ack)[0] == cseq_of(self._reply.to)[0]

    def is_given_up(self, now: float) -> bool:
        """Tell whether 64*T1 have passed."""
        return now >= self._give_up_at

    def time_passed(self, now: float) -> list[Reply]:
        """Return the 2xx when it is time to send it again."""
        if now < self._again_at:
            return []
        self._interval = min(2 * self._interval, self._longest)
        self._again_at = now + self._interval
        return [self._reply]
