"""Calls, as RFC 3261 has them: what the trunk and the agent's phone see of every flow."""

import asyncio
import itertools

import pytest

from tests.e2e.ask import ended_call, state_of, until_state
from tests.e2e.sip.conftest import NO_ANSWER_SECONDS, Duty
from tests.e2e.sip.raw import (
    HOST,
    Address,
    Called,
    Caller,
    RawSip,
    description,
    header,
    media_of,
    origin_of,
)
from tests.e2e.sip.talk import AGENTS_TONE, Talk, talking
from tests.support.node import RunningNode
from tests.support.rtp_phone import RtpPhone
from tests.support.tones import sine, tone_level

pytestmark = pytest.mark.e2e

#: A session description whose audio is of no interest.
QUIET = description(40000)


async def test_a_phone_that_is_not_there_is_given_up_and_the_next_agent_rings(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    # At an address of its own, so that nobody else's port is hit by what still goes there.
    async with duty("1001", "127.0.0.3") as absent, duty("1002") as present:
        absent.phone.close()
        called_at = asyncio.get_running_loop().time()
        caller = Caller(trunk, sip)
        caller.invite(QUIET)
        invite = await present.phone.request("INVITE")
        waited = asyncio.get_running_loop().time() - called_at
        assert waited >= NO_ANSWER_SECONDS
        presence = (await absent.api.get("/me"))["presence"]
        assert (presence["state"], presence["reason"]) == ("not_ready", "missed")
        phone = Called(present.phone, sip, invite)
        phone.answer(200, sdp=QUIET)
        await caller.answered()
        caller.ack()
        assert trunk.story == ["180 INVITE", "200 INVITE"]
        caller.ask("BYE")
        phone.answer(200, await present.phone.request("BYE"))
        record = await ended_call(present.api)
    assert [part["outcome"] for part in record["segments"]] == ["missed", "answered"]


async def test_a_repeated_invite_is_one_call_and_a_200_comes_until_its_ack(
    node: RunningNode, sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1003") as agent, node.signed_in("8001") as leader:
        caller = Caller(trunk, sip)
        invite = caller.invite(QUIET)
        caller.send(invite)
        phone = Called(agent.phone, sip, await agent.phone.request("INVITE"))
        phone.answer(180)
        caller.send(invite)
        await until_state(agent.api, "ringing")
        # §17.2.1: "the most recent provisional response … is passed to the transport layer"
        await trunk.repeated("180 INVITE")
        assert len(await leader.get("/calls/live")) == 1
        phone.answer(200, sdp=QUIET)
        await agent.phone.request("ACK")
        await caller.answered()
        caller.send(invite)  # RFC 6026 §7.1: absorbed; it is no call, and brings no answer
        await trunk.repeated("200 INVITE")
        caller.ack()
        Caller(trunk, sip).ask("OPTIONS")
        await trunk.response("200 OPTIONS")  # so the ACK before it has been read
        # §13.3.1.4: "an interval that starts at T1 seconds and doubles": the next would come after
        # 1 s (all of them are in tests/telephony/sip/test_inbound_leg.py)
        await trunk.hears_nothing(1.3)
        assert trunk.story == ["180 INVITE", "200 INVITE", "200 OPTIONS"]
        assert agent.phone.story == ["INVITE", "ACK"]
        phone.ask("BYE")
        caller.answer(200, await trunk.request("BYE"))
        await agent.phone.response("200 BYE")


async def test_a_cancel_before_the_phone_has_said_anything_waits_for_its_1xx(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1004") as agent:
        caller = Caller(trunk, sip)
        caller.invite(QUIET)
        invite = await agent.phone.request("INVITE")
        caller.cancel()
        await trunk.response("200 CANCEL")
        await caller.refused(487)
        await until_state(agent.api, "ready")
        # §9.1: "If no provisional response has been received, the CANCEL request MUST NOT be sent"
        assert "CANCEL" not in agent.phone.story
        phone = Called(agent.phone, sip, invite)
        phone.answer(100)
        cancel = await agent.phone.request("CANCEL")
        assert header(cancel, "Via") == header(invite, "Via")
        assert header(cancel, "CSeq") == header(invite, "CSeq").replace("INVITE", "CANCEL")
        phone.answer(200, cancel)
        phone.answer(487)
        await agent.phone.request("ACK")
        assert trunk.story == ["180 INVITE", "200 CANCEL", "487 INVITE"]
        # he waits for the next call in his old place, the phone having caused no delay
        assert await state_of(agent.api) == "ready"


async def test_a_phone_that_answers_although_cancelled_is_thanked_and_hung_up(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1005") as agent:
        caller = Caller(trunk, sip)
        caller.invite(QUIET)
        phone = Called(agent.phone, sip, await agent.phone.request("INVITE"))
        phone.answer(180)
        await until_state(agent.api, "ringing")
        caller.cancel()
        await caller.refused(487)
        cancel = await agent.phone.request("CANCEL")
        phone.answer(200, sdp=QUIET)  # the two cross
        phone.answer(200, cancel)
        await agent.phone.request("ACK")
        bye = await agent.phone.request("BYE")
        assert header(bye, "To").endswith(f"tag={phone.tag}")
        phone.answer(200, bye)
        await until_state(agent.api, "ready")


async def test_a_cancel_after_the_answer_changes_nothing(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1006") as agent, talking(trunk, agent, sip) as talk:
        talk.citizen.cancel()
        # §9.2: "if it has already sent a final response … the CANCEL request has no effect"; the
        # transaction still is there (RFC 6026), so it is a CANCEL of something, and gets 200.
        await trunk.response("200 CANCEL")
        talk.citizen.cancel(branch="z9hG4bKof-no-invite")
        await trunk.response("481 CANCEL")
        await talk.is_heard()
        await talk.citizen_hangs_up()
        assert trunk.story[2:] == ["200 CANCEL", "481 CANCEL", "200 BYE"]


async def test_a_cancel_that_crosses_our_200_ends_with_ack_and_bye(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1007") as agent:
        caller = Caller(trunk, sip)
        caller.invite(QUIET)
        phone = Called(agent.phone, sip, await agent.phone.request("INVITE"))
        phone.answer(200, sdp=QUIET)
        await caller.answered()
        caller.cancel()
        await trunk.response("200 CANCEL")
        caller.ack()
        caller.ask("BYE")
        await trunk.response("200 BYE")
        phone.answer(200, await agent.phone.request("BYE"))
        record = await ended_call(agent.api)
        assert (record["outcome"], record["ended_by"]) == ("answered", "citizen")
        assert trunk.story == ["180 INVITE", "200 INVITE", "200 CANCEL", "200 BYE"]


async def test_all_phones_of_an_agent_ring_and_the_first_to_answer_has_the_call(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1008", HOST, HOST) as agent:
        caller = Caller(trunk, sip)
        caller.invite(QUIET)
        slow, quick = [Called(phone, sip, await phone.request("INVITE")) for phone in agent.phones]
        slow.answer(180)
        quick.answer(180)
        quick.answer(200, sdp=QUIET)
        await quick.wire.request("ACK")
        slow.answer(200, await slow.wire.request("CANCEL"))
        slow.answer(487)
        await slow.wire.request("ACK")
        await caller.answered()
        caller.ack()
        await until_state(agent.api, "talking")
        caller.ask("BYE")
        quick.answer(200, await quick.wire.request("BYE"))
        assert "BYE" not in slow.wire.story
        record = await ended_call(agent.api)
        assert [part["outcome"] for part in record["segments"]] == ["answered"]


async def test_a_busy_phone_ends_the_offer_only_when_every_phone_has_refused(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1009", HOST, HOST) as agent:
        caller = Caller(trunk, sip)
        caller.invite(QUIET)
        busy, free = [Called(phone, sip, await phone.request("INVITE")) for phone in agent.phones]
        busy.answer(486)
        await busy.wire.request("ACK")
        free.answer(180)
        await until_state(agent.api, "ringing")
        free.answer(603)
        await free.wire.request("ACK")
        await until_state(agent.api, "ready")
        caller.cancel()
        await caller.refused(487)
        assert trunk.story == ["180 INVITE", "200 CANCEL", "487 INVITE"]


@pytest.mark.parametrize("side", ["citizen", "agent"])
async def test_a_bye_is_passed_on_and_its_repetition_answered_again(
    sip: Address, trunk: RawSip, duty: Duty, side: str
) -> None:
    async with (
        duty({"citizen": "1010", "agent": "1013"}[side]) as agent,
        talking(trunk, agent, sip) as talk,
    ):
        parties: list[Caller | Called] = [talk.citizen, talk.agent]
        first, other = parties if side == "citizen" else reversed(parties)
        bye = first.ask("BYE")
        await first.wire.response("200 BYE")
        passed_on = await other.wire.request("BYE")
        first.send(bye)  # our 200 was lost
        other.answer(200, passed_on)
        await first.wire.repeated("200 BYE")
        record = await ended_call(agent.api)
        assert (record["outcome"], record["ended_by"]) == ("answered", side)
        assert "BYE" not in first.wire.story
        first.ask("BYE")  # a new one finds no dialog
        await first.wire.response("481 BYE")
        calls = (await agent.api.get("/calls"))["items"]
        assert [call["call_id"] for call in calls] == [record["call_id"]]


async def test_who_waits_hears_ringing_at_once_and_is_offered_when_somebody_is_ready(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1011", ready=False) as agent:
        caller = Caller(trunk, sip)
        caller.invite(QUIET)
        await trunk.response("180 INVITE")
        await agent.phone.hears_nothing(0.3)
        await agent.api.send("PUT", "/me/presence", {"state": "ready"})
        invite = await agent.phone.request("INVITE")
        assert "13862311001" in header(invite, "From")
        caller.cancel()
        await caller.refused(487)
        phone = Called(agent.phone, sip, invite)
        phone.answer(180)
        phone.answer(200, await agent.phone.request("CANCEL"))
        phone.answer(487)
        await agent.phone.request("ACK")


async def test_a_party_moves_its_audio_holds_and_comes_back(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with (
        duty("1012") as agent,
        talking(trunk, agent, sip) as talk,
        RtpPhone(ssrc=3) as citizens_second,
        RtpPhone(ssrc=4) as agents_second,
    ):
        await talk.is_heard()
        for party, voice, port in (
            (talk.citizen, citizens_second, talk.citizens_port),
            (talk.agent, agents_second, talk.agents_port),
        ):
            versions = itertools.count(2)
            moved = await party.reoffer(description(voice.address[1], version=next(versions)))
            assert media_of(moved) == (port, ("8",), "sendrecv")
            if party is talk.citizen:
                talk.citizens_voice = voice
            else:
                talk.agents_voice = voice
            await talk.is_heard()
            held = await party.reoffer(
                description(voice.address[1], direction="sendonly", version=next(versions))
            )
            assert media_of(held) == (port, ("8",), "recvonly")
            back = await party.reoffer(description(voice.address[1], version=next(versions)))
            assert media_of(back) == (port, ("8",), "sendrecv")
            await talk.is_heard()
            # RFC 3264 §8: one session, and each change makes its version one higher
            origins = [origin_of(answer) for answer in (moved, held, back)]
            assert len({session for session, _ in origins}) == 1
            assert [version for _, version in origins] == [
                origins[0][1] + step for step in range(3)
            ]
        await talk.citizen_hangs_up()


@pytest.mark.parametrize("formats", ["0 8", "8 0"])
async def test_a_reoffer_of_both_codecs_goes_on_with_the_one_in_the_answer(
    sip: Address, trunk: RawSip, duty: Duty, formats: str
) -> None:
    async with duty("1012") as agent, talking(trunk, agent, sip) as talk:
        for party, voice in (
            (talk.citizen, talk.citizens_voice),
            (talk.agent, talk.agents_voice),
        ):
            answer = await party.reoffer(description(voice.address[1], formats=formats, version=2))
            _, (taken,), _ = media_of(answer)
            voice.payload_type = int(taken)
            voice.codec = "PCMU" if taken == "0" else "PCMA"
        await talk.is_heard()
        await talk.citizen_hangs_up()


async def test_a_phone_that_answers_with_both_codecs_may_speak_either(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1015") as agent, RtpPhone() as citizen, RtpPhone("PCMU", ssrc=2) as voice:
        caller = Caller(trunk, sip)
        caller.invite(description(citizen.address[1]))
        invite = await agent.phone.request("INVITE")
        phone = Called(agent.phone, sip, invite)
        phone.answer(200, sdp=description(voice.address[1], formats="8 0"))
        answer = await caller.answered()
        caller.ack()
        await agent.phone.request("ACK")
        # RFC 3264 §7: "the offerer … MUST be prepared to receive media for any of those formats"
        await voice.play(sine(AGENTS_TONE, 0.4), (HOST, media_of(invite)[0]))
        await citizen.heard(15)
        assert tone_level(citizen.pcm(), AGENTS_TONE) > -20
        assert media_of(answer)[1] == ("8",)
        caller.ask("BYE")
        phone.answer(200, await agent.phone.request("BYE"))


async def test_an_invite_without_an_offer_gets_ours_and_answers_it_in_the_ack(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with (
        duty("1005") as agent,
        RtpPhone("PCMU") as citizens_voice,
        RtpPhone(ssrc=2) as agents_voice,
    ):
        caller = Caller(trunk, sip)
        caller.invite()
        invite = await agent.phone.request("INVITE")
        phone = Called(agent.phone, sip, invite)
        phone.answer(200, sdp=description(agents_voice.address[1]))
        answer = await caller.answered()
        port, formats, direction = media_of(answer)
        assert {"8", "0"} <= set(formats)
        assert direction == "sendrecv"
        caller.ack(sdp=description(citizens_voice.address[1], formats="0"))
        await agent.phone.request("ACK")
        talk = Talk(caller, phone, citizens_voice, agents_voice, port, media_of(invite)[0])
        await talk.opens()
        await talk.is_heard()
        await talk.citizen_hangs_up()


async def test_a_reinvite_without_an_offer_gets_our_description_again(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1006") as agent, talking(trunk, agent, sip) as talk, RtpPhone(ssrc=3) as moved:
        answer = await talk.citizen.reoffer("", answer=description(moved.address[1], version=2))
        assert media_of(answer)[0] == talk.citizens_port
        talk.citizens_voice = moved
        await talk.opens()
        await talk.is_heard()
        await talk.citizen_hangs_up()


@pytest.mark.parametrize(
    "status, sdp",
    [
        pytest.param(200, "", id="no-description"),
        pytest.param(200, description(40000, formats="18"), id="no-common-codec"),
        pytest.param(200, "v=0\r\nnonsense", id="nonsense"),
        pytest.param(302, "", id="redirection"),
        pytest.param(401, "", id="challenge"),
        pytest.param(500, "", id="failure"),
    ],
)
async def test_what_a_phone_does_wrong_is_never_the_citizens_problem(
    sip: Address, trunk: RawSip, duty: Duty, status: int, sdp: str
) -> None:
    async with duty("1007") as broken, duty("1008") as sound:
        caller = Caller(trunk, sip)
        caller.invite(QUIET)
        phone = Called(broken.phone, sip, await broken.phone.request("INVITE"))
        phone.answer(status, sdp=sdp)
        await broken.phone.request("ACK")
        if status == 200:  # what was accepted must be ended by BYE (§13.2.2.4)
            phone.answer(200, await broken.phone.request("BYE"))
        phone = Called(sound.phone, sip, await sound.phone.request("INVITE"))
        phone.answer(200, sdp=QUIET)
        await caller.answered()
        caller.ack()
        assert (await broken.api.get("/me"))["presence"]["state"] == "not_ready"
        caller.ask("BYE")
        await trunk.response("200 BYE")
        phone.answer(200, await sound.phone.request("BYE"))
        assert trunk.story == ["180 INVITE", "200 INVITE", "200 BYE"]


async def test_both_sides_may_hang_up_at_once(sip: Address, trunk: RawSip, duty: Duty) -> None:
    async with duty("1009") as agent, talking(trunk, agent, sip) as talk:
        talk.citizen.ask("BYE")
        talk.agent.ask("BYE")
        await trunk.response("200 BYE")
        await agent.phone.response(r"(200|481) BYE")
        record = await ended_call(agent.api)
        assert record["outcome"] == "answered"


async def test_a_reinvite_that_crosses_the_other_sides_bye_is_answered(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1011") as agent, talking(trunk, agent, sip) as talk:
        talk.agent.ask("BYE")
        bye = await trunk.request("BYE")
        talk.citizen.ask("INVITE", sdp=description(40002, version=2))
        refusal = await trunk.response(r"4\d\d INVITE")
        assert refusal.status_code == 481
        talk.citizen.answer(200, bye)
        await agent.phone.response("200 BYE")


async def test_a_bye_in_the_early_dialog_ends_the_offer(
    sip: Address, trunk: RawSip, duty: Duty
) -> None:
    async with duty("1012") as agent:
        caller = Caller(trunk, sip)
        caller.invite(QUIET)
        ringing = await trunk.response("180 INVITE")
        phone = Called(agent.phone, sip, await agent.phone.request("INVITE"))
        phone.answer(180)
        initial, caller.remote = caller.remote, header(ringing, "To")
        caller.ask("BYE")  # §15: "the caller's UA MAY send a BYE for … early dialogs"
        await trunk.response("200 BYE")
        caller.remote, caller.cseq = initial, 1
        await caller.refused(487)
        phone.answer(200, await agent.phone.request("CANCEL"))
        phone.answer(487)
        await agent.phone.request("ACK")
        await until_state(agent.api, "ready")
