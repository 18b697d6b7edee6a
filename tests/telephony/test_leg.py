"""The shell: order of what is told and sent, late wishes, faulty owners, real messages."""

import asyncio
import gc
import weakref

import pytest
from aiosipua import SipRequest, SipResponse

from telephony.gateway import SipGateway
from telephony.leg import (
    Leg,
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegEvent,
    LegReoffered,
    LegRinging,
)
from telephony.sip.errors import LocalProtocolError
from telephony.sip.message import make_response
from tests.support.waiting import until
from tests.telephony.gateways import (
    OFFER,
    QUICK,
    Desk,
    Owner,
    a_gateway,
    answer_to,
    hang_up_on,
    message,
)
from tests.telephony.peers import Peer, a_peer

ANSWER = OFFER.replace("40000", "40004")


def call(gateway: SipGateway, peer: Peer, owner: Owner) -> Leg:
    uri = f"sip:1001@127.0.0.1:{peer.address[1]}"
    return gateway.call(uri, peer.address, sdp=OFFER, caller="12345", on_event=owner)


def answered(invite: SipRequest, peer: Peer, status: int = 200) -> SipResponse:
    contact = ("Contact", f"<sip:1001@127.0.0.1:{peer.address[1]}>")
    kind = ("Content-Type", "application/sdp")
    response = make_response(invite, status, to_tag="phone", headers=[contact, kind])
    response.text = ANSWER
    return response


async def test_what_an_owner_does_in_an_event_comes_after_what_led_to_it(
    gateway: SipGateway,
) -> None:
    owner = Owner(lambda event: leg.hang_up() if isinstance(event, LegAnswered) else None)
    with a_peer() as peer:
        leg = call(gateway, peer, owner)
        invite = await peer.request()
        peer.send(answered(invite, peer), gateway.endpoint.local)
        assert (await peer.request()).method == "ACK"
        await hang_up_on(peer, gateway)
    assert await owner.ended() == LegEnded("local")


async def test_a_leg_that_is_over_holds_its_owner_no_more(gateway: SipGateway) -> None:
    owner = Owner()
    with a_peer() as peer:
        leg = call(gateway, peer, owner)
        invite = await peer.request()
        peer.send(answered(invite, peer), gateway.endpoint.local)
        assert (await peer.request()).method == "ACK"
        leg.hang_up()
        await hang_up_on(peer, gateway)
    await owner.ended()
    known = weakref.ref(owner)
    gc.disable()  # it is not the collector that frees it
    try:
        del owner
        await until(lambda: known() is None)
    finally:
        gc.enable()


async def test_a_faulty_owner_does_not_keep_the_peer_waiting(gateway: SipGateway) -> None:
    def fail(event: LegEvent) -> None:
        raise RuntimeError(str(event))

    owner = Owner(fail)
    with a_peer() as peer:
        leg = call(gateway, peer, owner)
        invite = await peer.request()
        peer.send(answered(invite, peer, 180), gateway.endpoint.local)
        peer.send(answered(invite, peer), gateway.endpoint.local)
        assert (await peer.request()).method == "ACK"
        assert owner.events == [LegRinging(180, ANSWER, "phone"), LegAnswered(ANSWER)]
        leg.hang_up()
        await hang_up_on(peer, gateway)


async def test_nothing_is_told_or_sent_before_the_leg_is_in_its_owners_hands(
    gateway: SipGateway,
) -> None:
    owner = Owner()
    with a_peer() as peer:
        leg = call(gateway, peer, owner)
        assert gateway.legs == {leg.id: leg}
        leg.hang_up("never mind")
        assert owner.events == [LegEnded("local", None, "never mind")]
        await asyncio.sleep(0)
        assert gateway.legs == {}
        assert not peer.pending()
        other = call(gateway, peer, Owner())
        assert (await peer.request()).headers.get_first("Call-ID") == other.sip_call_id
        other.abandon()


async def test_late_wishes_are_ignored(gateway: SipGateway) -> None:
    owner = Owner()
    with a_peer() as peer:
        leg = call(gateway, peer, owner)
        invite = await peer.request()
        peer.send(make_response(invite, 486, to_tag="phone"), gateway.endpoint.local)
        assert await owner.ended() == LegEnded("remote", 486, "Busy Here")
        leg.hang_up()
        leg.answer(OFFER)
        leg.refuse(488)
        leg.abandon()
        assert len(owner.events) == 1
        assert gateway.legs == {}


async def test_a_phone_that_nobody_listens_at(desk: Desk) -> None:
    owner = Owner()
    with a_peer() as peer:
        gone = peer.address
    async with a_gateway(desk, timers=QUICK) as gateway:
        gateway.call("sip:1001@127.0.0.1", gone, sdp=OFFER, caller=None, on_event=owner)
        ended = await owner.ended()
    assert (ended.by, ended.status) in {("failure", 408), ("failure", 503)}


async def test_an_address_that_cannot_be_sent_to(gateway: SipGateway) -> None:
    owner = Owner()
    gateway.call("sip:1001@x", ("not-numeric", 5060), sdp=OFFER, caller=None, on_event=owner)
    assert owner.events == []
    assert await owner.ended() == LegEnded("failure", 503, "the INVITE could not be sent")


async def test_our_own_mistakes_raise(gateway: SipGateway) -> None:
    with a_peer() as peer:
        leg = call(gateway, peer, Owner())
        with pytest.raises(LocalProtocolError):
            leg.ring()
        with pytest.raises(LocalProtocolError):
            leg.refuse(200)
        invite = await peer.request()
        assert gateway.legs == {leg.id: leg}
        peer.send(make_response(invite, 486, to_tag="phone"), gateway.endpoint.local)
        await until(lambda: not gateway.legs)


async def test_no_number_is_in_what_a_log_would_show(gateway: SipGateway, desk: Desk) -> None:
    with a_peer() as peer:
        peer.send(message(peer, gateway, "INVITE", body=OFFER), gateway.endpoint.local)
        leg, _ = await desk.call()
        assert leg.caller == "13862311001"
        assert "1386231" not in repr(leg)
        leg.refuse(486)


async def test_a_reoffer_travels_both_ways(gateway: SipGateway, desk: Desk) -> None:
    where = gateway.endpoint.local
    with a_peer() as peer:
        peer.send(message(peer, gateway, "INVITE", body=OFFER), where)
        leg, owner = await desk.call()
        assert leg.remote_sdp == OFFER
        leg.answer(answer_to(leg))
        ok = await peer.response()
        assert (ok.status_code, ok.text) == (200, answer_to(leg))
        to = ok.headers.get_first("To")
        peer.send(message(peer, gateway, "ACK", to=to), where)
        await owner.told(LegConfirmed)
        peer.send(message(peer, gateway, "INVITE", to=to, cseq=2, body=ANSWER), where)
        assert await owner.told(LegReoffered) == LegReoffered(ANSWER)
        assert leg.remote_sdp == ANSWER
        leg.refuse(488)
        refused = await peer.response()
        assert refused.status_code == 488
        peer.send(message(peer, gateway, "ACK", to=to, cseq=2), where)
        peer.send(message(peer, gateway, "BYE", to=to, cseq=3), where)
        assert (await peer.response()).status_code == 200
        assert await owner.ended() == LegEnded("remote")


async def test_a_late_answer_to_our_offer_is_remembered(gateway: SipGateway, desk: Desk) -> None:
    where = gateway.endpoint.local
    with a_peer() as peer:
        peer.send(message(peer, gateway, "INVITE"), where)
        leg, owner = await desk.call()
        assert [leg.remote_sdp] == [None]
        leg.answer(OFFER)
        to = (await peer.response()).headers.get_first("To")
        peer.send(message(peer, gateway, "ACK", to=to, body=ANSWER), where)
        assert await owner.told(LegConfirmed) == LegConfirmed(ANSWER)
        assert leg.remote_sdp == ANSWER
        leg.hang_up()
        bye = await peer.request()
        assert bye.method == "BYE"
        peer.send(make_response(bye, 200), where)
        assert await owner.ended() == LegEnded("local")


async def test_a_leg_keeps_nothing_of_requests_that_are_over(desk: Desk) -> None:
    async with a_gateway(desk, timers=QUICK) as gateway:
        await forget_requests(gateway, desk)


async def forget_requests(gateway: SipGateway, desk: Desk) -> None:
    where = gateway.endpoint.local
    with a_peer() as peer:
        peer.send(message(peer, gateway, "INVITE", body=OFFER), where)
        leg, owner = await desk.call()
        leg.answer(answer_to(leg))
        to = (await peer.response()).headers.get_first("To")
        peer.send(message(peer, gateway, "ACK", to=to), where)
        await owner.told(LegConfirmed)
        for cseq in range(2, 12):
            peer.send(message(peer, gateway, "INFO", to=to, cseq=cseq), where)
            while (await peer.response()).headers.get_first("CSeq") != f"{cseq} INFO":
                pass  # the 200 to the INVITE, repeated before its ACK came
        # those of the INFOs and of the INVITE live on for a while, to absorb retransmissions
        await until(lambda: not leg._incoming)
        assert gateway.counts() == {"legs": 1, "dialogs": 1, "transactions": 0}
        leg.hang_up()
        await hang_up_on(peer, gateway)


async def test_an_abandoned_leg_is_told_once(gateway: SipGateway) -> None:
    owner = Owner()
    with a_peer() as peer:
        leg = call(gateway, peer, owner)
        await peer.request()
        leg.abandon()
        leg.abandon()
        assert owner.events == [LegEnded("local", None, "closed")]
        assert gateway.legs == {}
