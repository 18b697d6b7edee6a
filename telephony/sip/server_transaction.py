"""The server transactions: we are asked (RFC 3261 §17.2, RFC 6026 §8.5-8.8)."""

from aiosipua import SipRequest, SipResponse

from telephony.sip.errors import LocalProtocolError
from telephony.sip.message import FAILED, FINAL, TRYING, make_response
from telephony.sip.transaction import (
    Deliver,
    Effect,
    Fail,
    Received,
    Respond,
    Send,
    Timers,
    TimeUp,
    Transaction,
    TransactionInput,
    TransportFailed,
)


class InviteServerTransaction(Transaction):
    """proceeding → accepted, or completed → confirmed → terminated.

    Its first input is ``Received`` with its own request. 100 is sent when the user takes more than
    ``timers.trying`` to answer, or when the request comes again before that. The user retransmits
    his 2xx himself (§13.3.1.4), through `Respond`; this machine retransmits 300-699 until the ACK.

    Attributes:
        last_response: what was sent last; None before.
    """

    def __init__(self, request: SipRequest, timers: Timers, *, reliable: bool = False) -> None:
        super().__init__(request, timers, reliable=reliable)
        self.last_response: SipResponse | None = None
        self._interval_g = timers.t1

    def handle(self, event: TransactionInput, now: float) -> list[Effect]:
        """Take one input; see `Transaction.handle`."""
        match event:
            case Received(SipRequest() as request):
                return self._receive(request, now)
            case Respond(response):
                return self._respond(response, now)
            case TransportFailed():
                # RFC 6026 §8.8: "the server transaction SHOULD inform the TU that a failure has
                # occurred, and MUST remain in the current state".
                return self._tell(Fail("transport"))
            case TimeUp():
                return self._time_up(now)
            case _:
                raise LocalProtocolError(f"{event} in state {self.state}")

    def _receive(self, request: SipRequest, now: float) -> list[Effect]:
        """Obey the INVITE, its retransmission, or an ACK, by state."""
        if request.method == "ACK":
            return self._receive_ack(request, now)
        if self.state == "new":
            self._enter("proceeding", trying=now + self._intervals.trying)
            return [Deliver(request)]
        if self.state == "proceeding":
            if self.last_response is None:
                return self._send_trying()
            return [Send(self.last_response)]
        if self.state == "completed" and self.last_response is not None:
            return [Send(self.last_response)]
        # RFC 6026 §8.7: in "Accepted" a retransmitted INVITE is absorbed; so it is in "Confirmed".
        return []

    def _receive_ack(self, ack: SipRequest, now: float) -> list[Effect]:
        """Stop retransmitting; or hand on the ACK of a 2xx that came with the INVITE's branch."""
        if self.state == "completed":
            if self.reliable:
                return self._end()  # §17.2.1: timer I is "zero seconds for reliable transports"
            self._enter("confirmed", I=now + self._intervals.t4)
        elif self.state == "accepted":
            return [Deliver(ack)]
        return []

    def _respond(self, response: SipResponse, now: float) -> list[Effect]:
        """Send what the user answers, if the state allows it."""
        status = response.status_code
        success = FINAL <= status < FAILED
        if self.state != "proceeding" and not (self.state == "accepted" and success):
            raise LocalProtocolError(f"response {status} in state {self.state}")
        self.last_response = response
        if self.state == "proceeding":
            self._running.pop("trying", None)
            if success:
                self._enter("accepted", L=now + self._intervals.give_up)
            elif status >= FAILED:
                self._enter("completed", H=now + self._intervals.give_up)
                if not self.reliable:  # §17.2.1: G is for unreliable transports
                    self._running["G"] = now + self._interval_g
        return [Send(response)]

    def _send_trying(self) -> list[Effect]:
        """Tell the client that the INVITE arrived, so that it stops sending it."""
        self._running.pop("trying", None)
        self.last_response = make_response(self.request, TRYING)
        return [Send(self.last_response)]

    def _fire(self, timer: str, now: float) -> list[Effect]:
        if timer == "trying":
            return self._send_trying()
        if timer == "G" and self.last_response is not None:
            self._interval_g = min(2 * self._interval_g, self._intervals.t2)
            self._running["G"] = now + self._interval_g
            return [Send(self.last_response)]
        if timer == "H":
            return self._end(*self._tell(Fail("timeout")))
        return self._end()  # I, L


class NonInviteServerTransaction(Transaction):
    """trying → proceeding → completed → terminated.

    Its first input is ``Received`` with its own request. A user who does not answer within 64*T1
    is told "timeout" and the transaction ends without a word: its client has ended by then too
    (RFC 4320 §4.2: an element that cannot respond in time "will not send a final response at all").

    Attributes:
        last_response: what was sent last; None before.
    """

    def __init__(self, request: SipRequest, timers: Timers, *, reliable: bool = False) -> None:
        super().__init__(request, timers, reliable=reliable)
        self.last_response: SipResponse | None = None

    def handle(self, event: TransactionInput, now: float) -> list[Effect]:
        """Take one input; see `Transaction.handle`."""
        match event:
            case Received(SipRequest() as request):
                return self._receive(request, now)
            case Respond(response):
                return self._respond(response, now)
            case TransportFailed():
                return self._tell(Fail("transport"))  # and stay, as above
            case TimeUp():
                return self._time_up(now)
            case _:
                raise LocalProtocolError(f"{event} in state {self.state}")

    def _receive(self, request: SipRequest, now: float) -> list[Effect]:
        """Hand on the request once; answer its retransmissions with what was answered before."""
        if self.state == "new":
            self._enter("trying", abandon=now + self._intervals.give_up)
            return [Deliver(request)]
        if self.state in ("proceeding", "completed") and self.last_response is not None:
            return [Send(self.last_response)]
        return []

    def _respond(self, response: SipResponse, now: float) -> list[Effect]:
        """Send what the user answers, if the state allows it."""
        if self.state not in ("trying", "proceeding"):
            raise LocalProtocolError(f"response {response.status_code} in state {self.state}")
        self.last_response = response
        if response.status_code < FINAL:
            self.state = "proceeding"
        elif self.reliable:
            # §17.2.2: timer J is "zero seconds for reliable transports"
            return [Send(response), *self._end()]
        else:
            self._enter("completed", J=now + self._intervals.give_up)
        return [Send(response)]

    def _fire(self, timer: str, now: float) -> list[Effect]:
        del now
        return self._end(*self._tell(Fail("timeout"))) if timer == "abandon" else self._end()


ServerTransaction = InviteServerTransaction | NonInviteServerTransaction


def server_transaction(
    request: SipRequest, timers: Timers, *, reliable: bool = False
) -> ServerTransaction:
    """Return the right machine for a request, before its first input."""
    if request.method == "INVITE":
        return InviteServerTransaction(request, timers, reliable=reliable)
    return NonInviteServerTransaction(request, timers, reliable=reliable)
