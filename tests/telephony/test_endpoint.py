"""The endpoint over real loopback sockets; a bare socket or another endpoint is the other side."""

import asyncio
import gc
import random
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from aiosipua import SipRequest, SipResponse
from hypothesis import given
from hypothesis import strategies as st

from telephony import sender
from telephony.endpoint import IncomingRequest, SipEndpoint
from telephony.sip.errors import LocalProtocolError, TransactionFailure
from telephony.sip.hop import Hop
from telephony.sip.message import build_ack, build_cancel, cseq_of, make_response, write_message
from telephony.sip.transaction import Timers
from telephony.sip.via import Address, top_via
from telephony.witness import Wire
from tests.support.waiting import until
from tests.telephony.peers import Peer, User, a_peer, answering
from tests.telephony.sip.samples import request, wire

QUICK = Timers(t1=0.02, t2=0.08, t4=0.05, trying=0.01)
PATIENT = Timers(t1=5.0, t2=5.0, t4=5.0, trying=0.01)  # nothing is repeated while a test looks

Open = Callable[..., Awaitable[SipEndpoint]]


@pytest.fixture
async def endpoint() -> AsyncIterator[Open]:
    """Open endpoints, and close them at the end."""
    opened: list[SipEndpoint] = []

    async def open_one(
        user: Callable[[IncomingRequest], None], timers: Timers = PATIENT, **more: Any
    ) -> SipEndpoint:
        one = SipEndpoint(on_request=user, timers=timers, **more)
        await one.open("127.0.0.1", 0)
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
def peer() -> Any:
    with a_peer() as opened:
        yield opened


class Answers:
    """The two callbacks of a request that is sent."""

    def __init__(self) -> None:
        self.responses: list[SipResponse] = []
        self.failures: list[TransactionFailure] = []

    @property
    def statuses(self) -> list[int]:
        return [response.status_code for response in self.responses]

    @property
    def hooks(self) -> dict[str, Any]:
        return {"on_response": self.responses.append, "on_failure": self.failures.append}


def outgoing(method: str = "OPTIONS") -> SipRequest:
    message = request(method)
    message.headers.remove("Via")
    return message


# Sending


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


# Receiving


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


# Nonsense


async def test_nonsense_is_answered_where_it_can_be_and_counted(endpoint: Open, peer: Peer) -> None:
    user = User()
    ours = await endpoint(user)
    for data in (b"\r\n\r\n", b"\x00", b"hello", wire("ACK", via=peer.via, cseq="1 INVITE")):
        peer.send(data, ours.local)
    peer.send(wire(via=peer.via, cseq="1 BYE"), ours.local)
    answer = await peer.response()
    assert (answer.status_code, answer.reason_phrase) == (
        400,
        "CSeq method differs from the request's",
    )
    assert top_via(answer).params["received"] == "127.0.0.1"
    peer.send(wire(via=peer.via, start="INVITE sip:x@y.example SIP/3.0"), ours.local)
    assert (await peer.response()).status_code == 505
    assert ours.counters["keep_alives"] == 2
    assert (ours.counters["malformed"], ours.counters["malformed_answered"]) == (4, 2)
    assert (user.requests, ours.transactions) == ([], 0)


async def test_a_flood_of_nonsense_is_answered_a_few_times(endpoint: Open, peer: Peer) -> None:
    ours = await endpoint(User())
    for _ in range(100):
        peer.send(wire(via=peer.via, cseq="x"), ours.local)
    await until(lambda: ours.counters["malformed"] == 100)
    assert 10 <= ours.counters["malformed_answered"] <= 20


VALID = [
    wire(),
    wire("OPTIONS"),
    wire("ACK"),
    wire("CANCEL"),
    wire("BYE", via="SIP/2.0/UDP old.example"),
    bytes(make_response(request(), 200)),
]
CUTS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.binary(max_size=6)), max_size=5)


@given(
    st.lists(
        st.binary(max_size=200) | st.tuples(st.sampled_from(VALID), CUTS), min_size=1, max_size=8
    )
)
def test_fuzz_no_datagram_raises(
    datagrams: list[bytes | tuple[bytes, list[tuple[float, int, bytes]]]],
) -> None:
    async def receive_all() -> None:
        ours = SipEndpoint(on_request=User(answering(180, 200)))
        await ours.open("127.0.0.1", 0)
        # A port that nobody listens on, and a source that cannot be answered at all.
        for source in (("127.0.0.1", 9), ("127.0.0.1", 0)):
            for datagram in datagrams:
                data = datagram if isinstance(datagram, bytes) else mutated(*datagram)
                ours.message_received(data, Hop(*source))
        await asyncio.sleep(0)  # failures of sending are reported in the next turn
        assert ours.counters["user_errors"] == 0
        await ours.close()

    asyncio.run(receive_all())


def mutated(data: bytes, cuts: list[tuple[float, int, bytes]]) -> bytes:
    for place, length, splinter in cuts:
        at = int(place * len(data))
        data = data[:at] + splinter + data[at + length :]
    return data


# The endpoint itself


async def test_many_requests_over_a_lossy_line_all_end(endpoint: Open) -> None:
    chance = random.Random(20240612)
    # 64*T1 is 3.8 s: a machine that is busy elsewhere for a second is no lossy line.
    timers = Timers(t1=0.06, t2=0.24, t4=0.15, trying=0.01)
    lossy = {"timers": timers, "drop": lambda: chance.random() < 0.1}
    user = User(answering(200))
    there = await endpoint(user, **lossy)
    here = await endpoint(User(), **lossy)
    everyone = [Answers() for _ in range(300)]
    for answers in everyone:
        here.send_request(outgoing(), there.local, **answers.hooks)
    assert here.transactions == 300
    await until(lambda: here.transactions == 0 == there.transactions, 20.0)
    assert [answers.statuses for answers in everyone] == [[200]] * 300
    assert len(user.requests) == 300
    assert here.counters["lost_on_purpose"] > 30


async def test_a_call_between_two_endpoints(endpoint: Open) -> None:
    user = User(answering(180, 200))
    there = await endpoint(user)
    here = await endpoint(User())
    answers = Answers()
    here.send_request(outgoing("INVITE"), there.local, **answers.hooks)
    await until(lambda: answers.statuses == [180, 200])
    here.send_ack(outgoing("ACK"), there.local)
    await until(lambda: user.methods == ["INVITE", "ACK"])


async def test_the_advertised_address_stands_in_via(endpoint: Open, peer: Peer) -> None:
    ours = await endpoint(User(), advertised=("192.0.2.1", 0))
    assert ours.advertised == ("192.0.2.1", ours.local[1])
    answers = Answers()
    ours.send_request(outgoing(), peer.address, **answers.hooks)
    sent = await peer.request()
    assert top_via(sent).host == "192.0.2.1"
    peer.send(make_response(sent, 200), ours.local)
    await until(lambda: answers.responses)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_every_address_is_not_one_to_advertise(host: str) -> None:
    ours = SipEndpoint(on_request=User())
    with pytest.raises(ValueError, match="advertised"):
        await ours.open(host, 0)


async def test_ipv6() -> None:
    user = User(answering(200))
    ours, theirs = SipEndpoint(on_request=User()), SipEndpoint(on_request=user)
    await ours.open("::1", 0)
    await theirs.open("::1", 0)
    answers = Answers()
    ours.send_request(outgoing(), theirs.local, **answers.hooks)
    await until(lambda: answers.responses)
    assert top_via(user.requests[0].request).received == "::1"
    await ours.close()
    await theirs.close()


async def test_a_closed_endpoint_is_silent(endpoint: Open, peer: Peer) -> None:
    user = User()
    ours = await endpoint(user, QUICK)
    answers = Answers()
    handle = ours.send_request(outgoing(), peer.address, **answers.hooks)
    ours.send_request(outgoing(), ("nowhere.example", 5060), **answers.hooks)
    peer.send(request("OPTIONS", via=peer.via), ours.local)
    await until(lambda: user.requests)
    local = ours.local
    await ours.close()
    assert (handle.active, ours.transactions) == (False, 0)
    user.requests[0].respond(make_response(user.requests[0].request, 200))
    with pytest.raises(LocalProtocolError):
        ours.send_request(outgoing(), peer.address, **answers.hooks)
    with a_peer(local[1]):  # the port is free again
        assert (answers.responses, answers.failures) == ([], ["transport"])
