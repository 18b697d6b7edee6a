"""Dialogues with what a recogniser made of the caller in the place of what the caller said.

The table has columns ``file`` and ``transcript``, separated by tabs: ``d01.wav`` belongs to the
dialogue ``d01``; its utterances are separated by blanks, and contain none.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tickets.cases import BadCase, Case
from tickets.draft import Utterance
from tickets.written import Writer


def read_transcripts(path: Path) -> Mapping[str, Sequence[str]]:
    """Return each dialogue's utterances by its id.

    Raises:
        BadCase: the table has other columns, or is not UTF-8.
        OSError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except UnicodeDecodeError as error:
        raise BadCase(f"{path}: {error}") from error
    found: dict[str, Sequence[str]] = {}
    for number, row in enumerate(rows, start=2):
        name, heard = row.get("file"), row.get("transcript")
        if not name or heard is None:
            raise BadCase(f"{path}:{number}: columns file and transcript are wanted")
        found[Path(name).stem] = heard.split()
    return found


def as_heard(case: Case, heard: Sequence[str]) -> Case:
    """Return the case with these utterances for the caller's; the agent's keep their places."""
    return replace(case, turns=tuple(_turns(case.turns, heard)))


def _turns(turns: Sequence[Utterance], heard: Sequence[str]) -> Iterator[Utterance]:
    # Each of the agent's turns comes after the same share of the caller's utterances.
    callers = sum(turn.speaker == "caller" for turn in turns)
    writer, said, done = Writer(), 0, 0
    for turn in turns:
        if turn.speaker == "caller":
            said += 1
            until = round(said * len(heard) / callers)
            for text in heard[done:until]:
                yield Utterance("caller", writer.write(text).heard)
            done = max(done, until)
        else:
            yield turn
