"""A session whose peer is a browser: STUN, DTLS, SRTP and SRTCP on one port (RFC 7983, RFC 8834).

What comes is told apart by its first octet (RFC 7983 §7), and each kind has its own machine: ICE
finds out where the peer is, DTLS agrees on keys there, SRTP uses them. Until then nothing goes in
or out. A peer without ICE (RFC 5763 alone, as some phones have it) is where its packets come from.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from telephony.media.certificate import Certificate
from telephony.media.dtls import DtlsAssociation, Role, is_dtls
from telephony.media.ice import Answer, IceLite, Selected
from telephony.media.meeting import Meeting
from telephony.media.path import Source
from telephony.media.srtp import SrtpEdge
from telephony.media.stun import is_stun

log = structlog.get_logger(__name__)

_RTP = range(128, 192)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the session descriptions say.

    Attributes:
        role: ours in the handshake.
        fingerprints: of the peer's certificate, by hash.
        certificate: ours.
        credentials: our ICE user name fragment and password; None: the peer has no ICE.
        address: the peer's in its description, where a client without ICE begins.
        signalled_from: the host that its SIP came from, where a NAT may hide another.
    """

    role: Role
    fingerprints: Mapping[str, str]
    certificate: Certificate
    credentials: tuple[str, str] | None
    address: Source | None = None
    signalled_from: str | None = None

    @property
    def named(self) -> frozenset[str]:
        """The hosts where the peer may be expected."""
        hosts = (None if self.address is None else self.address[0], self.signalled_from)
        return frozenset(host for host in hosts if host is not None)


class WebRtcEdge:
    """An :class:`~telephony.media.path.Edge`, and the protection of the session's RTCP.

    Args:
        send: sends a datagram from the session's port.
        on_selected: told where the peer is, at first and when it moves.
        on_rtcp: takes reports, in the clear.
    """

    def __init__(
        self,
        *,
        send: Callable[[bytes, Source], None],
        on_selected: Callable[[Source], None],
        on_rtcp: Callable[[bytes, Source, float], None],
    ) -> None:
        self._send = send
        self._on_selected = on_selected
        self._srtp = SrtpEdge(on_rtcp)
        self._terms: Terms | None = None
        self._ice: IceLite | None = None
        self._dtls: DtlsAssociation | None = None
        self._meeting = Meeting()  # without ICE
        self._peer: Source | None = None  # where the handshake takes place
        self._timer: asyncio.TimerHandle | None = None

    @property
    def selected(self) -> Source | None:
        """Where ICE has found the peer."""
        return self._ice.selected if self._ice is not None else None

    @property
    def secured(self) -> bool:
        """Whether there are keys."""
        return self._dtls is not None and self._dtls.keys is not None

    def describe(self, terms: Terms) -> None:
        """Go by these descriptions; a repeated one changes nothing (RFC 8842 §4).

        Another certificate or role means another handshake; other ICE credentials alone do not.
        """
        former, self._terms = self._terms, terms
        self._describe_ice(terms.credentials)
        same = former is not None and (former.role, former.fingerprints) == (
            terms.role,
            terms.fingerprints,
        )
        if not same or (former is not None and former.named != terms.named and not self.secured):
            self._meeting = Meeting(terms.named)
        if not same:
            self._dtls = _association(terms)
            self._begin(self.selected if self._ice is not None else terms.address)

    def _describe_ice(self, credentials: tuple[str, str] | None) -> None:
        if credentials is None:
            self._ice = None
        elif self._ice is None:
            self._ice = IceLite(*credentials)
        else:
            self._ice.restart(*credentials)

    def close(self) -> None:
        """Repeat nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- what comes and goes -----------------------------------------------------------------------

    def incoming(self, datagram: bytes, source: Source, now: float) -> Sequence[bytes]:
        """See :class:`~telephony.media.path.Edge`."""
        if is_stun(datagram):
            self._check(datagram, source)
        elif self._ice is not None and not self._ice.is_valid(source):
            return ()  # a stranger: he has not shown that he knows the password
        elif is_dtls(datagram):
            if self._ice is not None or self._meet(source, now):
                self._shake_hands(datagram, source)
        elif datagram and datagram[0] in _RTP:
            return self._srtp.incoming(datagram, source, now)
        return ()

    def outgoing(self, packet: bytes, now: float) -> bytes | None:
        """See :class:`~telephony.media.path.Edge`."""
        return self._srtp.outgoing(packet, now)

    def protect_rtcp(self, report: bytes) -> bytes | None:
        """See :class:`~telephony.media.rtcp_channel.Protection`."""
        return self._srtp.protect_rtcp(report)

    def unprotect_rtcp(self, datagram: bytes) -> bytes | None:
        """See :class:`~telephony.media.rtcp_channel.Protection`."""
        return self._srtp.unprotect_rtcp(datagram)

    def _check(self, datagram: bytes, source: Source) -> None:
        for effect in [] if self._ice is None else self._ice.handle(datagram, source):
            match effect:
                case Answer(answer):
                    self._send(answer, source)
                case Selected(peer):
                    self._on_selected(peer)
                    if self._peer is None:
                        self._begin(peer)

    # -- the handshake -----------------------------------------------------------------------------

    def _begin(self, peer: Source | None) -> None:
        """Begin the handshake with somebody who can be reached, if it is ours to begin."""
        self._peer = peer
        if peer is not None and self._dtls is not None and self._terms is not None:
            if self._terms.role == "client":
                self._fly(self._dtls.start())
            self._arm()

    def _meet(self, source: Source, now: float) -> bool:
        """Whether somebody may shake hands whom no ICE has found."""
        verdict = self._meeting.judge(source, now)
        if verdict == "other" and not self.secured and self._terms is not None:
            self._dtls = _association(self._terms)  # what the former one said is void
            self._begin(source)
        return verdict != "stranger"

    def _shake_hands(self, datagram: bytes, source: Source) -> None:
        if self._dtls is None:
            return
        self._peer = source
        had_keys, had_failed = self.secured, self._dtls.failed is not None
        self._fly(self._dtls.receive(datagram))
        if self._dtls.failed is not None and not had_failed:
            log.warning("dtls failed", reason=self._dtls.failed)
        if self._dtls.keys is not None and not had_keys:
            self._srtp.set_keys(self._dtls.keys)
            log.debug("dtls through")
        self._arm()

    def _fly(self, flight: Sequence[bytes]) -> None:
        if self._peer is not None:
            for datagram in flight:
                self._send(datagram, self._peer)

    def _arm(self) -> None:
        self.close()
        wait = None if self._dtls is None else self._dtls.wait
        if wait is not None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._repeat)

    def _repeat(self) -> None:
        self._timer = None
        if self._dtls is not None:
            self._fly(self._dtls.repeat())
            self._arm()


def _association(terms: Terms) -> DtlsAssociation:
    return DtlsAssociation(terms.role, terms.certificate, terms.fingerprints)
