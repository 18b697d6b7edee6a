"""Copies for a recogniser of what is neither A-law nor µ-law: decoded, and A-law again. Pure."""

from typing import Final

from telephony.media import g711
from telephony.media.g711 import RATE, Pcm
from telephony.media.rtp import FIXED_HEADER, timestamp_delta

_A_LAW: Final = 8  # RFC 3551 table 4


class PlainFork:
    """One stream of A-law made of another codec's packets.

    It numbers its packets itself; what came late is left out, since all is decoded in the order in
    which it came.
    """

    __slots__ = ("_raw", "_run", "_sequence", "_timestamp")

    def __init__(self) -> None:
        self._run: object = None
        self._raw = 0  # the source's newest timestamp…
        self._timestamp = 0  # …and ours of the same packet
        self._sequence = 0

    def packet(  # noqa: D417 - as in RTP
        self, pcm: Pcm, *, timestamp: int, clock: int, run: object, ssrc: int
    ) -> bytes | None:
        """Return the packet for a piece of audio; None if it came late.

        Args:
            clock: what the source's timestamps count, per second.
            run: of the source; another object means that its timestamps started anew.
        """
        if run is not self._run:
            self._run, self._raw = run, timestamp
        else:
            moved = timestamp_delta(timestamp, self._raw)
            if moved <= 0:
                return None
            self._timestamp = (self._timestamp + moved * RATE // clock) & 0xFFFFFFFF
            self._raw = timestamp
        self._sequence = (self._sequence + 1) & 0xFFFF
        head = FIXED_HEADER.pack(0x80, _A_LAW, self._sequence, self._timestamp, ssrc ^ 0xFFFFFFFF)
        return head + g711.encode("PCMA", pcm)
