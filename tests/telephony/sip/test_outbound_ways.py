"""What an INVITE of ours may meet: forks, early media, redirections, "not so" rather than "no"."""

from dataclasses import replace

import pytest

from telephony.sip.dialog import OutgoingRequest
from telephony.sip.invite_usage import (
    Answer,
    GotRequest,
    GotResponse,
    HangUp,
    LegEffect,
    LegInput,
    Reoffer,
    Reply,
    RequestFailed,
    SendAck,
    SendCancel,
    SendRequest,
    Tell,
    TimePassed,
)
from telephony.sip.leg_events import (
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegHeld,
    LegReanswered,
    LegReoffered,
    LegReofferRefused,
    LegRinging,
)
from telephony.sip.outbound_leg import MOST_FORKS, OutboundLeg
from telephony.sip.redirection import RedirectPolicy
from telephony.sip.session_timer import SessionPolicy
from tests.telephony.sip.usage import (
    ANSWER,
    OFFER,
    OTHER,
    TIMERS,
    our_invite,
    request,
    response,
    told,
)

INVITE = our_invite()
ALLOW = ("Allow", "INVITE, UPDATE, PRACK")


def reliable(number: int) -> list[tuple[str, str]]:
    return [("Require", "100rel"), ("RSeq", str(number)), ALLOW]


class Calling:
    """An outbound leg under test, with a clock."""

    def __init__(self, invite: OutgoingRequest = INVITE, **options: object) -> None:
        self.now = 100.0
        self.leg = OutboundLeg(invite, timers=TIMERS, **options)  # type: ignore[arg-type]
        assert self.leg.start() == [SendRequest(self.leg.invite)]

    def do(self, *events: LegInput) -> list[LegEffect]:
        return [effect for event in events for effect in self.leg.handle(event, self.now)]

    def got(
        self, status: int, *, to: OutgoingRequest | None = None, **parts: object
    ) -> list[LegEffect]:
        to = to or self.leg.invite
        return self.do(GotResponse(to, response(to, status, **parts)))  # type: ignore[arg-type]


def sent(effects: list[LegEffect]) -> list[OutgoingRequest]:
    return [effect.request for effect in effects if isinstance(effect, SendRequest)]


# Reliable provisional responses, forks


def test_each_fork_gets_its_own_pracks() -> None:
    calling = Calling()
    for tag, number in (("one", 5), ("two", 900), ("one", 6)):
        [prack] = sent(calling.got(183, tag=tag, headers=reliable(number)))
        assert prack.method == "PRACK"
        assert prack.to.endswith(f"tag={tag}")
        assert prack.headers == (("RAck", f"{number} 1 INVITE"),)
        assert prack.cseq == {5: 2, 900: 2, 6: 3}[number]
    assert len(calling.leg.dialogs) == 2


@pytest.mark.parametrize("number", [5, 7, 4])
def test_a_reliable_response_out_of_turn_is_not_there(number: int) -> None:
    calling = Calling()
    calling.got(183, headers=reliable(5))
    assert calling.got(180, headers=reliable(number)) == []


@pytest.mark.parametrize("number", ["0", "x", "4294967296", "99999999999"])
def test_an_impossible_number_makes_no_response_reliable(number: str) -> None:
    calling = Calling()
    effects = calling.got(180, headers=[("Require", "100rel"), ("RSeq", number)])
    assert effects == [Tell(LegRinging(180, fork="their-tag"))]


def test_the_fork_that_answers_takes_its_early_answer_along() -> None:
    calling = Calling()
    calling.got(183, tag="one", sdp=OTHER, headers=reliable(1))
    calling.got(183, tag="two", sdp=ANSWER, headers=reliable(1))
    [ack, answered] = calling.got(200, tag="two")
    assert isinstance(ack, SendAck)
    assert answered == Tell(LegAnswered(ANSWER))
    assert [dialog.remote_tag for dialog in calling.leg.dialogs] == ["two"]
    # the other one answers too late; its dialog's numbers go on where its PRACK left them
    [ack, bye] = calling.got(200, tag="one")
    assert isinstance(bye, SendRequest)
    assert (bye.request.method, bye.request.cseq) == ("BYE", 3)
    assert calling.got(200, tag="one") == [ack]


def test_requests_of_forks_that_lose_are_answered() -> None:
    calling = Calling()
    for tag in ("one", "two"):
        calling.got(183, tag=tag, sdp=ANSWER, headers=reliable(1))
    update = request("UPDATE", from_tag="one", body=OTHER)
    assert calling.do(GotRequest(update)) == [Tell(LegReoffered(OTHER))]
    effects = calling.got(200, tag="two")
    assert effects[0] == Reply(update, 487)
    assert told(effects) == [LegAnswered(ANSWER)]


def test_a_fork_may_neither_hang_up_nor_invite() -> None:
    calling = Calling()
    calling.got(180)
    bye, again = request("BYE", cseq=1), request("INVITE", cseq=2, body=OTHER)
    assert calling.do(GotRequest(bye), GotRequest(again)) == [Reply(bye, 200), Reply(again, 491)]
    assert calling.do(GotRequest(request("OPTIONS", from_tag="unknown"))) == []
    assert told(calling.got(200, sdp=ANSWER)) == [LegAnswered(ANSWER)]


def test_no_more_forks_are_kept_than_a_call_has() -> None:
    calling = Calling()
    for number in range(MOST_FORKS + 9):
        calling.got(180, tag=f"fork-{number}")
    assert len(calling.leg.dialogs) == MOST_FORKS
    assert told(calling.got(200, tag="another", sdp=ANSWER)) == [LegAnswered(ANSWER)]


def test_a_late_offer_of_a_fork_is_answered_in_its_prack() -> None:
    calling = Calling(replace(INVITE, sdp=None))
    assert told(calling.got(183, sdp=OFFER, headers=reliable(1))) == [
        LegRinging(183, OFFER, "their-tag"),
        LegReoffered(OFFER),
    ]
    [prack] = sent(calling.do(Answer(ANSWER)))
    assert (prack.method, prack.sdp) == ("PRACK", ANSWER)
    assert told(calling.got(200)) == [LegAnswered(OFFER)]


def test_a_late_offer_refused_ends_the_call() -> None:
    calling = Calling(replace(INVITE, sdp=None))
    assert told(calling.got(200, sdp=OFFER)) == [LegAnswered(OFFER, offered=True)]
    [ack, bye] = calling.do(HangUp())
    assert isinstance(ack, SendAck)
    assert [request.method for request in sent([bye])] == ["BYE"]


def test_an_update_waits_for_the_one_phone_that_may_be_asked() -> None:
    calling = Calling()
    assert calling.do(Reoffer(OTHER)) == []
    calling.got(180, tag="one", headers=[ALLOW])
    calling.got(183, tag="one", sdp=ANSWER, headers=reliable(1))  # agreed, so it goes out now
    calling = Calling()
    calling.got(183, tag="one", sdp=ANSWER, headers=reliable(1))
    calling.got(183, tag="two", sdp=ANSWER, headers=reliable(1))
    assert calling.do(Reoffer(OTHER)) == []  # whom?
    effects = calling.got(200, tag="two", headers=[ALLOW])
    [again] = sent(effects)
    assert (again.method, again.sdp) == ("INVITE", OTHER)
    effects = calling.got(200, to=again, tag="two", sdp=ANSWER)
    assert told(effects) == [LegReanswered(ANSWER)]


def test_an_early_update_that_nobody_answers_leaves_the_call_ringing() -> None:
    calling = Calling()
    calling.got(183, sdp=ANSWER, headers=reliable(1))
    [update] = sent(calling.do(Reoffer(OTHER)))
    assert update.method == "UPDATE"
    assert calling.do(RequestFailed(update, "timeout")) == [Tell(LegReofferRefused(408, "timeout"))]
    assert told(calling.got(200)) == [LegAnswered(ANSWER)]


# Redirections


def contacts(*values: str) -> list[tuple[str, str]]:
    return [("Contact", value) for value in values]


def redirected(calling: Calling, *values: str, status: int = 302) -> list[LegEffect]:
    return calling.got(status, contact=None, headers=contacts(*values))


HERE = RedirectPolicy()
ANYWHERE = RedirectPolicy(allows=lambda _host: True)


def test_the_best_contact_is_tried_first_and_the_next_when_it_refuses() -> None:
    calling = Calling(redirects=HERE)
    worse, best = "<sip:a@127.0.0.1:6001>;q=0.2", "<sip:b@127.0.0.1:6002?Subject=x>;q=0.7"
    [again] = sent(redirected(calling, worse, best))
    assert again == replace(
        INVITE, uri="sip:b@127.0.0.1:6002", cseq=2, destination=again.destination
    )
    assert again.destination[:2] == ("127.0.0.1", 6002)
    [again] = sent(calling.got(486))
    assert (again.uri, again.cseq) == ("sip:a@127.0.0.1:6001", 3)
    assert told(calling.got(404)) == [LegEnded("remote", 404, "Not Found")]


def test_a_loop_ends() -> None:
    calling = Calling(redirects=HERE)
    there = "<sip:a@127.0.0.1:6001>"
    assert len(sent(redirected(calling, there))) == 1
    back = f"<{INVITE.uri}>"
    assert told(redirected(calling, there, back)) == [LegEnded("remote", 302, "Moved Temporarily")]


def test_a_chain_ends() -> None:
    calling = Calling(redirects=RedirectPolicy(most=3))
    for number in range(3):
        assert len(sent(redirected(calling, f"<sip:a@127.0.0.1:{6001 + number}>"))) == 1
    assert told(redirected(calling, "<sip:a@127.0.0.1:7000>")) == [
        LegEnded("remote", 302, "Moved Temporarily")
    ]


@pytest.mark.parametrize(
    "policy, contact",
    [
        (None, "<sip:a@127.0.0.1:6001>"),
        (HERE, "<sip:premium@192.0.2.9>"),
        (RedirectPolicy(may_call=lambda uri: "110" in uri), "<sip:premium@127.0.0.1:6001>"),
        (ANYWHERE, "<tel:110;phone-context=+1900>"),
        (ANYWHERE, "<tel:+8651212345;ext=7>"),
        (ANYWHERE, "<tel:+-()>"),
        (RedirectPolicy(may_call=lambda uri: "110" in uri), "<tel:0900123456>"),
        (ANYWHERE, "<sip:a@b"),
    ],
)
def test_where_we_do_not_go(policy: RedirectPolicy | None, contact: str) -> None:
    calling = Calling(redirects=policy)
    answer = response(INVITE, 302, contact=None)
    answer.headers.append("Contact", contact)
    assert told(calling.do(GotResponse(INVITE, answer))) == [
        LegEnded("remote", 302, "Moved Temporarily")
    ]


def test_a_telephone_number_is_called_at_the_peer_who_named_it() -> None:
    """§19.1.6: a tel URI has no host."""
    calling = Calling(redirects=HERE)
    [again] = sent(redirected(calling, "<tel:+86-512-(0)110>", "<tel:119>;q=0.5"))
    host = INVITE.uri.partition("@")[2]
    assert again.uri == f"sip:+865120110@{host}"
    assert again.destination == INVITE.destination
    [again] = sent(calling.got(404))
    assert again.uri == f"sip:119@{host}"


def test_a_telephone_number_that_was_called_already_is_a_loop() -> None:
    calling = Calling(redirects=HERE)
    assert len(sent(redirected(calling, "<tel:119>"))) == 1
    assert told(redirected(calling, "<tel:1-1-9>")) == [
        LegEnded("remote", 302, "Moved Temporarily")
    ]


def test_elsewhere_is_a_matter_of_policy() -> None:
    [again] = sent(redirected(Calling(redirects=ANYWHERE), "<sip:110@192.0.2.9:5080>"))
    assert again.destination[:2] == ("192.0.2.9", 5080)


def test_an_alternative_service_and_a_refusal_for_everybody_lead_nowhere() -> None:
    calling = Calling(redirects=HERE)
    assert sent(redirected(calling, "<sip:a@127.0.0.1:6001>", status=380)) == []
    calling = Calling(redirects=HERE)
    redirected(calling, "<sip:a@127.0.0.1:6001>", "<sip:b@127.0.0.1:6002>")
    assert told(calling.got(603)) == [LegEnded("remote", 603, "Decline")]


def test_a_call_given_up_follows_no_redirection() -> None:
    calling = Calling(redirects=HERE)
    calling.do(HangUp("gone"))
    assert told(redirected(calling, "<sip:a@127.0.0.1:6001>")) == [LegEnded("local", 302, "gone")]


# Not so, rather than no


def test_a_longer_session_is_proposed_to_who_wants_one() -> None:
    calling = Calling(session=SessionPolicy(interval=120))
    assert dict(calling.leg.invite.headers)["Session-Expires"] == "120"
    [again] = sent(calling.got(422, headers=[("Min-SE", "600")]))
    assert dict(again.headers) == {"Session-Expires": "600", "Min-SE": "600"}
    assert (again.cseq, again.sdp) == (2, OFFER)
    # who wants still more is asked again; who wants nothing new is not
    assert told(calling.got(422, headers=[("Min-SE", "600")])) == [
        LegEnded("remote", 422, "Session Interval Too Small")
    ]


def test_a_busy_dialog_is_asked_again_after_a_while() -> None:
    calling = Calling()
    assert calling.got(491) == []
    wakes_at = calling.leg.deadline
    assert wakes_at is not None
    assert 2.1 <= wakes_at - calling.now <= 4.0
    calling.now = wakes_at
    [again] = sent(calling.do(TimePassed()))
    assert again == replace(INVITE, cseq=2)
    assert calling.leg.deadline is None


def test_hanging_up_while_waiting_to_ask_again() -> None:
    calling = Calling()
    calling.got(491)
    assert calling.do(HangUp()) == [Tell(LegEnded("local"))]
    assert calling.leg.deadline is None


def test_a_peer_that_is_always_busy_is_left_alone() -> None:
    calling = Calling()
    for _ in range(3):
        assert calling.got(491) == []
        calling.now = calling.leg.deadline or 0.0
        calling.do(TimePassed())
    assert told(calling.got(491)) == [LegEnded("remote", 491, "Request Pending")]


@pytest.mark.parametrize("value, seconds", [("120", 120), ("60 (maintenance);duration=3", 60)])
def test_a_peer_that_has_too_much_to_do_says_for_how_long(value: str, seconds: int) -> None:
    calling = Calling()
    assert told(calling.got(503, headers=[("Retry-After", value)])) == [
        LegEnded("remote", 503, "Service Unavailable", seconds)
    ]


def test_a_cancel_goes_to_the_invite_that_is_under_way() -> None:
    calling = Calling(redirects=HERE)
    calling.got(180)
    [again] = sent(redirected(calling, "<sip:a@127.0.0.1:6001>"))
    assert calling.do(HangUp()) == []
    assert calling.got(180, to=again) == [SendCancel(again)]


def test_a_challenged_reinvite_and_a_challenged_bye_are_answered() -> None:
    challenge = [("WWW-Authenticate", 'Digest realm="partner", nonce="abc", qop="auth"')]
    calling = Calling(credentials=("hotline", "secret"), cnonce="c0ffee")
    calling.got(200, sdp=ANSWER)
    for wish in (Reoffer(OTHER), HangUp()):
        [asked] = sent(calling.do(wish))
        [again] = sent(calling.got(401, to=asked, headers=challenge))
        assert again.cseq == asked.cseq + 1
        assert "Authorization" in dict(again.headers)
        calling.got(200, to=again, sdp=ANSWER)
    assert calling.leg.over


@pytest.mark.parametrize("header", ["Authorization", "Proxy-Authorization"])
def test_what_an_invite_proved_its_ack_repeats(header: str) -> None:
    challenger = "WWW" if header == "Authorization" else "Proxy"
    challenge = [(f"{challenger}-Authenticate", 'Digest realm="partner", nonce="a", qop="auth"')]
    calling = Calling(credentials=("hotline", "secret"), cnonce="c0ffee")
    [proven] = sent(calling.got(401 if challenger == "WWW" else 407, headers=challenge))
    proof = dict(proven.headers)[header]
    [first, _] = calling.got(200, to=proven, sdp=ANSWER)
    assert isinstance(first, SendAck)
    assert first.request.headers == ((header, proof),)
    # another phone that answered as well is acknowledged no worse
    [other, _] = calling.got(200, to=proven, sdp=ANSWER, tag="second")
    assert isinstance(other, SendAck)
    assert other.request.headers == ((header, proof),)
    # a re-INVITE that proved nothing has an ACK that proves nothing
    [asked] = sent(calling.do(Reoffer(OTHER)))
    [plain, *_] = calling.got(200, to=asked, sdp=ANSWER)
    assert isinstance(plain, SendAck)
    assert plain.request.headers == ()


def test_a_challenged_prack_is_answered_once() -> None:
    challenge = [("Proxy-Authenticate", 'Digest realm="partner", nonce="abc", qop="auth"')]
    calling = Calling(credentials=("hotline", "secret"), cnonce="c0ffee")
    [prack] = sent(calling.got(183, sdp=ANSWER, headers=reliable(7)))
    assert calling.got(100, to=prack) == []
    [again] = sent(calling.got(407, to=prack, headers=challenge))
    assert (again.method, again.cseq) == ("PRACK", prack.cseq + 1)
    assert dict(again.headers)["RAck"] == "7 1 INVITE"
    assert "Proxy-Authorization" in dict(again.headers)
    assert calling.got(407, to=again, headers=challenge) == []
    assert told(calling.got(200)) == [LegAnswered(ANSWER)]


# Offers that cross


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_that_crosses_our_refresh_is_still_the_owners_to_answer(
    method: str, status: int
) -> None:
    calling = Calling(session=SessionPolicy(interval=1800))
    calling.got(200, sdp=ANSWER, headers=[ALLOW, ("Session-Expires", "1800;refresher=uac")])
    calling.now += 900
    [refresh] = sent(calling.do(TimePassed()))
    assert (refresh.method, refresh.sdp) == ("UPDATE", None)
    hold = f"{OTHER}c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\na=sendonly\r\n"
    assert told(calling.do(GotRequest(request(method, cseq=1, body=hold)))) == [LegReoffered(hold)]
    assert calling.got(status, to=refresh) == []
    [reply, held] = calling.do(Answer(ANSWER))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.sdp, held) == (200, ANSWER, Tell(LegHeld()))
    if method == "INVITE":
        calling.do(GotRequest(request("ACK", cseq=1)))
    # that agreement stands, and the next offer finds nothing open
    assert told(calling.do(GotRequest(request("UPDATE", cseq=2, body=OFFER)))) == [
        LegReoffered(OFFER)
    ]


@pytest.mark.parametrize("acknowledged_first", [True, False])
def test_an_offer_that_the_peer_asks_for_crosses_our_refresh(*, acknowledged_first: bool) -> None:
    """The property of two joined legs found it."""
    calling = Calling(session=SessionPolicy(interval=1800))
    calling.got(200, sdp=ANSWER, headers=[ALLOW, ("Session-Expires", "1800;refresher=uac")])
    calling.now += 900
    [refresh] = sent(calling.do(TimePassed()))
    calling.do(GotRequest(request("INVITE", cseq=1, body=None)), Answer(OFFER))
    ack = GotRequest(request("ACK", cseq=1, body=OTHER))
    refreshed = GotResponse(refresh, response(refresh, 200))
    events = calling.do(*((ack, refreshed) if acknowledged_first else (refreshed, ack)))
    assert told(events) == [LegConfirmed(OTHER)]
    assert told(calling.do(GotRequest(request("UPDATE", cseq=2, body=OFFER)))) == [
        LegReoffered(OFFER)
    ]


def test_an_offer_waits_while_we_have_asked_for_one() -> None:
    calling = Calling()
    calling.got(200, sdp=ANSWER, headers=[ALLOW])
    [asked] = sent(calling.do(Reoffer(None)))
    update = request("UPDATE", cseq=1, body=OTHER)
    assert calling.do(GotRequest(update)) == [Reply(update, 491)]
    assert told(calling.got(200, to=asked, sdp=OTHER)) == [LegReoffered(OTHER)]
    [ack] = calling.do(Answer(ANSWER))
    assert isinstance(ack, SendAck)
    assert ack.request.sdp == ANSWER
