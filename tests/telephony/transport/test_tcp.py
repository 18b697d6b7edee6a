"""The endpoint over TCP; a bare connection is the other side (RFC 3261 §18)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiosipua import SipResponse

from telephony.endpoint import IncomingRequest, SipEndpoint
from telephony.sip.errors import TransactionFailure
from telephony.sip.hop import Hop
from telephony.sip.message import build_ack, make_response
from telephony.sip.transaction import Timers
from telephony.sip.via import Address, top_via
from telephony.transport.connection import ConnectionLimits
from telephony.transport.listener import Listener
from tests.support.ports import free_sip_port
from tests.support.waiting import until
from tests.telephony.peers import User, a_peer, answering
from tests.telephony.sip.samples import request
from tests.telephony.transport.streams import StreamPeer, connected, listening

Open = Callable[..., Awaitable[SipEndpoint]]
QUICK = Timers(t1=0.01, t2=0.04, t4=0.01, trying=0.01)


@pytest.fixture
async def endpoint() -> AsyncIterator[Open]:
    opened: list[SipEndpoint] = []

    async def open_one(user: User | None = None, host: str = "127.0.0.1", **more: Any) -> Any:
        one = SipEndpoint(on_request=user or User(answering(200)), **more)
        await one.open(host, 0)
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        await one.close()


class Answers:
    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.failures: list[TransactionFailure] = []

    def on_response(self, response: SipResponse) -> None:
        self.statuses.append(response.status_code)

    @property
    def hooks(self) -> dict[str, Any]:
        return {"on_response": self.on_response, "on_failure": self.failures.append}


def tcp(address: Address, *, branch: str = "z9hG4bKpeer", host: str = "127.0.0.1") -> str:
    return f"SIP/2.0/TCP {host}:{address[1]};rport;branch={branch}"


def outgoing(method: str = "OPTIONS", *, size: int = 0) -> Any:
    message = request(method)
    message.headers.remove("Via")
    message.body = b"x" * size
    return message


def to(address: Address) -> Hop:
    return Hop(*address, "TCP")


# Receiving


async def test_udp_and_tcp_listen_on_one_port(endpoint: Open) -> None:
    ours = await endpoint()
    assert [bound.transport for bound in ours.listeners] == ["UDP", "TCP"]
    assert {bound.local for bound in ours.listeners} == {ours.local}
    with a_peer() as peer:
        peer.send(request("OPTIONS", via=peer.via), ours.local)
        assert (await peer.response()).status_code == 200
    async with connected(ours.local) as stream:
        stream.send(request("OPTIONS", via=tcp(stream.address)))
        assert (await stream.response()).status_code == 200


async def test_several_listeners_each_advertise_their_own_address() -> None:
    user = User(answering(200))
    ours = SipEndpoint(on_request=user, advertised=("192.0.2.1", 0))
    further = (
        Listener("TCP", "127.0.0.2", 0, ("192.0.2.2", 5060)),
        Listener("UDP", "::1", 0),
    )
    await ours.open("127.0.0.1", 0, transports=("UDP",), further=further)
    udp, tcp_, six = ours.listeners
    assert udp.advertised == ("192.0.2.1", udp.local[1])
    assert (tcp_.advertised, six.advertised) == (("192.0.2.2", 5060), six.local)
    assert ours.reached_at(("10.0.0.1", 5060)) == ("UDP", udp.advertised)
    assert ours.reached_at(Hop("10.0.0.1", 5060, "TCP")) == ("TCP", tcp_.advertised)
    assert ours.reached_at(("2001:db8::1", 5060)) == ("UDP", six.advertised)
    async with connected(tcp_.local) as stream:
        stream.send(request("OPTIONS", via=tcp(stream.address)))
        assert (await stream.response()).status_code == 200
        ours.send_request(outgoing(), user.requests[0].hop, **Answers().hooks)
        via = top_via(await stream.request())
        assert (via.transport, via.host, via.port) == ("TCP", "192.0.2.2", 5060)
    await ours.close()


async def test_both_families_on_every_address() -> None:
    ours = SipEndpoint(on_request=User(answering(200)), advertised=("192.0.2.1", 0))
    port = free_sip_port()
    further = [Listener(name, "::", port, ("2001:db8::1", 0)) for name in ("UDP", "TCP")]
    await ours.open("0.0.0.0", port, further=further)
    for host in ("127.0.0.1", "::1"):
        async with connected((host, port)) as stream:
            stream.send(request("OPTIONS", via=tcp(stream.address)))
            assert top_via(await stream.response()).received == host
    await ours.close()


async def test_ipv6(endpoint: Open) -> None:
    user = User(answering(200))
    ours, theirs = await endpoint(host="::1"), await endpoint(user, host="::1")
    answers = Answers()
    ours.send_request(outgoing(), to(theirs.local), **answers.hooks)
    await until(lambda: answers.statuses == [200])
    via = user.requests[0].request.headers.get("Via")[0]
    assert via.startswith(f"SIP/2.0/TCP [::1]:{ours.local[1]};")


async def test_messages_in_any_chunks_are_answered_in_order(endpoint: Open) -> None:
    ours = await endpoint()
    async with connected(ours.local) as stream:
        first = bytes(request("OPTIONS", via=tcp(stream.address, branch="z9hG4bK1")))
        second = bytes(request("OPTIONS", via=tcp(stream.address, branch="z9hG4bK2")))
        for part in (first[:100], first[100:] + second[:7], second[7:]):
            stream.send(part)
            await stream.writer.drain()
        branches = [top_via(await stream.response()).branch for _ in range(2)]
        assert branches == ["z9hG4bK1", "z9hG4bK2"]


async def test_a_keep_alive_is_answered(endpoint: Open) -> None:
    ours = await endpoint()
    async with connected(ours.local) as stream:
        stream.send(b"\r\n\r\n")
        assert await stream.reader.readexactly(2) == b"\r\n"


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"x" * 20_000])
async def test_who_speaks_no_sip_is_cut_off_without_a_word(endpoint: Open, garbage: bytes) -> None:
    ours = await endpoint()
    async with connected(ours.local) as stream:
        stream.send(garbage)
        assert await stream.closed() == b""
    await until(lambda: ours.connections == 0)


async def test_a_malformed_message_is_answered_and_the_next_one_too(endpoint: Open) -> None:
    ours = await endpoint()
    async with connected(ours.local) as stream:
        bad = bytes(request("OPTIONS", via=tcp(stream.address))).replace(b"59 OPT", b"59 X")
        stream.send(bad + bytes(request("OPTIONS", via=tcp(stream.address))))
        assert [(await stream.response()).status_code for _ in range(2)] == [400, 200]


async def test_who_says_nothing_is_cut_off_and_so_is_who_falls_silent(endpoint: Open) -> None:
    limits = ConnectionLimits(message_seconds=3.0, idle_seconds=3.0)
    ours = await endpoint(limits=limits)
    async with connected(ours.local) as silent, connected(ours.local) as idle:
        idle.send(request("OPTIONS", via=tcp(idle.address)))
        assert (await idle.response()).status_code == 200
        silent.send(b"OPTIONS")
        await silent.closed()
        await idle.closed()
    await until(lambda: ours.connections == 0)


async def test_who_never_ends_what_he_began_is_cut_off_though_he_goes_on(endpoint: Open) -> None:
    ours = await endpoint(limits=ConnectionLimits(message_seconds=3.0, idle_seconds=600))
    async with connected(ours.local) as slow, connected(ours.local) as ready:
        for stream in (slow, ready):
            stream.send(request("OPTIONS", via=tcp(stream.address, branch=f"z9hG4bK{id(stream)}")))
        for stream in (slow, ready):
            assert (await stream.response()).status_code == 200
        ready.send(b"\r\n")  # between two messages nobody is in a hurry
        slow.send(b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 60000\r\n\r\n")
        cut_off = asyncio.ensure_future(slow.closed())
        while not cut_off.done():
            slow.send(b"x")
            await asyncio.sleep(0.02)
        assert cut_off.result() == b""
        ready.send(request("OPTIONS", via=tcp(ready.address, branch="z9hG4bKagain")))
        assert (await ready.response()).status_code == 200


async def test_connections_of_one_source_are_limited(endpoint: Open) -> None:
    ours = await endpoint(limits=ConnectionLimits(per_source=2))
    async with connected(ours.local) as first, connected(ours.local) as second:
        for stream in (first, second):
            stream.send(request("OPTIONS", via=tcp(stream.address, branch=f"z9hG4bK{id(stream)}")))
            await stream.response()
        async with connected(ours.local) as third:
            await third.closed()
        assert ours.connections == 2
        await first.close()
        await until(lambda: ours.connections == 1)
        async with connected(ours.local) as fourth:
            fourth.send(request("OPTIONS", via=tcp(fourth.address, branch="z9hG4bK4")))
            await fourth.response()


async def test_a_peer_who_does_not_read_is_cut_off(endpoint: Open) -> None:
    ours = await endpoint(limits=ConnectionLimits(unsent_bytes=1000))
    async with connected(ours.local) as stream:
        stream.send(request("OPTIONS", via=tcp(stream.address)))
        await stream.response()
        answers = Answers()
        for _ in range(400):
            ours.send_request(outgoing(size=60_000), to(stream.address), **answers.hooks)
            if answers.failures or not ours.connections:
                break
            await asyncio.sleep(0)
        await until(lambda: not ours.connections)


# Transactions


async def test_nothing_is_repeated_over_tcp(endpoint: Open) -> None:
    user = User(answering(486))
    ours = await endpoint(user, timers=QUICK)
    async with connected(ours.local) as stream:
        invite = request(via=tcp(stream.address))
        stream.send(invite)
        refusal = await stream.response()
        assert refusal.status_code == 486
        answers = Answers()
        ours.send_request(outgoing(), to(stream.address), **answers.hooks)
        await until(lambda: answers.failures == ["timeout"])
        stream.send(build_ack(invite, refusal))
        await until(lambda: ours.transactions == 0)
        assert (await stream.request()).method == "OPTIONS"
        with pytest.raises(TimeoutError):
            await stream.receive(0.05)


# The way back


async def test_an_answer_takes_the_connection_of_its_request(endpoint: Open) -> None:
    user = User()
    ours = await endpoint(user)
    async with connected(ours.local) as stream, listening() as elsewhere:
        stream.send(request("OPTIONS", via=tcp(elsewhere.address, host="pc.example")))
        await until(lambda: user.requests)
        user.requests[0].respond(make_response(user.requests[0].request, 200))
        via = top_via(await stream.response())
        assert via.params["rport"] == str(stream.address[1])


async def test_an_answer_opens_a_connection_to_the_via_where_the_requests_is_gone(
    endpoint: Open,
) -> None:
    user = User()
    ours = await endpoint(user)
    async with listening() as elsewhere:
        async with connected(ours.local) as stream:
            stream.send(request(via=tcp(elsewhere.address)))
            await until(lambda: user.requests)
        await until(lambda: ours.connections == 0)
        user.requests[0].respond(make_response(user.requests[0].request, 200))
        again = await elsewhere.peer()
        assert (await again.response()).status_code in {100, 200}


async def test_an_answer_that_nobody_takes_is_reported(endpoint: Open) -> None:
    user, told = User(), list[TransactionFailure]()
    ours = await endpoint(user)
    async with connected(ours.local) as stream:
        stream.send(request(via=tcp(("127.0.0.1", free_sip_port()))))
        await until(lambda: user.requests)
    user.requests[0].on_failure = told.append
    await until(lambda: ours.connections == 0)
    user.requests[0].respond(make_response(user.requests[0].request, 486))
    await until(lambda: told == ["transport"])


# Sending


async def test_a_request_makes_a_connection_and_the_next_uses_it(endpoint: Open) -> None:
    ours = await endpoint()
    async with listening() as server:
        answers = Answers()
        for _ in range(2):
            ours.send_request(outgoing(), to(server.address), **answers.hooks)
        peer = await server.peer()
        for _ in range(2):
            asked = await peer.request()
            via = top_via(asked)
            assert (via.transport, via.host, via.port) == ("TCP", *ours.local)
            peer.send(make_response(asked, 200))
        await until(lambda: answers.statuses == [200, 200])
        assert ours.connections == 1


async def test_a_peer_that_came_back_gets_the_next_request_over_a_new_connection(
    endpoint: Open,
) -> None:
    ours = await endpoint()
    async with listening() as server:
        address = server.address
        ours.send_request(outgoing(), to(address), **Answers().hooks)
        assert (await (await server.peer()).request()).method == "OPTIONS"
    await until(lambda: ours.connections == 0)
    async with listening(address[1]) as server:
        ours.send_request(outgoing("BYE"), to(address), **Answers().hooks)
        assert (await (await server.peer()).request()).method == "BYE"


async def test_nobody_there_fails_after_the_call_returned(endpoint: Open) -> None:
    ours = await endpoint()
    answers = Answers()
    for _ in range(2):
        ours.send_request(outgoing("INVITE"), to(("127.0.0.1", free_sip_port())), **answers.hooks)
    assert answers.failures == []
    await until(lambda: answers.failures == ["transport", "transport"])
    assert (ours.transactions, ours.connections) == (0, 0)


async def test_a_pinned_request_takes_its_flow_or_none(endpoint: Open) -> None:
    user = User(answering(200))
    ours = await endpoint(user)
    answers = Answers()
    async with connected(ours.local) as stream:
        stream.send(request("OPTIONS", via=tcp(stream.address)))
        await stream.response()
        pinned = user.requests[0].hop._replace(pinned=True)
        ours.send_request(outgoing("INVITE"), pinned, **answers.hooks)
        invite = await stream.request()
        stream.send(make_response(invite, 180))
        await until(lambda: answers.statuses == [180])
    # the phone is gone: nobody waits for an answer
    await until(lambda: answers.failures == ["transport"])
    ours.send_request(outgoing("INVITE"), pinned, **answers.hooks)
    await until(lambda: answers.failures == ["transport"] * 2)


# Too long for a datagram (§18.1.1)


async def test_a_long_request_goes_by_tcp(endpoint: Open) -> None:
    user = User(answering(200))
    ours, theirs = await endpoint(), await endpoint(user)
    answers = Answers()
    handle = ours.send_request(outgoing(size=1300), theirs.local, **answers.hooks)
    ours.send_request(outgoing(size=10), theirs.local, **answers.hooks)
    await until(lambda: answers.statuses == [200, 200])
    assert handle.hop.transport == "TCP"
    by = {len(one.request.body): one.hop.transport for one in user.requests}
    assert by == {1300: "TCP", 10: "UDP"}


async def test_a_long_request_goes_by_udp_where_tcp_is_refused(endpoint: Open) -> None:
    ours = await endpoint()
    answers = Answers()
    with a_peer() as peer:
        handle = ours.send_request(outgoing("INVITE", size=1300), peer.address, **answers.hooks)
        invite = await peer.request()
        assert top_via(invite).transport == "UDP"
        assert handle.hop.transport == "UDP"
        assert bytes(handle.request) == bytes(invite)
        peer.send(make_response(invite, 180), ours.local)
        await until(lambda: answers.statuses == [180])
        ours.cancel(handle)
        assert top_via(await peer.request()) == top_via(invite)
        ack = outgoing("ACK", size=1300)
        ours.send_ack(ack, peer.address)
        assert (await peer.request()).method == "ACK"
    assert answers.failures == []


async def test_a_long_answer_stays_with_its_transport(endpoint: Open) -> None:
    def answer(incoming: IncomingRequest) -> None:
        response = make_response(incoming.request, 200)
        response.body = b"x" * 2000
        incoming.respond(response)

    ours = await endpoint(User(answer))
    with a_peer() as peer:
        peer.send(request("OPTIONS", via=peer.via), ours.local)
        assert len((await peer.response()).body) == 2000


async def test_closing_says_the_last_word(endpoint: Open) -> None:
    ours = await endpoint()
    async with connected(ours.local) as stream:
        stream.send(request("OPTIONS", via=tcp(stream.address)))
        await stream.response()
        ours.send_request(outgoing("BYE"), to(stream.address), **Answers().hooks)
        await ours.close()
        assert (await stream.request()).method == "BYE"
        assert await stream.closed() == b""
    assert ours.connections == 0
    assert isinstance(stream, StreamPeer)
