"""What a browser's session description says beyond audio (RFC 8829): ICE, DTLS, one port. Pure.

Ours is that of a lite agent (RFC 8445 §2.5, RFC 8839): one candidate, our address in the ``m=``
line. Phones that secure by DTLS without ICE (RFC 5763) are answered in kind.
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

Setup = Literal["actpass", "active", "passive"]

PROTOCOLS: Final = frozenset({"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP"})
"""Of the ``m=`` line (RFC 5764 §8)."""
OFFERED: Final = "UDP/TLS/RTP/SAVPF"
OFFERED_TO_PHONES: Final = "UDP/TLS/RTP/SAVP"
"""To those without ICE, which rarely know feedback either."""

_SETUPS: Final[tuple[Setup, ...]] = get_args(Setup)
_HEX_PAIRS = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})+")
_UFRAG = re.compile(r"[0-9A-Za-z+/]{4,256}")  # RFC 8839 §5.4
_PASSWORD = re.compile(r"[0-9A-Za-z+/]{22,256}")
_MID = re.compile(r"[!#-'*+.0-9A-Z^-~-]{1,64}")  # RFC 5888 §4: a token
_OUR_MID = "0"
# RFC 8445 §5.1.2.1: a host candidate, the only one of its component
_PRIORITY: Final = (126 << 24) + (65535 << 8) + 255

Attributes = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class WebRtc:
    """How a peer's stream is secured by DTLS.

    Attributes:
        setup: its role in the handshake (RFC 4145 §4).
        fingerprints: of its certificate, by the hash's name.
        ufrag: its ICE user name fragment; None: it has no ICE.
        password: and its password; only that both change tells us something (RFC 8839 §4.4.1.1.1).
        muxed: RTCP may come on the RTP port (RFC 5761).
        mid: what the stream is called (RFC 5888); None: it has no name.
        bundled: that name stands in a BUNDLE group (RFC 9143).
    """

    setup: Setup
    fingerprints: Mapping[str, str] = field(hash=False)
    ufrag: str | None = None
    password: str | None = field(default=None, repr=False)
    muxed: bool = True
    mid: str | None = None
    bundled: bool = False


def read_webrtc(stream: Attributes, session: Attributes) -> WebRtc | None:
    """Read the attributes of a stream, and those of the session that hold for every stream.

    None where we cannot take part: no fingerprint, a role that there is not, or RTCP on a port of
    its own, which would need a handshake of its own.
    """
    fingerprints = dict(
        found
        for value in (stream.get("fingerprint") or session.get("fingerprint") or ())
        if (found := _fingerprint(value)) is not None
    )
    setup = _one("setup", stream, session) or "actpass"
    known = next((name for name in _SETUPS if name == setup), None)
    if not fingerprints or known is None or "rtcp-mux" not in stream:
        return None
    ufrag, password = _one("ice-ufrag", stream, session), _one("ice-pwd", stream, session)
    if ufrag is not None and not (_UFRAG.fullmatch(ufrag) and _PASSWORD.fullmatch(password or "")):
        return None
    mid = _one("mid", stream, {})
    if mid is not None and not _MID.fullmatch(mid):
        mid = None
    groups = (value.split() for value in session.get("group", ()))
    bundled = any(names[:1] == ["BUNDLE"] and mid in names[1:] for names in groups)
    return WebRtc(known, fingerprints, ufrag, password, mid=mid, bundled=bundled)


def _one(name: str, *owners: Attributes) -> str | None:
    return next((values[0].strip() for owner in owners if (values := owner.get(name))), None)


def _fingerprint(value: str) -> tuple[str, str] | None:
    name, _, digest = value.partition(" ")
    digest = digest.strip()
    return (name.lower(), digest.upper()) if _HEX_PAIRS.fullmatch(digest) else None


@dataclass(slots=True)
class OwnWebRtc:
    """Our side of one leg, the same in all its descriptions.

    Args:
        fingerprint: SHA-256 of our certificate, ``AB:CD:…``.
        seed: random octets that our ICE credentials are made from; a secret.

    Attributes:
        role: ours in the handshake once it is agreed, None before.
    """

    fingerprint: str
    seed: bytes = field(repr=False)
    role: Literal["server", "client"] | None = None
    _generation: int = 0
    _peer: tuple[str | None, str | None] | None = None

    @property
    def credentials(self) -> tuple[str, str]:
        """Our user name fragment and password (RFC 8839 §5.4: 4 characters and 22 at least)."""
        text = b"ice credentials %d" % self._generation
        made = b64encode(hmac.digest(self.seed, text, hashlib.sha256)).decode()
        return made[:8], made[8:40]

    def meet(self, peer: WebRtc) -> None:
        """Take what the peer says, in an offer before it is answered or in an answer.

        Other credentials of its restart ICE, and ours have to change with them (RFC 8839
        §4.4.1.1.1); but not on its first answer, when it has seen ours already.
        """
        named = peer.ufrag, peer.password
        if self._peer is not None and self._peer != named:
            self._generation += 1
        self._peer = named
        if self.role is None or peer.setup != "actpass":
            # RFC 5763 §5: who is asked "actpass" chooses; a browser is the better client, for it
            # knows when its checks have succeeded
            self.role = "client" if peer.setup == "passive" else "server"

    def session_lines(self, peer: WebRtc | None, *, ice: bool = True) -> list[str]:
        """Write what stands before the streams, to answer ``peer`` or, None, to offer.

        ``ice``: whether it is offered.
        """
        lines = []
        if peer is None:
            lines += [f"a=group:BUNDLE {_OUR_MID}"] if ice else []
        elif peer.bundled and peer.mid is not None:
            lines.append(f"a=group:BUNDLE {peer.mid}")
        if ice if peer is None else peer.ufrag is not None:
            lines.append("a=ice-lite")
        return lines

    def stream_lines(
        self, peer: WebRtc | None, host: str, port: int, *, ice: bool = True
    ) -> list[str]:
        """Write what stands in the stream, which is at this address of ours."""
        mid = (_OUR_MID if ice else None) if peer is None else peer.mid
        setup = {None: "actpass", "server": "passive", "client": "active"}
        lines = [] if mid is None else [f"a=mid:{mid}"]
        lines += [
            f"a=fingerprint:sha-256 {self.fingerprint}",
            f"a=setup:{setup[None if peer is None else self.role]}",
            "a=rtcp-mux",
        ]
        if ice if peer is None else peer.ufrag is not None:
            ufrag, password = self.credentials
            lines += [
                f"a=ice-ufrag:{ufrag}",
                f"a=ice-pwd:{password}",
                f"a=candidate:1 1 udp {_PRIORITY} {host} {port} typ host",
                "a=end-of-candidates",
            ]
        return lines
