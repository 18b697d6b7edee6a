"""The native core's functions and structures, as ``core.h`` and ``api.c`` declare them."""

import ctypes
import ipaddress
import socket
from ctypes import (
    POINTER,
    Structure,
    c_bool,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int16,
    c_int64,
    c_size_t,
    c_ubyte,
    c_uint,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

from telephony.media import g711
from telephony.media.path import Source

PAYLOAD_TYPES: Final = 128
MAX_CODECS: Final = 32

CODEC_PCMA: Final = 1
CODEC_PCMU: Final = 2
CODEC_EVENT: Final = 3
CODEC_NOISE: Final = 4
MAX_AUDIO: Final = 960
"""Samples of the longest packet that is decoded."""
CODEC_FOREIGN: Final = 8
"""The first number that a codec of Python's gets."""


class Report(IntEnum):
    """``enum report``: what the library tells."""

    LATCHED = 1
    KEY = 2
    SILENCE = 3
    TIMEOUT = 4
    PLAYED = 5
    BLOCK = 6
    DATAGRAM = 7
    CARRY = 8
    DECODE = 9
    ENCODE = 10
    RTCP = 11
    PRIORITY = 12


class Start(IntEnum):
    """``enum start``: how the thread was started."""

    FAILED = 0
    USUAL = 1
    REAL_TIME = 2


_Fields = list[tuple[str, Any]]


class Address(Structure):
    """A socket address; family 0: none."""

    _fields_: ClassVar[_Fields] = [
        ("family", c_uint16),
        ("port", c_uint16),
        ("scope", c_uint32),
        ("octets", c_uint8 * 16),
    ]


class Description(Structure):
    """``struct description``."""

    _fields_: ClassVar[_Fields] = [
        ("address", Address),
        ("signalled_from", Address),
        ("payload_type", c_uint8),
        ("codec", c_uint8),
        ("event_type", c_int16),
        ("frame", c_uint16),
        ("accepts", c_uint8 * PAYLOAD_TYPES),
        ("event_clock", c_uint32),
    ]


class Statistics(Structure):
    """``struct statistics``."""

    _fields_: ClassVar[_Fields] = [
        *(
            (name, c_uint64)
            for name in (
                *("packets_in", "packets_out", "octets_out", "lost", "duplicates", "discarded"),
                *("strangers", "malformed", "unexpected", "concealed", "late"),
            )
        ),
        *((name, c_double) for name in ("jitter", "last_packet", "sent_at")),
        ("ssrc_in", c_int64),
        *(
            (name, c_uint32)
            for name in ("highest_sequence", "ssrc_out", "timestamp_out", "reserved")
        ),
    ]


class Hearing(Structure):
    """``struct hearing``."""

    _fields_: ClassVar[_Fields] = [
        ("listener", c_uint32),
        ("source", c_uint32),
        ("gain", c_float),
    ]


class Tables(Structure):
    """``struct tables``."""

    _fields_: ClassVar[_Fields] = [
        (name, c_void_p)
        for name in (
            *("alaw_to_linear", "ulaw_to_linear", "linear_to_alaw", "linear_to_ulaw"),
            *("alaw_to_ulaw", "ulaw_to_alaw"),
        )
    ]


_TRANSLATIONS = (
    (c_ubyte * 256).from_buffer_copy(g711.ALAW_TO_ULAW),
    (c_ubyte * 256).from_buffer_copy(g711.ULAW_TO_ALAW),
)


def tables() -> Tables:
    """Return pointers to the tables of :mod:`telephony.media.g711`, which live as long as it."""
    return Tables(
        g711.ALAW_TO_LINEAR.ctypes.data,
        g711.ULAW_TO_LINEAR.ctypes.data,
        g711.LINEAR_TO_ALAW.ctypes.data,
        g711.LINEAR_TO_ULAW.ctypes.data,
        *(ctypes.addressof(table) for table in _TRANSLATIONS),
    )


_CORE = c_void_p
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "media_new": (_CORE, (POINTER(Tables), c_double)),
    "media_start": (c_int, (_CORE, c_double)),
    "media_free": (None, (_CORE,)),
    "media_advance": (c_bool, (_CORE, c_double)),
    "media_codec": (None, (_CORE, c_uint8, c_uint32)),
    "media_report_fd": (c_int, (_CORE,)),
    "media_reports": (c_size_t, (_CORE, c_void_p, c_size_t)),
    "media_open": (c_uint32, (_CORE, c_int, c_uint16, c_uint32, c_uint16, c_uint32)),
    "media_close": (c_bool, (_CORE, c_uint32, POINTER(Statistics))),
    "media_describe": (c_bool, (_CORE, c_uint32, POINTER(Description))),
    "media_latch": (c_bool, (_CORE, c_uint32, POINTER(Address))),
    "media_set_edge": (c_bool, (_CORE, c_uint32, c_bool)),
    "media_send_datagram": (c_bool, (_CORE, c_uint32, c_char_p, c_size_t, POINTER(Address))),
    "media_carry": (c_bool, (_CORE, c_uint32, c_char_p, c_size_t, c_size_t)),
    "media_take": (c_bool, (_CORE, c_uint32, c_char_p, c_size_t, POINTER(Address))),
    "media_decoded": (
        c_bool,
        (_CORE, c_uint32, c_uint64, c_int64, c_void_p, c_uint, c_double),
    ),
    "media_encoded": (c_bool, (_CORE, c_uint32, c_char_p, c_size_t, c_uint32)),
    "media_watch": (c_bool, (_CORE, c_uint32, c_double, c_double, c_bool)),
    "media_statistics": (c_bool, (_CORE, c_uint32, POINTER(Statistics))),
    "media_send_keys": (c_bool, (_CORE, c_uint32, c_char_p, c_double)),
    "media_fork": (c_bool, (_CORE, c_uint32, POINTER(Address), c_uint)),
    "media_hear": (
        c_bool,
        (_CORE, POINTER(c_uint32), c_size_t, POINTER(Hearing), c_size_t),
    ),
    "media_play": (
        c_uint32,
        (_CORE, POINTER(c_void_p), POINTER(c_size_t), c_uint, c_bool),
    ),
    "media_stop_play": (c_bool, (_CORE, c_uint32)),
    "media_record": (
        c_uint32,
        (_CORE, c_uint32, POINTER(c_uint32), c_uint, POINTER(c_uint32), c_uint),
    ),
    "media_drain": (c_size_t, (_CORE, c_uint32, c_bool, c_void_p, c_size_t)),
    "media_forget_recording": (c_bool, (_CORE, c_uint32)),
}


@cache
def load(path: Path) -> Any:
    """Load the library; its functions release the interpreter while they run.

    Raises:
        OSError: it cannot be loaded.
    """
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def to_address(source: Source | None) -> Address:
    """Return an address as the library has it."""
    if source is None:
        return Address()
    host, _, scope = source[0].partition("%")
    octets = ipaddress.ip_address(host).packed
    family = socket.AF_INET if len(octets) == 4 else socket.AF_INET6  # noqa: PLR2004
    number = source[3] if len(source) > 3 else int(scope or 0)  # noqa: PLR2004
    padded = (c_uint8 * 16).from_buffer_copy(octets.ljust(16, b"\0"))
    return Address(family, source[1], number, padded)


def from_address(address: Address) -> Source:
    """Return an address as Python's sockets have it."""
    octets = bytes(address.octets)
    if address.family == socket.AF_INET:
        return (socket.inet_ntop(socket.AF_INET, octets[:4]), address.port)
    return (socket.inet_ntop(socket.AF_INET6, octets), address.port, 0, address.scope)
