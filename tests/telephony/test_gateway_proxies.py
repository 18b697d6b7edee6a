"""Phones and citizens behind a proxy: Path (RFC 3327), Route, and how many hops are left."""

import pytest
from aiosipua import SipRequest

from telephony.bindings import MemoryBindings
from telephony.leg import LegAnswered, LegEnded
from telephony.sip.message import make_response
from tests.support.waiting import until
from tests.telephony.gateways import OFFER, QUICK, Desk, Owner, a_gateway, message, register
from tests.telephony.peers import Peer, a_peer


def path_of(proxy: Peer) -> str:
    return f"<sip:edge@127.0.0.1:{proxy.address[1]};lr>"


async def test_a_phone_behind_a_proxy_is_called_through_it() -> None:
    bindings, owner = MemoryBindings(), Owner()
    with a_peer() as source, a_peer() as proxy:
        async with a_gateway(Desk(), bindings=bindings) as gateway:
            assert await register(source, gateway, "1001", Path=path_of(proxy)) == 200
            [binding] = await bindings.lookup("1001")
            leg = gateway.invite(
                binding,
                sdp=OFFER,
                caller="13862311001",
                display=None,
                called="1001",
                on_event=owner,
                hops=11,
            )
            invite = await proxy.request()
            assert invite.uri == binding.contact_uri
            assert invite.headers.get("Route") == [path_of(proxy)]
            assert invite.headers.get("Max-Forwards") == ["11"]
            route = ("Record-Route", path_of(proxy))
            answer = make_response(invite, 200, to_tag="phone", headers=(route,))
            answer.headers.append("Contact", "<sip:1001@192.0.2.7:5060>")
            answer.headers.append("Content-Type", "application/sdp")
            answer.text = OFFER
            proxy.send(answer, gateway.endpoint.local)
            await owner.told(LegAnswered)
            # what belongs to the dialog goes the same way, although the phone names another address
            ack = await proxy.request()
            leg.hang_up()
            bye = await proxy.request()
            for request in (ack, bye):
                assert request.uri == "sip:1001@192.0.2.7:5060"
                assert request.headers.get("Route") == [path_of(proxy)]
            proxy.send(make_response(bye, 200), gateway.endpoint.local)
            assert await owner.ended() == LegEnded("local")


async def test_an_agents_own_call_may_come_from_another_port_of_his_proxy() -> None:
    desk = Desk()
    with a_peer() as source, a_peer() as other:
        async with a_gateway(desk, bindings=MemoryBindings()) as gateway:
            assert await register(source, gateway, "1001", Path=path_of(source)) == 200
            invite = message(other, gateway, "INVITE", user="1001", body=OFFER)
            other.send(invite, gateway.endpoint.local)
            assert (await other.final()).status_code == 407  # a citizen would not be asked
        assert desk.calls.empty()


async def test_a_phone_is_gone_when_its_proxy_says_so_twice() -> None:
    bindings = MemoryBindings()
    with a_peer() as proxy:
        async with a_gateway(
            Desk(), bindings=bindings, timers=QUICK, qualify_seconds=0.05
        ) as gateway:
            assert await register(proxy, gateway, "1001", Path=path_of(proxy)) == 200
            [binding] = await bindings.lookup("1001")
            for status in (200, 408, 408):
                question = await proxy.request()
                assert (question.method, question.uri) == ("OPTIONS", binding.contact_uri)
                assert question.headers.get("Route") == [path_of(proxy)]
                proxy.send(make_response(question, status), gateway.endpoint.local)

            await until(lambda: not bindings.live("1001"))


@pytest.mark.parametrize("hops, left", [("70", 69), ("1", 0), ("", 69), ("255", 69), ("x", 69)])
async def test_a_call_that_goes_on_has_a_hop_less(hops: str, left: int) -> None:
    desk = Desk()
    with a_peer() as peer:
        async with a_gateway(desk, timers=QUICK) as gateway:
            peer.send(
                with_hops(message(peer, gateway, "INVITE", body=OFFER), hops),
                gateway.endpoint.local,
            )
            leg, _ = await desk.call()
            assert leg.hops_left == left
            leg.refuse(486)


async def test_a_call_that_may_go_nowhere_is_refused() -> None:
    desk = Desk()
    with a_peer() as peer:
        async with a_gateway(desk) as gateway:
            invite = with_hops(message(peer, gateway, "INVITE", body=OFFER), "0")
            peer.send(invite, gateway.endpoint.local)
            assert (await peer.final()).status_code == 483
            # what is for us alone has arrived (RFC 4475 §3.3.11)
            options = with_hops(message(peer, gateway, "OPTIONS"), "0")
            peer.send(options, gateway.endpoint.local)
            assert (await peer.final()).status_code == 200
        assert desk.calls.empty()


def with_hops(request: SipRequest, hops: str) -> SipRequest:
    request.headers.remove("Max-Forwards")
    if hops:
        request.headers.append("Max-Forwards", hops)
    return request
