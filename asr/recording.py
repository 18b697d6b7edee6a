"""One side of a call's recording, as the audio that a leg's RTP would have been."""

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asr.ports import SAMPLE_RATE, RecognizerError
from asr.rtp_source import Audio

PIECE_SECONDS = 0.1


class RecordingError(RecognizerError):
    """The recording is missing, or is no recording of ours; the message says which."""


def read_side(path: Path, *, channel: int, start: float, end: float) -> Iterator[Audio]:
    """Yield the audio of one channel between two times (s) of the recording. Blocking.

    Raises:
        RecordingError: the file cannot be read, or is not 8 kHz 16-bit PCM with this channel.
    """
    try:
        with wave.open(str(path), "rb") as file:
            channels = file.getnchannels()
            if (file.getframerate(), file.getsampwidth()) != (SAMPLE_RATE, 2):
                raise RecordingError(f"{path} is not 8 kHz 16-bit PCM")
            if channel >= channels:
                raise RecordingError(f"{path} has no channel {channel}")
            first = min(max(0, round(start * SAMPLE_RATE)), file.getnframes())
            last = min(round(end * SAMPLE_RATE), file.getnframes())
            file.setpos(first)
            while first < last:
                frames = file.readframes(min(round(PIECE_SECONDS * SAMPLE_RATE), last - first))
                if not frames:
                    return
                samples = np.frombuffer(frames, "<i2").reshape(-1, channels)[:, channel]
                yield Audio(first / SAMPLE_RATE, samples.tobytes())
                first += len(samples)
    except (OSError, EOFError, wave.Error) as error:
        raise RecordingError(f"cannot read {path}: {error}") from error
