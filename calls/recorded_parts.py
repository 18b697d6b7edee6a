"""The parts of a call's recording on the call's time line. Pure.

A call that is passed on is recorded in parts, one for each agent who held it; between two of them
it may have been with somebody outside, who is not recorded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from calls.redaction import Span

_MARGIN: Final = 2.0
"""Between an agent's answer and the beginning of his part, at most."""


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
        margin: so many seconds it may begin earlier or later.
    """

    number: int
    path: Path
    begins: float
    seconds: float | None
    complete: bool = True
    margin: float = 0.0

    def within(self, span: Span) -> Span | None:
        """Return the part's share of a span of the call, on the part's own time line."""
        start = max(0.0, span.start - self.begins - self.margin)
        end = span.end - self.begins + self.margin
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


def parts_of(row: Mapping[str, Any], *, on_disk: Iterable[int] = ()) -> Sequence[Part]:
    """Return the parts of a call's record, in their order.

    A part that was never completed has no row of its own; the first one's file is known all the
    same, and later ones are where they lie on the disk: ``on_disk`` has their numbers. Of parts
    from before their beginnings were kept, each follows the one before.
    """
    if not row["recording"]:
        return ()
    first = Path(row["recording"])
    known = {int(entry["part"]): entry for entry in row["recordings"]}
    parts: list[Part] = []
    end = 0.0
    for number in sorted({1, *known, *on_disk}):
        path, entry = path_of(first, number), known.get(number)
        if entry is not None:
            begins = end if entry["begins"] is None else float(entry["begins"])
            parts.append(Part(number, path, begins, float(entry["seconds"])))
            end = begins + float(entry["seconds"])
        elif number == 1:
            parts.append(Part(1, path, 0.0, None, complete=False))
        else:
            end = _taken_over(row, parts[-1], end)
            parts.append(Part(number, path, end, None, complete=False, margin=_MARGIN))
    return [_until(part, later) for part, later in zip_longest(parts, parts[1:])]


def _taken_over(row: Mapping[str, Any], before: Part, end: float) -> float:
    """Return when the next agent had the call after a part, seconds since its answer."""
    least = before.begins + _MARGIN if before.seconds is None else end - _MARGIN
    answered = (
        float(segment["answered_at"]) - float(row["answered_at"])
        for segment in row.get("segments", ())
        if segment["agent_id"] and segment["answered_at"] and row["answered_at"]
    )
    return min((at for at in answered if at >= least), default=end)


def _until(part: Part, later: Part | None) -> Part:
    """Return a part that lasts, where only its file knows how long, at most until the next one."""
    if part.seconds is not None or later is None:
        return part
    return replace(part, seconds=max(0.0, later.begins - part.begins))
