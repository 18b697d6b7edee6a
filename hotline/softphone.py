"""A simulated telephone for demonstrations: registers, calls, is called, speaks WAV files.

It stands on the same SIP legs as the service, but shares no process with it: what it proves, it
proves over the wire. Its audio is one UDP socket and a 20 ms clock.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

import numpy as np
import structlog
from aiosipua import SipRequest, SipResponse
from aiosipua.auth import SipDigestAuth, answer_challenge

from telephony.bindings import MemoryBindings
from telephony.gateway import SipGateway
from telephony.leg import (
    Leg,
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegEvent,
    LegReoffered,
    LegRinging,
)
from telephony.media import g711, rtp
from telephony.sip.audio_formats import AudioFormat
from telephony.sip.offer_answer import LocalDescription, RemoteAudio, SdpError, parse_audio
from telephony.trunks.model import Trunk

log = structlog.get_logger(__name__)

FRAME = 160
"""Samples in 20 ms."""

_FORMATS = (AudioFormat("PCMA", 8), AudioFormat("PCMU", 0))
_FRAME_SECONDS = FRAME / g711.RATE
_UNAUTHORIZED = 401
_OK = 200


class CallFailed(Exception):
    """The call was not answered; ``status`` is the SIP response's, None when there was none."""

    def __init__(self, status: int | None, reason: str | None) -> None:
        super().__init__(f"{status or 'no answer'} {reason or ''}".strip())
        self.status = status


class RegistrationFailed(Exception):
    """The registrar refused, or did not answer."""


class Voice(asyncio.DatagramProtocol):
    """One party's RTP: sends queued samples, silence when there are none, every 20 ms."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._destination: tuple[str, int] | None = None
        self._format = AudioFormat("PCMA", 8)
        self._frames: deque[g711.Pcm] = deque()
        self._said = asyncio.Event()
        self._said.set()
        self._clock: asyncio.Task[None] | None = None
        self.packets_heard = 0

    @property
    def port(self) -> int:
        """The UDP port, once open."""
        if self._transport is None:
            raise RuntimeError("the voice is not open")
        return int(self._transport.get_extra_info("sockname")[1])

    @property
    def transport(self) -> asyncio.DatagramTransport:
        """What it sends through, once open."""
        if self._transport is None:
            raise RuntimeError("the voice is not open")
        return self._transport

    async def open(self, host: str) -> None:
        """Bind a port."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Keep the socket."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        """Count what is heard."""
        with suppress(rtp.MalformedPacket):
            rtp.parse(data)
            self.packets_heard += 1

    def talk_to(self, audio: RemoteAudio, chosen: AudioFormat) -> None:
        """Send there from now on; nowhere while the other side holds us."""
        self._destination = (audio.host, audio.port) if audio.is_listening else None
        self._format = chosen
        if self._clock is None:
            self._clock = asyncio.create_task(self._run(), name="voice")

    def say(self, samples: g711.Pcm) -> None:
        """Queue samples behind what is still to be said."""
        padded = np.concatenate([samples, np.zeros(-len(samples) % FRAME, np.int16)])
        self._frames.extend(padded.reshape(-1, FRAME))
        if self._frames:
            self._said.clear()

    async def until_said(self) -> None:
        """Return when everything queued has been sent."""
        await self._said.wait()

    async def close(self) -> None:
        """Stop sending and close the port."""
        if self._clock is not None:
            self._clock.cancel()
            with suppress(asyncio.CancelledError):
                await self._clock
        if self._transport is not None:
            self._transport.close()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        silence = np.zeros(FRAME, np.int16)
        sequence, timestamp = secrets.randbits(15), secrets.randbits(31)
        ssrc = secrets.randbits(32)
        start = loop.time()
        for number in range(2**31):
            frame = self._frames.popleft() if self._frames else silence
            if not self._frames:
                self._said.set()
            packet = rtp.RtpPacket(
                self._format.payload_type,
                number == 0,
                (sequence + number) & 0xFFFF,
                (timestamp + number * FRAME) & 0xFFFFFFFF,
                ssrc,
                g711.encode("PCMU" if self._format.name == "PCMU" else "PCMA", frame),
            )
            if self._transport is not None and self._destination is not None:
                self._transport.sendto(rtp.build(packet), self._destination)
            # Against the start, not the last packet: delays of this loop do not add up.
            await asyncio.sleep(start + (number + 1) * _FRAME_SECONDS - loop.time())


class PhoneCall:
    """One call of a softphone, in either direction.

    Args:
        voice: its audio, open.
        host: our own address.
    """

    def __init__(self, voice: Voice, host: str) -> None:
        self.voice = voice
        self._host = host
        self._description = LocalDescription(secrets.randbits(31))
        self.leg: Leg | None = None
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ringing = asyncio.Event()
        self.ended = asyncio.Event()

    def on_event(self, event: LegEvent) -> None:
        """Follow the leg."""
        match event:
            case LegRinging():
                self.ringing.set()
            case LegAnswered():
                self._connect(event.sdp)
            case LegReoffered(sdp) if self.leg is not None:
                self._reanswer(self.leg, sdp)
            case LegConfirmed(str(sdp)):
                self._connect(sdp)  # the answer to our offer, in the ACK
            case LegEnded():
                self.ended.set()
                if not self.answered.done():
                    self.answered.set_exception(CallFailed(event.status, event.reason))
                    self.answered.exception()  # may be awaited by nobody
            case _:
                pass

    def _connect(self, sdp: str | None) -> None:
        try:
            audio = parse_audio(sdp or "")
        except SdpError as error:
            log.warning("answer_unusable", error=str(error))
            self.hang_up()
            return
        self.voice.talk_to(audio, audio.formats[0])
        if not self.answered.done():
            self.answered.set_result(None)

    def offer(self) -> str:
        """Describe all that we can do."""
        return self._description.offer(host=self._host, port=self.voice.port, formats=_FORMATS)

    def accept(self, offer: str) -> str:
        """Answer an offer and talk as it says from now on.

        Raises:
            telephony.sip.offer_answer.SdpError: nothing it offers can be spoken.
        """
        answer, chosen = self._description.answer(
            offer,
            host=self._host,
            port=self.voice.port,
            preferred=tuple(one.name for one in _FORMATS),
        )
        self.voice.talk_to(parse_audio(offer), chosen)
        return answer

    def _reanswer(self, leg: Leg, offer: str | None) -> None:
        """Take a re-INVITE: hold, another address, or a wish for an offer of ours."""
        try:
            leg.answer(self.offer() if offer is None else self.accept(offer))
        except SdpError as error:
            log.info("reoffer_refused", error=str(error))
            leg.refuse(488)

    def hang_up(self) -> None:
        """End it, whatever its state."""
        if self.leg is not None:
            self.leg.hang_up()

    async def finished(self, max_seconds: float = 5.0) -> None:
        """Wait for the end, bounded, and close the audio."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max_seconds):
                await self.ended.wait()
        await self.voice.close()


class NobodysCredentials:
    """A phone challenges nobody."""

    async def ha1(self, username: str, algorithm: str) -> str | None:  # noqa: ARG002
        """Return None: there is no such user."""
        return None


class SoftPhone:
    """A telephone on this machine.

    Args:
        server: the hotline's SIP address.
        host: our own address.
        port: our own SIP port; 0: any.
        on_call: told of a call that came in and rings; it is answered by ``pick_up``.
    """

    def __init__(
        self,
        *,
        server: tuple[str, int],
        host: str = "127.0.0.1",
        port: int = 0,
        on_call: Callable[[Leg], None] | None = None,
    ) -> None:
        self._server = server
        self._host = host
        self._port = port
        self._gateway = SipGateway(
            trunks=[Trunk.allowing(server[0])],
            realm="softphone",
            credentials=NobodysCredentials(),
            bindings=MemoryBindings(),
            on_call=on_call or (lambda leg: leg.refuse(486)),
            user_agent="hotline12345 softphone",
        )
        self._cseq = 0
        self._register_id = f"{secrets.token_hex(8)}@{host}"

    @property
    def address(self) -> tuple[str, int]:
        """Where it takes calls, once open."""
        return self._gateway.endpoint.local

    async def open(self) -> None:
        """Bind a SIP port."""
        await self._gateway.open(self._host, self._port)

    async def close(self) -> None:
        """Hang up everything and close the port."""
        await self._gateway.close()

    async def call(
        self,
        number: str,
        *,
        caller: str,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> PhoneCall:
        """Dial; the call rings until ``answered`` is done."""
        voice = Voice()
        await voice.open(self._host)
        call = PhoneCall(voice, self._host)
        call.leg = self._gateway.call(
            f"sip:{number}@{self._server[0]}:{self._server[1]}",
            self._server,
            sdp=call.offer(),
            caller=caller,
            on_event=call.on_event,
            headers=headers,
        )
        return call

    async def pick_up(self, leg: Leg) -> PhoneCall:
        """Answer a call that rings.

        Raises:
            telephony.sip.offer_answer.SdpError: nothing it offers can be spoken; it was refused.
        """
        voice = Voice()
        await voice.open(self._host)
        call = PhoneCall(voice, self._host)
        call.leg = leg
        leg.on_event = call.on_event
        try:
            answer = call.accept(leg.remote_sdp or "")
        except SdpError:
            leg.refuse(488)
            await voice.close()
            raise
        leg.answer(answer)
        call.answered.set_result(None)
        return call

    async def register(self, user: str, password: str, *, expires: int = 300) -> None:
        """Register as ``user`` (RFC 3261 §10.2); ``expires`` 0 takes the registration back.

        Raises:
            RegistrationFailed: the registrar refused, or did not answer.
        """
        response = await self._send_register(user, expires, authorization=None)
        if response.status_code == _UNAUTHORIZED:
            answer = answer_challenge(
                SipDigestAuth(user, password),
                response,
                response.status_code,
                "REGISTER",
                self._registrar_uri,
            )
            if answer is None:
                raise RegistrationFailed("the registrar's challenge cannot be answered")
            response = await self._send_register(user, expires, authorization=answer)
        if response.status_code != _OK:
            raise RegistrationFailed(f"{response.status_code} {response.reason_phrase}")

    @property
    def _registrar_uri(self) -> str:
        return f"sip:{self._server[0]}:{self._server[1]}"

    async def _send_register(
        self, user: str, expires: int, *, authorization: tuple[str, str] | None
    ) -> SipResponse:
        self._cseq += 1
        host, port = self.address
        request = SipRequest(method="REGISTER", uri=self._registrar_uri)
        address = f"<sip:{user}@{self._server[0]}>"
        for name, value in (
            ("Max-Forwards", "70"),
            ("From", f"{address};tag={secrets.token_hex(6)}"),
            ("To", address),
            ("Call-ID", self._register_id),
            ("CSeq", f"{self._cseq} REGISTER"),
            ("Contact", f"<sip:{user}@{host}:{port}>"),
            ("Expires", str(expires)),
            *((authorization,) if authorization else ()),
        ):
            request.add_header(name, value)
        answered: asyncio.Future[SipResponse] = asyncio.get_running_loop().create_future()

        def on_response(response: SipResponse) -> None:
            if response.status_code >= _OK and not answered.done():
                answered.set_result(response)

        def on_failure(cause: str) -> None:
            if not answered.done():
                answered.set_exception(RegistrationFailed(f"no answer from the registrar: {cause}"))

        self._gateway.endpoint.send_request(
            request, self._server, on_response=on_response, on_failure=on_failure
        )
        return await answered
