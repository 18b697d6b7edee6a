"""Calls that agents make from their phones, through a trunk to a partner's exchange."""

from pathlib import Path

import pytest

from tests.e2e.ask import ended_call, until_state
from tests.e2e.sip.conftest import EXCHANGE, Duty
from tests.e2e.sip.raw import (
    HOST,
    Address,
    Called,
    Caller,
    RawSip,
    description,
    media_of,
    reply,
)
from tests.e2e.sip.talk import an_own_call
from tests.support.linphone import Linphone
from tests.support.node import PASSWORD, RunningNode, until
from tests.support.rtp_phone import RtpPhone
from tests.support.tones import sine, tone_level

pytestmark = pytest.mark.e2e

ANNOUNCEMENT = 1000


async def sent_on(exchange: RawSip, sip: Address, number: str) -> None:
    """Answer the next call with 302 and a number, at the same exchange."""
    invite = await exchange.request("INVITE")
    moved = reply(invite, 302, tag="moved", contact=exchange.address)
    exchange.send(moved.replace(b"<sip:phone@", f"<sip:{number}@".encode()), sip)
    await exchange.request("ACK")


async def test_a_partner_sends_a_call_on_and_announces_something_before_the_answer(
    sip: Address, duty: Duty
) -> None:
    async with (
        duty("1016", ready=False) as agent,
        RawSip(*EXCHANGE) as exchange,
        RtpPhone(ssrc=1) as agents_voice,
        RtpPhone(ssrc=2) as announcer,
    ):
        call = await an_own_call(agent, sip, line="110", port=agents_voice.address[1])
        await sent_on(exchange, sip, "119")  # RFC 3261 §8.1.3.4
        called = Called(exchange, sip, await exchange.request("INVITE"))
        assert called.invite.uri.startswith("sip:119@")
        called.answer(183, sdp=description(announcer.address[1]))
        early = await agent.phone.response("183 INVITE")
        assert media_of(early)[1] == ("8",)
        # nobody has answered: what is announced is heard all the same
        await announcer.play(sine(ANNOUNCEMENT, 0.4), (HOST, media_of(called.invite)[0]))
        await agents_voice.heard(10, within=10)
        assert tone_level(agents_voice.pcm(), ANNOUNCEMENT) > -20
        called.answer(200, sdp=description(announcer.address[1]))
        await exchange.request("ACK")
        answer = await call.answered()
        assert media_of(answer) == media_of(early)
        call.ack()
        call.ask("BYE")
        await agent.phone.response("200 BYE")
        called.answer(200, await exchange.request("BYE"))

        # somewhere else than to the hotline's partners nobody gets a call sent by a 302
        agent.phone.forget()
        exchange.forget()
        call = await an_own_call(agent, sip, line="110", port=agents_voice.address[1])
        await sent_on(exchange, sip, "09001234567")
        await call.refused(503)
        assert exchange.story == ["INVITE", "ACK"]


async def test_a_real_phone_asks_the_partner_and_leaves_the_two_to_each_other(
    node: RunningNode, sip: Address, trunk: RawSip, tmp_path: Path
) -> None:
    """RFC 3891: its REFER names, by Replaces, the call that it has consulted by."""
    async with (
        Linphone(tmp_path / "phone", user="1014", password=PASSWORD, registrar=sip) as phone,
        RawSip(*EXCHANGE) as exchange,
        node.signed_in("1014") as api,
    ):
        await phone.register()

        async def phone_is_there() -> bool:
            return bool((await api.get("/me"))["presence"]["phones"])

        await until(phone_is_there)
        await api.send("PUT", "/me/presence", {"state": "ready"})
        citizen = Caller(trunk, sip)
        citizen.invite(description(40000))
        await phone.rings()
        await phone.answer()
        await citizen.answered()
        citizen.ack()
        await phone.stands()
        await phone.command("pause 1")
        await phone.until("Call 1 with .* is now paused")
        await phone.dial(f"sip:110@{sip[0]}:{sip[1]}")
        police = Called(exchange, sip, await exchange.request("INVITE"))
        police.answer(180)
        police.answer(200, sdp=description(40002))
        await exchange.request("ACK")

        async def joined() -> bool:
            (live,) = await api.get("/calls/live")
            return bool(live["transfer_stage"] == "joined")

        await until(joined)
        await phone.command("transfer 1 --to-call 2")
        await until_state(api, "wrap_up")
        citizen.ask("BYE")
        await trunk.response("200 BYE")
        police.answer(200, await exchange.request("BYE"))
        record = await ended_call(api)
        assert [(part["how"], part["outcome"]) for part in record["segments"]] == [
            ("line", "transferred"),
            ("consult", "answered"),
        ]
        await api.send("DELETE", "/session")
