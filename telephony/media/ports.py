"""Port pairs of a range, the one least recently used first.

RTP takes the even port and RTCP the next higher odd one (RFC 3550 §11). A pair that was given back
rests at the end of the line, and for :data:`QUARANTINE` seconds at least, so that packets of the
call that had it don't reach the next one: a trunk's calls all come from one host, which may latch.
"""

import contextlib
import math
import socket
from collections import deque
from typing import Final

QUARANTINE: Final = 2.0
"""Seconds that a pair rests: a network's delay, and a peer's that has not yet read our BYE."""

EXPEDITED_FORWARDING: Final = 46
"""The DSCP of voice (RFC 3246)."""


def bind_pair(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Bind RTP to an even port and RTCP to the next; both are marked as voice and never block.

    Raises:
        OSError: one of them is in use, or the address is not ours.
    """
    with contextlib.ExitStack() as undo:
        pair = []
        for number in (port, port + 1):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            bound = undo.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            bound.settimeout(0)
            bound.bind((host, number))
            _mark_as_voice(bound)
            pair.append(bound)
        undo.pop_all()
    rtp, rtcp = pair
    return rtp, rtcp


def _mark_as_voice(bound: socket.socket) -> None:
    field = EXPEDITED_FORWARDING << 2  # the upper six bits of the former type of service
    if bound.family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, field)
    else:
        bound.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, field)


class PortsExhausted(Exception):
    """Every pair of the range is in use."""


class PortPool:
    """The pairs of ``first``…``last`` (both inclusive), named by their even port.

    Args:
        first: the lowest port.
        last: the highest.
        quarantine: seconds that a pair rests before it is taken again.

    Raises:
        ValueError: there is no whole pair in the range.
    """

    def __init__(self, first: int, last: int, *, quarantine: float = QUARANTINE) -> None:
        self._quarantine = quarantine
        self._free = deque((-math.inf, port) for port in range(first + first % 2, last, 2))
        self._taken: set[int] = set()
        if not 0 < first <= last <= 65535 or not self._free:  # noqa: PLR2004 - 16 bits
            raise ValueError(f"no pair of an even and an odd port in {first}-{last}")

    def __len__(self) -> int:
        """Return how many pairs are in use."""
        return len(self._taken)

    @property
    def free(self) -> int:
        """How many pairs are not in use, those that rest included."""
        return len(self._free)

    def take(self, now: float) -> int:
        """Return the pair that has rested longest.

        Raises:
            PortsExhausted: all are in use, or rest.
        """
        if not self._free:
            raise PortsExhausted(f"all {len(self._taken)} port pairs are in use")
        since, port = self._free[0]
        if now < since + self._quarantine:
            raise PortsExhausted(
                f"{len(self._taken)} port pairs are in use, {len(self._free)} rest after use"
            )
        self._free.popleft()
        self._taken.add(port)
        return port

    def give_back(self, port: int, now: float) -> None:
        """Put a pair at the end of the line.

        Raises:
            ValueError: it was not taken.
        """
        if port not in self._taken:
            raise ValueError(f"port {port} is not in use")
        self._taken.remove(port)
        self._free.append((now, port))
