"""Requests that the endpoint sends, over real loopback sockets."""

import asyncio
import gc
import weakref
from functools import partial

import pytest
from aiosipua import SipRequest, SipResponse

from telephony import sender
from telephony.sip.errors import LocalProtocolError
from telephony.sip.message import cseq_of, make_response, write_message
from telephony.sip.transaction import Timers
from telephony.sip.via import Address, top_via
from telephony.witness import Wire
from tests.support.waiting import until
from tests.telephony.endpoints import QUICK, Answers, Open, outgoing
from tests.telephony.peers import Peer, User, answering


async def test_who_asked_is_held_no_longer_than_the_transaction(endpoint: Open) -> None:
    us, other = await endpoint(User(), QUICK), await endpoint(User(answering(200)), QUICK)
    answers = Answers()
    responded, failed = partial(_note, answers), partial(_note, answers)
    us.send_request(outgoing(), other.local, on_response=responded, on_failure=failed)
    while us.transactions or not answers.responses:  # noqa: ASYNC110 - a condition would hold it
        await asyncio.sleep(0.001)
    known = weakref.ref(answers)
    gc.disable()  # it is not the collector that frees it
    try:
        del answers, responded, failed
        await until(lambda: known() is None)
    finally:
        gc.enable()


def _note(answers: Answers, response: object) -> None:
    assert isinstance(response, SipResponse)
    answers.responses.append(response)


async def test_a_message_is_written_once(
    endpoint: Open, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is measured, sent and kept for the ladder."""
    written: list[str] = []

    def count(message: SipRequest | SipResponse) -> bytes:
        written.append(cseq_of(message)[1])
        return write_message(message)

    monkeypatch.setattr(sender, "write_message", count)
    wire = Wire()
    ours = await endpoint(User(), witness=wire)
    ours.send_request(outgoing(), peer.address, **Answers().hooks)
    sent = await peer.datagram()
    assert written == ["OPTIONS"]
    assert [seen.data for seen in wire.of([outgoing().call_id or ""])] == [sent]


async def test_a_request_goes_out_with_our_via_and_its_answer_comes_back(
    endpoint: Open, peer: Peer
) -> None:
    ours = await endpoint(User())
    answers, original = Answers(), outgoing()
    handle = ours.send_request(original, peer.address, **answers.hooks)
    sent = await peer.request()
    via = top_via(sent)
    assert (via.host, via.port) == ours.local == ours.advertised
    assert "rport" in via.params
    assert via.branch is not None
    assert via.branch.startswith("z9hG4bK")
    assert bytes(sent) == bytes(handle.request)
    assert "Via" not in original.headers
    peer.send(make_response(sent, 200), ours.local)
    await until(lambda: answers.responses)
    assert (answers.statuses, answers.failures) == ([200], [])
    assert handle.active


async def test_max_forwards_is_added_where_it_is_missing(endpoint: Open, peer: Peer) -> None:
    ours = await endpoint(User())
    message = outgoing()
    message.headers.remove("Max-Forwards")
    ours.send_request(message, peer.address, **Answers().hooks)
    assert (await peer.request()).headers.get("Max-Forwards") == ["70"]


async def test_an_unanswered_request_is_repeated_and_fails(endpoint: Open, peer: Peer) -> None:
    ours = await endpoint(User(), Timers(t1=0.01, t2=0.04, t4=0.01))
    answers = Answers()
    handle = ours.send_request(outgoing(), peer.address, **answers.hooks)
    copies = [await peer.request() for _ in range(4)]
    assert {bytes(copy) for copy in copies} == {bytes(handle.request)}
    await until(lambda: answers.failures)
    assert (answers.failures, answers.statuses) == (["timeout"], [])
    assert (handle.active, ours.transactions) == (False, 0)


@pytest.mark.parametrize(
    "destination", [("phone.example", 5060), ("127.0.0.1", 0), ("127.0.0.1", 99999), ("::1", 5060)]
)
async def test_an_unusable_destination_fails_after_the_call_returned(
    endpoint: Open, destination: Address
) -> None:
    ours = await endpoint(User())
    answers = Answers()
    ours.send_request(outgoing("INVITE"), destination, **answers.hooks)
    assert answers.failures == []
    await until(lambda: answers.failures)
    assert answers.failures == ["transport"]
    assert (ours.transactions, ours.counters["send_errors"]) == (0, 1)


async def test_a_datagram_that_is_too_long_fails(endpoint: Open, peer: Peer) -> None:
    ours = await endpoint(User())
    answers, message = Answers(), outgoing("MESSAGE")
    message.body = bytes(70_000)
    ours.send_request(message, peer.address, **answers.hooks)
    await until(lambda: answers.failures)
    assert answers.failures == ["transport"]


async def test_a_refused_invite_is_acknowledged_by_the_endpoint(endpoint: Open, peer: Peer) -> None:
    ours = await endpoint(User())
    answers = Answers()
    ours.send_request(outgoing("INVITE"), peer.address, **answers.hooks)
    invite = await peer.request()
    for _ in range(2):
        peer.send(make_response(invite, 486, to_tag="busy"), ours.local)
        ack = await peer.request()
        assert (ack.method, top_via(ack)) == ("ACK", top_via(invite))
        assert ack.headers.get("To") == ["<sip:12345@city.example>;tag=busy"]
    assert answers.statuses == [486]


async def test_every_2xx_reaches_the_user_who_acknowledges_it(endpoint: Open, peer: Peer) -> None:
    ours = await endpoint(User())
    answers = Answers()
    ours.send_request(outgoing("INVITE"), peer.address, **answers.hooks)
    invite = await peer.request()
    for tag in ("first", "first", "fork"):
        peer.send(make_response(invite, 200, to_tag=tag), ours.local)
    await until(lambda: len(answers.responses) == 3)
    assert answers.statuses == [200, 200, 200]
    ours.send_ack(outgoing("ACK"), peer.address)
    ack = await peer.request()
    assert ack.method == "ACK"
    assert top_via(ack).branch != top_via(invite).branch
    assert ours.transactions == 1


async def test_a_cancel_has_the_branch_of_its_invite_and_is_sent_once(
    endpoint: Open, peer: Peer
) -> None:
    ours = await endpoint(User())
    answers = Answers()
    handle = ours.send_request(outgoing("INVITE"), peer.address, **answers.hooks)
    invite = await peer.request()
    with pytest.raises(LocalProtocolError):
        ours.cancel(handle)
    peer.send(make_response(invite, 180), ours.local)
    await until(lambda: answers.responses)
    ours.cancel(handle)
    ours.cancel(handle)
    cancel = await peer.request()
    assert (cancel.method, top_via(cancel)) == ("CANCEL", top_via(invite))
    peer.send(make_response(cancel, 200), ours.local)
    peer.send(make_response(invite, 487), ours.local)
    assert (await peer.request()).method == "ACK"
    assert answers.statuses == [180, 487]
    ours.cancel(handle)
    assert not peer.pending()


async def test_a_cancelled_invite_that_nobody_ends_fails(endpoint: Open, peer: Peer) -> None:
    ours = await endpoint(User(), Timers(t1=0.005, t2=0.02, t4=0.01))
    answers = Answers()
    handle = ours.send_request(outgoing("INVITE"), peer.address, **answers.hooks)
    peer.send(make_response(await peer.request(), 180), ours.local)
    await until(lambda: answers.responses)
    ours.cancel(handle)
    await until(lambda: answers.failures)
    assert answers.failures == ["timeout"]
    await until(lambda: ours.transactions == 0)


async def test_only_an_invite_is_cancelled_and_ack_and_cancel_are_not_requests(
    endpoint: Open, peer: Peer
) -> None:
    ours = await endpoint(User())
    handle = ours.send_request(outgoing(), peer.address, **Answers().hooks)
    with pytest.raises(LocalProtocolError):
        ours.cancel(handle)
    for method in ("ACK", "CANCEL"):
        with pytest.raises(LocalProtocolError):
            ours.send_request(outgoing(method), peer.address, **Answers().hooks)


async def test_responses_that_are_not_ours_are_dropped_and_counted(
    endpoint: Open, peer: Peer
) -> None:
    ours = await endpoint(User())
    answers = Answers()
    ours.send_request(outgoing(), peer.address, **answers.hooks)
    sent = await peer.request()
    via = sent.headers.get("Via")[0]
    wrong = [
        via.replace("z9hG4bK", "z9hG4bKx"),
        via.replace("127.0.0.1", "192.0.2.1"),
        f"{via}, SIP/2.0/UDP proxy.example",
    ]
    for value in wrong:
        strange = make_response(sent, 200)
        strange.headers.set_single("Via", value)
        peer.send(strange, ours.local)
    await until(lambda: ours.counters["stray_responses"] == 3)
    assert answers.responses == []
    peer.send(make_response(sent, 200), ours.local)
    await until(lambda: answers.responses)
