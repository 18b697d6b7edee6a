"""SIPp plays carriers, partners and phones: every message as in its scenario, or the call fails.

The live node is called as a citizen calls it; what it does not do yet by itself, calls to partners,
is done here by its gateway alone.
"""

from pathlib import Path

import pytest

from telephony.leg import LegAnswered, LegEnded, LegReanswered, LegRinging
from telephony.sip.audio_formats import AudioFormat
from telephony.sip.offer_answer import build_answer, build_offer
from telephony.sip.redirection import RedirectPolicy
from tests.e2e.sip.conftest import Duty
from tests.e2e.sip.raw import HOST, Address, Called, RawSip, description
from tests.support.rtp_phone import RtpPhone
from tests.support.sipp import SippRun
from tests.support.waiting import until
from tests.telephony.gateways import Desk, Owner, a_gateway

SECONDS = 20.0
A_LAW = (AudioFormat("PCMA", 8),)


def offer(direction: str = "sendrecv", version: int = 1) -> str:
    assert direction in {"sendrecv", "sendonly"}
    return build_offer(
        host=HOST,
        port=40000,
        formats=A_LAW,
        session_id=1,
        version=version,
        direction="sendonly" if direction == "sendonly" else "sendrecv",
    )


async def went_well(run: SippRun) -> None:
    statistics = await run.wait(SECONDS)
    assert (statistics.successful, statistics.failed) == (1, 0), run.errors() + run.messages()


# As called: a citizen calls the live node


@pytest.mark.parametrize("scenario", ["carrier", "late_offer"])
async def test_a_citizen_of(
    scenario: str, sip: Address, trunk: RawSip, duty: Duty, tmp_path: Path
) -> None:
    del trunk  # its fixture ends the call of a test that fails
    async with duty("1009") as agent, RtpPhone(ssrc=1) as voice:
        run = SippRun(scenario, directory=tmp_path, remote=sip, service="12345", calls=1)
        async with run:
            called = Called(agent.phone, sip, await agent.phone.request("INVITE"))
            called.answer(180)
            if (
                scenario == "carrier"
            ):  # it expects the answer to its PRACK before that to its INVITE
                await until(lambda: run.messages().count("CSeq: 3 PRACK") > 1)
            called.answer(200, sdp=description(voice.address[1]))
            await agent.phone.request("ACK")
            await went_well(run)
            called.answer(200, await agent.phone.request("BYE"))


# As caller: the gateway calls a partner


async def test_a_partner_plays_reliably_and_is_busy_with_an_offer_of_its_own(
    tmp_path: Path,
) -> None:
    owner = Owner()
    async with a_gateway(Desk()) as gateway, SippRun("partner", directory=tmp_path, calls=1) as run:
        uri = f"sip:110@{run.address[0]}:{run.address[1]}"
        leg = gateway.call(uri, run.address, sdp=offer(), caller="12345", on_event=owner)
        ringing = await owner.told(LegRinging)
        assert ringing.status == 183
        assert ringing.sdp is not None
        assert await owner.told(LegAnswered) == LegAnswered(ringing.sdp)
        leg.reoffer(offer("sendonly", version=2))
        await owner.told(LegReanswered, SECONDS)
        leg.hang_up()
        await owner.ended()
        await went_well(run)


async def test_two_phones_behind_a_proxy_answer(tmp_path: Path) -> None:
    owner = Owner()
    async with a_gateway(Desk()) as gateway, SippRun("forking", directory=tmp_path, calls=1) as run:
        uri = f"sip:110@{run.address[0]}:{run.address[1]}"
        leg = gateway.call(uri, run.address, sdp=offer(), caller="12345", on_event=owner)
        answered = await owner.told(LegAnswered)
        rung = [event for event in owner.events if isinstance(event, LegRinging)]
        assert [event.fork for event in rung] == ["one", "two"]
        assert answered.sdp == rung[1].sdp
        await until(lambda: "\nBYE sip:" in run.messages())  # the loser is hung up
        assert [event for event in owner.events if isinstance(event, LegEnded)] == []
        leg.hang_up()
        await owner.ended()
        await went_well(run)


async def test_a_partner_sends_the_call_on(tmp_path: Path) -> None:
    owner = Owner()
    async with (
        a_gateway(Desk()) as gateway,
        SippRun("late_offered", directory=tmp_path / "there", calls=1) as there,
        SippRun(
            "redirecting",
            directory=tmp_path / "here",
            calls=1,
            keys={"elsewhere": f"{there.address[0]}:{there.address[1]}"},
        ) as here,
    ):
        uri = f"sip:110@{here.address[0]}:{here.address[1]}"
        leg = gateway.call(
            uri,
            here.address,
            sdp=None,
            caller="12345",
            on_event=owner,
            follow_redirects=RedirectPolicy(),
        )
        answered = await owner.told(LegAnswered)
        assert answered.offered
        answer, _ = build_answer(
            answered.sdp, host=HOST, port=40000, preferred=("PCMA",), session_id=1, version=1
        )
        leg.answer(answer)
        leg.hang_up()
        await owner.ended()
        await went_well(here)
        await went_well(there)
