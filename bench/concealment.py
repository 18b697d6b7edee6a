"""How speech sounds whose packets are lost: our concealment beside plain zero filling.

    python -m bench.concealment [--loss 1 2 5 10] [--burst 1 3] [--json]

Both fill the same holes in the same speech, 20 ms packets of A-law; the yardstick is the speech
without holes. *Segmental SNR* is taken over the frames that were lost (-10 to 35 dB each; silence
has 0 by definition); *spectral distance* is the mean difference of the short-time spectra (dB) of
those frames and the ones after them, which forgives a shifted phase as an ear does.
Where the package ``pesq`` is installed, PESQ (ITU-T P.862, MOS-LQO) of the whole is given too:
``pip install pesq``; it is no dependency of the project.
"""

import argparse
import importlib.util
import json
import sys
import wave
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from telephony.media import g711
from telephony.media.concealment import Concealer
from tests.support.lossy_link import LossyLink

SPEECH: Final = Path(__file__).parents[1] / "tests" / "assets" / "speech"
FRAME: Final = 160
RATE: Final = 8000
SPEECH_LEVEL: Final = 200
"""Root mean square, of 32767."""

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Row:
    """One link; ``zeros`` and ``concealed`` of each figure."""

    loss: float
    burst: float
    lost_frames: int
    snr_zeros: float
    snr_concealed: float
    distance_zeros: float
    distance_concealed: float
    pesq_zeros: float | None
    pesq_concealed: float | None


def speech() -> list[Samples]:
    """Return the recordings, as they come out of A-law."""
    found = []
    for path in sorted(SPEECH.glob("d*.wav")):
        with wave.open(str(path), "rb") as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            pcm = pcm.reshape(-1, file.getnchannels()).sum(axis=1, dtype=np.int32)
            pcm = pcm[:: file.getframerate() // RATE]
        pcm = np.clip(pcm, -32768, 32767).astype(np.int16)
        whole = pcm[: len(pcm) // FRAME * FRAME]
        found.append(g711.decode("PCMA", g711.encode("PCMA", whole)).astype(np.float32))
    return found


def with_zeros(audio: Samples, lost: Sequence[bool]) -> Samples:
    """Fill holes with silence."""
    frames = audio.reshape(-1, FRAME).copy()
    frames[np.array(lost)] = 0
    return frames.ravel()


def with_concealment(audio: Samples, lost: Sequence[bool]) -> Samples:
    """Fill holes as the jitter buffer does."""
    concealer = Concealer()
    out = [
        concealer.conceal(FRAME) if gone else concealer.heard(frame)
        for frame, gone in zip(audio.reshape(-1, FRAME), lost, strict=True)
    ]
    return np.concatenate(out)


def spoken(audio: Samples) -> NDArray[np.bool_]:
    """Return in which frames somebody speaks."""
    loud: NDArray[np.bool_] = np.sqrt(np.mean(audio.reshape(-1, FRAME) ** 2, axis=1)) > SPEECH_LEVEL
    return loud


def segmental_snr(audio: Samples, heard: Samples, frames: NDArray[np.bool_]) -> float:
    """Return the mean of the frames' signal-to-noise ratios, dB."""
    signal = audio.reshape(-1, FRAME)[frames]
    noise = signal - heard.reshape(-1, FRAME)[frames]
    ratio = (np.sum(signal**2, axis=1) + 1) / (np.sum(noise**2, axis=1) + 1)
    return float(np.mean(np.clip(10 * np.log10(ratio), -10, 35)))


def spectral_distance(audio: Samples, heard: Samples, frames: NDArray[np.bool_]) -> float:
    """Return the mean root-mean-square difference of the frames' spectra, dB, floor 60 dB down."""
    window = np.hanning(FRAME).astype(np.float32)
    spectra = [
        20 * np.log10(np.abs(np.fft.rfft(pcm.reshape(-1, FRAME)[frames] * window)) + 300)
        for pcm in (audio, heard)
    ]
    return float(np.mean(np.sqrt(np.mean((spectra[0] - spectra[1]) ** 2, axis=1))))


def mos(audio: Samples, heard: Samples) -> float | None:
    """Return PESQ's MOS-LQO, None where it is not installed."""
    if importlib.util.find_spec("pesq") is None:
        return None
    pesq: Any = importlib.import_module("pesq")
    return float(pesq.pesq(RATE, audio.astype(np.int16), heard.astype(np.int16), "nb"))


def measure(texts: Sequence[Samples], loss: float, burst: float) -> Row:
    """Play every recording over one kind of link, and average."""
    figures: list[tuple[float | None, ...]] = []
    count = 0
    for seed, audio in enumerate(texts):
        link = LossyLink(loss=loss, burst=burst, seed=seed)
        lost = [not link.delays() for _ in range(len(audio) // FRAME)]
        zeros, concealed = with_zeros(audio, lost), with_concealment(audio, lost)
        gone = np.array(lost)
        near = (gone | np.concatenate(([False], gone[:-1]))) & spoken(audio)
        gone &= spoken(audio)
        count += int(gone.sum())
        if not gone.any():
            continue
        ways = (zeros, concealed)
        figures.append(
            (
                *(segmental_snr(audio, way, gone) for way in ways),
                *(spectral_distance(audio, way, near) for way in ways),
                *(mos(audio, way) for way in ways),
            )
        )
    means = [
        None if None in column else round(float(np.mean([n for n in column if n is not None])), 2)
        for column in zip(*figures, strict=True)
    ]
    snr_zeros, snr_concealed, distance_zeros, distance_concealed, pesq_zeros, pesq_concealed = means
    return Row(
        loss,
        burst,
        count,
        snr_zeros or 0.0,
        snr_concealed or 0.0,
        distance_zeros or 0.0,
        distance_concealed or 0.0,
        pesq_zeros,
        pesq_concealed,
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Concealment beside zero filling.")
    parser.add_argument("--loss", type=float, nargs="+", default=[1, 2, 5, 10], help="percent")
    parser.add_argument("--burst", type=float, nargs="+", default=[1, 3], help="packets on average")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    texts = speech()
    rows = [
        measure(texts, loss / 100, burst) for burst in arguments.burst for loss in arguments.loss
    ]
    if arguments.json:
        print(json.dumps({"bench": "concealment", "rows": [asdict(row) for row in rows]}))
        return 0
    seconds = sum(map(len, texts)) / RATE
    print(f"{len(texts)} recordings, {seconds:.0f} s of speech; zero filling → concealment")
    print(
        f"{'loss':>5} {'burst':>6} {'frames':>7} {'SNR, dB':>16} {'distance, dB':>16} {'PESQ':>14}"
    )
    for row in rows:
        pesq = (
            "not installed"
            if row.pesq_zeros is None
            else f"{row.pesq_zeros:.2f} → {row.pesq_concealed:.2f}"
        )
        print(
            f"{row.loss:>5.0%} {row.burst:>6g} {row.lost_frames:>7}"
            f" {row.snr_zeros:>7.1f} → {row.snr_concealed:>6.1f}"
            f" {row.distance_zeros:>7.1f} → {row.distance_concealed:>6.1f} {pesq:>14}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
