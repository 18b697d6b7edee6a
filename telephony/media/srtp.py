"""SRTP (RFC 3711) between a session and its socket, through libsrtp.

Each direction has its own key. Whatever is not authentic, was seen before or is older than the
replay window is dropped and counted. Before there are keys nothing goes in or out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pylibsrtp import Error, Policy, Session

from telephony.media.path import Source
from telephony.media.rtcp import is_rtcp

PROFILES: Final[dict[str, int]] = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
}
KEY_OCTETS: Final[dict[str, tuple[int, int]]] = {
    "AES_CM_128_HMAC_SHA1_80": (16, 14),
    "AES_CM_128_HMAC_SHA1_32": (16, 14),
    "AEAD_AES_128_GCM": (16, 12),
}
"""Of a master key and of its salt (RFC 3711 §8.2, RFC 7714 §12)."""
_SHORTEST: Final = 12


@dataclass(frozen=True, slots=True)
class Keys:
    """How both directions of a session are secured.

    Attributes:
        suite: of both; a name in :data:`PROFILES`.
        local: master key and salt of what we send, as long as :data:`KEY_OCTETS` says.
        remote: of what the peer sends.
    """

    suite: str
    local: bytes
    remote: bytes

    def __repr__(self) -> str:
        """Say all but the keys, which must not come into a log."""
        return f"Keys({self.suite})"


class SrtpEdge:
    """An :class:`~telephony.media.path.Edge`, and the protection of the session's RTCP.

    Args:
        on_rtcp: takes reports that came over the RTP port, in the clear (RFC 5761).

    Attributes:
        forged: datagrams that were dropped: not authentic, or not new.
    """

    def __init__(self, on_rtcp: Callable[[bytes, Source, float], None] | None = None) -> None:
        self.forged = 0
        self._on_rtcp = on_rtcp
        self._keys: Keys | None = None
        self._in: Session | None = None
        self._out: Session | None = None

    def set_keys(self, keys: Keys) -> None:
        """Use these from now on.

        A direction whose key stays goes on where it is: a re-INVITE repeats keys, and a packet
        counter that began anew would use a key stream twice (RFC 3711 §9.1).
        """
        former, self._keys = self._keys, keys
        profile = PROFILES[keys.suite]
        same = former is not None and former.suite == keys.suite
        if not (same and former is not None and former.remote == keys.remote):
            self._in = _session(keys.remote, Policy.SSRC_ANY_INBOUND, profile)
        if not (same and former is not None and former.local == keys.local):
            self._out = _session(keys.local, Policy.SSRC_ANY_OUTBOUND, profile)

    def incoming(self, datagram: bytes, source: Source, now: float) -> Sequence[bytes]:
        """See :class:`~telephony.media.path.Edge`."""
        if self._in is None or len(datagram) < _SHORTEST:
            return ()
        if is_rtcp(datagram):
            report = self.unprotect_rtcp(datagram)
            if report is not None and self._on_rtcp is not None:
                self._on_rtcp(report, source, now)
            return ()
        try:
            return (self._in.unprotect(datagram),)
        except (Error, ValueError):  # ValueError: longer than any audio
            self.forged += 1
            return ()

    def outgoing(self, packet: bytes, now: float) -> bytes | None:  # noqa: ARG002 - the port's
        """See :class:`~telephony.media.path.Edge`."""
        if self._out is None:
            return None
        try:
            return self._out.protect(packet)
        except (Error, ValueError):  # too late for the replay window that the peer has as well
            return None

    def protect_rtcp(self, report: bytes) -> bytes | None:
        """See :class:`~telephony.media.rtcp_channel.Protection`."""
        return None if self._out is None else self._out.protect_rtcp(report)

    def unprotect_rtcp(self, datagram: bytes) -> bytes | None:
        """See :class:`~telephony.media.rtcp_channel.Protection`."""
        if self._in is None:
            return None
        try:
            return self._in.unprotect_rtcp(datagram)
        except (Error, ValueError):
            self.forged += 1
            return None


def _session(key: bytes, direction: int, profile: int) -> Session:
    return Session(Policy(key=key, ssrc_type=direction, srtp_profile=profile))
