"""MQTT packets, as far as a publisher needs them (MQTT 5, and 3.1.1 where said so); no I/O.

aiomqtt, by which everybody else here speaks to a broker, sends each message by itself and reads
each acknowledgement by three calls of the kernel: six times what it costs to tell a call's events.
"""

import struct
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from paho.mqtt.client import connack_string
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

Version: TypeAlias = Literal[4, 5]
"""The protocol level of CONNECT (§3.1.2.2): 4 is 3.1.1."""

# Kinds: the first octet's upper half (§2.1.2).
CONNACK: Final = 0x20
PUBACK: Final = 0x40
PINGRESP: Final = 0xD0
DISCONNECTED: Final = 0xE0

PING: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"

_LONGEST: Final = 65_536
"""Octets of a packet that comes in: who subscribes to nothing gets short ones."""
_LENGTH_OCTETS: Final = 4
_REFUSED: Final = 0x80
_MOST_UNDER_WAY: Final = 65_535


class BrokerError(Exception):
    """The broker refuses, breaks the protocol, or is not there any more; the message says which."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us when we die, to be kept (retained) on its topic."""

    topic: str
    payload: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a broker wants of whom it lets in.

    Attributes:
        most: messages under way without an acknowledgement (§3.2.2.3.3).
        keepalive: seconds, in the place of ours; None: ours.
    """

    most: int = _MOST_UNDER_WAY
    keepalive: int | None = None


def connect(
    version: Version,
    *,
    client_id: str,
    keepalive: int,
    username: str | None,
    password: str | None,
    will: Will,
) -> bytes:
    """Return a CONNECT (§3.1) with a clean start; the will has QoS 1."""
    flags = 0x02 | 0x04 | 0x08 | 0x20
    flags |= 0x80 if username is not None else 0
    flags |= 0x40 if password is not None else 0
    properties = _properties(version)
    head = struct.pack("!BBH", version, flags, keepalive)
    texts = [will.topic, will.payload, *(one for one in (username, password) if one is not None)]
    return _packet(
        0x10,
        _text("MQTT") + head + properties,
        _text(client_id) + properties,
        *map(_text, texts),
    )


def publish(
    version: Version, topic: str, payload: bytes, *, number: int | None = None, retain: bool = False
) -> bytes:
    """Return a PUBLISH (§3.3): with a number at QoS 1, else at QoS 0."""
    head = 0x30 | (0x02 if number is not None else 0) | (0x01 if retain else 0)
    named = b"" if number is None else number.to_bytes(2)
    return _packet(head, _text(topic), named, _properties(version), payload)


def read_connack(version: Version, body: bytes) -> Accepted:
    """Read what a broker answers to CONNECT (§3.2).

    Raises:
        BrokerError: it refuses, or this is no CONNACK.
    """
    if len(body) < 2:  # noqa: PLR2004 - flags and code
        raise BrokerError("a CONNACK without a code")
    if version == 4:  # noqa: PLR2004 - 3.1.1 §3.2.2.3
        if body[1]:
            raise BrokerError(connack_string(body[1]))
        return Accepted()
    if body[1] >= _REFUSED:
        raise BrokerError(_reason(PacketTypes.CONNACK, body[1]))
    told = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
    try:
        told.unpack(body[2:])  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 - paho's own, and whatever else its reading runs into
        raise BrokerError(f"a CONNACK that cannot be read: {error}") from None
    return Accepted(
        getattr(told, "ReceiveMaximum", _MOST_UNDER_WAY) or 1,
        getattr(told, "ServerKeepAlive", None),
    )


def read_puback(body: bytes) -> int:
    """Return the number of the message that is acknowledged (§3.4), however the broker took it.

    Raises:
        BrokerError: there is none.
    """
    if len(body) < 2:  # noqa: PLR2004 - the number
        raise BrokerError("a PUBACK without a number")
    return int.from_bytes(body[:2])


def read_disconnect(body: bytes) -> str:
    """Return why the broker ends the connection (MQTT 5 §3.14)."""
    return _reason(PacketTypes.DISCONNECT, body[0]) if body else "the broker has disconnected"


class Packets:
    """Divides what a broker sends into packets."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take octets; return the packets that are whole now: kind, and what follows the length.

        Raises:
            BrokerError: this is no MQTT, or a packet longer than any that could be for us.
        """
        buffer, found, begin = self._buffer + data, [], 0
        while (body := _body(buffer, begin)) is not None:
            found.append((buffer[begin] & 0xF0, buffer[body]))
            begin = body.stop
        self._buffer = buffer[begin:]
        return found


def _body(buffer: bytes, begin: int) -> slice | None:
    """Return where the packet's body is that begins here; None: it is not whole yet (§2.1.4)."""
    length = 0
    for octet in range(_LENGTH_OCTETS):
        place = begin + 1 + octet
        if place >= len(buffer):
            return None
        length |= (buffer[place] & 0x7F) << 7 * octet
        if buffer[place] < 0x80:  # noqa: PLR2004 - no further octet of the length follows
            if length > _LONGEST:
                raise BrokerError(f"a packet of {length} octets")
            end = place + 1 + length
            return slice(place + 1, end) if end <= len(buffer) else None
    raise BrokerError("a packet's length of more than four octets")


def _packet(head: int, *parts: bytes) -> bytes:
    rest = sum(map(len, parts))
    length = bytearray()
    while rest > 0x7F:  # noqa: PLR2004 - seven bits an octet (§1.5.5)
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    length.append(rest)
    return b"".join((bytes((head,)), length, *parts))


def _text(text: str) -> bytes:
    octets = text.encode()
    return len(octets).to_bytes(2) + octets


def _properties(version: Version) -> bytes:
    """Return the length of no properties, which 3.1.1 does not know."""
    return b"\x00" if version == 5 else b""  # noqa: PLR2004 - MQTT 5


def _reason(kind: int, code: int) -> str:
    try:
        return str(ReasonCode(kind, identifier=code))
    except (KeyError, ValueError):  # one that MQTT does not know there
        return f"reason 0x{code:02x}"
