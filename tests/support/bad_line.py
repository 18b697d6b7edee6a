"""A line that loses packets and delays each by another time, between a phone and its network."""

import asyncio
import random


class BadLine(asyncio.DatagramTransport):
    """Stands between a sender and its transport.

    Args:
        transport: the real one.
        loss: share of packets that are lost, 0 to 1.
        jitter: each packet comes later by up to so many seconds; order is not kept.
        seed: the same seed, the same line.
    """

    def __init__(
        self, transport: asyncio.DatagramTransport, *, loss: float, jitter: float, seed: int = 1
    ) -> None:
        super().__init__()
        self._transport = transport
        self._loss = loss
        self._jitter = jitter
        self._chance = random.Random(seed)
        self._loop = asyncio.get_running_loop()

    def sendto(self, data: bytes | bytearray | memoryview, addr: object = None) -> None:
        """Send it, perhaps, and perhaps later."""
        if self._chance.random() >= self._loss:
            delay = self._chance.uniform(0.0, self._jitter)
            self._loop.call_later(delay, self._send, bytes(data), addr)

    def _send(self, data: bytes, addr: object) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(data, addr)  # type: ignore[arg-type]

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what the real transport says."""
        return self._transport.get_extra_info(name, default)

    def close(self) -> None:
        """Close the real one."""
        self._transport.close()
