"""Speech as RTP at the pace of speech, for benches of recognition."""

import asyncio
import socket
import threading
import time
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from telephony.media import g711
from telephony.media.rtp import RtpPacket, build

RATE = 8000
PACKET = 160
PACKET_SECONDS = PACKET / RATE
NOISE = 8
"""Amplitude of the noise that stands for silence: no line is digitally silent."""

LOUD = 200
"""Amplitude above which a sample is speech; the files are clean."""

Address = tuple[str, int]


def read_wav(path: Path) -> np.ndarray:
    """Return the samples of an 8 kHz 16-bit mono file."""
    with wave.open(str(path), "rb") as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            raise SystemExit(f"{path}: 8 kHz, 16 bit, mono is wanted")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def write_stereo(path: Path, left: np.ndarray, right: np.ndarray) -> None:
    """Write a recording as the media process makes one."""
    length = max(len(left), len(right))
    frames = np.zeros((length, 2), "<i2")
    frames[: len(left), 0], frames[: len(right), 1] = left, right
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes(frames.tobytes())


def silence(seconds: float, seed: int = 0) -> np.ndarray:
    """Return a quiet line."""
    count = round(seconds * RATE)
    noise = np.random.default_rng(seed).integers(-NOISE, NOISE + 1, count)
    return np.asarray(noise, np.int16)


def over_the_line(samples: np.ndarray) -> np.ndarray:
    """Return what A-law leaves of it."""
    return g711.decode("PCMA", g711.encode("PCMA", np.asarray(samples, np.int16)))


def utterances(samples: np.ndarray, pause: float = 0.3) -> list[tuple[float, float]]:
    """Return where each stretch of speech begins and ends, in seconds; ``pause`` parts two."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > LOUD)
    seams = np.flatnonzero(np.diff(loud) > pause * RATE)
    begins, ends = np.r_[loud[:1], loud[seams + 1]], np.r_[loud[seams], loud[-1:]]
    return [(float(b) / RATE, float(e) / RATE) for b, e in zip(begins, ends, strict=True)]


def conversation(speeches: Sequence[np.ndarray], seconds: float, first: int) -> list[np.ndarray]:
    """Return both legs of a talk: they take turns, half a second apart, and listen in between."""
    legs: list[list[np.ndarray]] = [[], []]
    length, turn = 0.0, first
    while length < seconds:
        said = speeches[turn % len(speeches)]
        legs[turn % 2] += [said, silence(0.5, turn)]
        legs[1 - turn % 2].append(silence(len(said) / RATE + 0.5, turn + 1))
        length += len(said) / RATE + 0.5
        turn += 1
    return [np.concatenate(leg)[: round(seconds * RATE)] for leg in legs]


@dataclass
class Leg:
    """One speaker's audio and where it goes.

    Attributes:
        opened: monotonic time of the stream's opening, where its clock shows 0.
        began: monotonic time of the first packet.
    """

    name: str
    samples: np.ndarray
    target: Address
    opened: float = 0.0
    began: float = 0.0


def send(legs: Sequence[Leg], stop: threading.Event) -> float:
    """Send all of them in real time, evenly spread; return by how much the sender itself lagged."""
    payloads = [g711.encode("PCMA", np.asarray(leg.samples, np.int16)) for leg in legs]
    rounds = max(len(payload) for payload in payloads) // PACKET
    worst, start = 0.0, time.monotonic() + 0.1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for number in range(rounds):
            for index, (leg, payload) in enumerate(zip(legs, payloads, strict=True)):
                due = start + (number + index / len(legs)) * PACKET_SECONDS
                wait = due - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                worst = max(worst, -wait)
                if number == 0:
                    leg.began = time.monotonic()
                piece = payload[number * PACKET : (number + 1) * PACKET]
                if len(piece) == PACKET:
                    packet = RtpPacket(
                        8,
                        marker=number == 0,
                        sequence=number & 0xFFFF,
                        timestamp=number * PACKET,
                        ssrc=index + 1,
                        payload=piece,
                    )
                    out.sendto(build(packet), leg.target)
            if stop.is_set():
                break
    return worst


async def play(legs: Sequence[Leg]) -> float:
    """Send them from a thread; return by how much the sender itself lagged."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(send, legs, stop)
    finally:
        stop.set()
