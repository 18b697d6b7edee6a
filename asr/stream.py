"""One open stream of the recogniser process: its port, the order of its packets, recognition."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from asr.control import OpenStream
from asr.load import Role, StreamLoad
from asr.ports import Heard, Recognizer
from asr.receiver import Port, Receiver
from asr.rtp_source import RtpSource
from asr.transcriber import Listening, Transcriber

_CLOSE_WITHIN = 10.0
"""Seconds in which a stream that is closed shall be heard to its end."""


class OpenedStream:
    """One open stream: port, packet order, recognition."""

    def __init__(
        self,
        command: OpenStream,
        recognizer: Recognizer,
        on_heard: Callable[[Heard], None],
        *,
        number: int,
        listening: Listening,
        receiver: Receiver,
    ) -> None:
        self.name = command.stream
        self.role: Role = command.role
        self.number = number
        self.source = RtpSource(
            opened_at=asyncio.get_running_loop().time(),
            t0=command.t0,
            payload_types=command.payload_types,
        )
        self.transcriber = Transcriber(
            command.stream, recognizer, on_heard=on_heard, listening=listening
        )
        self._receiver = receiver
        self._port: Port | None = None

    def listen(self, host: str) -> tuple[str, int]:
        """Open its UDP port on this address; return where. Raises OSError: there is none."""
        self._port = self._receiver.open(host, self.source, self.transcriber.put)
        return self._port.address

    def load(self) -> StreamLoad:
        """Return what the load is judged by."""
        ear = self.transcriber
        return StreamLoad(self.name, self.role, self.number, ear.lag, ear.came, ear.heard)

    async def finish(self) -> dict[str, Any]:
        """Hear the rest; return the stream's counters."""
        self._close_port()
        for audio in self.source.drain():
            self.transcriber.put(audio)
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self.transcriber.finish()
        except TimeoutError:
            await self.transcriber.give_up()
        return {
            **asdict(self.source.stats),
            "shed_partials": self.transcriber.shed_partials,
            "shed_seconds": round(self.transcriber.shed_seconds, 2),
        }

    async def abort(self) -> None:
        """Stop at once."""
        self._close_port()
        await self.transcriber.abort()

    def _close_port(self) -> None:
        if self._port is not None:
            self._receiver.close(self._port)
