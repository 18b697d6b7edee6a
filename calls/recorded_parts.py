"""The parts of a call's recording on the call's time line. Pure.

A call that is passed on is recorded in parts, one for each agent who held it; between two of them
it may have been with somebody outside, who is not recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calls.redaction import Span


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a recording.

    Attributes:
        number: from 1.
        path: of the file.
        begins: seconds since the answer.
        seconds: how long it lasts, at most; None: only the file knows.
        complete: whether it was completed; if not, its media process died or was silent, and there
            may be no file.
    """

    number: int
    path: Path
    begins: float
    seconds: float | None
    complete: bool = True

    def within(self, span: Span) -> Span | None:
        """Return the part's share of a span of the call, on the part's own time line."""
        start, end = max(0.0, span.start - self.begins), span.end - self.begins
        if end <= 0 or (self.seconds is not None and start >= self.seconds):
            return None
        return Span(start, end, span.side)


def path_of(first: Path, number: int) -> Path:
    """Return where a part lies; ``first``: the path of part 1."""
    return first if number == 1 else first.with_name(f"{first.stem}-{number}{first.suffix}")


def later_parts(first: Path) -> dict[int, Path]:
    """Return the files of the parts after the first, by their numbers. Blocking."""
    found = {}
    for path in first.parent.glob(f"{first.stem}-*{first.suffix}"):
        number = path.stem.removeprefix(f"{first.stem}-")
        if number.isdecimal():
            found[int(number)] = path
    return found


def parts_of(row: Mapping[str, Any]) -> Sequence[Part]:
    """Return the parts of a call's record, in their order.

    A part that was never completed has no row of its own; the first one's file is known all the
    same. Of parts from before their beginnings were kept, each follows the one before.
    """
    if not row["recording"]:
        return ()
    first = Path(row["recording"])
    parts: list[Part] = []
    end = 0.0
    for entry in sorted(row["recordings"], key=lambda entry: int(entry["part"])):
        begins = end if entry["begins"] is None else float(entry["begins"])
        number, seconds = int(entry["part"]), float(entry["seconds"])
        parts.append(Part(number, path_of(first, number), begins, seconds))
        end = begins + seconds
    if all(part.number != 1 for part in parts):
        until = min((part.begins for part in parts), default=None)
        parts.insert(0, Part(1, first, 0.0, until, complete=False))
    return parts
