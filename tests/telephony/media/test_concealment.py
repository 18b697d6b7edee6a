"""What is played for lost packets, measured against silence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media.concealment import (
    LONGEST_LAG,
    SHORTEST_LAG,
    Concealer,
    Samples,
    best_shift,
    pitch_lag,
)
from tests.support.tones import Pcm, sine


def segmental_snr(clean: Pcm, out: Pcm) -> float:
    """Return the mean over 20 ms frames of the signal-to-error ratio, each within -10…35 dB."""
    signal = clean[: len(clean) // 160 * 160].reshape(-1, 160).astype(float)
    error = signal - out[: signal.size].reshape(-1, 160)
    power = np.sum(signal**2, axis=1)
    loud = power > 160 * 100**2
    ratio = 10 * np.log10(power[loud] / (np.sum(error**2, axis=1)[loud] + 1))
    return float(np.mean(np.clip(ratio, -10, 35)))


def voice(seconds: float) -> Pcm:
    """Something like a voice: gliding pitch, formants, syllables."""
    times = np.arange(round(seconds * 8000)) / 8000
    turns = np.cumsum(130 + 25 * np.sin(2 * np.pi * 0.9 * times)) / 8000
    weights = [1 / (1 + ((n * 130 - 600) / 500) ** 2) for n in range(1, 26)]
    wave = sum(w * np.sin(2 * np.pi * n * turns + n) for n, w in enumerate(weights, 1))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 3.1 * times)
    scaled: Pcm = (wave * syllables * 2500).astype(np.int16)
    return scaled


def concealed(spoken: Pcm, lost: set[int], frame: int = 160) -> Pcm:
    """Return what is heard of the audio without these frames."""
    concealer, out = Concealer(), []
    for number in range(len(spoken) // frame):
        if number in lost:
            out.append(concealer.conceal(frame))
        else:
            piece = spoken[number * frame : (number + 1) * frame]
            out.append(concealer.heard(piece.astype(np.float32)))
    return np.rint(np.concatenate(out)).astype(np.int16)


@pytest.mark.parametrize("loss", [0.05, 0.1])
@pytest.mark.parametrize("frame,decibels", [(80, 3.0), (160, 1.0), (240, 0.5)])
def test_concealment_is_better_than_zeros(loss: float, frame: int, decibels: float) -> None:
    spoken = voice(60.0)
    count = len(spoken) // frame
    random = np.random.default_rng(4)
    lost = {n for n in range(50, count) if random.random() < loss}
    heard = concealed(spoken, lost, frame)
    zeroed = spoken.copy()
    for n in lost:
        zeroed[n * frame : (n + 1) * frame] = 0
    where = np.concatenate([np.arange(n * frame, (n + 1) * frame) for n in sorted(lost)])
    better = segmental_snr(spoken[where], heard[where])
    assert better > segmental_snr(spoken[where], zeroed[where]) + decibels


@pytest.mark.parametrize("hertz", [110, 200, 437, 1000, 2500])
def test_a_tone_goes_on_through_a_lost_packet(hertz: int) -> None:
    tone = sine(hertz, 1.0)
    heard = concealed(tone, {20})
    assert segmental_snr(tone[3200:3360], heard[3200:3360]) > 8
    step = np.abs(np.diff(heard[3100:3500].astype(int))).max()
    assert step <= 1.5 * np.abs(np.diff(tone[3100:3500].astype(int))).max() + 50  # no click


def test_it_fades_and_is_silent_after_80_ms() -> None:
    heard = concealed(sine(300, 1.0), set(range(20, 30)))
    peaks = [int(np.abs(heard[n * 160 : (n + 1) * 160]).max()) for n in range(20, 30)]
    assert peaks[0] > 7000
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[4:] == [0] * 6


def test_before_anything_was_heard_there_is_silence() -> None:
    assert not Concealer().conceal(800).any()


@pytest.mark.parametrize("period", [40, 57, 80, 111, 160])
def test_the_pitch_is_found(period: int) -> None:
    pulse = np.zeros(480, np.float32)
    pulse[::period] = 10000
    smooth = np.convolve(pulse, np.hanning(15), "same").astype(np.float32)
    assert pitch_lag(smooth) % period in (0, 1, period - 1)


@given(st.binary(min_size=0, max_size=4000), st.lists(st.integers(1, 500), max_size=10))
def test_any_audio_and_any_losses_give_bounded_samples(data: bytes, counts: list[int]) -> None:
    pcm: Samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32)
    concealer = Concealer()
    concealer.heard(pcm)
    for count in counts:
        out = concealer.conceal(count)
        assert len(out) == count
        assert np.isfinite(out).all()
        assert np.abs(out).max(initial=0) <= 3 * 32768
    assert len(concealer.heard(pcm)) == len(pcm)
    assert SHORTEST_LAG <= pitch_lag(np.zeros(400, np.float32)) <= LONGEST_LAG


@given(st.integers(0, 80))
def test_the_smoothest_start_is_found(shift: int) -> None:
    random = np.random.default_rng(7)
    audio = random.normal(0, 1000, 300).astype(np.float32)
    assert best_shift(audio[shift : shift + 80], audio, 80) == shift
