"""The demonstration speech, as samples and as RTP."""

import csv
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asr import g711

ASSETS = Path(__file__).parent.parent / "assets"
MODEL = ASSETS / "models" / "vosk-model-tiny-cn-tel"
FRAME = 160

_A_LAW = np.frombuffer(g711.decode(bytes(range(256)), "PCMA"), "<i2").astype(np.int32)
_ORDER = np.argsort(_A_LAW)
_STEPS = _A_LAW[_ORDER]


def pcm(name: str) -> bytes:
    with wave.open(str(ASSETS / "speech" / f"{name}.wav"), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        return file.readframes(file.getnframes())


def transcript(name: str) -> str:
    with (ASSETS / "speech" / "transcripts.tsv").open(encoding="utf-8", newline="") as file:
        rows = {row["file"]: row["transcript"] for row in csv.DictReader(file, delimiter="\t")}
    return rows[f"{name}.wav"]


def encode_a_law(samples: bytes) -> bytes:
    """Encode by looking for the nearest step: slow, and independent of the bit twiddling."""
    values = np.frombuffer(samples, "<i2").astype(np.int32)
    above = np.clip(np.searchsorted(_STEPS, values), 1, 255)
    nearer_below = values - _STEPS[above - 1] < _STEPS[above] - values
    codes = _ORDER[np.where(nearer_below, above - 1, above)]
    return bytes(codes.astype(np.uint8))


def rtp(
    payload: bytes,
    *,
    sequence: int,
    timestamp: int,
    ssrc: int = 0x1234,
    payload_type: int = 8,
) -> bytes:
    return (
        bytes([0x80, payload_type])
        + (sequence & 0xFFFF).to_bytes(2)
        + (timestamp & 0xFFFFFFFF).to_bytes(4)
        + ssrc.to_bytes(4)
        + payload
    )


def rtp_stream(samples: bytes, *, sequence: int = 65000, timestamp: int = 7) -> Iterator[bytes]:
    payload = encode_a_law(samples)
    for n, offset in enumerate(range(0, len(payload), FRAME)):
        yield rtp(
            payload[offset : offset + FRAME], sequence=sequence + n, timestamp=timestamp + n * FRAME
        )
