"""REFER and Replaces as read; the subscription that a REFER makes, within a leg."""

import re
from contextlib import suppress

import pytest
from aiosipua import SipRequest
from hypothesis import example, given
from hypothesis import strategies as st

from telephony.sip.dialog import DialogId, OutgoingRequest
from telephony.sip.inbound_leg import InboundLeg
from telephony.sip.invite_usage import (
    Answer,
    AnswerRefer,
    GotRequest,
    GotResponse,
    HangUp,
    LegEffect,
    LegInput,
    Reply,
    ReportRefer,
    RequestFailed,
    SendRequest,
    Tell,
    TimePassed,
)
from telephony.sip.leg_events import LegEnded, LegReferred
from telephony.sip.refer import (
    Refer,
    ReferError,
    Replaces,
    parse_refer,
    parse_replaces,
    replaces_of,
)
from telephony.sip.referral import EXPIRES
from telephony.sip.session_timer import SessionPolicy
from tests.telephony.sip.usage import (
    ANSWER,
    OFFER,
    OURS,
    PEER,
    TIMERS,
    invite,
    request,
    response,
    told,
)

TARGET = "<sip:110@127.0.0.1:5060>"
ATTENDED = (
    "<sip:110@127.0.0.1:5060?Replaces=other%40host%3Bto-tag%3Dours%3Bfrom-tag%3Dtheirs"
    "&Require=replaces>"
)


def refer(to: str = TARGET, cseq: int = 2, **headers: str) -> SipRequest:
    given = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return request("REFER", cseq=cseq, headers=[("Refer-To", to), *given])


class Talking:
    """An answered inbound leg."""

    def __init__(self, session: SessionPolicy | None = None) -> None:
        self.now = 100.0
        known = [("Supported", "timer"), ("Session-Expires", "90;refresher=uac")]
        self.leg = InboundLeg(
            invite(headers=known if session else []),
            local_tag=OURS,
            source=PEER,
            timers=TIMERS,
            now=self.now,
            session=session,
        )
        self.do(Answer(ANSWER), GotRequest(request("ACK")))

    def do(self, *events: LegInput) -> list[LegEffect]:
        return [effect for event in events for effect in self.leg.handle(event, self.now)]

    def accepted(self, asked: SipRequest) -> OutgoingRequest:
        """Send a REFER and have it accepted; return the first NOTIFY."""
        assert self.do(GotRequest(asked)) == [Tell(LegReferred("sip:110@127.0.0.1:5060"))]
        reply, notify = self.do(AnswerRefer(202))
        assert reply == Reply(asked, 202)
        return request_of(notify)

    def answered(self, notify: OutgoingRequest, status: int = 200) -> list[LegEffect]:
        return self.do(GotResponse(notify, response(notify, status)))


def request_of(effect: LegEffect) -> OutgoingRequest:
    assert isinstance(effect, SendRequest)
    return effect.request


def said(notify: OutgoingRequest) -> tuple[str, str, str]:
    """Return Event, Subscription-State and the status line that a NOTIFY carries."""
    assert notify.method == "NOTIFY"
    assert notify.body is not None
    assert notify.body.content_type == "message/sipfrag;version=2.0"
    headers = dict(notify.headers)
    return headers["Event"], headers["Subscription-State"], notify.body.text.rstrip("\r\n")


# Reading


def test_what_is_referred_to() -> None:
    assert parse_refer(refer()) == Refer("sip:110@127.0.0.1:5060")
    assert parse_refer(refer("tel:+86110", Refer_Sub="false")) == Refer("tel:+86110", reports=False)
    replaces = Replaces("other@host", "ours", "theirs")
    assert parse_refer(refer(ATTENDED)) == Refer("sip:110@127.0.0.1:5060", replaces)
    assert replaces.dialog == DialogId("other@host", "ours", "theirs")


@pytest.mark.parametrize(
    "headers, status",
    [
        ([], 400),
        ([("Refer-To", "<sip:a@b>"), ("Refer-To", "<sip:a@c>")], 400),
        ([("Refer-To", '"x" sip:a@b')], 400),
        ([("Refer-To", "<http://example.com>")], 416),
        ([("Refer-To", "<sip:a@b;method=BYE>")], 603),
        ([("Refer-To", "<sip:a@b?Replaces=nothing>")], 400),
    ],
)
def test_what_cannot_be_referred_to(headers: list[tuple[str, str]], status: int) -> None:
    with pytest.raises(ReferError) as caught:
        parse_refer(request("REFER", headers=headers))
    assert caught.value.status == status


def test_replaces() -> None:
    wanted = Replaces("a@b", "1", "2", early_only=True)
    assert parse_replaces("a@b ;from-tag=2; To-Tag = 1;early-only;x=y") == wanted
    # RFC 3891 §6.1: zero stands for the tag that an RFC 2543 peer has not got
    assert parse_replaces("a;to-tag=1;from-tag=0").dialog == DialogId("a", "1", "")
    for value in ("", "a", "a;to-tag=1", "a;to-tag=1;from-tag=2;to-tag=3", "a;to-tag=;from-tag=2"):
        with pytest.raises(ReferError):
            parse_replaces(value)
    twice = [("Replaces", "a;to-tag=1;from-tag=2")] * 2
    with pytest.raises(ReferError):
        replaces_of(request("INVITE", headers=twice))
    assert replaces_of(request("INVITE", headers=twice[:1])) == Replaces("a", "1", "2")
    assert replaces_of(request("INVITE")) is None


@given(st.text(max_size=60))
@example("a;to-tag=1;from-tag=2")
@example("<sip:a@b?Replaces=%>")
def test_any_text_is_read_or_refused(text: str) -> None:
    line = re.sub(r"[\r\n]", " ", text)
    with suppress(ReferError):
        assert parse_replaces(line).call_id in line
    message = refer("sip:a@b")
    message.headers.set_single("Refer-To", line)
    with suppress(ReferError):
        assert parse_refer(message).uri in line


# The subscription


def test_the_whole_way() -> None:
    phone = Talking()
    first = phone.accepted(refer())
    assert said(first) == ("refer", f"active;expires={EXPIRES}", "SIP/2.0 100 Trying")
    assert (first.cseq, first.uri) == (1, "sip:13862311001@127.0.0.1:5071")
    assert first.to_message(contact="sip:us@host").headers.get("Contact") == ["<sip:us@host>"]
    assert phone.answered(first) == []
    (ringing,) = phone.do(ReportRefer(180))
    assert said(request_of(ringing))[1:] == (f"active;expires={EXPIRES}", "SIP/2.0 180 Ringing")
    phone.answered(request_of(ringing))
    (done,) = phone.do(ReportRefer(200))
    assert said(request_of(done))[1:] == ("terminated;reason=noresource", "SIP/2.0 200 OK")
    assert phone.do(ReportRefer(486)) == []
    assert phone.leg.deadline is None


@pytest.mark.parametrize("status, line", [(486, "486 Busy Here"), (503, "503 Nobody there")])
def test_a_target_that_is_not_reached(status: int, line: str) -> None:
    phone = Talking()
    phone.answered(phone.accepted(refer()))
    (notify,) = phone.do(ReportRefer(status, line.partition(" ")[2]))
    assert said(request_of(notify))[1:] == ("terminated;reason=noresource", f"SIP/2.0 {line}")


def test_one_notify_at_a_time_and_the_latest_word_counts() -> None:
    phone = Talking()
    first = phone.accepted(refer())
    assert phone.do(ReportRefer(180), ReportRefer(183), ReportRefer(200)) == []
    (last,) = phone.answered(first)
    assert said(request_of(last))[2] == "SIP/2.0 200 OK"
    assert phone.answered(request_of(last)) == []


def test_a_refusal_makes_no_subscription() -> None:
    phone, asked = Talking(), refer()
    phone.do(GotRequest(asked))
    assert phone.do(AnswerRefer(603)) == [Reply(asked, 603)]
    assert phone.do(AnswerRefer(202), ReportRefer(200)) == []


def test_nobody_wants_to_hear_of_it() -> None:
    phone, asked = Talking(), refer(Refer_Sub="false")
    phone.do(GotRequest(asked))
    assert phone.do(AnswerRefer(202)) == [Reply(asked, 202, headers=(("Refer-Sub", "false"),))]
    assert phone.do(ReportRefer(200)) == []


def test_a_second_refer_has_to_wait_and_gets_a_number() -> None:
    phone = Talking()
    first = phone.accepted(refer())
    second = refer(cseq=3)
    assert phone.do(GotRequest(second)) == [Reply(second, 491)]
    phone.answered(first)
    (over,) = phone.do(ReportRefer(486))
    phone.answered(request_of(over))
    assert said(phone.accepted(refer(cseq=4)))[0] == "refer;id=4"


def test_a_malformed_refer_is_refused_by_the_machine() -> None:
    phone, asked = Talking(), request("REFER", cseq=2)
    assert phone.do(GotRequest(asked)) == [Reply(asked, 400, "one Refer-To is needed")]


@pytest.mark.parametrize("lost", [True, False])
def test_a_peer_that_refuses_notifies_hears_no_more(lost: bool) -> None:  # noqa: FBT001
    phone = Talking()
    first = phone.accepted(refer())
    phone.do(ReportRefer(180))
    answer = RequestFailed(first, "timeout") if lost else GotResponse(first, response(first, 481))
    assert phone.do(answer) == []
    assert phone.do(ReportRefer(200)) == []
    assert not phone.leg.over


def test_it_lapses() -> None:
    phone = Talking()
    phone.answered(phone.accepted(refer()))
    assert phone.leg.deadline == 100.0 + EXPIRES
    phone.now += EXPIRES
    (notify,) = phone.do(TimePassed())
    assert said(request_of(notify))[1] == "terminated;reason=timeout"
    assert phone.leg.deadline is None


@pytest.mark.parametrize(
    "headers, status, state",
    [
        ([("Event", "refer"), ("Expires", "60")], 200, "active;expires=60"),
        ([("Event", "refer")], 200, f"active;expires={EXPIRES}"),
        ([("Event", "refer"), ("Expires", "0")], 200, "terminated;reason=timeout"),
        ([("Event", "refer"), ("Expires", "9" * 5000)], 200, f"active;expires={EXPIRES}"),
        ([("Event", "refer;id=7")], 481, None),
        ([("Event", "presence")], 489, None),
    ],
)
def test_it_is_prolonged_or_ended(
    headers: list[tuple[str, str]], status: int, state: str | None
) -> None:
    phone = Talking()
    phone.answered(phone.accepted(refer()))
    reply, *notifies = phone.do(GotRequest(request("SUBSCRIBE", cseq=3, headers=headers)))
    assert isinstance(reply, Reply)
    assert reply.status == status
    assert [said(request_of(notify))[1] for notify in notifies] == ([state] if state else [])


def test_our_hang_up_says_the_last_word_first() -> None:
    phone = Talking()
    first = phone.accepted(refer())
    assert phone.do(ReportRefer(200)) == []  # the first NOTIFY is not answered yet
    notify, bye = phone.do(HangUp("transferred", 200))
    assert said(request_of(notify))[1:] == ("terminated;reason=noresource", "SIP/2.0 200 OK")
    assert request_of(bye).headers == (("Reason", 'SIP;cause=200;text="transferred"'),)
    assert phone.answered(first) == []


def test_it_ends_with_the_call() -> None:
    phone = Talking()
    phone.answered(phone.accepted(refer()))
    theirs = request("BYE", cseq=3)
    notify, *rest = phone.do(GotRequest(theirs))
    last = request_of(notify)
    assert said(last)[1:] == ("terminated;reason=noresource", "SIP/2.0 100 Trying")
    assert rest == [Reply(theirs, 200), Tell(LegEnded("remote"))]
    assert phone.answered(last, 481) == []
    assert phone.do(ReportRefer(200)) == []
    assert phone.leg.deadline is None


def test_a_refer_that_waits_is_answered_when_the_call_ends() -> None:
    phone, asked, theirs = Talking(), refer(), request("BYE", cseq=3)
    phone.do(GotRequest(asked))
    assert phone.do(GotRequest(theirs)) == [
        Reply(asked, 487),
        Reply(theirs, 200),
        Tell(LegEnded("remote")),
    ]


def test_it_ends_with_the_session_timer() -> None:
    phone = Talking(session=SessionPolicy(interval=90))
    phone.answered(phone.accepted(refer()))
    phone.now += 60.0
    notify, bye = phone.do(TimePassed())
    assert said(request_of(notify))[1] == "terminated;reason=noresource"
    assert request_of(bye).method == "BYE"


def test_there_is_nothing_to_transfer_before_the_answer() -> None:
    leg = InboundLeg(invite(body=OFFER), local_tag=OURS, source=PEER, timers=TIMERS, now=0.0)
    asked = refer()
    assert leg.handle(GotRequest(asked), 0.0) == [Reply(asked, 481)]
    assert told(leg.handle(HangUp("over", 200), 0.0)) == [LegEnded("local", 480, "over")]
