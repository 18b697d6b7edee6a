from dataclasses import replace

import pytest
from aiosipua.headers import parse_auth
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.sip.dialog import OutgoingRequest
from telephony.sip.errors import LocalProtocolError, TransactionFailure
from telephony.sip.invite_usage import (
    Answer,
    GotRequest,
    GotResponse,
    HangUp,
    LegEffect,
    LegInput,
    PickUp,
    Refuse,
    Reply,
    RequestFailed,
    Ring,
    SendAck,
    SendCancel,
    SendRequest,
    Tell,
    TimePassed,
)
from telephony.sip.leg_events import LegAnswered, LegEnded, LegReoffered, LegRinging
from telephony.sip.outbound_leg import OutboundLeg
from tests.telephony.sip.usage import (
    ANSWER,
    CALL_ID,
    OFFER,
    OTHER,
    OURS,
    PEER,
    THEIRS,
    TIMERS,
    our_invite,
    request,
    response,
    told,
)

INVITE = our_invite()


def in_dialog(method: str, cseq: int, *, tag: str = THEIRS) -> OutgoingRequest:
    return OutgoingRequest(
        method=method,
        uri="sip:1001@127.0.0.1:5072",
        destination=("127.0.0.1", 5072),
        from_=f"<sip:13862311001@127.0.0.1:5060>;tag={OURS}",
        to=f"<sip:1001@127.0.0.1:5060>;tag={tag}",
        call_id=CALL_ID,
        cseq=cseq,
    )


ACK, BYE = in_dialog("ACK", 1), in_dialog("BYE", 2)


class Calling:
    """An outbound leg under test, with a clock."""

    def __init__(self, **options: object) -> None:
        self.now = 100.0
        self.leg = OutboundLeg(INVITE, timers=TIMERS, **options)  # type: ignore[arg-type]
        assert self.leg.start() == [SendRequest(INVITE)]

    def do(self, *events: LegInput) -> list[LegEffect]:
        return [effect for event in events for effect in self.leg.handle(event, self.now)]

    def got(self, status: int, *, to: OutgoingRequest = INVITE, **parts: object) -> list[LegEffect]:
        return self.do(GotResponse(to, response(to, status, **parts)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "announced, able",
    [
        ("talk, hold, conference", True),
        ("hold,Talk;id=1", True),
        ("hold, talkative", False),
        ("", False),
        (" , ;talk, =", False),
    ],
)
def test_a_phone_that_can_is_told_to_answer_within_its_early_dialog(
    announced: str, *, able: bool
) -> None:
    calling = Calling()
    assert calling.do(PickUp()) == []  # nobody rings
    ringing = calling.got(180, headers=[("Allow-Events", announced)])
    assert ringing == [Tell(LegRinging(180, fork=THEIRS, picks_up=able))]
    assert calling.got(180) == []  # a repetition that does not say it again
    headers = (("Event", "talk"), ("Subscription-State", "active"))
    notify = replace(in_dialog("NOTIFY", 2), headers=headers)
    assert calling.do(PickUp()) == ([SendRequest(notify)] if able else [])
    for answer in (200, 481, 489):
        assert calling.got(answer, to=notify) == []  # the call itself goes on ringing
    assert calling.do(RequestFailed(notify, "timeout")) == []
    assert told(calling.got(200, sdp=ANSWER)) == [LegAnswered(ANSWER)]
    assert calling.do(PickUp()) == []  # it has answered


def test_who_has_hung_up_tells_no_phone_to_answer() -> None:
    calling = Calling()
    calling.got(180, headers=[("Allow-Events", "talk")])
    assert calling.do(HangUp(), PickUp()) == [SendCancel(INVITE)]


def talking() -> Calling:
    calling = Calling()
    calling.got(200, sdp=ANSWER)
    return calling


# Before the answer


def test_provisional_responses_are_told_once_for_each_status() -> None:
    calling = Calling()
    assert calling.got(100) == []
    assert calling.got(180) == [Tell(LegRinging(180, fork=THEIRS))]
    assert calling.got(180) == []
    assert calling.got(183, sdp=ANSWER) == [Tell(LegRinging(183, ANSWER, THEIRS))]
    assert calling.leg.deadline is None


def test_an_answer_is_acknowledged_at_once() -> None:
    calling = Calling()
    calling.got(180)
    assert calling.got(200, sdp=ANSWER) == [SendAck(ACK), Tell(LegAnswered(ANSWER))]


def test_each_repetition_of_the_answer_is_acknowledged() -> None:
    calling = talking()
    assert calling.got(200, sdp=ANSWER) == [SendAck(ACK)]
    calling.do(HangUp())
    assert calling.got(200, sdp=ANSWER) == [SendAck(ACK)]


def test_the_ack_follows_the_recorded_route() -> None:
    calling = Calling()
    route = [("Record-Route", "<sip:10.0.0.1;lr>"), ("Record-Route", "<sip:10.0.0.2;lr>")]
    ack, _ = calling.got(200, sdp=ANSWER, headers=route)
    assert ack == SendAck(
        replace(
            ACK,
            route=("<sip:10.0.0.2;lr>", "<sip:10.0.0.1;lr>"),
            destination=("10.0.0.2", 5060),
        )
    )


def test_an_answer_without_a_description_takes_that_of_the_early_media() -> None:
    calling = Calling()
    calling.got(183, sdp=OTHER, tag="another")
    calling.got(183, sdp=ANSWER)
    assert calling.got(200) == [SendAck(ACK), Tell(LegAnswered(ANSWER))]


def test_an_answer_without_any_description_is_hung_up() -> None:
    calling = Calling()
    assert calling.got(200) == [SendAck(ACK), SendRequest(BYE)]
    assert calling.got(200, to=BYE) == [
        Tell(LegEnded("failure", 488, "answered without a session description"))
    ]


@pytest.mark.parametrize("status", [302, 404, 408, 480, 486, 500, 603])
def test_a_refusal_ends_the_leg(status: int) -> None:
    calling = Calling()
    [effect] = calling.got(status)
    assert isinstance(effect, Tell)
    assert isinstance(effect.event, LegEnded)
    assert (effect.event.by, effect.event.status) == ("remote", status)
    assert calling.leg.over
    assert calling.do(HangUp(), Answer(OTHER), TimePassed()) == []


@pytest.mark.parametrize(
    "cause, status, reason",
    [
        ("timeout", 408, "no answer to the INVITE"),
        ("transport", 503, "the INVITE could not be sent"),
    ],
)
def test_silence_is_a_failure(cause: TransactionFailure, status: int, reason: str) -> None:
    calling = Calling()
    assert calling.do(RequestFailed(INVITE, cause)) == [Tell(LegEnded("failure", status, reason))]
    assert calling.leg.over


def test_only_who_is_called_can_ring() -> None:
    with pytest.raises(LocalProtocolError):
        Calling().do(Ring())


@pytest.mark.parametrize("to", ["<sip:1001@x>;tag=their-tag;=x", "nonsense;tag=their-tag"])
def test_a_response_with_a_broken_to_counts_all_the_same(to: str) -> None:
    answer, refusal = response(INVITE, 200, sdp=ANSWER), response(INVITE, 486)
    for broken in (answer, refusal):
        broken.headers.set_single("To", to)
    calling = Calling()
    assert calling.do(GotResponse(INVITE, answer)) == [SendAck(ACK), Tell(LegAnswered(ANSWER))]
    calling = Calling()
    [effect] = calling.do(GotResponse(INVITE, refusal))
    assert effect == Tell(LegEnded("remote", 486, "Busy Here"))


# Hanging up before the answer


def test_a_call_that_was_not_even_sent_is_just_over() -> None:
    leg = OutboundLeg(INVITE, timers=TIMERS)
    assert leg.handle(HangUp("too late"), 0.0) == [Tell(LegEnded("local", None, "too late"))]
    assert leg.start() == []


def test_a_cancel_waits_for_the_first_provisional_response() -> None:
    calling = Calling()
    assert calling.do(HangUp("caller gone")) == []
    assert calling.got(100) == [SendCancel(INVITE)]
    assert calling.got(180) == []
    assert calling.do(HangUp()) == []
    assert calling.got(487) == [Tell(LegEnded("local", 487, "caller gone"))]


def test_a_cancel_after_ringing_goes_out_at_once() -> None:
    calling = Calling()
    calling.got(180)
    assert calling.do(HangUp()) == [SendCancel(INVITE)]
    assert calling.got(487) == [Tell(LegEnded("local", 487, None))]


def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up() -> None:
    calling = Calling()
    calling.got(180)
    calling.do(HangUp("caller gone"))
    assert calling.got(200, sdp=ANSWER) == [SendAck(ACK), SendRequest(BYE)]
    assert calling.got(200, to=BYE) == [Tell(LegEnded("local", None, "caller gone"))]


def test_an_answer_before_any_provisional_response_to_a_call_given_up() -> None:
    calling = Calling()
    calling.do(HangUp())
    assert calling.got(200, sdp=ANSWER) == [SendAck(ACK), SendRequest(BYE)]


@pytest.mark.parametrize("rang", [True, False])
def test_a_phone_that_never_ends_the_invite_is_given_up(rang: bool) -> None:  # noqa: FBT001
    calling = Calling()
    if rang:
        calling.got(180)
    calling.do(HangUp())
    # the transaction gives up 64*T1 after the CANCEL (§9.1), or after the INVITE
    assert calling.do(RequestFailed(INVITE, "timeout")) == [Tell(LegEnded("local"))]


def test_a_refusal_that_crosses_the_cancel_keeps_its_status() -> None:
    calling = Calling()
    calling.got(180)
    calling.do(HangUp())
    assert calling.got(486) == [Tell(LegEnded("local", 486, None))]


# Forks


def test_the_answer_of_another_branch_is_acknowledged_and_hung_up() -> None:
    calling = talking()
    second_ack, second_bye = in_dialog("ACK", 1, tag="second"), in_dialog("BYE", 2, tag="second")
    both = [SendAck(second_ack), SendRequest(second_bye)]
    assert calling.got(200, sdp=OTHER, tag="second") == both
    assert calling.got(200, sdp=OTHER, tag="second") == [SendAck(second_ack)]
    assert calling.got(200, to=second_bye) == []
    assert calling.do(RequestFailed(second_bye, "timeout")) == []
    assert not calling.leg.over


def test_the_answer_of_another_branch_after_the_end() -> None:
    calling = talking()
    calling.do(HangUp())
    calling.got(200, to=BYE)
    assert calling.leg.over
    effects = calling.got(200, sdp=OTHER, tag="second")
    assert effects == [
        SendAck(in_dialog("ACK", 1, tag="second")),
        SendRequest(in_dialog("BYE", 2, tag="second")),
    ]


# Credentials

CHALLENGE = 'Digest realm="partner", nonce="abc", algorithm=SHA-256, qop="auth"'


@pytest.mark.parametrize(
    "status, challenge, answer",
    [
        (401, "WWW-Authenticate", "Authorization"),
        (407, "Proxy-Authenticate", "Proxy-Authorization"),
    ],
)
def test_a_challenge_is_answered_once(status: int, challenge: str, answer: str) -> None:
    calling = Calling(credentials=("hotline", "secret"), cnonce="c0ffee")
    headers = [(challenge, "Negotiate x"), (challenge, CHALLENGE)]
    [effect] = calling.got(status, headers=headers)
    assert isinstance(effect, SendRequest)
    again = effect.request
    [(name, value)] = again.headers
    assert again == replace(INVITE, cseq=2, headers=((name, value),))
    assert name == answer
    given = parse_auth(value, credentials=True).params
    assert (given["username"], given["cnonce"], given["nc"]) == ("hotline", "c0ffee", "00000001")
    assert calling.got(100) == []  # late, of the first INVITE
    assert calling.got(401, to=again, headers=headers) == [
        Tell(LegEnded("remote", 401, "Unauthorized"))
    ]


def test_the_second_invite_begins_without_a_provisional_response() -> None:
    calling = Calling(credentials=("hotline", "secret"), cnonce="c0ffee")
    calling.got(100)
    [effect] = calling.got(401, headers=[("WWW-Authenticate", CHALLENGE)])
    assert isinstance(effect, SendRequest)
    assert calling.do(HangUp()) == []
    assert calling.got(180, to=effect.request) == [SendCancel(effect.request)]


@pytest.mark.parametrize(
    "credentials, challenge",
    [
        (None, CHALLENGE),
        (("hotline", "secret"), 'Digest realm="p", nonce="n", algorithm=SHA-512-256'),
        (("hotline", "secret"), "Basic realm=p"),
    ],
)
def test_a_challenge_that_cannot_be_answered_is_a_refusal(
    credentials: tuple[str, str] | None, challenge: str
) -> None:
    calling = Calling(credentials=credentials)
    assert calling.got(401, headers=[("WWW-Authenticate", challenge)]) == [
        Tell(LegEnded("remote", 401, "Unauthorized"))
    ]


def test_a_call_given_up_answers_no_challenge() -> None:
    calling = Calling(credentials=("hotline", "secret"))
    calling.do(HangUp())
    assert calling.got(401, headers=[("WWW-Authenticate", CHALLENGE)]) == [
        Tell(LegEnded("local", 401, None))
    ]


# Talking: the rest is test_inbound_leg's, for both sides share the machine


def test_we_hang_up() -> None:
    calling = talking()
    assert calling.do(HangUp("done")) == [SendRequest(BYE)]
    assert calling.got(200, to=BYE) == [Tell(LegEnded("local", None, "done"))]


def test_the_peer_hangs_up() -> None:
    calling = talking()
    theirs = request("BYE")
    assert calling.do(GotRequest(theirs)) == [Reply(theirs, 200), Tell(LegEnded("remote"))]
    assert calling.leg.over


def test_the_peer_offers_again_and_its_missing_ack_is_waited_for() -> None:
    calling = talking()
    theirs = request("INVITE", body=OTHER)
    assert calling.do(GotRequest(theirs)) == [Tell(LegReoffered(OTHER))]
    assert calling.do(Answer(OFFER)) == [Reply(theirs, 200, sdp=OFFER)]
    assert calling.leg.deadline == 100.5
    calling.now = 132.0
    [bye, ended] = calling.do(TimePassed())
    assert bye == SendRequest(BYE)
    assert ended == Tell(LegEnded("failure", 408, "no ACK"))
    assert calling.leg.deadline is None


# Any order of events

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["hang_up", "100", "180", "183", "200", "fork", "486", "401", "failed", "answer",
             "refuse", "time", "BYE", "INVITE", "ACK", "INFO", "bye_answer", "bye_lost"]
        ),
        st.floats(0.0, 40.0),
    ),
    max_size=25,
)  # fmt: skip
NAMED: dict[str, LegInput] = {
    "hang_up": HangUp(),
    "answer": Answer(OFFER),
    "refuse": Refuse(488),
    "time": TimePassed(),
}


class Anything:
    """Plays any order of events; a transaction never speaks after its final response."""

    def __init__(self) -> None:
        self.leg = OutboundLeg(INVITE, timers=TIMERS, credentials=("u", "p"), cnonce="c")
        self.now = 0.0
        self.cseq = 0
        self.effects = self.leg.start()
        self.finals: dict[OutgoingRequest, str] = {}
        self.cancelled: list[OutgoingRequest] = []
        self.provisional: set[OutgoingRequest] = set()
        self.hung_up_on = False

    @property
    def sent(self) -> list[OutgoingRequest]:
        return [effect.request for effect in self.effects if isinstance(effect, SendRequest)]

    @property
    def invite(self) -> OutgoingRequest:
        return [sent for sent in self.sent if sent.method == "INVITE"][-1]

    def feed(self, event: LegInput) -> None:
        effects = self.leg.handle(event, self.now)
        for effect in effects:
            if isinstance(effect, SendCancel):
                # what the endpoint demands of us
                assert effect.invite in self.provisional
                assert effect.invite not in self.finals
                assert effect.invite not in self.cancelled
                self.cancelled.append(effect.invite)
        self.effects += effects

    def play(self, kind: str, wait: float) -> None:
        self.now += wait
        if kind in NAMED:
            self.feed(NAMED[kind])
        elif kind.isdigit() or kind in {"fork", "failed"}:
            self.respond(kind)
        elif kind in {"bye_answer", "bye_lost"}:
            self.end_byes(answered=kind == "bye_answer")
        elif self.leg.dialog is not None and not self.leg.over:
            self.cseq += 1
            self.hung_up_on |= kind == "BYE"
            self.feed(GotRequest(request(kind, cseq=self.cseq, body=OTHER)))

    def respond(self, kind: str) -> None:
        invite = self.invite
        final = self.finals.get(invite)
        if final is not None and not (final == "200" and kind in {"200", "fork"}):
            return
        if kind == "failed":
            self.finals[invite] = kind
            self.feed(RequestFailed(invite, "timeout"))
            return
        status = 200 if kind == "fork" else int(kind)
        if status < 200:
            self.provisional.add(invite)
        else:
            self.finals[invite] = str(status)
        headers = [("WWW-Authenticate", CHALLENGE)] if status == 401 else []
        tag = "second" if kind == "fork" else THEIRS
        sdp = ANSWER if status in {183, 200} else None
        answer = response(invite, status, tag=tag, sdp=sdp, headers=headers)
        self.feed(GotResponse(invite, answer))

    def end_byes(self, *, answered: bool) -> None:
        for sent in self.sent:
            if sent.method == "BYE" and sent not in self.finals:
                self.finals[sent] = "ended"
                done = GotResponse(sent, response(sent, 200))
                self.feed(done if answered else RequestFailed(sent, "timeout"))

    def finish(self) -> None:
        self.feed(HangUp())
        if self.invite not in self.finals:
            self.respond("failed")
        while self.leg.deadline is not None:
            self.now = max(self.now, self.leg.deadline)
            self.feed(TimePassed())
        self.end_byes(answered=False)


@settings(max_examples=300)
@given(steps)
def test_any_order_of_events_ends_once_and_leaves_nothing_behind(
    events: list[tuple[str, float]],
) -> None:
    play = Anything()
    for event in events:
        play.play(*event)
    play.finish()
    events_told = told(play.effects)
    assert [isinstance(event, LegEnded) for event in events_told].count(True) == 1
    ended = events_told[-1]
    assert isinstance(ended, LegEnded)
    assert play.leg.over
    assert play.leg.deadline is None
    # every branch that answered is acknowledged, and hung up by one side or the other
    acknowledged = {effect.request.to for effect in play.effects if isinstance(effect, SendAck)}
    answered = play.finals.get(play.invite) == "200"
    assert bool(acknowledged) == answered
    hung_up = {sent.to for sent in play.sent if sent.method == "BYE"}
    # Who wanted to hang up, but waits for an ACK with it, may be hung up on (§15).
    assert len(acknowledged - hung_up) <= play.hung_up_on
    if answered and ended.by == "remote":
        assert len(acknowledged - hung_up) == 1


def test_our_first_request_goes_where_the_invite_went_when_the_phone_is_registered() -> None:
    leg = OutboundLeg(INVITE, timers=TIMERS, pinned=True)
    leg.start()
    [ack, _] = leg.handle(GotResponse(INVITE, response(INVITE, 200, sdp=ANSWER)), 0.0)
    assert isinstance(ack, SendAck)
    assert ack.request.destination == PEER
