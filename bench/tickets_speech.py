"""How well tickets fill from recognised speech, beside the same dialogues as written.

    python -m bench.tickets_speech CASES.jsonl FOLDER [--model FOLDER] [--json]

FOLDER holds ``<id>.wav`` (8 kHz, 16 bit, mono), what the caller says in the dialogue of that id.
Each goes through A-law and the recognition engine in pieces of 100 ms, as in a call; the agent's
turns are taken as written, each after the same share of the caller's utterances.
"""

import argparse
import asyncio
import json
import sys
import wave
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asr import g711, model
from asr.ports import BYTES_PER_SECOND, Final
from asr.vosk_engine import VoskRecognizer
from telephony.media.g711 import encode
from tickets import warm_up
from tickets.cases import SCORED, Case, read_cases, score
from tickets.draft import Utterance
from tickets.written import Writer

CHUNK = BYTES_PER_SECOND // 10
TAIL = bytes(BYTES_PER_SECOND)


async def recognised(recognizer: VoskRecognizer, path: Path) -> list[Final]:
    """Return what the engine makes of a file as a telephone would carry it."""
    with wave.open(str(path), "rb") as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (8000, 1, 2):
            raise SystemExit(f"{path}: wanted 8 kHz, mono, 16 bit")
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    pcm = g711.decode(encode("PCMA", samples), "PCMA") + TAIL
    stream = await recognizer.open()
    for start in range(0, len(pcm), CHUNK):
        await stream.push(pcm[start : start + CHUNK])
    await stream.flush()
    await stream.aclose()
    return [event async for event in stream.events() if isinstance(event, Final) and event.text]


def spoken(case: Case, finals: Sequence[Final]) -> Iterator[Utterance]:
    """Put what was recognised in the place of what the caller said."""
    callers = sum(turn.speaker == "caller" for turn in case.turns)
    writer, said, done = Writer(), 0, 0
    for turn in [*case.turns, None]:
        if turn is not None and turn.speaker == "caller":
            said += 1
            continue
        until = len(finals) if turn is None else round(said * len(finals) / max(callers, 1))
        for final in finals[done:until]:
            times = tuple((word.text, word.start, word.end) for word in final.words)
            heard = writer.write(final.text, times).heard
            yield Utterance("caller", heard, final.start, final.end, times, final.confidence)
        done = max(done, until)
        if turn is not None:
            yield turn


async def run(cases: list[Case], folder: Path, chosen: Path | None) -> list[Case]:
    """Return the cases with recognised speech in the place of the caller's turns."""
    recognizer = VoskRecognizer.load(model.find(chosen))
    heard = []
    for case in cases:
        finals = await recognised(recognizer, folder / f"{case.id}.wav")
        heard.append(replace(case, turns=tuple(spoken(case, finals))))
    await recognizer.aclose()
    return heard


def main() -> int:
    """Print the comparison; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true", help="list what was wrong")
    options = parser.parse_args()
    warm_up()
    cases = [c for c in read_cases(options.cases) if (options.folder / f"{c.id}.wav").is_file()]
    written, _ = score(cases)
    heard, misses = score(asyncio.run(run(cases, options.folder, options.model)))
    rows = {
        field: {
            "cases": written[field][1],
            "written": 100 * written[field][0] / written[field][1],
            "recognised": 100 * heard[field][0] / heard[field][1],
        }
        for field in SCORED
        if written[field][1]
    }
    if options.json:
        print(json.dumps(rows))
    else:
        print(f"{'field':<10}{'cases':>6}{'written %':>11}{'recognised %':>14}{'points lost':>13}")
        for field, row in rows.items():
            lost = row["written"] - row["recognised"]
            print(
                f"{field:<10}{row['cases']:>6}{row['written']:>11.1f}{row['recognised']:>14.1f}"
                f"{lost:>13.1f}"
            )
    if options.verbose:
        for miss in misses:
            print(f"{miss.id}: {miss.field} is {miss.got!r}, expected {miss.expected!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
