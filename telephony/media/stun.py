"""STUN messages (RFC 8489), as far as a server of connectivity checks needs them. Pure.

A message is a header of 20 octets (type, length, magic cookie, transaction id) and attributes, each
padded to a multiple of four. :func:`parse` accepts exactly what is well-formed; whether a message
is authentic is asked of it afterwards, since the key depends on what it says.
"""

import hashlib
import hmac
import ipaddress
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MAGIC_COOKIE: Final = 0x2112A442
HEADER: Final = 20

BINDING_REQUEST: Final = 0x0001
BINDING_INDICATION: Final = 0x0011
BINDING_SUCCESS: Final = 0x0101
BINDING_ERROR: Final = 0x0111

USERNAME: Final = 0x0006
MESSAGE_INTEGRITY: Final = 0x0008
ERROR_CODE: Final = 0x0009
UNKNOWN_ATTRIBUTES: Final = 0x000A
XOR_MAPPED_ADDRESS: Final = 0x0020
PRIORITY: Final = 0x0024
USE_CANDIDATE: Final = 0x0025
FINGERPRINT: Final = 0x8028
ICE_CONTROLLED: Final = 0x8029
ICE_CONTROLLING: Final = 0x802A

FIRST_OPTIONAL: Final = 0x8000
"""Attributes from here on may be passed over by who does not know them (§14)."""

_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_HMAC_OCTETS = 20
_CRC_MASK = 0x5354554E  # §14.7: "STUN" in ASCII
_IPV4, _IPV6 = 1, 2
_TYPE_MASK = 0xC000  # §5: "The most significant 2 bits of every STUN message MUST be zeroes"


class MalformedStun(ValueError):
    """The peer's: not a STUN message."""


@dataclass(frozen=True, slots=True)
class StunMessage:
    """One message.

    Attributes:
        kind: class and method, 14 bits: :data:`BINDING_REQUEST`…
        transaction: the id of 12 octets.
        attributes: type and value of each, in their order.
        raw: the octets that it was read from; empty when it was made here.
    """

    kind: int
    transaction: bytes
    attributes: tuple[tuple[int, bytes], ...] = ()
    raw: bytes = b""

    def get(self, attribute: int) -> bytes | None:
        """Return the first value of an attribute (§14: others "MAY be ignored"), or None."""
        return next((value for kind, value in self.attributes if kind == attribute), None)

    def has(self, attribute: int) -> bool:
        """Tell whether an attribute is there."""
        return self.get(attribute) is not None

    def unknown(self, known: frozenset[int]) -> list[int]:
        """Return the attributes that must be understood and are not (§6.3.1)."""
        kinds = (kind for kind, _ in self.attributes)
        return [kind for kind in kinds if kind < FIRST_OPTIONAL and kind not in known]

    def is_authentic(self, key: bytes) -> bool:
        """Tell whether MESSAGE-INTEGRITY is there and was made with this key (§14.5)."""
        at = _offset_of(self.raw, MESSAGE_INTEGRITY)
        if at is None:
            return False
        given = self.raw[at + _ATTRIBUTE.size : at + _ATTRIBUTE.size + _HMAC_OCTETS]
        return hmac.compare_digest(given, _integrity(self.raw[:at], key))


def is_stun(datagram: bytes) -> bool:
    """Tell STUN from what else comes to the port: RFC 7983 §7, and the cookie."""
    return (
        len(datagram) >= HEADER
        and datagram[0] <= 3  # noqa: PLR2004 - RFC 7983: 0-3
        and datagram[4:8] == MAGIC_COOKIE.to_bytes(4)
    )


def parse(datagram: bytes) -> StunMessage:
    """Read a message; a FINGERPRINT in it is checked.

    Raises:
        MalformedStun: it is none.
    """
    if len(datagram) < HEADER:
        raise MalformedStun("shorter than a header")
    kind, length, cookie, transaction = _HEADER.unpack_from(datagram)
    if kind & _TYPE_MASK or cookie != MAGIC_COOKIE:
        raise MalformedStun("not STUN")
    if length % 4 or len(datagram) != HEADER + length:
        raise MalformedStun("the length does not fit")
    return StunMessage(kind, transaction, tuple(_attributes(datagram)), datagram)


def _attributes(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield what counts: nothing between MESSAGE-INTEGRITY and FINGERPRINT does (§14.5)."""
    at = HEADER
    authenticated = False
    while at < len(datagram):
        name, size = _ATTRIBUTE.unpack_from(datagram, at)
        value = datagram[at + _ATTRIBUTE.size : at + _ATTRIBUTE.size + size]
        if len(value) != size:
            raise MalformedStun("an attribute is cut off")
        if name == FINGERPRINT and (
            value != _fingerprint(datagram[:at]) or at + 8 != len(datagram)
        ):
            raise MalformedStun("wrong fingerprint")
        if name == MESSAGE_INTEGRITY and size != _HMAC_OCTETS:
            raise MalformedStun("MESSAGE-INTEGRITY of another length")
        if not authenticated or name == FINGERPRINT:
            yield name, value
        authenticated = authenticated or name == MESSAGE_INTEGRITY
        at += _ATTRIBUTE.size + (size + 3 & ~3)


def build(
    kind: int,
    transaction: bytes,
    attributes: Sequence[tuple[int, bytes]] = (),
    *,
    key: bytes | None = None,
) -> bytes:
    """Write a message, with MESSAGE-INTEGRITY by a key, if one is given, and FINGERPRINT."""
    body = b"".join(
        _ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) % 4)
        for name, value in attributes
    )
    message = _HEADER.pack(kind, len(body), MAGIC_COOKIE, transaction) + body
    if key is not None:
        message = _with_length(message, 4 + _HMAC_OCTETS) + (
            _ATTRIBUTE.pack(MESSAGE_INTEGRITY, _HMAC_OCTETS) + _integrity(message, key)
        )
    message = _with_length(message, 8)
    return message + _ATTRIBUTE.pack(FINGERPRINT, 4) + _fingerprint(message)


def xor_address(host: str, port: int, transaction: bytes) -> bytes:
    """Write the value of XOR-MAPPED-ADDRESS (§14.2)."""
    address = ipaddress.ip_address(host)
    family = _IPV4 if address.version == 4 else _IPV6  # noqa: PLR2004 - IPv4
    mask = MAGIC_COOKIE.to_bytes(4) + transaction
    xored = bytes(octet ^ masked for octet, masked in zip(address.packed, mask, strict=False))
    return struct.pack("!xBH", family, port ^ MAGIC_COOKIE >> 16) + xored


def error_code(code: int, reason: str) -> bytes:
    """Write the value of ERROR-CODE (§14.8)."""
    return struct.pack("!HBB", 0, code // 100, code % 100) + reason.encode()


def _offset_of(raw: bytes, wanted: int) -> int | None:
    """Return where an attribute begins in a message that has been read."""
    at = HEADER
    while at < len(raw):
        name, size = _ATTRIBUTE.unpack_from(raw, at)
        if name == wanted:
            return at
        at += _ATTRIBUTE.size + (size + 3 & ~3)
    return None


def _with_length(message: bytes, more: int) -> bytes:
    """Return a message whose length field counts so many octets after it."""
    length = len(message) - HEADER + more
    return message[:2] + length.to_bytes(2) + message[4:]


def _integrity(before: bytes, key: bytes) -> bytes:
    """§14.5: over what stands before it, its own end standing in the length field."""
    return hmac.digest(key, _with_length(before, 4 + _HMAC_OCTETS), hashlib.sha1)


def _fingerprint(before: bytes) -> bytes:
    """§14.7: over what stands before it, the length of the whole in the length field."""
    return (zlib.crc32(_with_length(before, 8)) ^ _CRC_MASK).to_bytes(4)
