"""From the end of speech to the final result; part of bench/asr.py.

Every utterance of every file counts, not the last one of each: a stretch of speech that a pause of
0.3 s ends, which is longer than the detector's. What an utterance became final with is the last
final result that overlaps it, be it one or several.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.ports import Final, Gap
from bench.asr_recogniser import Row, bare, recogniser
from bench.speech_source import RATE, over_the_line, play, silence, utterances

LEAD, TAIL = 0.5, 1.5
AT_ONCE = 4
LONGEST_WAIT = 1.5
"""Seconds; a final result that comes later is counted as missing."""


@dataclass(frozen=True)
class Spoken:
    """An utterance: its stream, where it is in it, and when it ended (monotonic seconds)."""

    stream: str
    begin: float
    end: float
    ended_at: float


async def finals(model: Path, speeches: Sequence[np.ndarray]) -> list[Row]:
    """Measure from the end of each utterance to its final result, a few streams at once."""
    with tempfile.TemporaryDirectory() as folder:
        pieces = [
            over_the_line(s[round(b * RATE) : round(e * RATE)])
            for s in speeches
            for b, e in utterances(s)
        ]
        own = (await bare(model, pieces, Path(folder))).final_p95
    delays: list[float | None] = []
    given_up = 0
    async with recogniser(model) as running:
        for first in range(0, len(speeches), AT_ONCE):
            batch = speeches[first : first + AT_ONCE]
            audio = [np.concatenate([silence(LEAD), s, silence(TAIL)]) for s in batch]
            legs = await running.open([f"{first + n}.caller" for n in range(len(batch))], audio)
            running.heard.clear()
            await play(legs)
            await running.close(legs)
            given_up += sum(isinstance(h, Gap) for _, _, h in running.heard)
            came = [(at, name, h) for at, name, h in running.heard if isinstance(h, Final)]
            for leg in legs:
                shown = leg.began - leg.opened  # by the stream's clock, at the first packet
                for begin, end in utterances(leg.samples):
                    said = Spoken(leg.name, shown + begin, shown + end, leg.began + end)
                    delays.append(_delay(said, came))
    return _rows(delays, own, given_up)


def _delay(spoken: Spoken, came: Sequence[tuple[float, str, Final]]) -> float | None:
    """Return how long after its end an utterance was final; None: it was not, or too late."""
    its = [
        at
        for at, name, final in came
        if name == spoken.stream and final.start < spoken.end and final.end > spoken.begin
    ]
    delay = max(its, default=float("inf")) - spoken.ended_at
    return delay if delay <= LONGEST_WAIT else None


def _rows(delays: Sequence[float | None], own: float, given_up: int) -> list[Row]:
    heard = [delay for delay in delays if delay is not None]
    if not heard:
        raise SystemExit("no utterance had a final result")
    p50, p95 = (round(float(np.percentile(heard, p)), 3) for p in (50, 95))
    said = f"{len(heard)} of {len(delays)} utterances had one within {LONGEST_WAIT:g} s"
    note = f"{said}; goal: less than 0.4 s more than the engine's own time"
    if given_up:
        note += f"; {given_up} were left for later: the machine is not at rest"
    return [
        Row("final", "speech end → final, p50", p50, "s"),
        Row("final", "speech end → final, p95", p95, "s", round(own, 3), None, note),
        Row("final", "speech end → final, longest", round(max(heard), 3), "s"),
    ]
