"""One timer for many machines: which of them wants to be called next."""

import heapq
from typing import Generic, TypeVar

T = TypeVar("T")

_SLACK = 64  # stale entries that are tolerated whatever the number of machines


class Deadlines(Generic[T]):
    """The deadlines of any number of hashable machines, in a heap.

    A changed deadline is pushed again and the old entry left to go stale: setting costs O(log n),
    and nothing is searched.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._wanted: dict[T, float] = {}
        self._serial = 0  # so that the heap never compares machines

    def __len__(self) -> int:
        return len(self._wanted)

    def set(self, machine: T, deadline: float | None) -> None:
        """Remember a machine's deadline in place of its last one; None forgets the machine."""
        if deadline is None:
            self._wanted.pop(machine, None)
        elif self._wanted.get(machine) != deadline:
            self._wanted[machine] = deadline
            self._serial += 1
            heapq.heappush(self._heap, (deadline, self._serial, machine))
        if len(self._heap) > 2 * len(self._wanted) + _SLACK:
            self._compact()

    @property
    def next(self) -> float | None:
        """The earliest deadline, or None."""
        while self._heap:
            deadline, _, machine = self._heap[0]
            if self._wanted.get(machine) == deadline:
                return deadline
            heapq.heappop(self._heap)
        return None

    def pop_due(self, now: float) -> T | None:
        """Remove and return the machine with the earliest deadline if it has passed."""
        earliest = self.next
        if earliest is None or earliest > now:
            return None
        machine = heapq.heappop(self._heap)[2]
        del self._wanted[machine]
        return machine

    def _compact(self) -> None:
        """Drop the stale entries, which would otherwise hold on to dead machines."""
        self._heap = [entry for entry in self._heap if self._wanted.get(entry[2]) == entry[0]]
        heapq.heapify(self._heap)
