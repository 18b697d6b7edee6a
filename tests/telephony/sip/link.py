"""A link between two transaction machines, in virtual time: it loses, delays and doubles."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from aiosipua import SipRequest, SipResponse

from telephony.sip.client_transaction import ClientTransaction
from telephony.sip.message import make_response, parse_message
from telephony.sip.server_transaction import ServerTransaction, server_transaction
from telephony.sip.transaction import (
    Cancelled,
    Deliver,
    Fail,
    Received,
    Respond,
    Send,
    Start,
    Terminated,
    Timers,
    TimeUp,
    Transaction,
    TransactionInput,
)

Fate = tuple[float, ...]
"""What becomes of a datagram: the delay of each copy that arrives; none is a loss."""

PERFECT: Fate = (0.02,)
LOST: Fate = ()
GIVE_UP_LOOKING = 3600.0


@dataclass
class Told:
    """What the users of both sides were told, in order."""

    client: list[int | str] = field(default_factory=list)
    server: list[str] = field(default_factory=list)
    client_terminated: int = 0
    server_terminated: int = 0


class Link:
    """Joins a client transaction to the server transactions that its datagrams make.

    The caller is a plain user: he acknowledges each 2xx. The called one is too: he answers as
    ``plan`` says and retransmits a 2xx to an INVITE at doubling intervals until its ACK
    (RFC 3261 §13.3.1.4).

    Args:
        client: before its first input.
        plan: (seconds after the request, status) of each answer.
        fates: one for each datagram, in order of sending; `PERFECT` when they run out.
    """

    def __init__(
        self,
        client: ClientTransaction,
        *,
        plan: Iterable[tuple[float, int]],
        fates: Iterable[Fate] = (),
    ) -> None:
        self.now = 0.0
        self.told = Told()
        self.client = client
        self.server: ServerTransaction | None = None
        self._plan = list(plan)
        self._fates: Iterator[Fate] = iter(fates)
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._acknowledged = False

    def run(self) -> Told:
        """Let everything happen that will; a caller who hears no end of it gives up at last."""
        self._feed(self.client, Start())
        self._run()
        if self.client.state == "proceeding":
            self._feed(self.client, Cancelled())
            self._run()
        return self.told

    def _run(self) -> None:
        while (step := self._next()) is not None:
            self.now = max(self.now, step[0])
            assert self.now < GIVE_UP_LOOKING, "a machine never ends"
            step[1]()

    def _next(self) -> tuple[float, Callable[[], None]] | None:
        """Return what happens next: something on the way, or somebody's timer."""
        choices = [
            (machine.deadline, self._timer(machine))
            for machine in (self.client, self.server)
            if machine is not None and machine.deadline is not None
        ]
        due = min(choices, key=lambda choice: choice[0], default=None)
        if self._agenda and (due is None or self._agenda[0][0] <= due[0]):
            at, _, action = heapq.heappop(self._agenda)
            return at, action
        return due

    def _timer(self, machine: Transaction) -> Callable[[], None]:
        return lambda: self._feed(machine, TimeUp())

    def _later(self, delay: float, action: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._agenda, (self.now + delay, self._serial, action))

    def _feed(self, machine: Transaction, event: TransactionInput) -> None:
        for effect in machine.handle(event, self.now):
            match effect:
                case Send(message):
                    self._put_on_the_wire(message)
                case Deliver(SipResponse() as response):
                    self._tell_caller(response)
                case Deliver(SipRequest() as request):
                    self._tell_called(request)
                case Fail(reason) if machine is self.client:
                    self.told.client.append(reason)
                case Fail(reason):
                    self.told.server.append(reason)
                case Terminated() if machine is self.client:
                    self.told.client_terminated += 1
                case Terminated():
                    self.told.server_terminated += 1

    def _put_on_the_wire(self, message: SipRequest | SipResponse) -> None:
        data = bytes(message)
        for delay in next(self._fates, PERFECT):
            self._later(delay, lambda: self._arrive(data))

    def _arrive(self, data: bytes) -> None:
        message = parse_message(data)
        if isinstance(message, SipResponse):
            self._feed(self.client, Received(message))
        elif self.server is not None:
            self._feed(self.server, Received(message))
        elif message.method != "ACK":
            self.server = server_transaction(message, Timers())
            self._feed(self.server, Received(message))

    def _tell_caller(self, response: SipResponse) -> None:
        self.told.client.append(response.status_code)
        if response.status_code == 200 and self.client.request.method == "INVITE":
            ack = parse_message(bytes(self.client.request).replace(b"INVITE", b"ACK"))
            self._put_on_the_wire(ack)

    def _tell_called(self, request: SipRequest) -> None:
        self.told.server.append(request.method)
        if request.method == "ACK":
            self._acknowledged = True
            return
        for delay, status in self._plan:
            self._later(delay, self._answer(request, status, 0.5))

    def _answer(self, request: SipRequest, status: int, interval: float) -> Callable[[], None]:
        def answer() -> None:
            if self.server is None or self.server.state == "terminated" or self._acknowledged:
                return
            response = make_response(request, status, to_tag="called")
            self._feed(self.server, Respond(response))
            if request.method == "INVITE" and status == 200:
                again = self._answer(request, status, min(2 * interval, 4.0))
                self._later(interval, again)

        return answer
