"""The commands ``train`` and ``classify`` of ``python -m tickets``."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tickets.model import Model
from tickets.table import read_names, read_tickets

_TOP = 3


class BadLine(ValueError):
    """A line that is no ticket; the message says why."""


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``train`` and ``classify`` to the command line."""
    train = commands.add_parser("train", help="learn categories from closed tickets")
    train.add_argument("tickets", type=Path, metavar="TICKETS.csv", help="UTF-8 or GBK")
    train.add_argument(
        "--text", action="append", required=True, metavar="COLUMN", help="may be given repeatedly"
    )
    train.add_argument("--label", required=True, metavar="COLUMN")
    train.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    train.add_argument(
        "--taxonomy", type=Path, metavar="CSV", help="the category tree: its names are learnt too"
    )
    train.add_argument(
        "--repeats", type=_positive, default=5, help="cross-validations to average (default 5)"
    )
    train.add_argument(
        "--skip-rare",
        type=_positive,
        default=0,
        metavar="N",
        help="leave out labels with fewer than N different texts",
    )
    train.add_argument("--json", action="store_true", help="print one JSON object")
    classify = commands.add_parser("classify", help="classify tickets from standard input")
    classify.add_argument("--model", type=Path, required=True, metavar="FOLDER")
    classify.add_argument("--json", action="store_true", help="print one JSON object a line")


def train(options: argparse.Namespace) -> None:
    """Read, cross-validate, learn from everything, save, report.

    Raises:
        BadTable: a table cannot be learnt from.
        OSError: a file cannot be read or written.
    """
    # Here, because scikit-learn takes a second to import and nothing else needs it.
    from tickets import training  # noqa: PLC0415

    examples = read_tickets(
        options.tickets,
        texts=options.text,
        label=options.label,
        least=training.FOLDS,
        skip_rare=options.skip_rare,
    )
    labels = {example.label for example in examples}
    names = read_names(options.taxonomy, labels) if options.taxonomy else ()
    trainer = training.Trainer(examples, names)
    report = trainer.cross_validate(range(options.repeats))
    trainer.fit(report.scale).save(options.out)
    summary = {
        "rows": len(examples),
        "taxonomy_rows": len(names),
        "folds": training.FOLDS,
        "accuracy": {
            "mean": round(report.mean, 4),
            "sd": round(report.deviation, 4),
            "repeats": [round(accuracy, 4) for accuracy in report.accuracies],
        },
        "labels": [
            {
                "label": label,
                "rows": sum(example.label == label for example in examples),
                "recall": round(recall, 4),
                "precision": round(precision, 4),
            }
            for label, recall, precision in training.per_label(report)
        ],
        "confusion": report.confusion.tolist(),
        "model": str(options.out),
    }
    if options.json:
        sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(_table(summary))


def classify(options: argparse.Namespace, lines: Iterable[bytes]) -> int:
    """Classify JSON lines; return 0, or 2 when a line was bad (it is named, the rest goes on).

    Raises:
        BadModel: the folder holds no model.
        OSError: it cannot be read.
    """
    model = Model.load(options.model)
    status = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            name, texts = _ticket(line)
        except BadLine as error:
            sys.stdout.flush()
            sys.stderr.write(f"tickets: line {number}: {error}\n")
            status = 2
            continue
        top = [
            {"label": guess.label, "confidence": round(guess.confidence, 4)}
            for guess in model.rank(texts)[:_TOP]
        ]
        if options.json:
            text = json.dumps({"id": name, **top[0], "top": top}, ensure_ascii=False)
        else:
            text = f"{name}\t{top[0]['label']}\t{top[0]['confidence']}"
        sys.stdout.write(text + "\n")
        sys.stdout.flush()  # whoever sends a line and waits for its answer gets it
    return status


def _ticket(line: bytes) -> tuple[str | int, list[str]]:
    """Return a ticket's id and its texts, the title first."""
    try:
        data = json.loads(line)
    except ValueError as error:
        # UnicodeDecodeError and JSONDecodeError are ValueErrors.
        raise BadLine(str(error)) from error
    if not isinstance(data, dict):
        raise BadLine("not a JSON object")
    name = data.get("id")
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise BadLine("id is missing or neither text nor a whole number")
    texts = []
    for key in ("title", "text"):
        value = data.get(key)
        if not isinstance(value, str | None):
            raise BadLine(f"{key} is not text")
        if value and value.strip():
            texts.append(value)
    if not texts:
        raise BadLine("title and text are both missing or empty")
    return name, texts


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _table(summary: dict[str, Any]) -> str:
    """Return the report as text: accuracy, a line a label, and the confusion in per cent."""
    accuracy = summary["accuracy"]
    labels = summary["labels"]
    lines = [
        f"{summary['rows']} tickets, {len(labels)} labels, {summary['taxonomy_rows']} tree names",
        (
            f"{summary['folds']}-fold cross-validated accuracy {accuracy['mean']:.3f} ± "
            f"{accuracy['sd']:.3f} ({len(accuracy['repeats'])} repetitions)"
        ),
        "",
        "       rows  recall  precision  label",
        *(
            f"{number:>4}{label['rows']:>7}{label['recall']:>8.3f}{label['precision']:>11.3f}"
            f"  {label['label']}"
            for number, label in enumerate(labels, start=1)
        ),
        "",
        "Per cent of a label's tickets (line) that came out as each label (column):",
        "    " + "".join(f"{number:>6}" for number in range(1, len(labels) + 1)),
    ]
    for number, row in enumerate(summary["confusion"], start=1):
        cells = "".join(f"{100 * times / sum(row):>6.1f}" if times else "     ." for times in row)
        lines.append(f"{number:>4}{cells}")
    return "\n".join([*lines, "", f"Model written to {summary['model']}", ""])
