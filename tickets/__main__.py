"""``python -m tickets``: try the slot filler on written dialogues; learn categories from tickets.

    python -m tickets fill CASES.jsonl --json     one JSON object a line
    python -m tickets score CASES.jsonl [-v]      compare with "expect"
    python -m tickets score CASES.jsonl --transcripts TSV   the same, as recognised
    python -m tickets gazetteer NAMES.csv         check a city's list of names
    python -m tickets train TICKETS.csv --text 标题 --text 内容 --label 类别 --out FOLDER
    python -m tickets classify --model FOLDER --json < TICKETS.jsonl

Exit status 0; 2 when the input cannot be read.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tickets import cases, gazetteer, learning, model, recognised, table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "fill":
                for case in cases.read_cases(options.cases):
                    _print_filled(cases.fill(case), as_json=options.json)
            case "score":
                tally, misses = cases.score(_cases(options.cases, options.transcripts))
                _print_scores(tally, misses, verbose=options.verbose)
            case "gazetteer":
                _check_gazetteer(gazetteer.read_gazetteer(options.names), options.text)
            case "train":
                learning.train(options)
            case "classify":
                return learning.classify(options, sys.stdin.buffer)
    except (OSError, cases.BadCase, table.BadTable, model.BadModel) as error:
        sys.stdout.flush()
        sys.stderr.write(f"tickets: {error}\n")
        return 2
    return 0


def _cases(path: Path, transcripts: Path | None) -> Iterator[cases.Case]:
    """Read dialogues; with transcripts only those that have one, as heard."""
    heard = recognised.read_transcripts(transcripts) if transcripts else None
    for case in cases.read_cases(path):
        if heard is None:
            yield case
        elif case.id in heard:
            yield recognised.as_heard(case, heard[case.id])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tickets", description=(__doc__ or "").strip())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    fill = commands.add_parser("fill", help="fill a ticket from each dialogue")
    fill.add_argument("cases", type=Path, metavar="CASES.jsonl")
    fill.add_argument("--json", action="store_true", help="print one JSON object a line")
    score = commands.add_parser("score", help="compare with what the dialogues expect")
    score.add_argument("cases", type=Path, metavar="CASES.jsonl")
    score.add_argument(
        "--transcripts", type=Path, metavar="TSV", help="what a recogniser made of the caller"
    )
    score.add_argument("-v", "--verbose", action="store_true", help="list what was wrong")
    check = commands.add_parser("gazetteer", help="check a city's list of names")
    check.add_argument("names", type=Path, metavar="NAMES.csv", help="UTF-8 or GBK")
    check.add_argument("--text", help="show what would be put right in this text")
    learning.add_commands(commands)
    return parser


def _check_gazetteer(names: gazetteer.Gazetteer, text: str | None) -> None:
    sys.stdout.write(f"{len(names)} names\n")
    for alike in names.same_sounds():
        sys.stdout.write(f"sound alike in some mouths: {'、'.join(alike)}\n")
    for repair in names.repairs(text or ""):
        sys.stdout.write(f"{repair.heard} → {repair.name} ({repair.distance:g})\n")


def _print_filled(values: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(values, ensure_ascii=False) + "\n")
        return
    sys.stdout.write(f"{values['id']}\n")
    for field in cases.SCORED:
        if values[field] is not None:
            sys.stdout.write(f"  {field:<9} {values[field]}\n")


def _print_scores(
    tally: Mapping[str, tuple[int, int]], misses: Sequence[cases.Miss], *, verbose: bool
) -> None:
    sys.stdout.write(f"{'field':<10}{'right':>7}{'total':>7}{'percent':>9}\n")
    for field, (right, total) in tally.items():
        percent = f"{100 * right / total:.1f}" if total else "-"
        sys.stdout.write(f"{field:<10}{right:>7}{total:>7}{percent:>9}\n")
    if verbose:
        for miss in misses:
            sys.stdout.write(
                f"{miss.id}: {miss.field} is {miss.got!r}, expected {miss.expected!r}\n"
            )


if __name__ == "__main__":
    sys.exit(main())
