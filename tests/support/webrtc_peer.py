"""The media half of a browser: checks, shakes hands, sends SRTP; what it hears is an RtpPhone's."""

import asyncio
import secrets
from types import TracebackType

from telephony.media import stun
from telephony.media.certificate import Certificate, make_certificate
from telephony.media.dtls import DtlsAssociation, is_dtls
from telephony.media.path import Source
from telephony.media.rtcp import is_rtcp
from telephony.media.srtp import SrtpEdge
from telephony.media.stun import StunMessage
from tests.support.rtp_phone import Address, RtpPhone
from tests.support.waiting import PATIENCE

CHECK_SECONDS = 0.05


class WebRtcPeer(RtpPhone):
    """One browser's port on loopback; everything it sends to ``to`` is secured.

    Args:
        ssrc: of what it sends.
        ufrag: its ICE user name fragment.

    Attributes:
        certificate: what it shows.
        answers: what was said to its checks.
        reports: RTCP that came, in the clear.
    """

    def __init__(self, *, ssrc: int = 1, ufrag: str = "peer") -> None:
        super().__init__(ssrc=ssrc)
        self.ufrag = ufrag
        self.certificate: Certificate = make_certificate()
        self.answers: list[StunMessage] = []
        self.reports: list[bytes] = []
        self._srtp = SrtpEdge(on_rtcp=lambda report, _source, _now: self.reports.append(report))
        self._dtls: DtlsAssociation | None = None
        self._answered = asyncio.Event()
        self._secured = asyncio.Event()
        self._repeating: asyncio.Task[None] | None = None
        self._to: Address | None = None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._repeating is not None:
            self._repeating.cancel()
        await super().__aexit__(kind, error, trace)

    def check(self, to: Address, ufrag: str, password: str, *, nominate: bool = True) -> None:
        """Send one connectivity check."""
        attributes = [
            (stun.USERNAME, f"{ufrag}:{self.ufrag}".encode()),
            (stun.PRIORITY, (1 << 30).to_bytes(4)),
            (stun.ICE_CONTROLLING, secrets.token_bytes(8)),
            *([(stun.USE_CANDIDATE, b"")] if nominate else []),
        ]
        message = stun.build(
            stun.BINDING_REQUEST, secrets.token_bytes(12), attributes, key=password.encode()
        )
        self.transport.sendto(message, to)

    async def connect(
        self, to: Address, ufrag: str, password: str, fingerprint: str, *, within: float = PATIENCE
    ) -> None:
        """Check until answered, shake hands; TimeoutError when that comes to nothing."""
        self._to = to
        async with asyncio.timeout(within):
            while not self._answered.is_set():
                self.check(to, ufrag, password)
                try:
                    await asyncio.wait_for(self._answered.wait(), CHECK_SECONDS)
                except TimeoutError:
                    continue
            self._dtls = DtlsAssociation("client", self.certificate, {"sha-256": fingerprint})
            self._fly(self._dtls.start())
            self._repeating = asyncio.create_task(self._repeat(self._dtls))
            await self._secured.wait()

    def send(self, packet: bytes, destination: Address) -> None:
        """Send a packet as it is secured."""
        sealed = self._srtp.outgoing(packet, 0.0)
        if sealed is not None:
            self.transport.sendto(sealed, destination)

    def datagram_received(self, data: bytes, addr: Source) -> None:
        """Tell apart what came."""
        if stun.is_stun(data):
            self.answers.append(stun.parse(data))
            if self.answers[-1].kind == stun.BINDING_SUCCESS:
                self._answered.set()
        elif is_dtls(data) and self._dtls is not None:
            self._fly(self._dtls.receive(data))
            if self._dtls.keys is not None and not self._secured.is_set():
                self._srtp.set_keys(self._dtls.keys)
                self._secured.set()
        elif is_rtcp(data):
            self._srtp.incoming(data, addr, 0.0)
        else:
            for packet in self._srtp.incoming(data, addr, 0.0):
                super().datagram_received(packet, addr[:2])

    def _fly(self, flight: list[bytes]) -> None:
        for datagram in flight:
            self.transport.sendto(datagram, self._to)

    async def _repeat(self, dtls: DtlsAssociation) -> None:
        while (wait := dtls.wait) is not None:
            await asyncio.sleep(wait)
            self._fly(dtls.repeat())
