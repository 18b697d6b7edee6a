"""Listeners in the configuration: ``tls://0.0.0.0:5061?advertised=203.0.113.7:5061``."""

import re
from typing import Any

_LISTENER = re.compile(
    r"(?P<transport>udp|tcp|tls|ws|wss)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s\[\]:?/]+)"
    r"(?::(?P<port>[0-9]+))?/?(?:\?advertised=(?P<advertised>[^\s&?]+))?",
    re.IGNORECASE,
)
_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 5066, "wss": 5067}


def read_listener(value: object) -> Any:
    """Return the options of a listener that is written as an address; tables are left as they are.

    Raises:
        ValueError: it cannot be read; the message says what is wanted.
    """
    if not isinstance(value, str):
        return value
    found = _LISTENER.fullmatch(value.strip())
    if found is None:
        raise ValueError("a listener, as tls://0.0.0.0:5061 or udp://[::1]:5060?advertised=HOST")
    transport = found["transport"].lower()
    return {
        "transport": transport.upper(),
        "host": found["host"].strip("[]"),
        "port": int(found["port"] or _PORTS[transport]),
        "advertised": found["advertised"],
    }
