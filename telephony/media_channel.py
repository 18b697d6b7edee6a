"""The connection to a media process: what is said in one moment leaves, and is heard, at once.

Each line that comes in is handed on from within the read that brought it. (A `StreamReader` with a
task that reads from it goes through the loop once more for each.)
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, cast

import structlog

from telephony.media.control import LineSplitter

log = structlog.get_logger(__name__)

_LINE_LIMIT: Final = 2**20


class MediaChannel(asyncio.Protocol):
    """One connection.

    Args:
        deliver: given each message but the first, which only tells that somebody is there. It may
            raise what a message of another shape makes it raise; the connection is then given up.

    Attributes:
        spoken: set when the process has said something, or never will.
        lost: set when the connection is over, or of no use.
    """

    def __init__(self, deliver: Callable[[dict[str, Any]], None]) -> None:
        self.spoken = asyncio.Event()
        self.lost = asyncio.Event()
        self._deliver = deliver
        self._lines = LineSplitter(_LINE_LIMIT)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if exc is not None:
            self._give_up(exc)
        self._end()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        for line in self._lines.feed(data):
            if self.lost.is_set():
                return
            if not self.spoken.is_set():
                self.spoken.set()
                continue
            try:
                self._deliver(json.loads((line or b"").decode()))  # None: it was too long
            except (ValueError, LookupError, TypeError) as error:
                self._give_up(error)  # another program's socket

    def write(self, lines: bytes) -> None:
        """Send lines."""
        if self._transport is not None:
            self._transport.write(lines)

    def close(self) -> None:
        """End the connection."""
        self._end()
        if self._transport is not None:
            self._transport.close()

    def _give_up(self, error: Exception) -> None:
        log.warning("media connection broken", error=str(error))
        self.close()

    def _end(self) -> None:
        self.spoken.set()
        self.lost.set()
