"""MQTT's packets, as far as one who only publishes needs them. Pure.

MQTT 3.1.1 (OASIS, 2014) and 5.0 (OASIS, 2019); the sections named are 5.0's. Bytes come out of
`connect`, `publish` and the constants; what comes from the broker goes into `Incoming.feed`, which
returns what he has said.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

Level = Literal[4, 5]
"""The protocol's version in CONNECT: 4 is MQTT 3.1.1."""

PING: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"
REFUSED: Final = 0x80
"""Reason codes from here on are failures (§2.4)."""

_CONNACK, _PUBACK, _PONG, _GOODBYE = 2, 4, 13, 14
# Whoever subscribes to nothing is sent acknowledgements only.
_LARGEST: Final = 65_536
_RECEIVE_MAXIMUM, _REASON_STRING, _SERVER_KEEP_ALIVE = 0x21, 0x1F, 0x13
_RETAIN, _LONGEST_TEXT, _MORE = 0x01, 65_535, 0x80


class MqttError(Exception):
    """What came is not what a broker may send."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained and at QoS 1, when the connection breaks (§3.1.2.5)."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Connack:
    """The answer to CONNECT.

    Attributes:
        code: reason code; `REFUSED` or more: no connection.
        why: what it means, in the standard's words or the broker's.
        in_flight: so many QoS 1 messages may be unacknowledged at once (§3.2.2.3.3).
        keep_alive: the broker's wish for the keep-alive, seconds; None: as we said.
    """

    code: int
    why: str
    in_flight: int = 65_535
    keep_alive: int | None = None


@dataclass(frozen=True, slots=True)
class Puback:
    """A QoS 1 message is the broker's now; or, by ``code``, he does not take it."""

    packet_id: int
    code: int = 0


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to `PING`."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The broker ends the connection (§3.14)."""

    why: str


Packet = Connack | Puback | Pong | Goodbye


def connect(
    level: Level,
    client_id: str,
    *,
    keep_alive: int,
    will: Will,
    username: str | None = None,
    password: str | None = None,
) -> bytes:
    """Return a CONNECT that begins a new session (§3.1)."""
    flags = 0x02 | 0x04 | 0x08 | 0x20  # clean start; a will, at QoS 1, retained
    none = b"\x00" if level == 5 else b""  # noqa: PLR2004 - no properties; 3.1.1 has no place for them
    end = _text(client_id) + none + _text(will.topic) + _binary(will.payload)
    if username is not None:
        flags |= 0x80
        end += _text(username)
    if password is not None:
        flags |= 0x40
        end += _text(password)
    begin = _text("MQTT") + bytes((level, flags)) + keep_alive.to_bytes(2)
    return _packet(0x10, begin + none + end)


def publish(
    level: Level, topic: str, payload: bytes, *, packet_id: int | None = None, retain: bool = False
) -> bytes:
    """Return a PUBLISH (§3.3): at QoS 1 with a packet id, at QoS 0 without."""
    head = 0x30 | (_RETAIN if retain else 0)
    body = _text(topic)
    if packet_id is not None:
        head |= 0x02
        body += packet_id.to_bytes(2)
    if level == 5:  # noqa: PLR2004 - as above
        body += b"\x00"
    return _packet(head, body + payload)


@dataclass(slots=True)
class Incoming:
    """What comes from the broker, cut into packets.

    Args:
        level: which protocol is spoken.
    """

    level: Level
    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Packet]:
        """Take what was read; return the packets that are complete now.

        Raises:
            MqttError: it is no packet that a broker sends to who subscribes to nothing.
        """
        self._buffer += data
        packets = []
        while (cut := _cut(self._buffer)) is not None:
            begin, end = cut
            body = bytes(self._buffer[begin:end])
            kind = self._buffer[0] >> 4
            del self._buffer[:end]
            try:
                packets.append(self._read(kind, body))
            except (LookupError, struct.error, ValueError) as error:
                raise MqttError(f"malformed packet of type {kind}: {body[:40].hex()}") from error
        return packets

    def _read(self, kind: int, body: bytes) -> Packet:
        if kind == _PUBACK:
            return Puback(int.from_bytes(_whole(body, 2)), body[2] if len(body) > 2 else 0)  # noqa: PLR2004 - the packet id's octets
        if kind == _PONG:
            return Pong()
        if kind == _CONNACK:
            return self._connack(body)
        if kind == _GOODBYE:
            code = body[0] if body else 0
            said = _properties(body, 1).get(_REASON_STRING) if len(body) > 1 else None
            return Goodbye(str(said or _meaning(code)))
        raise MqttError(f"a packet of type {kind}, which nobody has asked for")

    def _connack(self, body: bytes) -> Connack:
        code = body[1]
        if self.level == 4:  # noqa: PLR2004 - codes of its own, and no properties
            known = _OLD_CODES.get(code, 0x80)
            return Connack(known, _meaning(known))
        said = _properties(body, 2) if len(body) > 2 else {}  # noqa: PLR2004 - flags and code
        why = said.get(_REASON_STRING) or _meaning(code)
        limit, wish = said.get(_RECEIVE_MAXIMUM, 65_535), said.get(_SERVER_KEEP_ALIVE)
        return Connack(
            code,
            str(why),
            in_flight=max(1, int(limit)),
            keep_alive=None if wish is None else int(wish),
        )


def _packet(head: int, body: bytes) -> bytes:
    """Put the fixed header before a packet's body (§2.1)."""
    length, octets = len(body), bytearray((head,))
    while True:
        length, low = divmod(length, _MORE)
        octets.append(low | (_MORE if length else 0))
        if not length:
            return bytes(octets) + body


def _cut(buffer: bytearray) -> tuple[int, int] | None:
    """Return where the first packet's body begins and ends; None while it is incomplete."""
    try:
        length, begin = _varint(buffer, 1)
    except IndexError:
        return None
    if length > _LARGEST:
        raise MqttError(f"a packet of {length} octets, for who subscribes to nothing")
    return (begin, begin + length) if len(buffer) >= begin + length else None


def _varint(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Read a variable byte integer (§1.5.5); return it and where it ends."""
    value = 0
    for place in range(4):
        octet = data[at + place]
        value |= (octet & 0x7F) << (7 * place)
        if octet < _MORE:
            return value, at + place + 1
    raise MqttError("a length of more than four octets")


def _text(text: str) -> bytes:
    return _binary(text.encode())


def _binary(data: bytes) -> bytes:
    if len(data) > _LONGEST_TEXT:
        raise ValueError(f"{len(data)} octets where MQTT has a place for {_LONGEST_TEXT}")
    return len(data).to_bytes(2) + data


def _whole(body: bytes, octets: int) -> bytes:
    if len(body) < octets:
        raise IndexError
    return body[:octets]


# -- properties (§2.2.2) ---------------------------------------------------------------------------


def _read_number(octets: int) -> Callable[[bytes, int], tuple[int, int]]:
    return lambda body, at: (int.from_bytes(_whole(body[at:], octets)), at + octets)


def _read_text(body: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">H", body, at)
    return _whole(body[at + 2 :], length).decode(), at + 2 + length


def _read_binary(body: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">H", body, at)
    return _whole(body[at + 2 :], length).hex(), at + 2 + length


def _read_pair(body: bytes, at: int) -> tuple[str, int]:
    name, at = _read_text(body, at)
    value, at = _read_text(body, at)
    return f"{name}={value}", at


_READ: Final[dict[int, Callable[[bytes, int], tuple[int | str, int]]]] = {
    **dict.fromkeys((0x24, 0x25, 0x28, 0x29, 0x2A), _read_number(1)),
    **dict.fromkeys((_SERVER_KEEP_ALIVE, _RECEIVE_MAXIMUM, 0x22), _read_number(2)),
    **dict.fromkeys((0x11, 0x27), _read_number(4)),
    **dict.fromkeys((0x12, 0x15, 0x1A, 0x1C, _REASON_STRING), _read_text),
    0x16: _read_binary,
    0x26: _read_pair,
}


def _properties(body: bytes, at: int) -> dict[int, int | str]:
    """Return the properties that begin there, by identifier."""
    length, at = _varint(body, at)
    end, found = at + len(_whole(body[at:], length)), dict[int, int | str]()
    while at < end:
        identifier, at = _varint(body, at)
        found[identifier], at = _READ[identifier](body, at)
    return found


# -- reason codes (§2.4) ---------------------------------------------------------------------------

# MQTT 3.1.1 §3.2.2.3, as 5.0 has them.
_OLD_CODES: Final = {0: 0x00, 1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
_MEANINGS: Final = {
    0x00: "Success",
    0x80: "Unspecified error",
    0x81: "Malformed packet",
    0x82: "Protocol error",
    0x83: "Implementation specific error",
    0x84: "Unsupported protocol version",
    0x85: "Client identifier not valid",
    0x86: "Bad user name or password",
    0x87: "Not authorized",
    0x88: "Server unavailable",
    0x89: "Server busy",
    0x8A: "Banned",
    0x8B: "Server shutting down",
    0x8C: "Bad authentication method",
    0x8D: "Keep alive timeout",
    0x8E: "Session taken over",
    0x90: "Topic name invalid",
    0x93: "Receive maximum exceeded",
    0x95: "Packet too large",
    0x96: "Message rate too high",
    0x97: "Quota exceeded",
    0x98: "Administrative action",
    0x99: "Payload format invalid",
    0x9A: "Retain not supported",
    0x9B: "QoS not supported",
    0x9C: "Use another server",
    0x9D: "Server moved",
    0x9F: "Connection rate exceeded",
    0xA0: "Maximum connect time",
}


def _meaning(code: int) -> str:
    return _MEANINGS.get(code, f"reason code {code}")
