"""A browser's leg in the media process: found, secured, heard; relayed, mixed, recorded, forked."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from telephony.media import stun
from telephony.media.certificate import make_certificate
from telephony.media.control import Dtls
from telephony.media_client import MediaClient
from tests.support.media_process import end, engines, start_media
from tests.support.rtp_phone import Address, RtpPhone
from tests.support.tones import read_stereo, sine, tone_level
from tests.support.waiting import until
from tests.support.webrtc_peer import WebRtcPeer

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS = make_certificate()
UFRAG, PASSWORD = "ours", "a password of twenty-two"
BROWSER, DESK, LEADER = 700, 1100, 1700


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=engines())
async def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MediaClient]:
    socket_path = tmp_path_factory.mktemp("media") / "media.sock"
    running = await start_media(socket_path, engine=request.param, log_level="error")
    client = MediaClient(socket_path=socket_path, on_lost=lambda _: None)
    await client.start()
    try:
        async with asyncio.timeout(10):
            await client.wait_connected()
        yield client
    finally:
        await client.close()
        await end(running)


@pytest_asyncio.fixture(loop_scope="module")
async def browser(client: MediaClient) -> AsyncIterator[WebRtcPeer]:
    async with WebRtcPeer(ssrc=5) as peer:
        yield peer
    await client.close_session("browser")


async def describe(
    client: MediaClient, peer: WebRtcPeer, *, fingerprint: str | None = None, port: int = 9
) -> None:
    await client.set_remote(
        "browser",
        host="0.0.0.0",
        port=port,
        payload_type=8,
        codec="PCMA",
        telephone_event=126,
        dtls=Dtls(
            role="server",
            fingerprints={"sha-256": fingerprint or peer.certificate.fingerprint},
            certificate=OURS.certificate,
            key=OURS.key,
            ufrag=UFRAG,
            password=PASSWORD,
        ),
    )


async def desk_phone(client: MediaClient, name: str, phone: RtpPhone) -> Address:
    port = await client.open(name)
    host, own = phone.address
    await client.set_remote(
        name, host=host, port=own, payload_type=8, codec="PCMA", telephone_event=101
    )
    return port


def hears(phone: RtpPhone, hertz: int) -> bool:
    pcm = phone.pcm()[-1600:]
    return len(pcm) == 1600 and tone_level(pcm, hertz) > -35


async def test_heard_both_ways_in_relay_and_mix_recorded_and_forked(
    client: MediaClient, browser: WebRtcPeer, tmp_path: Path
) -> None:
    ours = await client.open("browser")
    await describe(client, browser)
    await browser.connect(ours, UFRAG, PASSWORD, OURS.fingerprint)
    async with RtpPhone(ssrc=2) as desk, RtpPhone(ssrc=3) as leader, RtpPhone(ssrc=4) as fork:
        to_desk = await desk_phone(client, "desk", desk)
        to_leader = await desk_phone(client, "leader", leader)
        await client.bridge("browser", "desk")
        await client.fork("browser", fork.address)
        await client.record("call", tmp_path / "call.wav", left="browser", right="desk")

        async def all_speak() -> None:
            await asyncio.gather(
                browser.play(sine(BROWSER, 0.4, 4000), ours),
                desk.play(sine(DESK, 0.4, 4000), to_desk),
                leader.play(sine(LEADER, 0.4, 4000), to_leader),
            )

        await all_speak()
        await until(lambda: hears(browser, DESK) and hears(desk, BROWSER) and hears(fork, BROWSER))
        everybody = {"browser", "desk", "leader"}
        await client.matrix(
            "call", {one: dict.fromkeys(everybody - {one}, 1.0) for one in everybody}
        )
        await all_speak()
        await until(lambda: hears(browser, DESK) or hears(browser, LEADER))
        # what comes at the end of a mix is silence, so that the newest of the tones is looked for
        spoken = browser.pcm()
        assert any(
            tone_level(spoken[at : at + 800], LEADER) > -35 for at in range(0, len(spoken), 800)
        )
        written = await client.stop_record("call")
        left, right = read_stereo(written.path)
        assert tone_level(left[800:2400], BROWSER) > -35
        assert tone_level(right[800:2400], DESK) > -35
        await client.press("browser", "5")
        await until(lambda: any(packet.payload_type == 126 for packet in browser.packets))
        for name in ("desk", "leader"):
            await client.close_session(name)
        stats = await client.session_stats("browser")
        assert stats.packets_in >= 40
        assert stats.strangers == stats.malformed == 0


async def test_nothing_is_said_to_whom_ice_has_not_found(
    client: MediaClient, browser: WebRtcPeer
) -> None:
    ours = await client.open("browser")
    await describe(client, browser)
    browser.check(ours, UFRAG, "a guessed password of 22")
    await until(lambda: bool(browser.answers))
    assert browser.answers[0].kind == stun.BINDING_ERROR
    with pytest.raises(TimeoutError):
        await browser.connect(ours, "other", PASSWORD, OURS.fingerprint, within=0.3)
    assert (await client.session_stats("browser")).packets_out == 0


async def test_another_certificate_than_the_described_one_gets_no_audio(
    client: MediaClient, browser: WebRtcPeer
) -> None:
    ours = await client.open("browser")
    await describe(client, browser, fingerprint=make_certificate().fingerprint)
    # it believes us, so that its own side is through; we do not believe it
    await browser.connect(ours, UFRAG, PASSWORD, OURS.fingerprint)
    async with RtpPhone(ssrc=2) as desk:
        await desk_phone(client, "desk", desk)
        await client.bridge("browser", "desk")
        await browser.play(sine(BROWSER, 0.1, 4000), ours)
        # what follows on the same socket is handled after it
        answers = len(browser.answers)
        browser.check(ours, UFRAG, PASSWORD)
        await until(lambda: len(browser.answers) > answers)
        assert (await client.session_stats("browser")).packets_in == 0
        assert not desk.datagrams
        await client.close_session("desk")


async def test_a_peer_that_moves_is_followed_and_one_on_hold_is_sent_nothing(
    client: MediaClient, browser: WebRtcPeer
) -> None:
    ours = await client.open("browser")
    await describe(client, browser)
    await browser.connect(ours, UFRAG, PASSWORD, OURS.fingerprint)
    async with RtpPhone(ssrc=2) as desk, WebRtcPeer() as elsewhere:
        to_desk = await desk_phone(client, "desk", desk)
        await client.bridge("browser", "desk")
        elsewhere.check(ours, UFRAG, PASSWORD)
        await until(lambda: bool(elsewhere.answers))
        heard = len(browser.datagrams)
        await desk.play(sine(DESK, 0.1, 4000), to_desk)
        assert len(browser.datagrams) == heard, "it goes where the peer has nominated"
        await describe(client, browser)  # a re-INVITE does not bring it back
        browser.check(ours, UFRAG, PASSWORD)
        answers = len(browser.answers)
        await until(lambda: len(browser.answers) > answers)
        await desk.play(sine(DESK, 0.3, 4000), to_desk)
        await until(lambda: hears(browser, DESK))
        await describe(client, browser, port=0)
        heard = len(browser.datagrams)
        await desk.play(sine(DESK, 0.1, 4000), to_desk)
        browser.check(ours, UFRAG, PASSWORD)
        answers = len(browser.answers)
        await until(lambda: len(browser.answers) > answers)
        assert len(browser.datagrams) == heard
        await client.close_session("desk")
