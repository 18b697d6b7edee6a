"""What a call's legs, dialogs and transactions had is given back, at both ends."""

from telephony.gateway import SipGateway
from telephony.leg import LegAnswered, LegConfirmed, LegRinging
from tests.support.census import census, left_of
from tests.support.waiting import until
from tests.telephony.gateways import OFFER, QUICK, Desk, Owner, a_gateway, answer_to

CALLS = 30
NOTHING = {"legs": 0, "dialogs": 0, "transactions": 0}
REMEMBERED = {
    # the ring of messages
    *("telephony.witness.Seen", "telephony.witness._Dialog", "telephony.sip.hop.Hop"),
    # the latest dialogs that have ended, and header values that were read
    *("telephony.sip.dialog.DialogId", "telephony.sip.name_addr.NameAddr", "aiosipua.headers.Via"),
}
"""What is kept of past calls on purpose, up to a bound; nothing else is."""


async def some_calls(node: SipGateway, trunk: SipGateway, desk: Desk, calls: int) -> None:
    """Call: every third caller gives up while it rings, every third is refused."""
    for number in range(calls):
        owner = Owner()
        to = node.endpoint.local
        out = trunk.call("sip:12345@x", to, sdp=OFFER, caller=None, on_event=owner)
        leg, called = await desk.call()
        leg.ring()
        await owner.told(LegRinging)
        if number % 3 == 1:
            out.hang_up()
        elif number % 3 == 2:
            leg.refuse(486)
        else:
            leg.answer(answer_to(leg))
            await owner.told(LegAnswered)
            await called.told(LegConfirmed)
            leg.hang_up()
        await owner.ended()
        await called.ended()
    await until(lambda: node.counts() == trunk.counts() == NOTHING)


async def test_thirty_calls_leave_nothing() -> None:
    desk = Desk()
    async with a_gateway(desk, timers=QUICK) as node, a_gateway(Desk(), timers=QUICK) as trunk:
        await some_calls(node, trunk, desk, 3)
        before = census()
        await some_calls(node, trunk, desk, CALLS)
        assert left_of(CALLS // 3, before).keys() <= REMEMBERED  # of each kind of ending
