"""G.711 to linear PCM, by table (ITU-T G.711).

telephony/media has a table of its own: the two packages don't import each other, and a 256-entry
table is less than the package that would hold a shared one.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from asr.control import Codec


def _a_law(code: int) -> int:
    # Table 1a/G.711: even bits inverted; sign, 3 bits of segment, 4 of interval; 13-bit result
    # moved up to 16 bits.
    value = code ^ 0x55
    segment, interval = (value >> 4) & 7, value & 0x0F
    magnitude = (interval << 4) + 8
    if segment:
        magnitude = (magnitude + 0x100) << (segment - 1)
    return magnitude if value & 0x80 else -magnitude


def _mu_law(code: int) -> int:
    # Table 2a/G.711: all bits inverted; 14-bit result, with a bias of 33, moved up to 16 bits.
    value = ~code & 0xFF
    segment, interval = (value >> 4) & 7, value & 0x0F
    magnitude = (((interval << 3) + 0x84) << segment) - 0x84
    return -magnitude if value & 0x80 else magnitude


_TABLES: Mapping[Codec, npt.NDArray[np.int16]] = {
    "PCMA": np.array([_a_law(code) for code in range(256)], dtype="<i2"),
    "PCMU": np.array([_mu_law(code) for code in range(256)], dtype="<i2"),
}


def decode(payload: bytes, codec: Codec) -> bytes:
    """Return s16le PCM, two bytes for each byte of ``payload``."""
    return _TABLES[codec][np.frombuffer(payload, np.uint8)].tobytes()
