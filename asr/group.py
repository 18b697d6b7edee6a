"""All recognisers of a node: the usual one, and those of certain lines or seats, by name."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from asr.client import Address, RecognizerClient
from asr.load import Role

USUAL = ""
"""The name of the recogniser that hears whatever no other is named for."""


_LARGEST = frozenset({"lag_ms", "worker_mb"})
"""Figures of which the greatest counts, not the sum."""


class RecognizerGroup:
    """Says which recogniser a stream is opened with, and remembers it.

    Args:
        clients: by name; one of them is ``USUAL``.
        off: nothing is recognised, because nobody wants it: not the same as away.

    Attributes:
        off: as given.
    """

    def __init__(self, clients: Mapping[str, RecognizerClient], *, off: bool = False) -> None:
        self.off = off
        self._clients = clients
        self._streams: dict[str, RecognizerClient] = {}

    def client(self, name: str) -> RecognizerClient:
        """Return the recogniser of this name, or the usual one."""
        return self._clients.get(name) or self._clients[USUAL]

    async def open_stream(
        self, stream: str, *, t0: float = 0.0, role: Role = "caller", recogniser: str = USUAL
    ) -> Address | None:
        """Return where to fork this leg's RTP, or None when it cannot be recognised now."""
        client = self.client(recogniser)
        address = await client.open_stream(stream, t0=t0, role=role)
        if address is not None:
            self._streams[stream] = client
        return address

    async def close_stream(self, stream: str, *, timeout: float = 3.0) -> bool:  # noqa: ASYNC109 - as RecognizerClient's
        """End the stream; return when its last final has gone through ``on_result``.

        Returns:
            False when that was given up.
        """
        client = self._streams.pop(stream, None)
        return client is None or await client.close_stream(stream, timeout=timeout)

    async def recognise_file(
        self,
        stream: str,
        path: Path,
        *,
        channel: int,
        start: float,
        end: float,
        recogniser: str = USUAL,
    ) -> str | None:
        """Hear a part of a recording; return None, or why it was not heard to its end."""
        return await self.client(recogniser).recognise_file(
            stream, path, channel=channel, start=start, end=end
        )

    async def counts(self) -> dict[str, int]:
        """Return the figures of all: the longest lag, the largest worker, sums of the others."""
        totals: dict[str, int] = {}
        for client in self._clients.values():
            for name, value in (await client.counts()).items():
                before = totals.get(name, 0)
                totals[name] = max(before, value) if name in _LARGEST else before + value
        return totals

    async def each_counts(self) -> dict[str, dict[str, int]]:
        """Return the figures of each, by name."""
        found = await asyncio.gather(*(client.counts() for client in self._clients.values()))
        return dict(zip(self._clients, found, strict=True))

    async def start(self) -> None:
        """Begin to connect to each; returns at once."""
        for client in self._clients.values():
            await client.start()

    async def close(self) -> None:
        """Close the connections, which ends the processes."""
        for client in self._clients.values():
            await client.close()
