"""How many streams a core recognises, how soon, and what happens when there are twice as many.

``python -m bench.asr MODEL WAV… [--transcripts TSV] [--seconds 20] [--rounds 3] [--parts …]
[--composed]``

Real processes over loopback, on one core of their own where the machine has several; the speech
comes as RTP at its own pace. The yardstick, in turn on the same core, is the bare engine looping
over the same audio in pieces of 100 ms. Streams a core are stream seconds by seconds of CPU
time of all recogniser processes; beside them stand the clock's figures and the lag that was seen.

With ``--composed`` the recogniser has the model with its graph composed (asr/compose.py), as is
recommended for many calls; what capacity compares it with is the engine on the model as given.

capacity   streams a core, with and without the voice detector, beside the bare engine; the memory
           that several workers share
final      from the end of each utterance to its final result, beside what the engine alone takes
overload   twice the streams that fit: what is given up, how well the rest is heard, what is left
           of it afterwards, and what calls to a node on the same machine notice
ticket     from the end of speech to the ticket's field on an agent's WebSocket: a whole node
"""

import argparse
import asyncio
import csv
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import structlog

from asr.compose import compose
from bench.asr_capacity import capacity
from bench.asr_final import finals
from bench.asr_overload import overload
from bench.asr_recogniser import Row
from bench.asr_ticket import measure_ticket
from bench.speech_source import read_wav

PARTS = ("capacity", "final", "overload", "ticket")


async def run(options: argparse.Namespace) -> list[Row]:
    """Measure what is asked for."""
    if not options.composed:
        return await _measure(options, options.model)
    with tempfile.TemporaryDirectory(prefix="composed-") as folder:
        model = Path(folder) / options.model.name
        return await _measure(options, compose(options.model, model))


async def _measure(options: argparse.Namespace, model: Path) -> list[Row]:
    speeches = [read_wav(path) for path in options.wav]
    texts = _transcripts(options)
    rows: list[Row] = []
    if "capacity" in options.parts:
        rows += await capacity(options.model, speeches, options.seconds, options.rounds, used=model)
    if "final" in options.parts:
        rows += await finals(model, speeches)
    if "overload" in options.parts:
        if texts is None:
            raise SystemExit("overload needs --transcripts, a table with columns file, transcript")
        rows += await overload(model, speeches, texts, options.seconds)
    if "ticket" in options.parts:
        rows += [Row("ticket", *row) for row in await measure_ticket(model, options.wav)]
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
    parser.add_argument("--rounds", type=int, default=3, help="capacity: pool and bare in turn")
    parser.add_argument("--composed", action="store_true", help="compose the model's graph first")
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
