"""G.711: A-law and µ-law as tables (ITU-T G.711).

A code word is ``sign | segment (3 bits) | step (4 bits)``, the sign bit 1 for positive; on the line
A-law has its even bits inverted and µ-law all seven bits of magnitude. The tables are made once, at
import:

- ``*_TO_LINEAR``: 256 × int16, the value in the middle of the interval, scaled to 16 bits;
- ``LINEAR_TO_*``: 65536 × uint8, indexed by the sample viewed as uint16;
- ``*_TO_*LAW``: 256 bytes for ``bytes.translate``: law to law without linear in between.
"""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Codec = Literal["PCMA", "PCMU"]
Pcm = NDArray[np.int16]

RATE: Final = 8000
"""Samples a second; one payload byte is one sample."""

_ALAW_TOGGLE = 0x55  # the even bits, §3
_ULAW_TOGGLE = 0x7F
_ULAW_BIAS = 33  # in 14-bit units: lifts the first segment onto the same logarithmic scale


def _alaw_magnitudes() -> NDArray[np.int32]:
    """Return the 128 output values of table 1a, ×8: 13 bits widened to 16."""
    segment, step = np.divmod(np.arange(128, dtype=np.int32), 16)
    # Segment 0 has steps of 2 and no leading one; from segment 1 on the step doubles each time.
    linear = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0))
    return (linear * 8).astype(np.int32)


def _ulaw_magnitudes() -> NDArray[np.int32]:
    """Return the 128 output values of table 2a, ×4: 14 bits widened to 16."""
    segment, step = np.divmod(np.arange(128, dtype=np.int32), 16)
    return ((((2 * step + 33) << segment) - _ULAW_BIAS) * 4).astype(np.int32)


def _alaw_to_linear() -> Pcm:
    codes = np.arange(256) ^ _ALAW_TOGGLE
    magnitude = _alaw_magnitudes()[codes & 0x7F]
    linear: Pcm = np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)
    return linear


def _ulaw_to_linear() -> Pcm:
    codes = np.arange(256) ^ _ULAW_TOGGLE
    magnitude = _ulaw_magnitudes()[codes & 0x7F]
    linear: Pcm = np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)
    return linear


def _linear_to_alaw() -> NDArray[np.uint8]:
    samples = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    # Table 1a's decision values, ×8. An interval holds its lower end, on either side of zero:
    # truncating the magnitude of ~x makes -1…-16 the first negative interval.
    magnitude = np.where(samples < 0, ~samples, samples) >> 4
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 3, 0)
    step = np.where(segment == 0, magnitude, magnitude >> np.maximum(segment - 1, 0)) & 0x0F
    code = (segment << 4) | step | np.where(samples < 0, 0, 0x80)
    words: NDArray[np.uint8] = (code ^ _ALAW_TOGGLE).astype(np.uint8)
    return words


def _linear_to_ulaw() -> NDArray[np.uint8]:
    samples = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    magnitude = (np.where(samples < 0, ~samples, samples) >> 2) + _ULAW_BIAS
    magnitude = np.minimum(magnitude, 0x1FFF)  # table 2a: the virtual decision value 8159 + bias
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    step = (magnitude >> (segment + 1)) & 0x0F
    code = (segment << 4) | step | np.where(samples < 0, 0, 0x80)
    words: NDArray[np.uint8] = (code ^ _ULAW_TOGGLE).astype(np.uint8)
    return words


# Magnitude (the seven bits below the sign, toggles undone) to magnitude, from the value numbers of
# G.711 tables 3 and 4. Not the nearest value everywhere: where two would fall on one, the tables
# keep them apart, which is why these are written out rather than computed.
_ALAW_TO_ULAW = (
    *range(1, 16, 2), *range(16, 33), 32, 33, 33, 34, 34, 35, 35, *range(36, 49), 48, 49, 49,
    *range(50, 65), *range(64, 81), *range(80, 128),
)  # fmt: skip
_ULAW_TO_ALAW = (
    0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, *range(8, 25), 26, 28, 30, 32, *range(33, 44),
    45, *range(47, 62), *range(63, 80), *range(81, 128),
)  # fmt: skip


def _translation(magnitudes: tuple[int, ...], toggle_in: int, toggle_out: int) -> bytes:
    """Extend a table of magnitudes to whole code words; both laws write the sign alike."""
    return bytes(
        (code & 0x80) | (magnitudes[(code ^ toggle_in) & 0x7F] ^ toggle_out) for code in range(256)
    )


ALAW_TO_LINEAR: Final = _alaw_to_linear()
ULAW_TO_LINEAR: Final = _ulaw_to_linear()
LINEAR_TO_ALAW: Final = _linear_to_alaw()
LINEAR_TO_ULAW: Final = _linear_to_ulaw()
ALAW_TO_ULAW: Final = _translation(_ALAW_TO_ULAW, _ALAW_TOGGLE, _ULAW_TOGGLE)
ULAW_TO_ALAW: Final = _translation(_ULAW_TO_ALAW, _ULAW_TOGGLE, _ALAW_TOGGLE)

_LAW_TO_LAW: Final = {("PCMA", "PCMU"): ALAW_TO_ULAW, ("PCMU", "PCMA"): ULAW_TO_ALAW}
_TO_LINEAR: Final = {"PCMA": ALAW_TO_LINEAR, "PCMU": ULAW_TO_LINEAR}
_FROM_LINEAR: Final = {"PCMA": LINEAR_TO_ALAW, "PCMU": LINEAR_TO_ULAW}


def decode(codec: Codec, payload: bytes) -> Pcm:
    """Return one 16-bit sample for each byte."""
    return _TO_LINEAR[codec][np.frombuffer(payload, np.uint8)]


def encode(codec: Codec, pcm: Pcm) -> bytes:
    """Return one byte for each sample."""
    return _FROM_LINEAR[codec][pcm.view(np.uint16)].tobytes()


def transcoding(source: str, target: str) -> bytes | None:
    """Return the table for ``bytes.translate``, or None where nothing needs translating.

    Raises:
        KeyError: one of them is not G.711.
    """
    return None if source == target else _LAW_TO_LAW[source, target]
