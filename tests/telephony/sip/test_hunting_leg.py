from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.dialog import OutgoingRequest
from telephony.sip.hunting_leg import ANSWER_SECONDS, HuntingLeg, next_invite
from telephony.sip.invite_usage import (
    Attempt,
    GotRequest,
    GotResponse,
    HangUp,
    LegEffect,
    LegInput,
    Report,
    RequestFailed,
    SendAck,
    SendCancel,
    SendRequest,
    Tell,
    TimePassed,
)
from telephony.sip.leg_events import LegAnswered, LegEnded, LegRinging
from telephony.sip.outbound_leg import OutboundLeg
from telephony.sip.redirection import RedirectPolicy
from tests.telephony.sip.usage import (
    ANSWER,
    OURS,
    THEIRS,
    TIMERS,
    our_invite,
    request,
    response,
    told,
)

WAYS = ("telecom", "unicom", "mobile")


def hunting(ways: int = 3, *, names: tuple[str, ...] = WAYS) -> HuntingLeg:
    legs = []
    for place, name in enumerate(names[:ways]):
        invite = replace(our_invite(), destination=("10.0.0.1", 5060 + place))
        legs.append((name, OutboundLeg(next_invite(invite, place), timers=TIMERS)))
    return HuntingLeg(legs)


def sent(effects: list[LegEffect], method: str = "INVITE") -> list[OutgoingRequest]:
    return [
        effect.request
        for effect in effects
        if isinstance(effect, SendRequest) and effect.request.method == method
    ]


def reports(effects: list[LegEffect]) -> list[tuple[str, str]]:
    return [
        (effect.attempt.way, effect.attempt.outcome)
        for effect in effects
        if isinstance(effect, Report)
    ]


def started(ways: int = 3, *, names: tuple[str, ...] = WAYS) -> tuple[HuntingLeg, OutgoingRequest]:
    leg = hunting(ways, names=names)
    (invite,) = sent(leg.start(0.0))
    return leg, invite


def test_one_call_id_and_tag_for_all_ways_but_a_number_for_each() -> None:
    leg, first = started()
    (second,) = sent(leg.handle(GotResponse(first, response(first, 503)), 0.1))
    assert (second.call_id, second.from_) == (first.call_id, first.from_)
    assert second.cseq > first.cseq
    assert second.destination != first.destination


def test_a_way_that_works_is_like_a_plain_leg() -> None:
    leg, invite = started()
    effects = leg.handle(GotResponse(invite, response(invite, 180)), 0.1)
    assert effects == [Report(Attempt("telecom", "answers")), Tell(LegRinging(180, None, THEIRS))]
    assert leg.deadline is None
    effects = leg.handle(GotResponse(invite, response(invite, 200, sdp=ANSWER)), 5.0)
    assert [type(effect) for effect in effects] == [SendAck, Tell]
    assert told(effects) == [LegAnswered(ANSWER)]
    bye = request("BYE", to_tag=OURS, cseq=2)
    effects = leg.handle(GotRequest(bye), 9.0)
    assert leg.over
    assert reports(effects) == [("telecom", "left")]


def test_the_next_way_after_a_refusal_of_the_trunks() -> None:
    leg, invite = started()
    busy = response(invite, 503, headers=[("Retry-After", "30")])
    effects = leg.handle(GotResponse(invite, busy), 0.1)
    assert effects[:2] == [
        Report(Attempt("telecom", "overloaded", retry_after=30)),
        Report(Attempt("telecom", "left")),
    ]
    assert reports(effects)[2:] == [("unicom", "trying")]
    assert told(effects) == []


def test_a_refusal_by_whom_we_called_is_final() -> None:
    for status in (403, 404, 480, 486, 603):
        leg, invite = started()
        (ended,) = told(leg.handle(GotResponse(invite, response(invite, status)), 0.1))
        assert isinstance(ended, LegEnded)
        assert (ended.status, leg.over) == (status, True)


def test_silence_is_given_up_long_before_the_transaction() -> None:
    leg, invite = started()
    assert leg.deadline == ANSWER_SECONDS
    effects = leg.handle(TimePassed(), ANSWER_SECONDS)
    assert reports(effects) == [("telecom", "silent"), ("telecom", "left"), ("unicom", "trying")]
    # the transaction ends later, and nobody is told twice
    assert leg.handle(RequestFailed(invite, "timeout"), 32.0) == []


def redirecting() -> tuple[HuntingLeg, OutgoingRequest]:
    """Return a call whose first way has sent it on to another of its hosts."""
    legs = []
    for place, name in enumerate(WAYS[:2]):
        invite = replace(our_invite(), destination=("10.0.0.1", 5060 + place))
        policy = RedirectPolicy(allows=lambda host: host == "10.0.0.2")
        way = OutboundLeg(next_invite(invite, place), timers=TIMERS, redirects=policy)
        legs.append((name, way))
    leg = HuntingLeg(legs)
    (invite,) = sent(leg.start(0.0))
    moved = response(invite, 302, contact="<sip:1001@10.0.0.2:5070>")
    effects = leg.handle(GotResponse(invite, moved), 1.0)
    (again,) = sent(effects)
    assert reports(effects) == [("telecom", "answers")]
    assert again.destination == ("10.0.0.2", 5070)
    return leg, again


def test_a_way_may_send_the_call_on() -> None:
    leg, again = redirecting()
    effects = leg.handle(GotResponse(again, response(again, 200, sdp=ANSWER)), 2.0)
    assert told(effects) == [LegAnswered(ANSWER)]
    assert leg.deadline is None


def test_silence_where_a_way_sent_the_call_is_given_up_alike() -> None:
    leg, again = redirecting()
    assert leg.deadline == 1.0 + ANSWER_SECONDS
    effects = leg.handle(TimePassed(), 1.0 + ANSWER_SECONDS)
    # the trunk itself has answered: its health does not suffer
    assert reports(effects) == [("telecom", "left"), ("unicom", "trying")]
    (second,) = sent(effects)
    assert second.cseq > again.cseq


def test_who_answers_after_he_was_given_up_is_hung_up() -> None:
    leg, first = started()
    (second,) = sent(leg.handle(TimePassed(), ANSWER_SECONDS))
    effects = leg.handle(GotResponse(first, response(first, 180)), 4.5)
    assert effects == [SendCancel(first)]
    late = leg.handle(GotResponse(first, response(first, 200, sdp=ANSWER)), 4.6)
    assert [type(effect) for effect in late] == [SendAck, SendRequest]
    assert len(sent(late, "BYE")) == 1
    effects = leg.handle(GotResponse(second, response(second, 200, sdp=ANSWER)), 5.0)
    assert told(effects) == [LegAnswered(ANSWER)]
    assert leg.dialog is not None


def test_the_last_way_is_waited_for_and_its_outcome_is_the_calls() -> None:
    leg, invite = started(ways=1)
    assert reports(leg.handle(TimePassed(), ANSWER_SECONDS)) == [("telecom", "silent")]
    assert leg.deadline is None
    effects = leg.handle(RequestFailed(invite, "timeout"), 32.0)
    assert told(effects) == [LegEnded("failure", 408, "no answer to the INVITE")]
    assert reports(effects) == [("telecom", "left")]


def test_who_has_hung_up_is_not_called_on_another_way() -> None:
    leg, invite = started()
    leg.handle(GotResponse(invite, response(invite, 180)), 0.1)
    assert leg.handle(HangUp("enough"), 0.2) == [SendCancel(invite)]
    effects = leg.handle(GotResponse(invite, response(invite, 503)), 0.3)
    (ended,) = told(effects)
    assert isinstance(ended, LegEnded)
    assert ended.by == "local"
    assert sent(effects) == []


def test_hung_up_before_the_start() -> None:
    leg = hunting()
    assert len(told(leg.handle(HangUp(), 0.0))) == 1
    assert leg.start(0.0) == []


# Addresses of one trunk

ADDRESSES = ("telecom", "telecom", "unicom")


def test_what_a_trunk_itself_says_it_is_not_asked_again_at_its_next_address() -> None:
    for status in (401, 407, 408, 500, 504):
        leg, invite = started(names=ADDRESSES)
        effects = leg.handle(GotResponse(invite, response(invite, status)), 60.0)
        assert reports(effects) == [
            ("telecom", "answers"),
            ("telecom", "left"),
            ("unicom", "trying"),
        ]
        assert len(sent(effects)) == 1
    leg, invite = started(2, names=ADDRESSES)
    (ended,) = told(leg.handle(GotResponse(invite, response(invite, 408)), 60.0))
    assert isinstance(ended, LegEnded)
    assert ended.status == 408


def test_an_address_that_is_silent_or_unavailable_is_told() -> None:
    def passed(effects: list[LegEffect]) -> list[object]:
        told = (effect.attempt for effect in effects if isinstance(effect, Report))
        return [(a.address, a.retry_after) for a in told if a.outcome == "passed_over"]

    leg, invite = started(names=ADDRESSES)
    assert passed(leg.handle(TimePassed(), ANSWER_SECONDS)) == [(invite.destination, None)]
    leg, invite = started(names=ADDRESSES)
    later = response(invite, 503, headers=[("Retry-After", "90")])
    assert passed(leg.handle(GotResponse(invite, later), 0.1)) == [(invite.destination, 90)]
    leg, invite = started()  # the next trunk says nothing about an address
    assert passed(leg.handle(GotResponse(invite, response(invite, 503)), 0.1)) == []


def test_whom_a_trunk_has_rung_it_does_not_ring_again() -> None:
    leg, invite = started(2, names=ADDRESSES)
    leg.handle(GotResponse(invite, response(invite, 180)), 0.1)
    (ended,) = told(leg.handle(GotResponse(invite, response(invite, 503)), 60.0))
    assert isinstance(ended, LegEnded)
    assert ended.status == 503


def test_whom_one_trunk_has_rung_in_vain_no_other_rings_again() -> None:
    for provisional in ((180,), (180, 183), (183, 180)):
        leg, invite = started()
        for status in provisional:
            leg.handle(GotResponse(invite, response(invite, status)), 0.1)
        effects = leg.handle(GotResponse(invite, response(invite, 408)), 60.0)
        assert sent(effects) == []
        (ended,) = told(effects)
        assert isinstance(ended, LegEnded)
        assert (ended.status, leg.over) == (408, True)
    leg, invite = started()
    leg.handle(GotResponse(invite, response(invite, 180)), 0.1)
    assert sent(leg.handle(GotResponse(invite, response(invite, 503)), 60.0))  # it broke there


def test_a_trunk_that_sends_early_media_before_it_finds_nobody_does_not_end_the_hunting() -> None:
    for provisional in (181, 182, 183):
        leg, invite = started()
        leg.handle(GotResponse(invite, response(invite, provisional)), 0.1)
        assert sent(leg.handle(GotResponse(invite, response(invite, 408)), 30.0))


def test_whom_the_network_has_rung_in_vain_no_other_trunk_rings_again() -> None:
    for cause, on in ((19, False), (18, True), (102, True)):
        leg, invite = started()
        leg.handle(GotResponse(invite, response(invite, 183, sdp=ANSWER)), 0.1)
        reason = [("Reason", f'Q.850;cause={cause};text="x"')]
        effects = leg.handle(GotResponse(invite, response(invite, 408, headers=reason)), 60.0)
        assert bool(sent(effects)) is on
        assert leg.over is not on


def test_a_trunk_is_overloaded_when_its_last_address_is() -> None:
    leg, first = started(names=ADDRESSES)
    later = [("Retry-After", "30")]
    effects = leg.handle(GotResponse(first, response(first, 503, headers=later)), 0.1)
    assert reports(effects) == [
        ("telecom", "left"),
        ("telecom", "passed_over"),
        ("telecom", "trying"),
    ]
    (second,) = sent(effects)
    effects = leg.handle(GotResponse(second, response(second, 503, headers=later)), 0.2)
    assert effects[:2] == [
        Report(Attempt("telecom", "overloaded", retry_after=30)),
        Report(Attempt("telecom", "left")),
    ]
    assert reports(effects)[2:] == [("unicom", "trying")]


def test_the_addresses_of_a_trunk_share_the_time_to_answer() -> None:
    leg, first = started(names=ADDRESSES)
    assert leg.deadline == ANSWER_SECONDS / 2
    effects = leg.handle(TimePassed(), ANSWER_SECONDS / 2)
    assert reports(effects) == [
        ("telecom", "left"),
        ("telecom", "passed_over"),
        ("telecom", "trying"),
    ]
    # what the one says that was given up says nothing about the other
    assert reports(leg.handle(GotResponse(first, response(first, 503)), 3.0)) == []
    assert leg.deadline == ANSWER_SECONDS
    effects = leg.handle(TimePassed(), ANSWER_SECONDS)
    assert reports(effects) == [("telecom", "silent"), ("telecom", "left"), ("unicom", "trying")]
    assert leg.deadline == 2 * ANSWER_SECONDS


def test_an_address_that_cannot_be_reached_leaves_the_next() -> None:
    leg, first = started(names=ADDRESSES)
    effects = leg.handle(RequestFailed(first, "transport"), 0.1)
    assert reports(effects) == [
        ("telecom", "left"),
        ("telecom", "passed_over"),
        ("telecom", "trying"),
    ]


@given(st.data())
def test_any_order_of_events(data: st.DataObject) -> None:
    leg = hunting(names=data.draw(st.sampled_from([WAYS, ADDRESSES])))
    now, ended = 0.0, 0
    invites: list[OutgoingRequest] = []
    effects = leg.start(now)
    on_it = {"telecom"}
    for _ in range(data.draw(st.integers(0, 25))):
        for effect in effects:
            match effect:
                case SendRequest(asked) if asked.method == "INVITE":
                    invites.append(asked)
                case Tell(LegEnded()):
                    ended += 1
                    assert leg.over
                case Tell():
                    assert not ended, "told after the end"
                case Report(Attempt(way, "trying")):
                    on_it.add(way)
                case Report(Attempt(way, "left")):
                    on_it.remove(way)
        assert ended <= 1
        assert len(on_it) == (0 if ended else 1), "a trunk is left exactly once"
        assert len({invite.cseq for invite in invites}) == len(invites)
        now += data.draw(st.floats(0, 5))
        to = data.draw(st.sampled_from(invites))
        status = data.draw(st.sampled_from([100, 180, 200, 404, 500, 503]))
        answer = GotResponse(to, response(to, status, sdp=ANSWER))
        gone = RequestFailed(to, "timeout")
        events: list[LegInput] = [TimePassed(), HangUp(), answer, answer, gone]
        event = data.draw(st.sampled_from(events))
        effects = leg.handle(event, now)
        if event is answer and status == 200:
            acks = sum(isinstance(effect, SendAck) for effect in effects)
            assert acks == 1, "§13.2.2.4: every 2xx has its ACK"
