"""The media half of a phone: sends audio as RTP in real time, keeps what it hears."""

import asyncio
from types import TracebackType
from typing import Self

import numpy as np

from telephony.media import g711
from telephony.media.rtp import RtpPacket, build, parse
from tests.support.tones import Pcm
from tests.support.waiting import PATIENCE

Address = tuple[str, int]

PACKET_SECONDS = 0.02
PACKET_SAMPLES = 160


class RtpPhone(asyncio.DatagramProtocol):
    """One phone on loopback.

    Args:
        codec: of both directions.
        ssrc: of what it sends.
        payload_type: the codec's static number unless given.
    """

    def __init__(
        self, codec: g711.Codec = "PCMA", *, ssrc: int = 1, payload_type: int | None = None
    ) -> None:
        self.codec = codec
        self.payload_type = payload_type or {"PCMA": 8, "PCMU": 0}[codec]
        self.ssrc = ssrc
        self.sequence = 100
        self.timestamp = 1000
        self.datagrams: list[bytes] = []
        self._arrived = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.transport.close()

    @property
    def transport(self) -> asyncio.DatagramTransport:
        assert self._transport is not None
        return self._transport

    @property
    def address(self) -> Address:
        host, port = self.transport.get_extra_info("sockname")
        return host, port

    def datagram_received(self, data: bytes, addr: Address) -> None:  # noqa: ARG002 - asyncio's
        self.datagrams.append(data)
        self._arrived.set()

    @property
    def packets(self) -> list[RtpPacket]:
        return [parse(data) for data in self.datagrams]

    async def heard(self, packets: int = 1, within: float = PATIENCE) -> None:
        """Wait until so many packets have come; TimeoutError otherwise."""
        async with asyncio.timeout(within):
            while len(self.datagrams) < packets:
                self._arrived.clear()
                await self._arrived.wait()

    def send_packet(self, payload: bytes, destination: Address, *, marker: bool = False) -> None:
        """Send one audio packet and move on by its length."""
        packet = RtpPacket(
            self.payload_type, marker, self.sequence, self.timestamp, self.ssrc, payload
        )
        self.send(build(packet), destination)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + len(payload)) & 0xFFFFFFFF

    def send(self, packet: bytes, destination: Address) -> None:
        """Send an RTP packet."""
        self.transport.sendto(packet, destination)

    async def play(self, pcm: Pcm, destination: Address) -> None:
        """Send audio, 20 ms a packet, at the speed of speech."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for start in range(0, len(pcm) - PACKET_SAMPLES + 1, PACKET_SAMPLES):
            payload = g711.encode(self.codec, pcm[start : start + PACKET_SAMPLES])
            self.send_packet(payload, destination, marker=start == 0)
            due += PACKET_SECONDS
            await asyncio.sleep(max(0.0, due - loop.time()))

    def pcm(self) -> Pcm:
        """Return what was heard, packets of the own payload type in the order of arrival."""
        payload = b"".join(p.payload for p in self.packets if p.payload_type == self.payload_type)
        return g711.decode(self.codec, payload) if payload else np.zeros(0, np.int16)
