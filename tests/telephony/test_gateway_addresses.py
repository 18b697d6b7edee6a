"""The addresses by which a gateway is reached, in what it sends: advertised ones, and IPv6."""

import time

from telephony.bindings import Binding
from telephony.leg import LegAnswered, LegConfirmed, LegEnded
from telephony.sip.dialog import header_address
from telephony.sip.message import make_response
from telephony.sip.via import top_via
from telephony.trunks.model import Trunk
from tests.telephony.gateways import OFFER, QUICK, Desk, Owner, a_gateway, answer_to, message
from tests.telephony.peers import a_peer

OUTSIDE = "203.0.113.9"


async def test_behind_a_translator_the_address_outside_is_given_to_everybody() -> None:
    desk, owner = Desk(), Owner()
    async with a_gateway(desk, advertised=(OUTSIDE, 0)) as node:
        outside = f"{OUTSIDE}:{node.endpoint.local[1]}"
        with a_peer() as peer:
            peer.send(message(peer, node, "INVITE", body=OFFER), node.endpoint.local)
            leg, _ = await desk.call()
            leg.ring()
            while (answer := await peer.response()).status_code < 180:
                pass
            assert header_address(answer, "Contact").uri.endswith(f"@{outside}")
            leg.refuse(486)
        with a_peer() as phone:
            binding = Binding("1001", "sip:1001@x", phone.address, "c", 1, time.time() + 60)
            node.invite(binding, sdp=OFFER, caller="1", display=None, called="1001", on_event=owner)
            invite = await phone.request()
            assert top_via(invite).host == OUTSIDE
            assert header_address(invite, "Contact").uri.endswith(f"@{outside}")
            assert header_address(invite, "From").uri == f"sip:1@{outside}"
            phone.send(make_response(invite, 486, to_tag="p"), node.endpoint.local)
            await owner.ended()


async def test_a_call_over_ipv6() -> None:
    desk, owner = Desk(), Owner()
    local = (Trunk.allowing("::1/128"),)
    async with (
        a_gateway(desk, host="::1", trunks=local, timers=QUICK) as node,
        a_gateway(Desk(), host="::1", trunks=local, timers=QUICK) as trunk,
    ):
        port = node.endpoint.local[1]
        out = trunk.call(
            f"sip:12345@[::1]:{port}", ("::1", port), sdp=OFFER, caller="1", on_event=owner
        )
        leg, called = await desk.call()
        assert (leg.called, leg.source[0]) == ("12345", "::1")
        leg.answer(answer_to(leg))
        assert await owner.told(LegAnswered) == LegAnswered(answer_to(leg))
        await called.told(LegConfirmed)
        out.hang_up()
        assert await called.ended() == LegEnded("remote")
