import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.resample import Doubler


def tone(frequency: float, rate: int, seconds: float = 0.5) -> bytes:
    times = np.arange(int(rate * seconds)) / rate
    wave: npt.NDArray[np.float64] = 10000 * np.sin(2 * np.pi * frequency * times)
    return np.rint(wave).astype("<i2").tobytes()


def spectrum(pcm: bytes) -> npt.NDArray[np.float64]:
    samples = np.frombuffer(pcm, "<i2")[400:-400].astype(float)
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) / len(samples)


@pytest.mark.parametrize("frequency", [200, 1000, 2500, 3400])
def test_a_tone_keeps_its_frequency_and_level_and_casts_no_image(frequency: int) -> None:
    doubled = spectrum(Doubler().push(tone(frequency, 8000)))
    expected = spectrum(tone(frequency, 16000))
    peak = int(expected.argmax())
    assert doubled.argmax() == peak
    assert doubled[peak] == pytest.approx(expected[peak], rel=0.02)
    above_4_khz = doubled[int(len(doubled) * 4200 / 8000) :]
    assert above_4_khz.max() < doubled[peak] / 100  # 40 dB


@settings(deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=8))
def test_pieces_join_without_a_seam(cuts: list[int]) -> None:
    pcm = tone(700, 8000, sum(cuts) / 8000)
    whole = Doubler().push(pcm)
    doubler, pieces, offset = Doubler(), b"", 0
    for cut in cuts:
        pieces += doubler.push(pcm[offset : offset + 2 * cut])
        offset += 2 * cut
    pieces += doubler.push(pcm[offset:])
    assert pieces == whole
    assert len(pieces) == 2 * len(pcm)


def test_full_scale_does_not_wrap_around() -> None:
    step = np.repeat([-32768, 32767], 200).astype("<i2").tobytes()
    doubled = np.frombuffer(Doubler().push(step), "<i2")
    # The filter overshoots beside the edge; wrapped instead of cut off, samples would change sign.
    assert (doubled[100:400] < -25000).all()
    assert (doubled[450:] > 25000).all()
