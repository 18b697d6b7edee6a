"""In which order trunks are tried (RFC 2782): by priority, and by chance and weight within one."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Protocol, TypeVar


class Weighted(Protocol):
    """What can be chosen."""

    @property
    def priority(self) -> int:
        """Lower is tried first."""
        ...

    @property
    def weight(self) -> int:
        """The share among those of one priority."""
        ...


W = TypeVar("W", bound=Weighted)


def in_order(candidates: Iterable[W], chances: Sequence[float]) -> list[W]:
    """Return all candidates, in the order to try them.

    Args:
        candidates: those that work.
        chances: random numbers in [0, 1), at least one for each candidate.
    """
    drawn = iter(chances)
    ordered: list[W] = []
    by_priority = attrgetter("priority")
    for _, group in groupby(sorted(candidates, key=by_priority), by_priority):
        ordered += _by_weight(list(group), drawn.__next__)
    return ordered


def _by_weight(group: list[W], draw: Callable[[], float]) -> list[W]:
    """Order candidates of one priority.

    RFC 2782: "arrange all SRV RRs (that have not been ordered yet) in any order, except that all
    those with weight 0 are placed at the beginning of the list. Compute the sum of the weights of
    those RRs, and with each RR associate the running sum in the selected order. Then choose a
    uniform random number between 0 and the sum computed (inclusive), and select the RR whose
    running sum value is the first in the selected order which is greater than or equal to the
    random number".
    """
    waiting = sorted(group, key=lambda candidate: candidate.weight > 0)
    ordered = []
    while waiting:
        total = sum(candidate.weight for candidate in waiting)
        point = int(draw() * (total + 1))  # 0 to the sum, inclusive
        running = 0
        for candidate in waiting:
            running += candidate.weight
            if running >= point:
                break
        waiting.remove(candidate)
        ordered.append(candidate)
    return ordered
