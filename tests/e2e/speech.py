"""The recorded complaints that citizens play, and the words in them."""

import csv
import itertools
import wave
from pathlib import Path

import numpy as np

from tests.support.node import ROOT
from tests.support.tones import RATE
from tests.support.waveforms import read_mono

SPEECH = ROOT / "tests" / "assets" / "speech"
GREETING = SPEECH / "agent_greeting.wav"
#: A call adds A-law and RTP to what the engine hears; straight from the file it makes about 2 %.
WORST_CER = 0.08
_FRAME = RATE // 50
_QUIET = 100


def said_in(name: str) -> str:
    """Return what is said in a file."""
    with (SPEECH / "transcripts.tsv").open(encoding="utf-8", newline="") as file:
        return next(
            row["transcript"] for row in csv.DictReader(file, delimiter="\t") if row["file"] == name
        )


def seconds_of(speech: Path) -> float:
    """Return how long a recording is."""
    return len(read_mono(speech)) / RATE


def with_a_longer_pause(name: str, path: Path, *, seconds: float = 1.5) -> Path:
    """Write a recording with its longest pause made longer, and return the path.

    The pauses are so short that the recogniser takes them for the end of a sentence in one call and
    not in the next.
    """
    samples = read_mono(SPEECH / name)
    frames = np.abs(samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)).max(axis=1)
    runs = [(quiet, len(list(run))) for quiet, run in itertools.groupby(frames < _QUIET)]
    inner = range(1, len(runs) - 1)  # what comes before and after the words is no pause
    longest = max(inner, key=lambda n: runs[n][1] if runs[n][0] else 0)
    middle = _FRAME * (sum(length for _, length in runs[:longest]) + runs[longest][1] // 2)
    silence = np.zeros(round(seconds * RATE), np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.concatenate([samples[:middle], silence, samples[middle:]]).tobytes())
    return path
