"""The jitter buffer alone: any order of packets in, even audio out."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.media import g711
from telephony.media.codecs import PCMA
from telephony.media.jitter import FRAME, LONGEST_SECONDS, JitterBuffer
from tests.support.tones import Pcm, level_dbfs, sine

DECODER = PCMA.decoder()


@dataclass
class Link:
    """Packets of a stretch of audio on their way: when each arrives."""

    pcm: Pcm
    arrivals: list[tuple[float, int]]
    packet: int = 160
    buffer: JitterBuffer = field(default_factory=JitterBuffer)
    delays: list[float] = field(default_factory=list)

    def run(self, until: float) -> Pcm:
        waiting = sorted(self.arrivals)
        out = []
        for tick in range(round(until * 50)):
            now = tick * 0.02
            while waiting and waiting[0][0] <= now:
                at, number = waiting.pop(0)
                self.put(number, at)
            out.append(self.buffer.pull(now))
            self.delays.append(self.buffer.delay)
        return np.rint(np.concatenate(out)).astype(np.int16)

    def put(self, number: int, at: float) -> None:
        start = number * self.packet
        payload = g711.encode("PCMA", self.pcm[start : start + self.packet])
        stamp = (start + 0xFFFFF000) & 0xFFFFFFFF  # wraps soon
        self.buffer.put(stamp, payload, DECODER, run="run", clock=8000, now=at)


def steady(seconds: float, *, offset: float = 0.003) -> list[tuple[float, int]]:
    return [(n * 0.02 + offset, n) for n in range(round(seconds * 50))]


def test_on_a_perfect_network_what_comes_out_is_what_went_in() -> None:
    tone = sine(437, 3.0)
    out = Link(tone, steady(3.0)).run(3.0)
    decoded = g711.decode("PCMA", g711.encode("PCMA", tone))
    body = out[8000:16000]  # the delay has settled by then
    lags = [lag for lag in range(800) if np.array_equal(decoded[8000 - lag : 16000 - lag], body)]
    assert len(lags) == 1


def test_nothing_in_is_silence_out() -> None:
    buffer = JitterBuffer()
    assert not any(buffer.pull(n * 0.02).any() for n in range(100))
    assert buffer.concealed == 0


def test_reordered_and_late_packets_find_their_place() -> None:
    tone = sine(437, 4.0)
    arrivals = [(at + (0.045 if n % 7 == 3 else 0), n) for at, n in steady(4.0)]
    link = Link(tone, arrivals)
    out = link.run(4.0)
    assert link.buffer.late <= 2  # until their being late was known
    assert link.buffer.concealed <= 0.09 * 8000 + 960
    assert level_dbfs(out[8000:]) == pytest.approx(level_dbfs(tone), abs=0.5)


def test_the_delay_grows_with_the_jitter_and_shrinks_after_it() -> None:
    random = np.random.default_rng(2)
    calm, wild = 5.0, 10.0
    arrivals = [
        (at + (random.random() * 0.08 if calm <= at < wild else 0), n) for at, n in steady(20.0)
    ]
    link = Link(sine(300, 20.0), arrivals)
    link.run(20.0)
    by_second = [max(link.delays[n : n + 50]) for n in range(0, 1000, 50)]
    assert max(by_second[1:5]) <= 0.03
    assert 0.04 <= max(by_second[6:10]) <= 0.12
    assert max(by_second[16:19]) <= 0.05


def test_after_a_stall_the_delay_does_not_stay() -> None:
    arrivals = [(1.8 if 1.0 <= at < 1.8 else at, n) for at, n in steady(12.0)]
    link = Link(sine(300, 12.0), arrivals)
    link.run(12.0)
    assert max(link.delays) <= LONGEST_SECONDS + 0.1 + 0.8
    assert link.delays[-50] <= 0.06


@pytest.mark.parametrize("pause", [0.2, 1.0, 30.0])
def test_a_talk_spurt_after_a_pause_begins_with_its_beginning(pause: float) -> None:
    tone = sine(400, 1.0)
    gap = round(pause * 50)
    spoken = np.concatenate((tone, np.zeros(gap * 160, np.int16), tone))
    numbers = (*range(50), *range(50 + gap, 100 + gap))
    link = Link(spoken, [(n * 0.02 + 0.003, n) for n in numbers])
    out = link.run(2.2 + pause)
    second = out[round((1.0 + pause) * 8000) :]
    loud = np.flatnonzero(np.abs(second) > 4000)
    # At its end the last waveform is repeated for a moment: nobody knows yet that it is the end.
    assert 7980 <= loud[-1] - loud[0] <= 8000 + 60 * 8
    assert link.buffer.late == 0


def test_comfort_noise_is_heard_at_its_level_between_spurts() -> None:
    buffer = JitterBuffer()
    buffer.put_noise(50)
    out = np.concatenate([buffer.pull(n * 0.02) for n in range(50)])
    assert 20 * np.log10(np.sqrt(np.mean(out**2)) / 32768) == pytest.approx(-50, abs=0.5)


def test_a_new_numbering_follows_the_old_one() -> None:
    buffer, out = JitterBuffer(), []
    tone = sine(400, 2.0)
    for n in range(100):
        first = n < 50
        stamp = n * 160 if first else 777_000 + n * 160
        payload = g711.encode("PCMA", tone[n * 160 : n * 160 + 160])
        buffer.put(stamp, payload, DECODER, run="one" if first else "two", clock=8000, now=n * 0.02)
        out.append(buffer.pull(n * 0.02 + 0.001))
    assert buffer.concealed <= 160
    assert level_dbfs(np.concatenate(out)[2000:].astype(np.int16)) == pytest.approx(
        level_dbfs(tone), abs=0.3
    )


@settings(max_examples=60, deadline=None)
@given(
    packets=st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1) | st.integers(0, 20000),
            st.binary(max_size=400),
            st.sampled_from(["a", "b"]),
            st.floats(0, 0.3),
        ),
        max_size=60,
    )
)
def test_whatever_comes_20_ms_go_out_and_memory_is_bounded(
    packets: list[tuple[int, bytes, str, float]],
) -> None:
    buffer, now, tick = JitterBuffer(), 0.0, 0.0
    for stamp, payload, run, pause in packets:
        now += pause
        while tick <= now:
            out = buffer.pull(tick)
            assert len(out) == FRAME
            assert np.isfinite(out).all()
            tick += 0.02
        buffer.put(stamp, payload, DECODER, run=run, clock=8000, now=now)
    for _ in range(200):
        tick += 0.02
        assert len(buffer.pull(tick)) == FRAME
