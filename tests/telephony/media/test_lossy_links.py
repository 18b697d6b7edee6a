"""The whole process behind bad links, over real sockets; the lab's contract has the finer cases."""

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from telephony.media_client import MediaClient
from tests.support.lossy_link import LossyLink, LossyRelay
from tests.support.media_process import engines, media
from tests.support.rtp_phone import RtpPhone
from tests.support.tones import dominant, read_stereo, sine, tone_level


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.10])
@pytest.mark.parametrize("burst", [1.0, 3.0])
def test_the_link_loses_what_it_should(loss: float, burst: float) -> None:
    link = LossyLink(loss=loss, burst=burst, seed=7)
    fates = [bool(link.delays()) for _ in range(40_000)]
    assert fates.count(False) / len(fates) == pytest.approx(loss, rel=0.15)
    bursts = sum(1 for before, now in pairwise([True, *fates]) if before and not now)
    assert fates.count(False) / bursts == pytest.approx(max(burst, 1 / (1 - loss)), rel=0.15)


def test_the_same_seed_is_the_same_link() -> None:
    links = [LossyLink(loss=0.1, jitter=0.08, reorder=0.1, duplicate=0.1) for _ in range(2)]
    fates = [[link.delays() for _ in range(500)] for link in links]
    assert fates[0] == fates[1]
    assert {len(delays) for delays in fates[0]} == {0, 1, 2}
    assert max(max(delays, default=0.0) for delays in fates[0]) > 0.08


def links() -> dict[str, tuple[float, LossyLink]]:
    """Return links, and how much each loses."""
    return {
        "loss": (0.05, LossyLink(loss=0.05)),
        "bursts": (0.05, LossyLink(loss=0.05, burst=3.0)),
        "jitter": (0.0, LossyLink(jitter=0.08)),
        "everything": (0.03, LossyLink(loss=0.03, jitter=0.04, reorder=0.05, duplicate=0.1)),
    }


async def opened(client: MediaClient, name: str, phone: RtpPhone) -> tuple[str, int]:
    host, port = phone.address
    address = await client.open(name)
    await client.set_remote(
        name, host=host, port=port, payload_type=8, codec="PCMA", telephone_event=None
    )
    return address


@pytest.mark.parametrize("engine", engines())
async def test_a_mix_is_one_whole_stream_whatever_the_links_do(engine: str, tmp_path: Path) -> None:
    """Four calls at once, a link each: a speaker, a listener that hears a mix, a recording."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(media(tmp_path / "m.sock", engine=engine))
        calls = []
        for name, (loss, link) in links().items():
            speaker = await stack.enter_async_context(RtpPhone("PCMA", ssrc=1))
            listener = await stack.enter_async_context(RtpPhone("PCMA", ssrc=2))
            relay = LossyRelay(link, await opened(client, f"{name}.a", speaker))
            stack.callback(relay.close)
            await opened(client, f"{name}.b", listener)
            # A gain other than 1 is what makes it a mix.
            await client.matrix(name, {f"{name}.b": {f"{name}.a": 0.5}})
            path = tmp_path / f"{name}.wav"
            await client.record(name, path, left=f"{name}.a", right=f"{name}.b")
            calls.append((name, loss, speaker, listener, await relay.open(), path))
        tone = sine(500, 3.0)
        await asyncio.gather(*(call[2].play(tone, call[4]) for call in calls))
        for name, loss, _, listener, _, path in calls:
            await client.stop_record(name)
            stats = await client.session_stats(f"{name}.a")

            packets = listener.packets
            for earlier, later in pairwise(packets):
                assert (later.sequence - earlier.sequence) & 0xFFFF == 1, name
                assert later.ssrc == earlier.ssrc, name
            heard = listener.pcm()[4000:20000]
            assert dominant(heard) == pytest.approx(500, abs=3), name
            assert tone_level(heard, 500) == pytest.approx(tone_level(tone, 500) - 6, abs=1.5), name
            frames = np.abs(heard.astype(int)).reshape(-1, 160).max(axis=1)
            # What is lost for longer than 80 ms is given up, as in G.711 Appendix I.
            assert (frames < 400).mean() <= (loss if name == "bursts" else 0.0), f"{name}: a gap"
            left, _ = read_stereo(path)
            silent = (np.abs(left[4000:20000].astype(int)).reshape(-1, 160).max(axis=1) < 50).mean()
            assert silent <= 3 * loss + 0.02, f"{name}: evidence has holes only where packets lack"
            assert (stats.lost > 0) == (loss > 0), name
            assert (stats.duplicates > 0) == (name == "everything"), name
