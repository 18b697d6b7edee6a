"""An outbound and an inbound leg, joined by a link that loses what no transaction repeats.

Requests other than ACK, and final responses other than an INVITE's 2xx, are repeated by the
transactions until they arrive, so this link loses none of them; a provisional response, a 2xx or an
ACK it may lose each time. Time is virtual.
"""

import heapq
from collections.abc import Callable, Iterable

from aiosipua import SipRequest, SipResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.sip.dialog import OutgoingRequest, dialog_id
from telephony.sip.inbound_leg import InboundLeg
from telephony.sip.invite_usage import (
    Answer,
    GotCancel,
    GotRequest,
    GotResponse,
    HangUp,
    LegEffect,
    LegInput,
    Refuse,
    Reply,
    RequestFailed,
    Ring,
    SendAck,
    SendCancel,
    SendRequest,
    Tell,
    TimePassed,
    write_reply,
)
from telephony.sip.leg_events import LegAnswered, LegConfirmed, LegEnded, LegEvent, LegRinging
from telephony.sip.message import parse_message
from telephony.sip.outbound_leg import OutboundLeg
from tests.telephony.sip.usage import ANSWER, OURS, PEER, TIMERS, our_invite

Leg = InboundLeg | OutboundLeg
DELAY = 0.05


class Joined:
    """The two legs, their link and their clock."""

    def __init__(self, losses: Iterable[bool] = ()) -> None:
        self.now = 0.0
        self.events: dict[str, list[LegEvent]] = {"calling": [], "called": []}
        self.calling = OutboundLeg(our_invite(), timers=TIMERS)
        self.called: InboundLeg | None = None
        self._losses = iter(losses)
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._asked: list[tuple[SipRequest, OutgoingRequest]] = []  # as received, as sent
        self._final: set[OutgoingRequest] = set()
        self._perform(self.calling, self.calling.start())

    # What a test does

    def run(self, seconds: float | None = None) -> None:
        """Let everything happen that is due within so many seconds, or that ever will be."""
        end = float("inf") if seconds is None else self.now + seconds
        while (step := self._next()) is not None and step[0] <= end:
            self.now = max(self.now, step[0])
            assert self.now < 3600, "a leg never ends"
            step[1]()
        if seconds is not None:
            self.now = end

    def caller_does(self, wish: LegInput) -> None:
        self._feed(self.calling, wish)

    def called_does(self, wish: LegInput) -> None:
        if self.called is not None:
            self._feed(self.called, wish)

    # The link

    def _next(self) -> tuple[float, Callable[[], None]] | None:
        timers = [
            (leg.deadline, self._timer(leg))
            for leg in (self.calling, self.called)
            if leg is not None and leg.deadline is not None
        ]
        due = min(timers, key=lambda timer: timer[0], default=None)
        if self._agenda and (due is None or self._agenda[0][0] <= due[0]):
            return self._agenda[0][0], self._first_on_the_agenda
        return due

    def _first_on_the_agenda(self) -> None:
        heapq.heappop(self._agenda)[2]()

    def _timer(self, leg: Leg) -> Callable[[], None]:
        return lambda: self._feed(leg, TimePassed())

    def _later(self, delay: float, action: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._agenda, (self.now + delay, self._serial, action))

    def _lost(self) -> bool:
        return next(self._losses, False)

    def _feed(self, leg: Leg, event: LegInput) -> None:
        self._perform(leg, leg.handle(event, self.now))

    def _perform(self, leg: Leg, effects: list[LegEffect]) -> None:
        for effect in effects:
            match effect:
                case Tell(event):
                    side = "calling" if leg is self.calling else "called"
                    self.events[side].append(event)
                case SendRequest(request):
                    self._later(DELAY, self._arrival(leg, request))
                case SendAck(request):
                    if not self._lost():
                        self._later(DELAY, self._arrival(leg, request))
                case SendCancel(invite):
                    self._later(DELAY, self._cancel)
                    self._later(TIMERS.give_up, lambda: self._give_up(invite))
                case Reply():
                    self._reply(leg, effect)

    def _reply(self, leg: Leg, reply: Reply) -> None:
        response = write_reply(reply, local_tag=OURS + "-b", contact="sip:b@127.0.0.1:5062")
        repeated = reply.status >= 300 or reply.to.method != "INVITE"
        if not repeated and self._lost():
            return
        to = next(sent for received, sent in self._asked if received is reply.to)
        parsed = parse_message(bytes(response))
        assert isinstance(parsed, SipResponse)
        asker = self.called if leg is self.calling else self.calling
        assert asker is not None
        self._later(DELAY, lambda: self._response(asker, to, parsed))

    def _response(self, leg: Leg, to: OutgoingRequest, response: SipResponse) -> None:
        if response.status_code >= 200:
            self._final.add(to)
        elif to in self._final:
            return  # a transaction hands up nothing provisional after the final response
        self._feed(leg, GotResponse(to, response))

    def _arrival(self, sender: Leg, request: OutgoingRequest) -> Callable[[], None]:
        def arrive() -> None:
            message = request.to_message(contact="sip:a@127.0.0.1:5061")
            message.headers.append("Via", "SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bKx")
            parsed = parse_message(bytes(message))
            assert isinstance(parsed, SipRequest)
            self._asked.append((parsed, request))
            self._receive(sender, request, parsed)

        return arrive

    def _receive(self, sender: Leg, request: OutgoingRequest, parsed: SipRequest) -> None:
        if self.called is None:
            self.called = InboundLeg(
                parsed, local_tag=OURS + "-b", source=PEER, timers=TIMERS, now=self.now
            )
            return
        receiver = self.calling if sender is self.called else self.called
        dialog = receiver.dialog
        if dialog is None or dialog.id != dialog_id(parsed) or receiver.over:
            # what a gateway answers for a dialog it does not know; nobody answers an ACK
            if request.method != "ACK":
                refusal = Reply(parsed, 481)
                self._reply(receiver, refusal)
            return
        self._feed(receiver, GotRequest(parsed))

    def _cancel(self) -> None:
        if self.called is not None:
            self._feed(self.called, GotCancel(self.called.invite))

    def _give_up(self, invite: OutgoingRequest) -> None:
        if invite not in self._final:
            self._feed(self.calling, RequestFailed(invite, "timeout"))


def test_a_whole_call() -> None:
    call = Joined()
    call.run(1)
    call.called_does(Ring())
    call.run(5)
    call.called_does(Answer(ANSWER))
    call.run(10)
    call.caller_does(HangUp("done"))
    call.run()
    assert call.events["calling"] == [
        LegRinging(180, fork=OURS + "-b"),
        LegAnswered(ANSWER),
        LegEnded("local", None, "done"),
    ]
    assert call.events["called"] == [LegConfirmed(), LegEnded("remote")]


def test_an_answer_crosses_the_cancel() -> None:
    call = Joined()
    call.run(1)
    call.called_does(Ring())
    call.run(1)
    call.called_does(Answer(ANSWER))
    call.caller_does(HangUp("gone"))
    call.run()
    assert call.events["calling"] == [
        LegRinging(180, fork=OURS + "-b"),
        LegEnded("local", None, "gone"),
    ]
    assert call.events["called"] == [LegConfirmed(), LegEnded("remote")]


def test_every_answer_is_lost_and_both_sides_end_all_the_same() -> None:
    call = Joined([False, *[True] * 20])
    call.run(1)
    call.called_does(Ring())
    call.run(1)
    call.called_does(Answer(ANSWER))
    call.run(40)
    assert call.events["called"] == [LegEnded("failure", 408, "no ACK")]
    call.caller_does(HangUp())
    call.run()
    assert call.events["calling"] == [LegRinging(180, fork=OURS + "-b"), LegEnded("local")]


WISHES: dict[str, tuple[str, LegInput]] = {
    "calling hangs up": ("caller", HangUp()),
    "called rings": ("called", Ring()),
    "called answers": ("called", Answer(ANSWER)),
    "called refuses": ("called", Refuse(486)),
    "called hangs up": ("called", HangUp()),
}


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(WISHES)), st.floats(0, 70)), max_size=6),
    st.lists(st.booleans(), max_size=30),
)
def test_whatever_both_sides_do_and_the_link_loses_each_leg_ends_once(
    wishes: list[tuple[str, float]], losses: list[bool]
) -> None:
    call = Joined(losses)
    for name, seconds in wishes:
        call.run(seconds)
        side, wish = WISHES[name]
        (call.caller_does if side == "caller" else call.called_does)(wish)
    # two owners who lose patience
    call.run(1)
    call.called_does(HangUp())
    call.run(1)
    call.caller_does(HangUp())
    call.run()
    for events in call.events.values():
        assert [type(event) for event in events].count(LegEnded) == 1
        assert isinstance(events[-1], LegEnded)
    assert call.calling.over
    assert call.called is not None
    assert call.called.over
