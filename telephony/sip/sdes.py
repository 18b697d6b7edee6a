"""Keys in session descriptions (RFC 4568): the ``a=crypto`` line.

The key travels in the clear, so it is worth as much as the signalling is secured: over TLS.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

Suite = Literal["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM"]
SUITES: Final[tuple[Suite, ...]] = get_args(Suite)
OFFERED: Final = SUITES[:2]
"""What every phone with SRTP knows; AES-GCM (RFC 7714) is taken from those who offer it."""
KEY_OCTETS: Final = 30
"""The most that a suite takes of a master key and its salt (§6.2)."""
_SHORTER: Final[dict[Suite, int]] = {"AEAD_AES_128_GCM": 28}  # RFC 7714 §14.2: 16 and 12

_METHOD = "inline:"
_FIELDS = 3
_HIGHEST_TAG_DIGITS = 9  # §9.1: tag = 1*9DIGIT


@dataclass(frozen=True, slots=True)
class Crypto:
    """One way to secure a stream.

    Attributes:
        tag: by which an answer says which of the offered ones it takes.
        suite: the algorithms.
        key: master key and salt of who wrote the line, for what he sends: as the suite has it.
    """

    tag: int
    suite: Suite
    key: bytes

    def __repr__(self) -> str:
        """Say all but the key, which must not come into a log."""
        return f"Crypto({self.tag}, {self.suite})"

    def to_line(self) -> str:
        """Write the attribute."""
        return f"a=crypto:{self.tag} {self.suite} {_METHOD}{base64.b64encode(self.key).decode()}"


def key_for(suite: Suite, material: bytes) -> bytes:
    """Cut a suite's master key and salt from :data:`KEY_OCTETS` random octets."""
    return material[: _SHORTER.get(suite, KEY_OCTETS)]


def read_crypto(value: str) -> Crypto | None:
    """Read what stands behind ``a=crypto:``; None if it is malformed or asks for what we lack.

    We lack other suites, several keys, key identifiers (MKI), and session parameters, except those
    that may be passed over (§6.3.7: they begin with ``-``).
    """
    fields = value.split()
    if len(fields) < _FIELDS or not all(extra.startswith("-") for extra in fields[_FIELDS:]):
        return None
    tag, name, parameters = fields[:_FIELDS]
    suite = next((known for known in SUITES if known == name), None)
    if suite is None or not tag.isdecimal() or len(tag) > _HIGHEST_TAG_DIGITS:
        return None
    if not tag.isascii() or not parameters.startswith(_METHOD) or ";" in parameters:
        return None
    written, *rest = parameters.removeprefix(_METHOD).split("|")
    if len(rest) > 1 or ":" in "".join(rest):  # one field more at most: the key's lifetime
        return None
    try:
        key = base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        return None
    return Crypto(int(tag), suite, key) if len(key) == _SHORTER.get(suite, KEY_OCTETS) else None


def choose_crypto(values: Iterable[str]) -> Crypto | None:
    """Return the first of some lines that we can do: they stand in the peer's order (§5.1.2)."""
    return next(filter(None, map(read_crypto, values)), None)
