from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.sip.bodies import READ
from telephony.sip.dialog import OutgoingRequest
from telephony.sip.dice import Dice
from telephony.sip.errors import LocalProtocolError, TransactionFailure
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
    Reoffer,
    Reply,
    RequestFailed,
    Ring,
    SendRequest,
    Tell,
    TimePassed,
)
from telephony.sip.leg_events import LegConfirmed, LegEnded, LegReanswered, LegReoffered
from telephony.sip.session_timer import Headers
from tests.telephony.sip.usage import (
    ANSWER,
    CALL_ID,
    OFFER,
    OTHER,
    OURS,
    PEER,
    THEIRS,
    TIMERS,
    invite,
    request,
    response,
    told,
)


def bye(cseq: int = 1, *, target: str = "sip:13862311001@127.0.0.1:5071") -> OutgoingRequest:
    return OutgoingRequest(
        method="BYE",
        uri=target,
        destination=("127.0.0.1", 5071),
        from_=f"<sip:12345@city.example>;tag={OURS}",
        to=f"<sip:13862311001@city.example>;tag={THEIRS}",
        call_id=CALL_ID,
        cseq=cseq,
    )


def later(throw: int) -> Headers:
    """Return the Retry-After of the so manieth throw of the leg's dice, seeded 0."""
    dice = Dice(0)
    seconds = [dice.between(0, 10) for _ in range(throw)][-1]
    return (("Retry-After", str(seconds)),)


class Called:
    """An inbound leg under test, with a clock."""

    def __init__(
        self,
        *,
        body: str | None = OFFER,
        expires: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.now = 100.0
        more = [("Expires", expires)] if expires else []
        self.invite = invite(body=body, headers=[*headers, *more])
        self.leg = InboundLeg(self.invite, local_tag=OURS, source=PEER, timers=TIMERS, now=self.now)

    def do(self, *events: LegInput) -> list[LegEffect]:
        return [effect for event in events for effect in self.leg.handle(event, self.now)]

    def at(self, seconds: float, event: LegInput | None = None) -> list[LegEffect]:
        """Feed an input (TimePassed) so many seconds after the beginning."""
        self.now = 100.0 + seconds
        return self.do(event or TimePassed())

    @property
    def wakes_at(self) -> float | None:
        deadline = self.leg.deadline
        return None if deadline is None else deadline - 100.0


def talking(body: str | None = OFFER) -> Called:
    called = Called(body=body)
    called.do(Answer(ANSWER), GotRequest(request("ACK", body=None if body else OTHER)))
    assert called.wakes_at is None
    return called


def silence_after(called: Called) -> bool:
    """Tell whether nothing moves the leg any more."""
    inputs: list[LegInput] = [
        Ring(), Answer(OTHER), Refuse(486), HangUp(), TimePassed(), GotCancel(called.invite),
        GotRequest(request("ACK")), GotRequest(request("BYE", cseq=99)),
    ]  # fmt: skip
    return called.leg.over and called.wakes_at is None and called.do(*inputs) == []


# Before the answer


def test_ringing_is_repeated_every_minute() -> None:
    called = Called()
    ringing = [Reply(called.invite, 180)]
    assert called.do(Ring()) == ringing
    assert called.wakes_at == 60
    assert called.do(Ring()) == []
    assert called.at(59.9) == []
    assert called.at(60) == ringing
    assert called.at(120) == ringing
    assert called.at(125, Answer(ANSWER)) == [Reply(called.invite, 200, sdp=ANSWER)]
    assert called.wakes_at == 125.5


def test_a_refusal_ends_the_leg() -> None:
    called = Called()
    assert called.do(Refuse(486, "Busy")) == [
        Reply(called.invite, 486, "Busy"),
        Tell(LegEnded("local", 486, "Busy")),
    ]
    assert silence_after(called)


@pytest.mark.parametrize("status", [100, 180, 200, 299, 700])
def test_what_refuses_nothing_is_our_mistake_and_changes_nothing(status: int) -> None:
    called = Called()
    with pytest.raises(LocalProtocolError):
        called.do(Refuse(status))
    assert called.do(Ring()) == [Reply(called.invite, 180)]


def test_hanging_up_before_the_answer_refuses() -> None:
    called = Called()
    called.do(Ring())
    assert called.do(HangUp("queue closed")) == [
        Reply(called.invite, 480),
        Tell(LegEnded("local", 480, "queue closed")),
    ]
    assert silence_after(called)


@pytest.mark.parametrize("before", [[], [Ring()]])
def test_a_cancel_ends_the_leg(before: list[LegInput]) -> None:
    called = Called()
    called.do(*before)
    assert called.do(GotCancel(called.invite)) == [
        Reply(called.invite, 487),
        Tell(LegEnded("remote", 487, "cancelled")),
    ]
    assert silence_after(called)


def test_a_caller_may_say_bye_instead_of_cancel() -> None:
    called = Called()
    early = request("BYE", cseq=2)
    assert called.do(GotRequest(early)) == [
        Reply(early, 200),
        Reply(called.invite, 487),
        Tell(LegEnded("remote", 487, None)),
    ]
    assert silence_after(called)


def test_an_invite_expires() -> None:
    called = Called(expires="30")
    called.do(Ring())
    assert called.wakes_at == 30
    assert called.at(30) == [Reply(called.invite, 487), Tell(LegEnded("remote", 487, "expired"))]
    assert silence_after(called)


@pytest.mark.parametrize("expires", ["soon", "-1", "٣"])
def test_an_unreadable_expiry_is_none(expires: str) -> None:
    assert Called(expires=expires).wakes_at is None


def test_an_endless_expiry_is_far_away() -> None:
    wakes_at = Called(expires="9" * 5000).wakes_at
    assert wakes_at is not None
    assert wakes_at > 10**9


def test_requests_in_the_early_dialog() -> None:
    called = Called()
    options, update = request("OPTIONS", cseq=2), request("UPDATE", cseq=3)
    offer, again = request("UPDATE", cseq=4, body=OTHER), request("INVITE", cseq=5, body=OTHER)
    late = request("INFO", cseq=2)
    assert called.do(*map(GotRequest, (options, update, offer, again, late))) == [
        Reply(options, 200),
        Reply(update, 200),
        Reply(offer, 500, headers=later(2)),
        Reply(again, 500, headers=later(3)),
        Reply(late, 500),
    ]
    assert called.do(GotRequest(request("ACK"))) == []


# The answer and its ACK


def test_the_answer_is_repeated_at_doubling_intervals_until_its_ack() -> None:
    called = Called()
    answer: list[LegEffect] = [Reply(called.invite, 200, sdp=ANSWER)]
    assert called.do(Answer(ANSWER)) == answer
    for seconds in (0.5, 1.5, 3.5, 7.5, 11.5, 15.5):
        assert called.wakes_at == seconds
        assert called.at(seconds - 0.01) == []
        assert called.at(seconds) == answer
    assert called.at(15.6, GotRequest(request("ACK"))) == [Tell(LegConfirmed(None))]
    assert called.wakes_at is None
    assert called.do(GotRequest(request("ACK"))) == []


def test_an_answer_that_is_never_acknowledged_ends_in_a_bye() -> None:
    called = Called()
    called.do(Answer(ANSWER))
    while (wakes_at := called.wakes_at) is not None and wakes_at < 32:
        called.at(wakes_at)
    assert called.at(32) == [SendRequest(bye()), Tell(LegEnded("failure", 408, "no ACK"))]
    assert silence_after(called)


def test_the_ack_of_another_request_is_not_the_answers() -> None:
    called = Called()
    called.do(Answer(ANSWER))
    assert called.do(GotRequest(request("ACK", cseq=7))) == []
    assert called.wakes_at == 0.5


def test_a_cancel_that_crosses_the_answer_is_harmless() -> None:
    called = Called()
    called.do(Answer(ANSWER))
    assert called.do(GotCancel(called.invite)) == []
    assert called.do(GotRequest(request("ACK"))) == [Tell(LegConfirmed(None))]


def test_hanging_up_waits_for_the_ack() -> None:
    called = Called()
    called.do(Answer(ANSWER))
    assert called.do(HangUp("changed our mind")) == []
    assert called.do(HangUp()) == []
    assert called.at(0.5) == [Reply(called.invite, 200, sdp=ANSWER)]
    assert called.do(GotRequest(request("ACK"))) == [SendRequest(bye())]
    assert called.do(GotResponse(bye(), response(bye(), 200))) == [
        Tell(LegEnded("local", None, "changed our mind"))
    ]
    assert silence_after(called)


def test_hanging_up_without_an_ack_says_bye_when_the_time_is_over() -> None:
    called = Called()
    called.do(Answer(ANSWER), HangUp())
    assert called.at(32) == [SendRequest(bye())]
    assert called.wakes_at is None
    assert called.do(RequestFailed(bye(), "timeout")) == [Tell(LegEnded("local", None, None))]
    assert silence_after(called)


def test_our_offer_in_the_answer_is_answered_in_the_ack() -> None:
    called = Called(body=None)
    assert called.do(Answer(OFFER)) == [Reply(called.invite, 200, sdp=OFFER)]
    assert called.do(GotRequest(request("ACK", body=ANSWER))) == [Tell(LegConfirmed(ANSWER))]


def test_our_offer_left_without_an_answer_is_a_failure() -> None:
    called = Called(body=None)
    called.do(Answer(OFFER))
    assert called.do(GotRequest(request("ACK"))) == [SendRequest(bye())]
    assert called.do(GotResponse(bye(), response(bye(), 200))) == [
        Tell(LegEnded("failure", None, "ACK without a session description"))
    ]


def test_an_ack_without_a_description_leaves_an_early_update_of_ours_open() -> None:
    called = Called(headers=[("Supported", "100rel"), ("Allow", "INVITE, UPDATE, PRACK")])
    [early] = called.do(Ring(183, ANSWER))
    assert isinstance(early, Reply)
    rack = f"{dict(early.headers)['RSeq']} 1 INVITE"
    called.do(GotRequest(request("PRACK", cseq=2, headers=[("RAck", rack)])))
    [asked] = called.do(Reoffer(OTHER))
    assert isinstance(asked, SendRequest)
    assert called.do(Answer(ANSWER)) == [Reply(called.invite, 200)]
    assert called.do(GotRequest(request("ACK"))) == [Tell(LegConfirmed(None))]
    update = asked.request
    assert update.method == "UPDATE"
    assert called.do(GotResponse(update, response(update, 200, sdp=OFFER))) == [
        Tell(LegReanswered(OFFER))
    ]


# Talking


@pytest.mark.parametrize(
    "reason, expected",
    [
        (None, None),
        ('Q.850;cause=16;text="Normal clearing"', "Normal clearing"),
        ("SIP;cause=200", "SIP;cause=200"),
    ],
)
def test_the_peer_hangs_up(reason: str | None, expected: str | None) -> None:
    called = talking()
    theirs = request("BYE", cseq=2, headers=[("Reason", reason)] if reason else [])
    assert called.do(GotRequest(theirs)) == [
        Reply(theirs, 200),
        Tell(LegEnded("remote", None, expected)),
    ]
    assert silence_after(called)


def test_the_peer_hangs_up_before_its_own_ack() -> None:
    called = Called()
    called.do(Answer(ANSWER))
    theirs = request("BYE", cseq=2)
    assert called.do(GotRequest(theirs)) == [Reply(theirs, 200), Tell(LegEnded("remote"))]
    assert silence_after(called)


@pytest.mark.parametrize("status", [200, 404, 481, 500])
def test_whatever_answers_our_bye_ends_the_leg(status: int) -> None:
    called = talking()
    assert called.do(HangUp("done")) == [SendRequest(bye())]
    assert called.do(HangUp()) == []
    assert called.do(GotResponse(bye(), response(bye(), 100))) == []
    assert called.do(GotResponse(bye(), response(bye(), status))) == [
        Tell(LegEnded("local", None, "done"))
    ]
    assert silence_after(called)


@pytest.mark.parametrize("cause", ["timeout", "transport"])
def test_a_bye_that_nobody_answers_ends_the_leg(cause: TransactionFailure) -> None:
    called = talking()
    called.do(HangUp())
    assert called.do(RequestFailed(bye(), cause)) == [Tell(LegEnded("local"))]
    assert silence_after(called)


def test_two_byes_that_cross() -> None:
    called = talking()
    called.do(HangUp("ours"))
    theirs = request("BYE", cseq=2)
    assert called.do(GotRequest(theirs)) == [
        Reply(theirs, 200),
        Tell(LegEnded("local", None, "ours")),
    ]
    assert called.do(GotResponse(bye(), response(bye(), 481))) == []


@pytest.mark.parametrize("method", ["OPTIONS", "INFO", "UPDATE"])
def test_what_leaves_the_session_alone_is_accepted(method: str) -> None:
    called = talking()
    theirs = request(method, cseq=2)
    assert called.do(GotRequest(theirs)) == [Reply(theirs, 200)]


def test_a_request_that_comes_too_late_is_refused() -> None:
    called = talking()
    called.do(GotRequest(request("INFO", cseq=9)))
    late = request("BYE", cseq=8)
    assert called.do(GotRequest(late)) == [Reply(late, 500)]
    assert not called.leg.over


# Re-offers


def test_a_reoffer_is_the_owners_to_answer() -> None:
    called = talking()
    theirs = request("INVITE", cseq=2, body=OTHER)
    assert called.do(GotRequest(theirs)) == [Tell(LegReoffered(OTHER))]
    answer: list[LegEffect] = [Reply(theirs, 200, sdp=ANSWER)]
    assert called.do(Answer(ANSWER)) == answer
    assert called.do(Answer(ANSWER)) == []
    assert called.at(0.5) == answer
    assert called.do(GotRequest(request("ACK", cseq=1))) == []
    assert called.do(GotRequest(request("ACK", cseq=2))) == []
    assert called.wakes_at is None


def test_an_update_is_answered_without_waiting_for_an_ack() -> None:
    called = talking()
    theirs = request("UPDATE", cseq=2, body=OTHER)
    assert called.do(GotRequest(theirs)) == [Tell(LegReoffered(OTHER))]
    assert called.do(Answer(ANSWER)) == [Reply(theirs, 200, sdp=ANSWER)]
    assert called.wakes_at is None


def test_a_refused_reoffer_leaves_the_call_as_it_was() -> None:
    called = talking()
    theirs = request("INVITE", cseq=2, body=OTHER)
    called.do(GotRequest(theirs))
    assert called.do(Refuse(488)) == [Reply(theirs, 488)]
    assert called.do(HangUp()) == [SendRequest(bye())]


def test_a_reoffer_may_be_taken_back() -> None:
    called = talking()
    theirs = request("INVITE", cseq=2, body=OTHER)
    called.do(GotRequest(theirs))
    assert called.do(GotCancel(theirs)) == [Reply(theirs, 487)]
    assert called.do(Answer(ANSWER)) == []
    assert not called.leg.over


def test_a_second_offer_before_the_first_is_answered() -> None:
    called = talking()
    called.do(GotRequest(request("INVITE", cseq=2, body=OTHER)))
    second = request("INVITE", cseq=3, body=OTHER)
    assert called.do(GotRequest(second)) == [Reply(second, 500, headers=later(2))]


def test_an_offer_before_the_ack_of_the_last_answer() -> None:
    called = Called()
    called.do(Answer(ANSWER))
    early = request("INVITE", cseq=2, body=OTHER)
    assert called.do(GotRequest(early)) == [Reply(early, 491)]


def test_a_reoffer_moves_the_target() -> None:
    called = talking()
    moved = [("Contact", "<sip:13862311001@127.0.0.1:5099>")]
    called.do(GotRequest(request("INVITE", cseq=2, body=OTHER, headers=moved)))
    called.do(Answer(ANSWER), GotRequest(request("ACK", cseq=2)))
    [effect] = called.do(HangUp())
    assert isinstance(effect, SendRequest)
    assert effect.request.destination == ("127.0.0.1", 5099)


def test_a_reinvite_without_an_offer_gets_our_description_and_the_ack_brings_theirs() -> None:
    called = talking()
    theirs = request("INVITE", cseq=2)
    assert called.do(GotRequest(theirs)) == [Tell(LegReoffered(None))]
    assert called.do(Answer(ANSWER)) == [Reply(theirs, 200, sdp=ANSWER)]
    assert called.do(GotRequest(request("ACK", cseq=2, body=OTHER))) == [Tell(LegConfirmed(OTHER))]


def test_a_reinvite_without_an_offer_whose_ack_brings_nothing_changes_nothing() -> None:
    called = talking()
    called.do(GotRequest(request("INVITE", cseq=2)), Answer(ANSWER))
    assert called.do(GotRequest(request("ACK", cseq=2))) == []
    assert not called.leg.over


def test_a_reoffer_whose_answer_is_never_acknowledged_ends_the_call() -> None:
    called = talking()
    called.do(GotRequest(request("INVITE", cseq=2, body=OTHER)), Answer(ANSWER))
    assert called.at(32) == [SendRequest(bye()), Tell(LegEnded("failure", 408, "no ACK"))]


def test_a_reoffer_of_something_else_than_a_session() -> None:
    called = talking()
    text = request("INVITE", cseq=2, body="hello", headers=[("Content-Type", "text/plain")])
    assert called.do(GotRequest(text)) == [Reply(text, 415, headers=(READ,))]


def test_the_end_answers_a_reoffer_that_waits() -> None:
    theirs = request("INVITE", cseq=2, body=OTHER)
    called = talking()
    called.do(GotRequest(theirs))
    assert called.do(HangUp()) == [Reply(theirs, 487), SendRequest(bye())]
    called = talking()
    called.do(GotRequest(theirs))
    last = request("BYE", cseq=3)
    assert called.do(GotRequest(last)) == [
        Reply(theirs, 487),
        Reply(last, 200),
        Tell(LegEnded("remote")),
    ]


def test_offers_that_cross_our_bye() -> None:
    called = talking()
    called.do(HangUp())
    crossing = request("INVITE", cseq=2, body=OTHER)
    assert called.do(GotRequest(crossing)) == [Reply(crossing, 481)]


# Any order of events

METHODS = ["ACK", "BYE", "INVITE", "late INVITE", "UPDATE", "offering UPDATE", "INFO", "OPTIONS"]
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["ring", "answer", "refuse", "hang_up", "time", "cancel", "bye_answer", "bye_lost"]
            + METHODS * 2
        ),
        st.floats(0.0, 40.0),
        st.integers(-1, 2),
    ),
    max_size=25,
)


class Anything:
    """Plays any order of events against a leg, and keeps the books that must balance."""

    def __init__(self, body: str | None) -> None:
        self.called = Called(body=body)
        self.cseq = 1
        self.effects: list[LegEffect] = []
        self.asked = [self.called.invite]
        self.latest_invite = self.called.invite

    def feed(self, event: LegInput) -> None:
        over = self.called.leg.over
        effects = self.called.do(event)
        assert not (over and effects), "an effect after the end"
        self.effects += effects

    def play(self, kind: str, wait: float, step: int) -> None:
        self.called.now += wait
        simple: dict[str, Callable[[], LegInput]] = {
            "ring": Ring,
            "answer": lambda: Answer(ANSWER),
            "refuse": lambda: Refuse(486),
            "hang_up": HangUp,
            "time": TimePassed,
            "cancel": lambda: GotCancel(self.latest_invite),
        }
        if kind in simple:
            self.feed(simple[kind]())
        elif kind in {"bye_answer", "bye_lost"}:
            self.end_bye(answered=kind == "bye_answer")
        elif not self.called.leg.over:  # a gateway knows no such dialog any more
            self.ask(kind, step)

    def end_bye(self, *, answered: bool) -> None:
        for effect in list(self.effects):
            if isinstance(effect, SendRequest):
                ended = response(effect.request, 200)
                self.feed(
                    GotResponse(effect.request, ended)
                    if answered
                    else RequestFailed(effect.request, "timeout")
                )

    def ask(self, kind: str, step: int) -> None:
        method = kind.rpartition(" ")[2]
        body = OTHER if kind in {"INVITE", "offering UPDATE"} else None
        if method == "ACK":
            number = int((self.latest_invite.headers.get_first("CSeq") or "").split()[0])
            self.feed(GotRequest(request("ACK", cseq=number, body=OTHER if step > 0 else None)))
            return
        self.cseq = max(self.cseq + step, 1)
        asked = request(method, cseq=self.cseq, body=body)
        self.asked.append(asked)
        if method == "INVITE":
            self.latest_invite = asked
        self.feed(GotRequest(asked))

    def finish(self) -> None:
        """Hang up and let time pass; nobody answers any more."""
        self.feed(HangUp())
        for _ in range(100):
            if self.called.leg.deadline is None:
                break
            self.called.now = max(self.called.now, self.called.leg.deadline)
            self.feed(TimePassed())
        self.end_bye(answered=False)


@settings(max_examples=300)
@given(steps, st.sampled_from([OFFER, None]))
def test_any_order_of_events_ends_once_and_leaves_nobody_waiting(
    events: list[tuple[str, float, int]], body: str | None
) -> None:
    play = Anything(body)
    for event in events:
        play.play(*event)
    play.finish()
    ended = [event for event in told(play.effects) if isinstance(event, LegEnded)]
    assert len(ended) == 1
    assert told(play.effects)[-1] == ended[0]
    assert play.called.leg.over
    assert play.called.leg.deadline is None
    for asked in play.asked:
        final = {
            effect.status
            for effect in play.effects
            if isinstance(effect, Reply) and effect.to is asked and effect.status >= 200
        }
        assert len(final) == 1, f"{asked.method} got {final}"
    byes = [effect for effect in play.effects if isinstance(effect, SendRequest)]
    assert len(byes) <= 1
