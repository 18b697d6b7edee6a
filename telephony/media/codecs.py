"""The codecs that audio may be coded with, as the packet path sees them.

Everything that is decoded becomes mono 16-bit PCM at 8 kHz, which is what a telephone line carries
and what is mixed, recorded and recognised. G.711 has no state and is one table look-up, so a path
may do it by itself; a codec with state is made once for each direction of a session.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import numpy as np

from telephony.media import g711
from telephony.media.g711 import RATE, Pcm
from telephony.media.wideband import (
    G722_AVAILABLE,
    OPUS_AVAILABLE,
    OpusDecoder,
    OpusEncoder,
    SubBand,
)


class Decoder(Protocol):
    """One direction of one session."""

    def decode(self, payload: bytes) -> Pcm:
        """Return the audio of one packet at 8 kHz; a payload that is damaged gives silence."""


class Encoder(Protocol):
    """One direction of one session."""

    def encode(self, pcm: Pcm) -> bytes:
        """Return the payload for one packet of audio at 8 kHz (80, 160, 240… samples)."""


@dataclass(frozen=True, slots=True)
class CodecSpec:
    """One codec.

    Attributes:
        name: as in SDP, in the case used there: ``PCMA``, ``PCMU``, ``G722``, ``opus``.
        clock: what an RTP timestamp counts, per second (G.722: 8000, RFC 3551 §4.5.2).
        decoder: makes one for a session.
        encoder: makes one for a session.
        stateful: a packet cannot be understood without those before it, so that each is decoded
            once, as it comes.
    """

    name: str
    clock: int
    decoder: Callable[[], Decoder] = field(compare=False)
    encoder: Callable[[], Encoder] = field(compare=False)
    stateful: bool = False


class G711:
    """Both directions of G.711."""

    def __init__(self, law: g711.Codec) -> None:
        self._law = law

    def decode(self, payload: bytes) -> Pcm:
        """See :class:`Decoder`."""
        return g711.decode(self._law, payload)

    def encode(self, pcm: Pcm) -> bytes:
        """See :class:`Encoder`."""
        return g711.encode(self._law, pcm)


def _g711(law: g711.Codec) -> CodecSpec:
    return CodecSpec(law, RATE, partial(G711, law), partial(G711, law))


PCMA: Final = _g711("PCMA")
PCMU: Final = _g711("PCMU")


class _Noise:
    """Comfort noise is a description of silence, not audio; the jitter buffer renders it."""

    def decode(self, payload: bytes) -> Pcm:  # noqa: ARG002 - the port's
        """See :class:`Decoder`."""
        return g711.decode("PCMA", b"")

    def encode(self, pcm: Pcm) -> bytes:  # noqa: ARG002 - the port's
        """See :class:`Encoder`."""
        return b""


COMFORT_NOISE: Final = CodecSpec("CN", RATE, _Noise, _Noise)
"""RFC 3389: one octet of level (-dBov) and spectral coefficients, which are ignored."""

G722: Final = CodecSpec("G722", RATE, SubBand, SubBand, stateful=True)
"""The clock is RFC 3551's famous mistake: it counts half of the samples (§4.5.2)."""

OPUS: Final = CodecSpec("opus", 48000, OpusDecoder, OpusEncoder, stateful=True)
"""RFC 7587 §4.1: the clock is 48 kHz whatever is coded."""


class Linear:
    """A decoder for what has been decoded: 16-bit samples at 8 kHz as they lie in memory."""

    def decode(self, payload: bytes) -> Pcm:
        """See :class:`Decoder`."""
        return np.frombuffer(payload, np.int16)


_AVAILABLE: Final = {"G722": G722_AVAILABLE, "opus": OPUS_AVAILABLE}

CODECS: Final = {
    codec.name: codec for codec in (PCMA, PCMU, G722, OPUS) if _AVAILABLE.get(codec.name, True)
}
"""What a session may be described with here and now, by name."""
