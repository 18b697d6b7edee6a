"""The endpoint over real loopback sockets; a bare socket or another endpoint is the other side."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.endpoint import SipEndpoint
from telephony.sip.errors import LocalProtocolError
from telephony.sip.hop import Hop
from telephony.sip.message import make_response
from telephony.sip.transaction import Timers
from telephony.sip.via import top_via
from tests.support.waiting import until
from tests.telephony.endpoints import QUICK, Answers, Open, outgoing
from tests.telephony.peers import Peer, User, a_peer, answering
from tests.telephony.sip.samples import request, wire

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
