"""Requests that the endpoint takes, and its answers, over real loopback sockets."""

import pytest
from aiosipua import SipRequest

from telephony.endpoint import IncomingRequest
from telephony.sip.errors import LocalProtocolError
from telephony.sip.message import build_ack, build_cancel, make_response
from telephony.sip.transaction import Timers
from telephony.sip.via import top_via
from tests.support.waiting import until
from tests.telephony.endpoints import QUICK, Open
from tests.telephony.peers import Peer, User, a_peer, answering
from tests.telephony.sip.samples import request


async def test_a_request_is_handed_over_once_and_its_answer_repeated(
    endpoint: Open, peer: Peer
) -> None:
    user = User(answering(200))
    ours = await endpoint(user)
    for _ in range(3):
        peer.send(request("OPTIONS", via=peer.via), ours.local)
    answers = [await peer.response() for _ in range(3)]
    assert {bytes(answer) for answer in answers} == {bytes(answers[0])}
    assert answers[0].status_code == 200
    assert user.methods == ["OPTIONS"]
    assert user.requests[0].source == peer.address


async def test_the_answer_says_where_the_request_came_from(endpoint: Open, peer: Peer) -> None:
    ours = await endpoint(User(answering(200)))
    peer.send(request("OPTIONS", via="SIP/2.0/UDP pc.example:9;rport;branch=z9hG4bK1"), ours.local)
    via = top_via(await peer.response())
    assert via.params == {
        "rport": str(peer.address[1]),
        "branch": "z9hG4bK1",
        "received": "127.0.0.1",
    }


async def test_without_rport_the_answer_goes_to_the_port_of_the_via(
    endpoint: Open, peer: Peer
) -> None:
    ours = await endpoint(User(answering(200)))
    via = f"SIP/2.0/UDP pc.example:{peer.address[1]};branch=z9hG4bK1"
    with a_peer() as sender:
        sender.send(request("OPTIONS", via=via), ours.local)
        assert top_via(await peer.response()).params["received"] == "127.0.0.1"
        assert not sender.pending()


async def test_a_silent_user_has_100_sent_for_him(endpoint: Open, peer: Peer) -> None:
    ours = await endpoint(User())
    peer.send(request(via=peer.via), ours.local)
    assert (await peer.response()).status_code == 100


async def test_a_refusal_is_repeated_until_its_ack_which_the_user_never_sees(
    endpoint: Open, peer: Peer
) -> None:
    user = User(answering(486))
    ours = await endpoint(user, QUICK)
    invite = request(via=peer.via)
    peer.send(invite, ours.local)
    refusals = [await peer.response() for _ in range(3)]
    assert [refusal.status_code for refusal in refusals] == [486] * 3
    peer.send(build_ack(invite, refusals[0]), ours.local)
    await until(lambda: ours.transactions == 0)
    assert user.methods == ["INVITE"]


async def test_a_refusal_without_ack_is_reported(endpoint: Open, peer: Peer) -> None:
    told: list[str] = []

    def answer(incoming: IncomingRequest) -> None:
        incoming.on_failure = told.append
        incoming.on_terminated = lambda: told.append("terminated")
        incoming.respond(make_response(incoming.request, 486))

    ours = await endpoint(User(answer), Timers(t1=0.002, t2=0.01, t4=0.01))
    peer.send(request(via=peer.via), ours.local)
    await until(lambda: len(told) == 2)
    assert told == ["terminated", "timeout"]
    assert ours.transactions == 0


@pytest.mark.parametrize("branch", ["z9hG4bKpeer", "z9hG4bKanother"])
async def test_the_ack_of_a_2xx_reaches_the_user_whatever_its_branch(
    endpoint: Open, peer: Peer, branch: str
) -> None:
    user = User(answering(180, 200, 200))
    ours = await endpoint(user)
    invite = request(via=peer.via)
    peer.send(invite, ours.local)
    statuses = [(await peer.response()).status_code for _ in range(3)]
    assert statuses == [180, 200, 200]
    peer.send(request("ACK", via=peer.via.replace("z9hG4bKpeer", branch)), ours.local)
    await until(lambda: len(user.requests) == 2)
    assert user.methods == ["INVITE", "ACK"]
    with pytest.raises(LocalProtocolError):
        user.requests[1].respond(make_response(invite, 200))


async def test_a_cancel_is_answered_and_its_invites_user_told(endpoint: Open, peer: Peer) -> None:
    cancelled: list[SipRequest] = []

    def answer(incoming: IncomingRequest) -> None:
        def on_cancel(cancel: SipRequest) -> None:
            cancelled.append(cancel)
            incoming.respond(make_response(incoming.request, 487, to_tag="user"))

        incoming.on_cancel = on_cancel
        incoming.respond(make_response(incoming.request, 180, to_tag="user"))

    user = User(answer)
    ours = await endpoint(user)
    invite = request(via=peer.via)
    peer.send(invite, ours.local)
    assert (await peer.response()).status_code == 180
    for _ in range(2):
        peer.send(build_cancel(invite), ours.local)
    first, second, third = [await peer.response() for _ in range(3)]
    assert [first.status_code, second.status_code, third.status_code] == [200, 487, 200]
    assert first.headers.get("CSeq") == ["314159 CANCEL"]
    assert first.headers.get("To") == second.headers.get("To")
    assert (len(cancelled), user.methods) == (1, ["INVITE"])


async def test_a_cancel_that_comes_too_late_changes_nothing(endpoint: Open, peer: Peer) -> None:
    cancelled: list[SipRequest] = []
    user = User(answering(200))
    ours = await endpoint(user)
    invite = request(via=peer.via)
    peer.send(invite, ours.local)
    assert (await peer.response()).status_code == 200
    user.requests[0].on_cancel = cancelled.append
    peer.send(build_cancel(invite), ours.local)
    assert (await peer.response()).headers.get("CSeq") == ["314159 CANCEL"]
    assert cancelled == []


async def test_a_cancel_of_nothing_is_answered_481(endpoint: Open, peer: Peer) -> None:
    user = User()
    ours = await endpoint(user)
    peer.send(request("CANCEL", via=peer.via), ours.local)
    assert (await peer.response()).status_code == 481
    assert user.requests == []


async def test_a_user_who_fails_is_excused_with_500(endpoint: Open, peer: Peer) -> None:
    def answer(incoming: IncomingRequest) -> None:
        raise RuntimeError(incoming.request.method)

    ours = await endpoint(User(answer))
    for method in ("INVITE", "OPTIONS"):
        peer.send(request(method, via=peer.via.replace("peer", method)), ours.local)
        assert (await peer.response()).status_code == 500
    assert ours.counters["user_errors"] == 2


async def test_a_second_final_response_is_our_mistake(endpoint: Open, peer: Peer) -> None:
    user = User(answering(404))
    ours = await endpoint(user)
    peer.send(request("OPTIONS", via=peer.via), ours.local)
    await peer.response()
    incoming = user.requests[0]
    with pytest.raises(LocalProtocolError):
        incoming.respond(make_response(incoming.request, 200))


async def test_an_answer_that_comes_too_late_is_forgotten(endpoint: Open, peer: Peer) -> None:
    user = User()
    ours = await endpoint(user, Timers(t1=0.002, t2=0.01, t4=0.01))
    peer.send(request("OPTIONS", via=peer.via), ours.local)
    await until(lambda: user.requests)
    await until(lambda: ours.transactions == 0)
    user.requests[0].respond(make_response(user.requests[0].request, 200))
    assert not peer.pending()


async def test_the_user_may_change_a_response_after_it_was_given(
    endpoint: Open, peer: Peer
) -> None:
    user = User()
    ours = await endpoint(user)
    peer.send(request("OPTIONS", via=peer.via), ours.local)
    await until(lambda: user.requests)
    response = make_response(user.requests[0].request, 200)
    user.requests[0].respond(response)
    response.headers.set_single("X-Changed", "yes")
    peer.send(request("OPTIONS", via=peer.via), ours.local)
    assert ["X-Changed" in (await peer.response()).headers for _ in range(2)] == [False, False]
