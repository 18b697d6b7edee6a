import wave
from pathlib import Path

import numpy as np
import pytest

from hotline.wav import WavError, read_wav
from tests.support.tones import sine, tone_level


def write(path: Path, samples: np.ndarray, *, rate: int, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_tone_stays_that_tone(tmp_path: Path, rate: int) -> None:
    path = write(tmp_path / "tone.wav", sine(440, 1.0, 8000, rate=rate), rate=rate)
    samples = read_wav(path)
    assert len(samples) == 8000
    assert tone_level(samples, 440) == pytest.approx(tone_level(sine(440, 1.0, 8000), 440), abs=0.2)


@pytest.mark.parametrize(
    "options,named",
    [
        ({"rate": 44100}, "44100 Hz"),
        ({"rate": 8000, "channels": 2}, "2 channel"),
        ({"rate": 8000, "width": 1}, "8 bit"),
    ],
)
def test_another_form_is_named(tmp_path: Path, options: dict[str, int], named: str) -> None:
    path = write(tmp_path / "odd.wav", np.zeros(800, np.int16), **options)
    with pytest.raises(WavError, match=named):
        read_wav(path)


@pytest.mark.parametrize("content", [None, b"", b"RIFF....not a wave file"])
def test_what_is_no_wav_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "no.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WavError, match=r"no\.wav"):
        read_wav(path)
