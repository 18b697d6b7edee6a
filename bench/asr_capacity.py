"""Streams a core beside the bare engine; part of bench/asr.py.

Compared is the CPU time that a second of a stream costs. On one side all processes of a recogniser,
which gets as many streams at once, each with a decoder and a voice of its own, as RTP in real time;
on the other one decoder of the bare engine in one process, which loops over the same audio in
pieces of 100 ms (bench/asr_bare.py): it hears one utterance to its end before it begins the next,
so that all its data stay in the processor's caches. What many decoders cost the engine itself is
told in the note: the bare engine on the recogniser's model, with as many decoders in turn. Start
and a first round do not count on either side.

The pool and the bare engine take turns on one core, several times: bare, pool, bare, pool, … bare.
Each round of the pool is compared with the bare engine just before and just after it, and the
middle ratio of the rounds is told, with the least and the greatest: a neighbour who disturbs the
machine for a while disturbs both, or one round only.

In each round there are as many streams as the one before says that the core can bear, fewer where
the lag's p95 was above a second: the most that were heard with less are told as streams at once.
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

WORKERS = 4

TOLERATED = 1.0
"""Seconds of lag with which a stream still counts as heard in real time."""

GOALS = {"without the voice detector": 0.95, "two-sided talk, with it": 1.8}


@dataclass(frozen=True)
class Round:
    """What one round of the pool used: CPU seconds in all and at the RTP; lags; a late sender."""

    count: int
    used: float
    rtp: float
    lags: Sequence[float]
    late: float

    @property
    def lag(self) -> float:
        """Seconds of lag that were exceeded a twentieth of the time."""
        return float(np.percentile(self.lags, 95))


async def capacity(
    model: Path, speeches: Sequence[np.ndarray], seconds: float, rounds: int, *, used: Path
) -> list[Row]:
    """Measure streams a core on continuous speech and on two-sided talk.

    The recogniser has the model ``used``, the engine alone has ``model``: the same one, or the same
    with its graph in halves.
    """
    continuous = np.concatenate([*speeches, *speeches])
    while len(continuous) < seconds * RATE:
        continuous = np.concatenate([continuous, continuous])
    talk = [conversation(speeches, seconds, first) for first in (0, 1)]
    patterns = {
        "without the voice detector": (["--no-vad"], [continuous[: round(seconds * RATE)]]),
        "two-sided talk, with it": ([], [leg for pair in talk for leg in pair]),
    }
    rows = [
        await _measure((model, used), what, arguments, legs, seconds=seconds, rounds=rounds)
        for what, (arguments, legs) in patterns.items()
    ]
    return [*rows, await _shared(used, talk[0])]


async def _shared(model: Path, legs: Sequence[np.ndarray]) -> Row:
    """Measure what several processes that hear with one model take, beside as many models."""
    async with recogniser(model, processes=WORKERS) as running:
        names = [f"{n}.caller" for n in range(2 * WORKERS)]
        await play(opened := await running.open(names, [legs[n % 2] for n in range(len(names))]))
        memory = await running.memory()
        await running.close(opened)
    return Row(
        *("capacity", f"memory of {WORKERS} workers and parents", round(memory.proportional), "MB"),
        note=f"shared pages counted once (Pss); each process's own count (Rss) is "
        f"{memory.resident:.0f} MB: the model is loaded once",
    )


async def _measure(
    models: tuple[Path, Path],
    what: str,
    arguments: Sequence[str],
    patterns: Sequence[np.ndarray],
    *,
    seconds: float,
    rounds: int,
) -> Row:
    line = [over_the_line(pattern) for pattern in patterns]
    model, used = models
    with tempfile.TemporaryDirectory() as folder:
        alone = [await bare(model, line, Path(folder), seconds=seconds / 2)]
        count = max(1, round(alone[0].speed * GOALS[what]))
        done: list[Round] = []
        async with recogniser(used, *arguments, *UNLIMITED) as running:
            count = _next_count(await _round(running, patterns, count), seconds)
            for _ in range(rounds):
                done.append(await _round(running, patterns, count))
                alone.append(await bare(model, line, Path(folder), seconds=seconds / 2))
                count = _next_count(done[-1], seconds)
        many = await bare(used, line, Path(folder), seconds=seconds / 2, in_turn=done[-1].count)
    pairs = [
        (run.count * seconds / run.used, (alone[n].speed + alone[n + 1].speed) / 2)
        for n, run in enumerate(done)
    ]
    ratios = [streams / speed for streams, speed in pairs]
    streams, speed = (round(statistics.median(column), 1) for column in zip(*pairs, strict=True))
    return Row(
        *("capacity", f"streams a core, {what}", streams, "streams", speed),
        round(statistics.median(ratios), 3),
        _note(done, alone, many, ratios, seconds),
    )


def _next_count(run: Round, seconds: float) -> int:
    """Return the streams that a core bears, as far as this round can tell."""
    bears = run.count * seconds / run.used
    return max(1, int(min(bears, 0.9 * run.count) if run.lag >= TOLERATED else bears))


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
    return Round(count, await running.cpu() - before, running.rtp_cpu() - rtp, lags, late)


def _note(
    done: Sequence[Round],
    alone: Sequence[Bare],
    many: Bare,
    ratios: Sequence[float],
    seconds: float,
) -> str:
    audio = sum(run.count for run in done) * seconds
    rtp = 1000 * sum(run.rtp for run in done) / audio
    rest = 1000 * sum(run.used - run.rtp for run in done) / audio
    one = 1000 / statistics.median(engine.speed for engine in alone)
    note = (
        f"by CPU, {len(ratios)} rounds: {min(ratios):.2f} to {max(ratios):.2f}; "
        f"CPU for a stream's second: {rtp:.1f} ms RTP and detector, {rest:.1f} ms decoders, "
        f"the engine alone {one:.1f} ms, with {done[-1].count} decoders in turn "
        f"{1000 / many.speed:.1f} ms; {_at_once(done, alone)}"
    )
    late = max(run.late for run in done)
    return note + (f"; the sender itself was {late:.1f} s late" if late > 0.2 else "")


def _at_once(done: Sequence[Round], alone: Sequence[Bare]) -> str:
    """Tell how many streams were heard at once, and how that compares by the clock."""
    best = max(done, key=lambda run: (run.lag < TOLERATED, run.count if run.lag < TOLERATED else 0))
    if best.lag >= TOLERATED:
        return f"no round had a lag p95 under {TOLERATED:g} s: the core was not the bench's alone"
    wall = best.count / statistics.median(engine.wall_speed for engine in alone)
    return (
        f"by the clock {best.count} at once with lag p95 {best.lag:.2f} s, "
        f"{wall:.2f} of the engine's own"
    )
