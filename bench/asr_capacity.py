"""Streams a core beside the bare engine; part of bench/asr.py.

The pool and the bare engine take turns on one core, several times: bare, pool, bare, pool, … bare.
Each round of the pool is compared with the bare engine just before and just after it, and the
middle ratio of the rounds is told, with the least and the greatest: a neighbour who disturbs the
machine for a while disturbs both, or one round only.
"""

import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.asr_recogniser import Bare, Recogniser, Row, bare, recogniser
from bench.speech_source import RATE, conversation, over_the_line, play

UNLIMITED = ("--lag-budget", "600", "--backlog", "600")
"""Nothing is given up: a figure for streams a core counts all of their speech."""

GOALS = {"without the voice detector": 0.95, "two-sided talk, with it": 1.8}


@dataclass(frozen=True)
class Round:
    """What one round of the pool used: CPU seconds in all and at the RTP; lags; a late sender."""

    used: float
    rtp: float
    lags: Sequence[float]
    late: float


async def capacity(
    model: Path, speeches: Sequence[np.ndarray], seconds: float, rounds: int
) -> list[Row]:
    """Measure streams a core on continuous speech and on two-sided talk."""
    continuous = np.concatenate([*speeches, *speeches])
    while len(continuous) < seconds * RATE:
        continuous = np.concatenate([continuous, continuous])
    talk = [conversation(speeches, seconds, first) for first in (0, 1)]
    patterns = {
        "without the voice detector": (["--no-vad"], [continuous[: round(seconds * RATE)]]),
        "two-sided talk, with it": ([], [leg for pair in talk for leg in pair]),
    }
    return [
        await _measure(model, what, arguments, legs, seconds=seconds, rounds=rounds)
        for what, (arguments, legs) in patterns.items()
    ]


async def _measure(
    model: Path,
    what: str,
    arguments: Sequence[str],
    patterns: Sequence[np.ndarray],
    *,
    seconds: float,
    rounds: int,
) -> Row:
    line = [over_the_line(pattern) for pattern in patterns]
    with tempfile.TemporaryDirectory() as folder:
        alone = [await bare(model, line, Path(folder))]
        count = max(1, round(alone[0].speed * GOALS[what]))
        done: list[Round] = []
        async with recogniser(model, *arguments, *UNLIMITED) as running:
            for _ in range(rounds):
                done.append(await _round(running, patterns, count))
                alone.append(await bare(model, line, Path(folder)))
    pairs = [
        (count * seconds / run.used, (alone[n].speed + alone[n + 1].speed) / 2)
        for n, run in enumerate(done)
    ]
    ratios = [streams / speed for streams, speed in pairs]
    streams, speed = (round(statistics.median(column), 1) for column in zip(*pairs, strict=True))
    return Row(
        *("capacity", f"streams a core, {what}", streams, "streams", speed),
        round(statistics.median(ratios), 3),
        _note(done, alone, ratios, count, seconds),
    )


async def _round(running: Recogniser, patterns: Sequence[np.ndarray], count: int) -> Round:
    audio = [np.roll(patterns[n % len(patterns)], n * RATE // 3) for n in range(count)]
    legs = await running.open([f"{n}.caller" for n in range(count)], audio)
    before, rtp = await running.cpu(), running.rtp_cpu()
    watch = asyncio.create_task(running.watch_lag())
    late = await play(legs)
    watch.cancel()
    lags = await watch
    await running.until_heard()  # what lagged is heard now, and counts
    await running.close(legs)
    return Round(await running.cpu() - before, running.rtp_cpu() - rtp, lags, late)


def _note(
    done: Sequence[Round],
    alone: Sequence[Bare],
    ratios: Sequence[float],
    count: int,
    seconds: float,
) -> str:
    lag = statistics.median(float(np.percentile(run.lags, 95)) for run in done)
    wall = count / statistics.median(engine.wall_speed for engine in alone)
    audio = count * seconds * len(done)
    rtp = 1000 * sum(run.rtp for run in done) / audio
    rest = 1000 * sum(run.used - run.rtp for run in done) / audio
    note = (
        f"by CPU, {len(ratios)} rounds: {min(ratios):.2f} to {max(ratios):.2f}; by the clock "
        f"{count} at once = {wall:.2f} of the engine's own, lag p95 {lag:.2f} s; CPU for a "
        f"stream's second: {rtp:.1f} ms RTP and detector, {rest:.1f} ms decoders"
    )
    late = max(run.late for run in done)
    return note + (f"; the sender itself was {late:.1f} s late" if late > 0.2 else "")
