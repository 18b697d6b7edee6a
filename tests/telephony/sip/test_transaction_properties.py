"""What holds for every machine, in whatever order its inputs come."""

from aiosipua import SipRequest, SipResponse
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from telephony.sip.client_transaction import client_transaction
from telephony.sip.errors import LocalProtocolError
from telephony.sip.message import make_response
from telephony.sip.server_transaction import server_transaction
from telephony.sip.transaction import (
    Cancelled,
    Deliver,
    Effect,
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
    TransportFailed,
)
from tests.telephony.sip.samples import request

STATUSES = st.sampled_from([100, 180, 183, 200, 202, 301, 404, 486, 487, 503, 603])


class AnyOrder(RuleBasedStateMachine):
    """Drives one machine with every input of its side, including what its user must not ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.machine: Transaction
        self.effects: list[Effect] = []

    def feed(self, event: TransactionInput) -> None:
        before = (self.machine.state, self.machine.deadline)
        try:
            self.effects += self.machine.handle(event, self.now)
        except LocalProtocolError:
            assert isinstance(event, Respond | Cancelled | Start)
            assert (self.machine.state, self.machine.deadline) == before

    @rule(later=st.floats(0, 40))
    def time_passes(self, later: float) -> None:
        until = self.now + later
        while (deadline := self.machine.deadline) is not None and deadline <= until:
            self.now = deadline
            self.feed(TimeUp())
        self.now = until

    @rule(late=st.floats(0, 40))
    def the_loop_was_busy(self, late: float) -> None:
        self.now += late
        self.feed(TimeUp())

    @precondition(lambda self: self.machine.reliable)
    @rule(later=st.floats(0, 40))
    def time_alone_repeats_nothing(self, later: float) -> None:
        before = len(self.effects)
        self.time_passes(later)
        sent = [effect.message for effect in self.effects[before:] if isinstance(effect, Send)]
        assert all(
            isinstance(message, SipResponse) and message.status_code == 100 for message in sent
        )

    @rule()
    def the_transport_fails(self) -> None:
        self.feed(TransportFailed())

    @invariant()
    def no_timer_is_overdue_or_left_over(self) -> None:
        deadline = self.machine.deadline
        if self.machine.state == "terminated":
            assert deadline is None

    @invariant()
    def it_ends_once_and_says_nothing_after(self) -> None:
        ends = [at for at, effect in enumerate(self.effects) if effect == Terminated()]
        assert len(ends) == (self.machine.state == "terminated")
        if ends:
            # over TCP the machine ends with the final response, which its user still has to see
            last = (Fail, Deliver) if self.machine.reliable else Fail
            assert all(isinstance(effect, last) for effect in self.effects[ends[0] + 1 :])
        assert sum(isinstance(effect, Fail) for effect in self.effects) <= 1

    def teardown(self) -> None:
        waits_for_its_user = self.machine.request.method == "INVITE" and (
            self.machine.state == "proceeding"
        )
        self.time_passes(1000.0)
        assert self.machine.state == ("proceeding" if waits_for_its_user else "terminated")


class AnyClient(AnyOrder):
    @initialize(method=st.sampled_from(["INVITE", "OPTIONS", "BYE"]), reliable=st.booleans())
    def start(self, *, method: str, reliable: bool) -> None:
        self.machine = client_transaction(request(method), Timers(), reliable=reliable)
        self.feed(Start())

    @rule(status=STATUSES)
    def a_response_comes(self, status: int) -> None:
        self.feed(Received(make_response(self.machine.request, status)))

    @precondition(lambda self: self.machine.request.method == "INVITE")
    @rule()
    def the_user_cancels(self) -> None:
        self.feed(Cancelled())

    @invariant()
    def a_reliable_transport_is_given_the_request_once(self) -> None:
        sent = self.effects.count(Send(self.machine.request))
        assert sent == 1 or (sent > 1 and not self.machine.reliable)

    @invariant()
    def the_user_hears_one_end(self) -> None:
        finals = [
            effect.message.status_code
            for effect in self.effects
            if isinstance(effect, Deliver)
            and isinstance(effect.message, SipResponse)
            and effect.message.status_code >= 200
        ]
        failures = sum(isinstance(effect, Fail) for effect in self.effects)
        if self.machine.request.method == "INVITE" and finals and finals[0] < 300:
            assert max(finals) < 300
            assert failures == 0
        else:
            assert len(finals) + failures <= 1
        if self.machine.state == "terminated":
            assert finals or failures


class AnyServer(AnyOrder):
    @initialize(method=st.sampled_from(["INVITE", "OPTIONS", "BYE"]), reliable=st.booleans())
    def start(self, *, method: str, reliable: bool) -> None:
        self.machine = server_transaction(request(method), Timers(), reliable=reliable)
        self.feed(Received(self.machine.request))

    @rule()
    def the_request_comes_again(self) -> None:
        self.feed(Received(request(self.machine.request.method)))

    @precondition(lambda self: self.machine.request.method == "INVITE")
    @rule()
    def an_ack_comes(self) -> None:
        self.feed(Received(request("ACK")))

    @rule(status=STATUSES)
    def the_user_answers(self, status: int) -> None:
        self.feed(Respond(make_response(self.machine.request, status)))

    @invariant()
    def the_user_is_given_the_request_once(self) -> None:
        given = [
            effect.message.method
            for effect in self.effects
            if isinstance(effect, Deliver) and isinstance(effect.message, SipRequest)
        ]
        assert given.count(self.machine.request.method) == 1
        assert set(given) <= {self.machine.request.method, "ACK"}


TestAnyClient = AnyClient.TestCase
TestAnyServer = AnyServer.TestCase
