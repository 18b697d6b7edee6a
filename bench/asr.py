"""How many streams a core recognises, how soon, and what happens when there are twice as many.

``python -m bench.asr MODEL WAV… [--transcripts TSV] [--seconds 20] [--parts …] [--json]``

Real processes over loopback, on one core of their own where the machine has several; the speech
comes as RTP at its own pace. The yardstick, of the same minute on the same core, is the bare engine
looping over the same audio in pieces of 100 ms. Streams a core are stream seconds by seconds of CPU
time of all recogniser processes, and are only shown with the lag that was seen meanwhile.

capacity   streams a core, with and without the voice detector, beside the bare engine
final      from the end of speech to the final result, beside what the engine alone takes for that
overload   twice the streams that fit: what is given up, and what is left of it afterwards
ticket     from the end of speech to the ticket's field on an agent's WebSocket: a whole node
"""

import argparse
import asyncio
import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import structlog

from asr.client import RecognizerClient
from asr.control import LoadChanged
from asr.ports import Final, Gap, Heard
from bench.asr_ticket import measure_ticket
from bench.speech_source import (
    RATE,
    Leg,
    conversation,
    over_the_line,
    play,
    read_wav,
    silence,
    speech_end,
    write_stereo,
)
from tests.support.cer import character_error_rate

PARTS = ("capacity", "final", "overload", "ticket")
UNLIMITED = ("--lag-budget", "600", "--backlog", "600")
"""Nothing is given up: a figure for streams a core counts all of their speech."""


@dataclass(frozen=True)
class Row:
    """One figure and what it is measured against."""

    part: str
    what: str
    value: float
    unit: str
    beside: float | None = None
    ratio: float | None = None
    note: str = ""


class Recogniser:
    """A recogniser process and everything it has told."""

    def __init__(self, folder: Path, model: Path, *arguments: str) -> None:
        self.socket = folder / "s"
        self.argv = [
            *(sys.executable, "-m", "asr", "--socket", str(self.socket), "--model", str(model)),
            *("--processes", "1", "--log-level", "error", *arguments),
        ]
        self.heard: list[tuple[float, str, Heard]] = []
        self.loads: list[tuple[float, LoadChanged]] = []
        self.ready = asyncio.Event()
        self.client = RecognizerClient(
            socket_path=self.socket,
            on_result=lambda name, heard: self.heard.append((time.monotonic(), name, heard)),
            on_status=lambda status, _reason: self.ready.set() if status == "ok" else None,
            on_load=lambda load: self.loads.append((time.monotonic(), load)),
        )
        self.pid = 0

    async def cpu(self) -> float:
        """Return the CPU seconds of all its processes."""
        pids = [self.pid, *await self.client.processes()]
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)

    async def watch_lag(self, every: float = 0.25) -> list[float]:
        """Collect the longest lag, a few times a second, until cancelled."""
        lags: list[float] = []
        try:
            while True:
                await asyncio.sleep(every)
                lags.append((await self.client.counts()).get("lag_ms", 0) / 1000)
        except asyncio.CancelledError:
            return lags

    async def open(self, names: Sequence[str], audio: Sequence[np.ndarray]) -> list[Leg]:
        """Open a stream for each leg."""
        legs = []
        for name, samples in zip(names, audio, strict=True):
            role = "agent" if name.endswith(".agent") else "caller"
            target = await self.client.open_stream(name, role=role)  # type: ignore[arg-type]
            if target is None:
                raise SystemExit(f"no stream: {self.client.reason}")
            legs.append(Leg(name, samples, target))
        return legs

    async def close(self, legs: Sequence[Leg]) -> None:
        """Close them, hearing all that is still on its way."""
        await asyncio.gather(*(self.client.close_stream(leg.name, timeout=60) for leg in legs))


@asynccontextmanager
async def recogniser(model: Path, *arguments: str) -> AsyncIterator[Recogniser]:
    """Run one on the first core; the sender keeps to the others."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="asr-") as folder:
        found = Recogniser(Path(folder), model, *arguments)
        os.sched_setaffinity(0, cores[:1])
        process = await asyncio.create_subprocess_exec(*found.argv)
        os.sched_setaffinity(0, cores[1:] or cores)
        found.pid = process.pid
        await found.client.start()
        try:
            async with asyncio.timeout(60):
                await found.ready.wait()
            yield found
        finally:
            await found.client.close()
            await process.wait()
            os.sched_setaffinity(0, cores)


async def bare(model: Path, audio: Sequence[np.ndarray], folder: Path) -> tuple[float, float]:
    """Return audio seconds by CPU second of the bare engine, and the p95 of its ``FinalResult``."""
    raw = folder / "bare.raw"
    raw.write_bytes(b"".join(np.asarray(samples, "<i2").tobytes() for samples in audio))
    lengths = ",".join(str(2 * len(samples)) for samples in audio)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.asr_bare", str(model), str(raw), lengths),
        stdout=asyncio.subprocess.PIPE,
    )
    os.sched_setaffinity(0, cores)
    output, _ = await process.communicate()
    measured = json.loads(output)
    return measured["speed"], measured["final_p95"]


async def capacity(model: Path, speeches: Sequence[np.ndarray], seconds: float) -> list[Row]:
    """Measure streams a core on continuous speech and on two-sided talk."""
    rows = []
    continuous = np.concatenate([*speeches, *speeches])
    while len(continuous) < seconds * RATE:
        continuous = np.concatenate([continuous, continuous])
    talk = [conversation(speeches, seconds, first) for first in (0, 1)]
    cases = (
        ("without the voice detector", ["--no-vad"], [continuous[: round(seconds * RATE)]], 0.85),
        ("two-sided talk, with it", [], [leg for pair in talk for leg in pair], 1.6),
    )
    with tempfile.TemporaryDirectory() as folder:
        for what, arguments, patterns, share in cases:
            line = [over_the_line(pattern) for pattern in patterns]
            speed, _ = await bare(model, line, Path(folder))
            count = max(1, int(speed * share))
            async with recogniser(model, *arguments, *UNLIMITED) as running:
                names = [f"{n}.caller" for n in range(count)]
                audio = [patterns[n % len(patterns)] for n in range(count)]
                audio = [np.roll(samples, n * RATE // 3) for n, samples in enumerate(audio)]
                legs = await running.open(names, audio)
                before = await running.cpu()
                watch = asyncio.create_task(running.watch_lag())
                late = await play(legs)
                watch.cancel()
                lags = await watch
                await running.close(legs)  # what lagged is heard now, and counts
                used = await running.cpu() - before
            again, _ = await bare(model, line, Path(folder))
            speed = (speed + again) / 2
            streams = count * seconds / used
            lag = np.percentile(lags, [95, 100])
            note = f"{count} at once: lag p95 {lag[0]:.2f} s, most {lag[1]:.2f} s"
            if late > 0.2:
                note += f"; the sender itself was {late:.1f} s late"
            row = Row(
                *("capacity", f"streams a core, {what}", round(streams, 1), "streams"),
                *(round(speed, 1), round(streams / speed, 3), note),
            )
            rows.append(row)
    return rows


async def finals(model: Path, speeches: Sequence[np.ndarray]) -> list[Row]:
    """Measure from the end of speech to the final result, a few streams at once."""
    with tempfile.TemporaryDirectory() as folder:
        _, own = await bare(model, [over_the_line(s) for s in speeches], Path(folder))
    delays = []
    async with recogniser(model) as running:
        for first in range(0, len(speeches), 4):
            batch = speeches[first : first + 4]
            audio = [np.concatenate([silence(0.5), s, silence(1.5)]) for s in batch]
            legs = await running.open([f"{first + n}.caller" for n in range(len(batch))], audio)
            running.heard.clear()
            await play(legs)
            for leg, samples in zip(legs, batch, strict=True):
                came = [at for at, name, h in running.heard if name == leg.name and _final(h)]
                if came:
                    delays.append(came[-1] - (leg.began + 0.5 + speech_end(samples)))
            await running.close(legs)
    p50, p95 = (round(float(np.percentile(delays, p)), 3) for p in (50, 95))
    heard = f"{len(delays)} of {len(speeches)} utterances had a final within 1.5 s"
    note = f"{heard}; goal: less than 0.4 s more than the engine's own time"
    return [
        Row("final", "speech end → final, p50", p50, "s"),
        Row("final", "speech end → final, p95", p95, "s", round(own, 3), None, note),
    ]


def _final(heard: Heard) -> bool:
    return isinstance(heard, Final)


async def overload(
    model: Path, speeches: Sequence[np.ndarray], texts: Sequence[str], seconds: float
) -> list[Row]:
    """Play twice the talks that fit; then hear what was missed from their recordings."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        speed, _ = await bare(model, [over_the_line(s) for s in speeches], folder)
        calls = max(2, int(2 * speed / 2))
        async with recogniser(model) as running:
            names, audio, said = [], [], []
            for call in range(calls):
                # Both sides speak all the time: no pause makes room for the others.
                for side, role in enumerate(("caller", "agent")):
                    pick = (2 * call + side) % len(speeches)
                    names.append(f"{call}.{role}")
                    audio.append(_repeat(speeches, pick, seconds))
                    said.append(_said(speeches, texts, pick, seconds))
            legs = await running.open(names, audio)
            began = time.monotonic()
            watch = asyncio.create_task(running.watch_lag())
            late = await play(legs)
            watch.cancel()
            lags = await watch
            await running.close(legs)
            live = _errors(names, said, running.heard)
            gaps = [(n, h) for _, n, h in running.heard if isinstance(h, Gap)]
            first = {
                what: next((at - began for at, load in running.loads if getattr(load, what)), None)
                for what in ("partials", "streams")
            }
            quiet = time.monotonic()
            for number, (leg, gap) in enumerate(gaps):
                path = folder / f"{number}.wav"
                samples = over_the_line(audio[names.index(leg)])
                write_stereo(path, samples, samples)
                await _hear_later(running, path, f"{leg}~{number}", gap)
            took = time.monotonic() - quiet
            after = _errors(names, said, running.heard)
    missed = sum(gap.end - gap.start for _, gap in gaps)
    agents = sum(gap.end - gap.start for leg, gap in gaps if leg.endswith("agent"))
    note = f"{len(names)} streams where {speed:.0f} fit; sender late by {late:.2f} s at most"
    return [
        Row("overload", "lag, most", round(max(lags), 2), "s", note=note),
        Row("overload", "partials given up after", round(first["partials"] or -1, 1), "s"),
        Row("overload", "streams given up after", round(first["streams"] or -1, 1), "s"),
        Row("overload", "speech missed live", round(missed, 1), "s",
            note=f"{agents / missed:.0%} of it agents'" if missed else ""),
        Row("overload", "character errors live", round(100 * live, 1), "%"),
        Row("overload", "character errors afterwards", round(100 * after, 1), "%",
            note=f"{len(gaps)} gaps heard in {took:.0f} s"),
    ]  # fmt: skip


def _repeat(speeches: Sequence[np.ndarray], first: int, seconds: float) -> np.ndarray:
    pieces, length, turn = [], 0, first
    while not pieces or length + len(speeches[turn % len(speeches)]) < seconds * RATE:
        pieces += [speeches[turn % len(speeches)], silence(0.4, turn)]
        length += len(pieces[-2]) + len(pieces[-1])
        turn += 1
    return np.concatenate(pieces)


def _said(speeches: Sequence[np.ndarray], texts: Sequence[str], first: int, seconds: float) -> str:
    length, turn, said = 0.0, first, ""
    while not said or length + len(speeches[turn % len(speeches)]) < seconds * RATE:
        said += texts[turn % len(speeches)]
        length += len(speeches[turn % len(speeches)]) + round(0.4 * RATE)
        turn += 1
    return said


def _errors(
    names: Sequence[str], said: Sequence[str], heard: Sequence[tuple[float, str, Heard]]
) -> float:
    """Return the character error rate over all legs; later finals are put where they belong."""
    wrong = total = 0.0
    for name, text in zip(names, said, strict=True):
        finals = [h for _, n, h in heard if n.split("~")[0] == name and isinstance(h, Final)]
        finals.sort(key=lambda final: final.start)
        wrong += len(text) * character_error_rate(text, "".join(final.text for final in finals))
        total += len(text)
    return wrong / total


async def _hear_later(running: Recogniser, path: Path, stream: str, gap: Gap) -> None:
    mark = len(running.heard)
    fault = await running.client.recognise_file(
        stream, path, channel=0, start=max(0.0, gap.start - 0.4), end=gap.end
    )
    if fault is not None:
        raise SystemExit(f"not heard afterwards: {fault}")
    # As calls/catch_up.py: what the lead brought along is there already.
    running.heard[mark:] = [
        entry for entry in running.heard[mark:]
        if isinstance(entry[2], Final) and (entry[2].start + entry[2].end) / 2 > gap.start
    ]  # fmt: skip


async def run(options: argparse.Namespace) -> list[Row]:
    """Measure what is asked for."""
    speeches = [read_wav(path) for path in options.wav]
    texts = _transcripts(options)
    rows: list[Row] = []
    if "capacity" in options.parts:
        rows += await capacity(options.model, speeches, options.seconds)
    if "final" in options.parts:
        rows += await finals(options.model, speeches)
    if "overload" in options.parts:
        if texts is None:
            raise SystemExit("overload needs --transcripts, a table with columns file, transcript")
        rows += await overload(options.model, speeches, texts, options.seconds)
    if "ticket" in options.parts:
        rows += [Row("ticket", *row) for row in await measure_ticket(options.model, options.wav)]
    return rows


def _transcripts(options: argparse.Namespace) -> list[str] | None:
    if options.transcripts is None:
        return None
    with options.transcripts.open(encoding="utf-8", newline="") as file:
        said = {row["file"]: row["transcript"] for row in csv.DictReader(file, delimiter="\t")}
    return [said[path.name] for path in options.wav]


def print_table(rows: Sequence[Row]) -> None:
    """Print what a reader wants to see."""
    print(f"{'what':<48}{'':>9}{'engine alone':>14}{'ratio':>8}  note")
    for row in rows:
        beside = "" if row.beside is None else f"{row.beside:g}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        value = f"{row.value:g} {row.unit}"
        print(f"{row.what:<44}{value:>13}{beside:>14}{ratio:>8}  {row.note}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path)
    parser.add_argument("wav", type=Path, nargs="+")
    parser.add_argument("--transcripts", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    options = parser.parse_args()
    options.model = options.model.absolute()  # a node runs elsewhere
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    rows = asyncio.run(run(options))
    if options.json:
        print(json.dumps({"bench": "asr", "rows": [asdict(row) for row in rows]}))
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
