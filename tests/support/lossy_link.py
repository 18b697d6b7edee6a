"""A link that loses, delays, reorders and doubles packets: what it does with each, and as a relay.

What happens to a packet is decided by a seeded generator alone, so a test sees the same link every
time; :class:`LossyLink` has no clock and no socket, :class:`LossyRelay` puts one into the way of
real datagrams.
"""

import asyncio
import random

Address = tuple[str, int]


class LossyLink:
    """Decides what becomes of each packet. Pure.

    Args:
        loss: share of packets that are lost, 0 to 1…
        burst: …so many in a row on average (Gilbert's model; 1: each by itself).
        jitter: each packet comes later by up to so many seconds, which reorders, too.
        reorder: share of packets that are overtaken by the next two (60 ms).
        duplicate: share of packets that come twice.
        seed: the same seed, the same link.
    """

    def __init__(
        self,
        *,
        loss: float = 0.0,
        burst: float = 1.0,
        jitter: float = 0.0,
        reorder: float = 0.0,
        duplicate: float = 0.0,
        seed: int = 1,
    ) -> None:
        self._leave = 1.0 / burst
        self._enter = min(1.0, loss * self._leave / (1.0 - loss))
        self._jitter = jitter
        self._reorder = reorder
        self._duplicate = duplicate
        self._chance = random.Random(seed)
        self._losing = False

    def delays(self) -> list[float]:
        """Return after how many seconds the next packet comes out; nothing: it is lost."""
        draw = self._chance.random()
        self._losing = draw >= self._leave if self._losing else draw < self._enter
        if self._losing:
            return []
        late = 0.06 if self._chance.random() < self._reorder else 0.0
        copies = 2 if self._chance.random() < self._duplicate else 1
        return [late + self._chance.uniform(0.0, self._jitter) for _ in range(copies)]


class LossyRelay(asyncio.DatagramProtocol):
    """Passes datagrams on to one destination, over a :class:`LossyLink`."""

    def __init__(self, link: LossyLink, destination: Address) -> None:
        self._link = link
        self._destination = destination
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> Address:
        """Begin; return the address to send to."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        host, port = self._transport.get_extra_info("sockname")
        return host, port

    def close(self) -> None:
        """End; what is still under way is lost."""
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: Address) -> None:  # noqa: ARG002 - asyncio's
        """See asyncio.DatagramProtocol."""
        for delay in self._link.delays():
            asyncio.get_running_loop().call_later(delay, self._send, data)

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, self._destination)
