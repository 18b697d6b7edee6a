"""Port pairs of a range, the one least recently used first.

RTP takes the even port and RTCP the next higher odd one (RFC 3550 §11). A pair that was given back
rests at the end of the line, so that packets of the call that had it don't reach the next one.
"""

from collections import deque


class PortsExhausted(Exception):
    """Every pair of the range is in use."""


class PortPool:
    """The pairs of ``first``…``last`` (both inclusive), named by their even port.

    Raises:
        ValueError: there is no whole pair in the range.
    """

    def __init__(self, first: int, last: int) -> None:
        self._free = deque(range(first + first % 2, last, 2))
        self._taken: set[int] = set()
        if not 0 < first <= last <= 65535 or not self._free:  # noqa: PLR2004 - 16 bits
            raise ValueError(f"no pair of an even and an odd port in {first}-{last}")

    def __len__(self) -> int:
        """Return how many pairs are in use."""
        return len(self._taken)

    @property
    def free(self) -> int:
        """How many pairs can be taken."""
        return len(self._free)

    def take(self) -> int:
        """Return the pair that has rested longest.

        Raises:
            PortsExhausted: none is free.
        """
        if not self._free:
            raise PortsExhausted(f"all {len(self._taken)} port pairs are in use")
        port = self._free.popleft()
        self._taken.add(port)
        return port

    def give_back(self, port: int) -> None:
        """Put a pair at the end of the line.

        Raises:
            ValueError: it was not taken.
        """
        if port not in self._taken:
            raise ValueError(f"port {port} is not in use")
        self._taken.remove(port)
        self._free.append(port)
