"""Ports of 127.0.0.1 that nobody has at the moment of asking."""

import socket


def free_udp_port() -> int:
    """Return a free UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_tcp_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_sip_port() -> int:
    """Return a port free for UDP and TCP whose neighbour above is free for TCP (SIP over TLS)."""
    while True:
        port = free_udp_port()
        try:
            for wanted in (port, port + 1):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", wanted))
        except (OSError, OverflowError):
            continue
        return port


def free_rtp_port() -> int:
    """Return an even UDP port that is free, as is the odd one above it (RFC 3550 §11)."""
    while True:
        port = free_udp_port() & ~1
        try:
            for wanted in (port, port + 1):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.bind(("127.0.0.1", wanted))
        except OSError:
            continue
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
