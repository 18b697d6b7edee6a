"""The client transactions: we ask (RFC 3261 §17.1, RFC 6026 §8.4)."""

from aiosipua import SipRequest, SipResponse

from telephony.sip.errors import LocalProtocolError
from telephony.sip.message import FAILED, FINAL, build_ack
from telephony.sip.transaction import (
    Cancelled,
    Deliver,
    Effect,
    Fail,
    Received,
    Send,
    Start,
    Timers,
    TimeUp,
    Transaction,
    TransactionInput,
    TransportFailed,
)


class InviteClientTransaction(Transaction):
    """calling → proceeding → accepted or completed → terminated.

    Delivers each provisional response until the first final one; then one final response of
    300-699, or every 2xx that comes within 64*T1 (its user acknowledges each of them, whether it is
    a retransmission or another branch's).

    Attributes:
        cancelled: a CANCEL was sent while it could still matter.
    """

    def __init__(self, request: SipRequest, timers: Timers, *, reliable: bool = False) -> None:
        super().__init__(request, timers, reliable=reliable)
        self.cancelled = False
        self._interval_a = timers.t1
        self._ack: SipRequest | None = None

    def handle(self, event: TransactionInput, now: float) -> list[Effect]:
        """Take one input; see `Transaction.handle`."""
        match event:
            case Start() if self.state == "new":
                self._enter("calling", B=now + self._intervals.give_up)
                if not self.reliable:
                    # §17.1.1.2: "If a reliable transport is being used, the client transaction
                    # SHOULD NOT start timer A"
                    self._running["A"] = now + self._interval_a
                return [Send(self.request)]
            case Received(SipResponse() as response):
                return self._receive(response, now)
            case Cancelled() if self.state == "calling":
                # RFC 3261 §9.1: "If no provisional response has been received, the CANCEL request
                # MUST NOT be sent".
                raise LocalProtocolError("cancelled before a provisional response")
            case Cancelled():
                if self.state == "proceeding" and not self.cancelled:
                    self.cancelled = True
                    self._running["cancel"] = now + self._intervals.give_up
                return []
            case TransportFailed():
                return self._transport_failed()
            case TimeUp():
                return self._time_up(now)
            case _:
                raise LocalProtocolError(f"{event} in state {self.state}")

    def _receive(self, response: SipResponse, now: float) -> list[Effect]:
        """Obey a response, by state."""
        status = response.status_code
        if self.state in ("calling", "proceeding"):
            if status < FINAL:
                if self.state == "calling":
                    # Timers A and B stop: how long it may ring is the user's business.
                    self._enter("proceeding")
                return [Deliver(response)]
            if status < FAILED:
                self._enter("accepted", M=now + self._intervals.give_up)
                return [Deliver(response)]
            return self._refused(response, now)
        if self.state == "accepted" and FINAL <= status < FAILED:
            # RFC 6026 §8.4: "If a 2xx response is received while in the 'Accepted' state, it
            # MUST be passed to the TU".
            return [Deliver(response)]
        if self.state == "completed" and status >= FAILED and self._ack is not None:
            # §17.1.1.2: "Any retransmissions of the final response that are received while in the
            # 'Completed' state MUST cause the ACK to be re-passed to the transport layer".
            return [Send(self._ack)]
        return []

    def _refused(self, response: SipResponse, now: float) -> list[Effect]:
        """Acknowledge a final response of 300-699, and wait for its repetitions."""
        self._ack = build_ack(self.request, response)
        if self.reliable:
            # §17.1.1.2: timer D is "zero seconds for reliable transports"
            return [Send(self._ack), *self._end(Deliver(response))]
        self._enter("completed", D=now + self._intervals.give_up)
        return [Send(self._ack), Deliver(response)]

    def _transport_failed(self) -> list[Effect]:
        """Give up, unless the user already has his 2xx, whose ACKs are his own."""
        if self.state in ("calling", "proceeding"):
            return self._end(Fail("transport"))
        if self.state == "completed":
            # The user has his final response already: a lost ACK needs nobody's attention.
            return self._end()
        return []

    def _fire(self, timer: str, now: float) -> list[Effect]:
        if timer == "A":
            self._interval_a *= 2
            self._running["A"] = now + self._interval_a
            return [Send(self.request)]
        if timer in ("B", "cancel"):
            return self._end(Fail("timeout"))
        return self._end()  # D, M


class NonInviteClientTransaction(Transaction):
    """trying → proceeding → completed → terminated."""

    def __init__(self, request: SipRequest, timers: Timers, *, reliable: bool = False) -> None:
        super().__init__(request, timers, reliable=reliable)
        self._interval_e = timers.t1

    def handle(self, event: TransactionInput, now: float) -> list[Effect]:
        """Take one input; see `Transaction.handle`."""
        match event:
            case Start() if self.state == "new":
                self._enter("trying", F=now + self._intervals.give_up)
                if not self.reliable:  # §17.1.2.2: E is for unreliable transports
                    self._running["E"] = now + self._interval_e
                return [Send(self.request)]
            case Received(SipResponse() as response):
                return self._receive(response, now)
            case TransportFailed():
                if self.state in ("trying", "proceeding"):
                    return self._end(Fail("transport"))
                return []
            case TimeUp():
                return self._time_up(now)
            case _:
                raise LocalProtocolError(f"{event} in state {self.state}")

    def _receive(self, response: SipResponse, now: float) -> list[Effect]:
        """Obey a response, by state; retransmissions of the final one are absorbed (timer K)."""
        if self.state not in ("trying", "proceeding"):
            return []
        if response.status_code < FINAL:
            # Timers E and F go on running: a provisional response does not stop the request from
            # being retransmitted, it only slows it down (§17.1.2.2).
            self.state = "proceeding"
        elif self.reliable:
            return self._end(Deliver(response))  # timer K: "zero seconds for reliable transports"
        else:
            self._enter("completed", K=now + self._intervals.t4)
        return [Deliver(response)]

    def _fire(self, timer: str, now: float) -> list[Effect]:
        if timer == "E":
            t2 = self._intervals.t2
            self._interval_e = t2 if self.state == "proceeding" else min(2 * self._interval_e, t2)
            self._running["E"] = now + self._interval_e
            return [Send(self.request)]
        if timer == "F":
            return self._end(Fail("timeout"))
        return self._end()  # K


ClientTransaction = InviteClientTransaction | NonInviteClientTransaction


def client_transaction(
    request: SipRequest, timers: Timers, *, reliable: bool = False
) -> ClientTransaction:
    """Return the right machine for a request, before its first input."""
    if request.method == "INVITE":
        return InviteClientTransaction(request, timers, reliable=reliable)
    return NonInviteClientTransaction(request, timers, reliable=reliable)
