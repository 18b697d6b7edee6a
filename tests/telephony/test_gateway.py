"""Whole calls through a gateway, and what it says to what is no call."""

import asyncio
import time

import pytest
from aiosipua.headers import parse_auth

from telephony.bindings import Binding, MemoryBindings
from telephony.gateway import SipGateway
from telephony.leg import Leg, LegAnswered, LegConfirmed, LegEnded, LegRinging
from telephony.sip.message import make_response
from tests.support.waiting import until
from tests.telephony.gateways import (
    NOTHING,
    OFFER,
    QUICK,
    Desk,
    Owner,
    a_gateway,
    answer_to,
    message,
    status_of,
)
from tests.telephony.peers import a_peer


async def test_a_citizens_call(desk: Desk) -> None:
    owner = Owner()
    async with a_gateway(desk, timers=QUICK) as node, a_gateway(Desk(), timers=QUICK) as trunk:
        uri = "sip:12345@hotline.example"
        out = trunk.call(uri, node.endpoint.local, sdp=OFFER, caller="13862311001", on_event=owner)
        leg, called = await desk.call()
        assert (leg.direction, leg.caller, leg.called) == ("inbound", "13862311001", "12345")
        assert leg.source == trunk.endpoint.local
        assert leg.sip_call_id == out.sip_call_id
        assert leg.remote_sdp == OFFER
        leg.ring()
        assert (await owner.told(LegRinging)).status == 180
        leg.answer(answer_to(leg))
        assert await owner.told(LegAnswered) == LegAnswered(answer_to(leg))
        await called.told(LegConfirmed)
        assert node.counts()["legs"] == node.counts()["dialogs"] == 1
        out.hang_up("done")
        assert await called.ended() == LegEnded("remote")
        assert await owner.ended() == LegEnded("local", None, "done")
        await until(lambda: node.counts() == NOTHING)
        await until(lambda: trunk.counts() == NOTHING)


async def test_the_caller_gives_up_while_it_rings(desk: Desk) -> None:
    owner = Owner()
    async with a_gateway(desk, timers=QUICK) as node, a_gateway(Desk(), timers=QUICK) as trunk:
        out = trunk.call("sip:12345@x", node.endpoint.local, sdp=OFFER, caller=None, on_event=owner)
        leg, called = await desk.call()
        assert leg.caller is None
        leg.ring()
        await owner.told(LegRinging)
        out.hang_up()
        assert await called.ended() == LegEnded("remote", 487, "cancelled")
        assert await owner.ended() == LegEnded("local", 487, None)
        await until(lambda: node.counts() == trunk.counts() == NOTHING)


async def test_a_registered_phone_is_called_where_it_registered_from(desk: Desk) -> None:
    owner = Owner()
    async with a_gateway(desk) as node:
        with a_peer() as phone:
            binding = Binding(
                "1001", "sip:1001@192.168.1.7:5060;ob", phone.address, "c", 1, time.time() + 60
            )
            leg = node.invite(
                binding,
                sdp=OFFER,
                caller="13862311001",
                display='12345 "热线"',
                called="1001",
                on_event=owner,
                headers={"X-Call": "7"},
            )
            invite = await phone.request()
            assert invite.uri == "sip:1001@192.168.1.7:5060;ob"
            sender = invite.headers.get("From")[0]
            assert sender.startswith(r'"12345 \"热线\"" <sip:13862311001@127.0.0.1:')
            assert invite.headers.get("X-Call") == ["7"]
            assert invite.text == OFFER
            assert (leg.caller, leg.called) == ("13862311001", "1001")
            phone.send(make_response(invite, 486, to_tag="p"), node.endpoint.local)
            assert await owner.ended() == LegEnded("remote", 486, "Busy Here")


async def test_a_header_that_would_smuggle_in_another_is_our_mistake(gateway: SipGateway) -> None:
    binding = Binding("1001", "sip:1001@x", ("127.0.0.1", 9), "c", 1, time.time() + 60)
    with pytest.raises(ValueError, match="line breaks"):
        gateway.invite(
            binding,
            sdp=OFFER,
            caller=None,
            display=None,
            called="1001",
            on_event=Owner(),
            headers={"X-Call": "7\r\nRoute: <sip:evil>"},
        )
    assert gateway.counts() == NOTHING


async def test_a_partner_may_ask_for_credentials(desk: Desk) -> None:
    owner = Owner()
    async with a_gateway(desk) as node:
        with a_peer() as partner:
            node.call(
                f"sip:110@127.0.0.1:{partner.address[1]}",
                partner.address,
                sdp=OFFER,
                caller="12345",
                on_event=owner,
                credentials=("hotline", "secret"),
            )
            first = await partner.request()
            challenge = ("WWW-Authenticate", 'Digest realm="110", nonce="n", qop="auth"')
            partner.send(
                make_response(first, 401, to_tag="p", headers=[challenge]), node.endpoint.local
            )
            while (again := await partner.request()).method != "INVITE":
                pass
            given = parse_auth(again.headers.get("Authorization")[0], credentials=True).params
            assert (given["username"], given["realm"]) == ("hotline", "110")
            assert again.headers.get("CSeq") == ["2 INVITE"]
            assert again.headers.get("Call-ID") == first.headers.get("Call-ID")
            partner.send(make_response(again, 603, to_tag="p"), node.endpoint.local)
            assert await owner.ended() == LegEnded("remote", 603, "Decline")


# What goes wrong


async def test_an_invite_that_comes_twice_by_different_ways_is_one_call(
    gateway: SipGateway, desk: Desk
) -> None:
    with a_peer() as peer:
        peer.send(message(peer, gateway, "INVITE", body=OFFER), gateway.endpoint.local)
        leg, _ = await desk.call()
        assert await status_of(peer, gateway, "INVITE", branch="b", body=OFFER) == 482
        assert desk.calls.empty()
        leg.refuse(486)


async def test_an_invite_taken_back_before_anybody_saw_it(desk: Desk) -> None:
    class Slow(MemoryBindings):
        async def lookup(self, aor: str) -> list[Binding]:
            await going_on.wait()
            return await super().lookup(aor)

    going_on = asyncio.Event()
    async with a_gateway(desk, bindings=Slow()) as node:
        with a_peer() as peer:
            peer.send(message(peer, node, "INVITE", body=OFFER), node.endpoint.local)
            await until(lambda: node.counts()["transactions"])
            cancel = message(peer, node, "CANCEL")
            cancel.headers.set_single("Via", message(peer, node, "INVITE").headers.get("Via")[0])
            peer.send(cancel, node.endpoint.local)
            statuses = {(await peer.response()).status_code for _ in range(2)}
            going_on.set()
            assert statuses <= {100, 200, 487}
            while 487 not in statuses:
                statuses.add((await peer.response()).status_code)
            await until(lambda: not node._tasks)
            assert desk.calls.empty()
            assert node.legs == {}


async def test_an_owner_who_fails_costs_his_caller_only() -> None:
    def fail(leg: Leg) -> None:
        raise RuntimeError(leg.id)

    async with a_gateway(fail) as node:
        with a_peer() as peer:
            assert await status_of(peer, node, "INVITE", body=OFFER) == 500
        assert node.legs == {}


async def test_a_store_that_fails_is_answered_with_500(desk: Desk) -> None:
    class Broken(MemoryBindings):
        async def lookup(self, aor: str) -> list[Binding]:
            raise RuntimeError(aor)

    async with a_gateway(desk, bindings=Broken()) as node:
        with a_peer() as peer:
            assert await status_of(peer, node, "INVITE", body=OFFER) == 500


# What is not a call


@pytest.mark.parametrize(
    "method, parts, status",
    [
        ("OPTIONS", {}, 200),
        ("SUBSCRIBE", {}, 489),
        ("SUBSCRIBE", {"headers": (("Event", "refer"),)}, 403),
        ("PUBLISH", {"headers": (("Event", "presence"),)}, 489),
        ("NOTIFY", {"headers": (("Event", "refer"),)}, 481),
        ("MESSAGE", {"headers": (("Content-Type", "text/plain"),), "body": "hello"}, 405),
        ("REFER", {"headers": (("Refer-To", "<sip:110@x>"),)}, 403),
        ("PRACK", {}, 481),
        ("BYE", {"to": "<sip:12345@x>;tag=unknown"}, 481),
        ("BYE", {}, 481),
        ("INVITE", {"to": "<sip:12345@x>;tag=unknown", "body": OFFER}, 481),
        ("INVITE", {"uri": "mailto:a@b", "body": OFFER}, 416),
        ("INVITE", {"headers": (("Require", "100rel, gruu"),), "body": OFFER}, 420),
        ("INVITE", {"headers": (("Content-Type", "text/plain"),), "body": "hello"}, 415),
        ("INVITE", {"headers": (("Content-Encoding", "gzip"),), "body": OFFER}, 415),
        ("INVITE", {"to": "<sip:a@b>;=x"}, 400),
        ("INVITE", {"contact": "<sip:a@b", "body": OFFER}, 400),
        ("REGISTER", {"to": "<sip:b>"}, 404),
    ],
)
async def test_what_cannot_be_done(
    gateway: SipGateway, desk: Desk, method: str, parts: dict[str, object], status: int
) -> None:
    with a_peer() as peer:
        assert await status_of(peer, gateway, method, **parts) == status
        peer.send(message(peer, gateway, "ACK", to="<sip:a@b>;=x"), gateway.endpoint.local)
        assert await status_of(peer, gateway, "OPTIONS", call_id="still-there") == 200
    assert desk.calls.empty()
    assert gateway.endpoint.counters["user_errors"] == 0


async def test_refusals_say_what_would_do(gateway: SipGateway) -> None:
    with a_peer() as peer:
        peer.send(message(peer, gateway, "MESSAGE"), gateway.endpoint.local)
        allowed = (await peer.response()).headers.get("Allow")
        assert {"INVITE", "BYE", "REGISTER", "REFER"} <= set(allowed)
        peer.send(message(peer, gateway, "PUBLISH"), gateway.endpoint.local)
        assert (await peer.response()).headers.get("Allow-Events") == ["refer"]
        required = (("Require", "100rel, gruu, path"),)
        peer.send(message(peer, gateway, "OPTIONS", headers=required), gateway.endpoint.local)
        assert (await peer.response()).headers.get("Unsupported") == ["gruu", "path"]
