"""Ports of 127.0.0.1 that nobody has at the moment of asking, and that nobody is likely to take.

They lie below those that the kernel hands out by itself (net.ipv4.ip_local_port_range), for a port
of that range can become some connection's own before the program that was told of it listens. Each
of pytest-xdist's workers has a slice to itself and goes round in it, so that a port is not given
twice in a row either.
"""

import os
import random
import socket
from collections.abc import Iterator

FIRST, LAST, SLICES = 10_100, 19_998, 8
"""Clear of the node's default range for RTP, 20000 to 29999, and of the last port that Chromium
opens no page at (10080)."""


def _round() -> Iterator[int]:
    """Yield the even ports of this process's slice for ever, from a random one on."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % SLICES
    size = (LAST - FIRST) // SLICES
    first = FIRST + worker * size
    ports = range(first + first % 2, first + size - 1, 2)
    start = random.randrange(len(ports))  # two runs on one machine
    while True:
        for offset in range(len(ports)):
            yield ports[(start + offset) % len(ports)]


_PORTS = _round()


def _free(*kinds: tuple[int, socket.SocketKind]) -> int:
    """Return the next even port whose given neighbours are free.

    Args:
        kinds: how far above the port, and a socket's kind.
    """
    for port in _PORTS:
        if not any(is_taken(port + above, kind) for above, kind in kinds):
            return port
    raise AssertionError("the ports never end")


def free_udp_port() -> int:
    """Return a free UDP port."""
    return _free((0, socket.SOCK_DGRAM))


def free_tcp_port() -> int:
    """Return a free TCP port."""
    return _free((0, socket.SOCK_STREAM))


def free_sip_port() -> int:
    """Return a port free for UDP and TCP whose neighbour above is free for TCP (SIP over TLS)."""
    return _free((0, socket.SOCK_DGRAM), (0, socket.SOCK_STREAM), (1, socket.SOCK_STREAM))


def free_rtp_port(pairs: int = 1) -> int:
    """Return an even UDP port that is free, as is the odd one above it (RFC 3550 §11).

    Args:
        pairs: how many such pairs in a row the program takes for its own.
    """
    port = _free(*((above, socket.SOCK_DGRAM) for above in range(2 * pairs)))
    for _ in range(pairs - 1):
        next(_PORTS)
    return port


def is_taken(
    port: int, kind: socket.SocketKind = socket.SOCK_DGRAM, *, host: str = "127.0.0.1"
) -> bool:
    """Whether somebody has this port: how a program that says nothing shows that it listens."""
    try:
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind((host, port))
    except OSError:
        return True
    return False
