"""How one session is secured: nothing, SRTP by keys from the SDP, or DTLS; and changes of that."""

from functools import partial

from telephony.media import control
from telephony.media.certificate import Certificate
from telephony.media.path import Handle, PacketPath, Source
from telephony.media.rtcp_channel import RtcpChannel
from telephony.media.srtp import Keys, SrtpEdge
from telephony.media.webrtc import Terms, WebRtcEdge


class Securing:
    """Puts what is needed between a session's port and the packet path.

    Args:
        path: of the packets.
        session: on it.
        rtcp: the session's, which is secured alike.
    """

    def __init__(self, path: PacketPath, session: Handle, rtcp: RtcpChannel) -> None:
        self._path = path
        self._session = session
        self._rtcp = rtcp
        self._edge: SrtpEdge | WebRtcEdge | None = None

    def apply(self, command: control.Remote) -> None:
        """Secure as the session descriptions say now."""
        if command.dtls is not None:
            self._by_dtls(command, command.dtls)
        elif command.srtp is not None:
            self._by_srtp(command.srtp)
        else:
            self._put(None)

    def described(self) -> None:
        """The session was described anew: where ICE has found the peer counts, not the SDP."""
        if isinstance(self._edge, WebRtcEdge) and self._edge.selected is not None:
            self._on_selected(self._edge.selected)

    def close(self) -> None:
        """The session is closed."""
        if isinstance(self._edge, WebRtcEdge):
            self._edge.close()

    def _by_srtp(self, srtp: control.Srtp) -> None:
        edge = self._edge if isinstance(self._edge, SrtpEdge) else SrtpEdge(self._on_rtcp)
        edge.set_keys(Keys(srtp.suite, srtp.local, srtp.remote))
        self._put(edge)

    def _by_dtls(self, command: control.Remote, dtls: control.Dtls) -> None:
        edge = self._edge
        if not isinstance(edge, WebRtcEdge):
            edge = WebRtcEdge(
                send=partial(self._path.send_datagram, self._session),
                on_selected=self._on_selected,
                on_rtcp=self._on_rtcp,
            )
            self._put(edge)
        has_ice = dtls.ufrag is not None and dtls.password is not None
        edge.describe(
            Terms(
                dtls.role,
                dtls.fingerprints,
                Certificate(dtls.certificate, dtls.key),
                (dtls.ufrag or "", dtls.password or "") if has_ice else None,
                (command.host, command.port),
                command.signalled_from,
            )
        )

    def _put(self, edge: SrtpEdge | WebRtcEdge | None) -> None:
        if edge is self._edge:
            return
        self.close()
        self._edge = self._rtcp.protection = edge
        self._path.set_edge(self._session, edge)

    def _on_rtcp(self, report: bytes, _source: Source, now: float) -> None:
        self._rtcp.take(report, now)

    def _on_selected(self, peer: Source) -> None:
        self._path.latch(self._session, peer)
        self._rtcp.latched(peer)
