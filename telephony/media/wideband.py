"""G.722 and Opus, coded by packaged libraries; either may be missing, and then is not offered.

Both codecs carry more than a telephone line does. What is relayed keeps all of it; what is decoded
becomes 8 kHz here, which both libraries do by themselves: G.722 by its lower sub-band alone
(ITU-T G.722 §1.3), Opus by decoding at that rate (RFC 6716 §2.1.3).
"""

from typing import Any, Final

import numpy as np

from telephony.media.g711 import RATE, Pcm

try:
    from G722 import G722 as _G722
except ImportError:
    _G722 = None

try:
    import opuslib_next as _opus
except Exception:  # noqa: BLE001 - that is what it raises where there is no libopus
    _opus = None

G722_AVAILABLE: Final = _G722 is not None
"""Whether the package ``G722`` is installed."""
OPUS_AVAILABLE: Final = _opus is not None
"""Whether the package ``opuslib-next`` and the system's libopus are."""

_G722_BITS: Final = 64000
_LONGEST_OPUS: Final = RATE * 120 // 1000  # RFC 7587 §4.2: a packet is 120 ms at most
_LONGEST_G722: Final = _LONGEST_OPUS
_OPUS_SAMPLES: Final = frozenset(RATE * ms // 1000 for ms in (5, 10, 20, 40, 60))
_COMPLEXITY: Final = 5  # of 10: half the processor time, and speech at 8 kHz sounds the same
_OPUS_BITS: Final = 24_000
"""A second. The library takes 11,000, at which the weaker of two voices in a mix sinks by 7 dB."""
_NOTHING: Final[Pcm] = np.zeros(0, np.int16)


class SubBand:
    """One direction of one session of G.722 at 64 kbit/s.

    An octet is two samples at 16 kHz, so one of ours at 8 kHz: in octets it looks like G.711, and
    RFC 3551 §4.5.2 lets its RTP clock count so.
    """

    def __init__(self) -> None:
        if _G722 is None:
            raise RuntimeError("the package G722 is not installed")
        self._codec: Any = _G722(RATE, _G722_BITS)

    def decode(self, payload: bytes) -> Pcm:
        """See :class:`telephony.media.codecs.Decoder`."""
        pcm: Pcm = np.asarray(self._codec.decode(payload[:_LONGEST_G722]), np.int16)
        return pcm

    def encode(self, pcm: Pcm) -> bytes:
        """See :class:`telephony.media.codecs.Encoder`."""
        coded: bytes = self._codec.encode(np.ascontiguousarray(pcm, np.int16))
        return coded


class OpusDecoder:
    """The peer's direction of a session of Opus."""

    def __init__(self) -> None:
        if _opus is None:
            raise RuntimeError("opuslib-next or libopus is not installed")
        self._decoder: Any = _opus.Decoder(RATE, 1)

    def decode(self, payload: bytes) -> Pcm:
        """See :class:`telephony.media.codecs.Decoder`."""
        if not payload:
            return _NOTHING
        try:
            return np.frombuffer(self._decoder.decode(payload, _LONGEST_OPUS), np.int16)
        except _opus.OpusError:
            return _NOTHING  # damaged: a hole, which is concealed like any other


class OpusEncoder:
    """Our direction of a session of Opus: mono, with what helps against loss (RFC 6716 §2.1.7)."""

    def __init__(self) -> None:
        if _opus is None:
            raise RuntimeError("opuslib-next or libopus is not installed")
        self._encoder: Any = _opus.Encoder(RATE, 1, "voip")
        self._encoder.bitrate = _OPUS_BITS
        self._encoder.complexity = _COMPLEXITY
        self._encoder.inband_fec = 1

    def encode(self, pcm: Pcm) -> bytes:
        """See :class:`telephony.media.codecs.Encoder`.

        Raises:
            ValueError: no Opus frame is that long (RFC 6716 §2.1.4).
        """
        if len(pcm) not in _OPUS_SAMPLES:
            raise ValueError(f"no Opus frame has {len(pcm)} samples at {RATE} Hz")
        coded: bytes = self._encoder.encode(pcm.astype("<i2").tobytes(), len(pcm))
        return coded
