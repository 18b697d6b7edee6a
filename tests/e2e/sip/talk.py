"""A call that stands, with tones in both directions to prove it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.e2e.sip.conftest import OnDuty
from tests.e2e.sip.raw import (
    HOST,
    Address,
    Called,
    Caller,
    RawSip,
    challenges,
    description,
    media_of,
    proof,
)
from tests.support.node import PASSWORD
from tests.support.rtp_phone import RtpPhone
from tests.support.tones import sine, tone_level
from tests.support.waiting import PATIENCE

CITIZENS_TONE, AGENTS_TONE = 700, 440
SPOKEN_SECONDS = 0.5


@dataclass
class Talk:
    """Both ends of an answered call.

    Attributes:
        citizen: the trunk's end.
        agent: the phone's end.
        citizens_voice: the citizen's RTP.
        agents_voice: the phone's RTP.
        citizens_port: where the node takes the citizen's RTP.
        agents_port: where the node takes the phone's RTP.
    """

    citizen: Caller
    agent: Called
    citizens_voice: RtpPhone
    agents_voice: RtpPhone
    citizens_port: int
    agents_port: int

    async def opens(self) -> None:
        """Speak until both are heard: an answer in an ACK is acknowledged by nobody."""
        async with asyncio.timeout(PATIENCE):
            while not (self.citizens_voice.datagrams and self.agents_voice.datagrams):
                await asyncio.gather(
                    self.citizens_voice.play(sine(CITIZENS_TONE, 0.04), (HOST, self.citizens_port)),
                    self.agents_voice.play(sine(AGENTS_TONE, 0.04), (HOST, self.agents_port)),
                )

    async def is_heard(self, *, by_citizen: bool = True, by_agent: bool = True) -> None:
        """Let both speak at once: each hears the other, or, where False is said, nothing."""
        self.citizens_voice.datagrams.clear()
        self.agents_voice.datagrams.clear()
        await asyncio.gather(
            self.citizens_voice.play(
                sine(CITIZENS_TONE, SPOKEN_SECONDS), (HOST, self.citizens_port)
            ),
            self.agents_voice.play(sine(AGENTS_TONE, SPOKEN_SECONDS), (HOST, self.agents_port)),
        )
        for voice, tone, other, heard in (
            (self.citizens_voice, AGENTS_TONE, CITIZENS_TONE, by_citizen),
            (self.agents_voice, CITIZENS_TONE, AGENTS_TONE, by_agent),
        ):
            if not heard:
                assert not voice.datagrams
                continue
            await voice.heard(20)
            samples = voice.pcm()
            assert abs(tone_level(samples, tone) - tone_level(sine(tone, 0.4), tone)) < 1
            assert tone_level(samples, other) < -50

    async def citizen_hangs_up(self) -> None:
        """Let the citizen hang up, and everybody answer."""
        self.citizen.ask("BYE")
        await self.citizen.wire.response("200 BYE")
        self.agent.answer(200, await self.agent.wire.request("BYE"))


@asynccontextmanager
async def talking(
    trunk: RawSip, agent: OnDuty, sip: Address, *, citizens_formats: str = "8"
) -> AsyncIterator[Talk]:
    """Let a citizen call and an agent answer; how the call ends is the test's matter."""
    async with RtpPhone(ssrc=1) as citizens_voice, RtpPhone(ssrc=2) as agents_voice:
        citizen = Caller(trunk, sip)
        citizen.invite(description(citizens_voice.address[1], formats=citizens_formats))
        offered = await agent.phone.request("INVITE")
        called = Called(agent.phone, sip, offered)
        called.answer(180)
        called.answer(200, sdp=description(agents_voice.address[1]))
        await agent.phone.request("ACK")
        answer = await citizen.answered()
        citizen.ack()
        yield Talk(
            citizen=citizen,
            agent=called,
            citizens_voice=citizens_voice,
            agents_voice=agents_voice,
            citizens_port=media_of(answer)[0],
            agents_port=media_of(offered)[0],
        )


async def an_own_call(agent: OnDuty, sip: Address, *, line: str, port: int) -> Caller:
    """Let an agent's phone call, and prove who calls."""
    caller = Caller(agent.phone, sip, number=agent.agent_id, line=line)
    caller.invite(description(port))
    refusal = await caller.refused(407)
    challenge = challenges(refusal, "Proxy-Authenticate")["SHA-256"]
    caller.branch += "-again"
    proven = proof(
        challenge, method="INVITE", uri=caller.target, user=agent.agent_id, password=PASSWORD
    )
    caller.invite(description(port), headers=(("Proxy-Authorization", proven),))
    return caller
