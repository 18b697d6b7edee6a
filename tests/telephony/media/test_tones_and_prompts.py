"""Network tones, and WAV files of every kind as clips."""

import os
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from telephony.media.prompts import PromptCache, PromptError, read_wav
from telephony.media.tones import NAMES, Tone, key, silence, tone, whole_frames
from tests.support.tones import dominant, sine, tone_level


@pytest.mark.parametrize(
    "name,hertz,on,off",
    [
        ("ringback", 450, 1.0, 4.0),
        ("busy", 450, 0.35, 0.35),
        ("congestion", 450, 0.7, 0.7),
        ("dial", 450, 1.0, 0.0),
    ],
)
def test_a_tone_is_that_of_the_norm(name: Tone, hertz: int, on: float, off: float) -> None:
    pcm = tone(name)
    assert len(pcm) == (on + off) * 8000
    sounding = pcm[: round(on * 8000)]
    assert dominant(sounding) == pytest.approx(hertz, abs=3)
    assert not pcm[round(on * 8000) :].any()


@pytest.mark.parametrize("name", NAMES)
def test_clips_are_whole_frames_looped_without_a_step_and_cannot_be_changed(name: Tone) -> None:
    pcm = tone(name)
    assert len(pcm) % 160 == 0
    twice = np.concatenate((pcm, pcm)).astype(int)
    steepest = 2 * np.pi * 1400 / 8000 * 0.22 * 32767 * 1.05
    assert np.abs(np.diff(twice)).max() <= steepest
    with pytest.raises(ValueError, match="read-only"):
        pcm[0] = 1


def test_keys_have_their_two_tones() -> None:
    pcm = key("5")
    assert tone_level(pcm[:1280], 770) == pytest.approx(tone_level(pcm[:1280], 1336), abs=0.5)
    with pytest.raises(ValueError, match="no key 'x'"):
        key("x")
    assert len(whole_frames(silence(0.001))) == 160


def write(path: Path, samples: NDArray[np.int16], *, rate: int = 8000, width: int = 2) -> Path:
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        data = samples if width == 2 else (samples // 256 + 128).astype(np.uint8)
        file.writeframes(data.tobytes())
    return path


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 24000, 44100, 48000])
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_usual_file_sounds_alike(
    tmp_path: Path, rate: int, width: int, channels: int
) -> None:
    pcm = sine(1000, 0.5, rate=rate)
    samples = np.stack([pcm] * channels, axis=1) if channels > 1 else pcm
    clip = read_wav(write(tmp_path / "a.wav", samples, rate=rate, width=width))
    assert len(clip) == pytest.approx(4000, abs=160)
    assert len(clip) % 160 == 0
    assert tone_level(clip[400:3600], 1000) == pytest.approx(
        tone_level(sine(1000, 0.4), 1000), abs=0.3
    )


def test_what_a_telephone_cannot_carry_is_cut_off_not_folded(tmp_path: Path) -> None:
    clip = read_wav(write(tmp_path / "a.wav", sine(6000, 0.5, rate=16000), rate=16000))
    assert np.abs(clip[400:3600]).max() < 30


@pytest.mark.parametrize(
    "content,message",
    [(b"", "no PCM WAV"), (b"RIFFxxxxWAVEjunk", "no PCM WAV"), (b"\x00" * 500, "no PCM WAV")],
)
def test_what_cannot_be_played_says_why(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(PromptError, match=message):
        PromptCache().load(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="No such file"):
        PromptCache().load(tmp_path / "none.wav")
    with wave.open(str(tmp_path / "b.wav"), "wb") as file:
        file.setparams((1, 3, 8000, 0, "NONE", ""))
        file.writeframes(bytes(300))
    with pytest.raises(PromptError, match="24 bits"):
        read_wav(tmp_path / "b.wav")
    long = write(tmp_path / "c.wav", np.zeros(8000 * 601, np.int16), width=1)
    with pytest.raises(PromptError, match="longer than 600 s"):
        read_wav(long)


def test_a_cut_off_file_plays_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", sine(1000, 1.0))
    os.truncate(path, 44 + 8001)
    assert len(read_wav(path)) == 4000


def test_clips_are_kept_until_the_file_changes(tmp_path: Path) -> None:
    path, cache = write(tmp_path / "a.wav", sine(1000, 0.5)), PromptCache()
    assert cache.kept(path) is None
    clip = cache.load(path)
    assert cache.kept(path) is clip
    assert cache.load(path) is clip
    write(path, sine(500, 0.7))
    assert cache.kept(path) is None
    assert dominant(cache.load(path)) == pytest.approx(500, abs=3)


def test_the_least_recently_played_goes_first(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.wav", sine(400, 0.5)) for n in range(4)]
    cache = PromptCache(limit=3 * 8320)
    clips = [cache.load(path) for path in paths[:3]]
    cache.load(paths[0])
    cache.load(paths[3])
    assert [cache.kept(path) is not None for path in paths] == [True, False, True, True]
    assert cache.kept(paths[0]) is clips[0]
