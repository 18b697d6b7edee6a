"""The process around the engine: one control connection, and its end.

Started by ``python -m telephony.media``. Stops when the control connection closes, when none comes
within :data:`CONNECT_SECONDS`, or on SIGTERM; recordings are completed first.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final, cast

import structlog

from telephony.media.control import (
    MAX_LINE,
    CommandError,
    LineSplitter,
    encode_answer,
    encode_error,
    parse_command,
)
from telephony.media.engine import Engine, MakePath, Result
from telephony.media.ports import PortPool

log = structlog.get_logger(__name__)

CONNECT_SECONDS: Final = 30.0


class ControlConnection(asyncio.Protocol):
    """Reads command lines, lets the engine obey, writes answers and events.

    Attributes:
        engine: set before the first connection is accepted.
        made: set when the client has connected.
        lost: set when it is gone.
    """

    engine: Engine

    def __init__(self) -> None:
        self.made = asyncio.Event()
        self.lost = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._lines = LineSplitter()
        self._waiting: set[asyncio.Task[None]] = set()
        self._held: list[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        self.made.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        log.info("control connection closed", error=str(exc) if exc else None)
        self._transport = None
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        said: list[bytes] = []
        self._held = said
        for line in self._lines.feed(data):
            if line is None:
                too_long = CommandError("bad_command", f"line longer than {MAX_LINE} octets")
                self.write(encode_error(too_long))
            else:
                self._obey(line)
        self._held = None
        if said:
            # What was asked in one moment is answered in one: the client is woken once.
            self.write(b"".join(said))

    def write(self, line: bytes) -> None:
        """Send one line, if the client is still there."""
        if self._held is not None:
            self._held.append(line)
        elif self._transport is not None:
            self._transport.write(line)

    def _obey(self, line: bytes) -> None:
        try:
            command = parse_command(line)
        except CommandError as error:
            log.warning("bad command", error=str(error))
            self.write(encode_error(error))
            return
        try:
            result = self.engine.obey(command)
        except CommandError as error:
            self.write(encode_error(error, command.id))
            return
        if isinstance(result, dict):
            self.write(encode_answer(command.id, result))
        else:
            task = asyncio.create_task(self._answer(command.id, result))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _answer(self, command_id: int, result: Awaitable[Result]) -> None:
        try:
            line = encode_answer(command_id, await result)
        except CommandError as error:
            line = encode_error(error, command_id)
        self.write(line)


class _Refused(asyncio.Protocol):
    """A second client: there is one node to a media process, so it is a mistake."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        log.warning("second control connection refused")
        transport.close()


async def serve(*, socket_path: Path, host: str, ports: PortPool, make_path: MakePath) -> None:
    """Run one engine from its client's connecting to its leaving.

    ``make_path`` makes what carries the packets.

    Raises:
        OSError: the socket cannot be made.
    """
    connection = ControlConnection()
    connection.engine = Engine(host=host, ports=ports, emit=connection.write, make_path=make_path)
    connection.engine.start()
    clients: Iterator[asyncio.Protocol] = iter([connection])
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def interrupt() -> None:
        # A terminal's Ctrl-C reaches the node as well, which decides when its calls have ended.
        if not connection.made.is_set():
            stopped.set()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = await _listen(socket_path, lambda: next(clients, _Refused()))
    log.info("media process listening", socket=str(socket_path), host=host, pairs=ports.free)
    # What lives now lives for ever: the collector need not look at it while packets wait.
    gc.collect()
    gc.freeze()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await _first(connection.made, stopped)
        await _first(connection.lost, stopped)
    except TimeoutError:
        log.error("nobody connected", seconds=CONNECT_SECONDS)  # noqa: TRY400 - no trace to show
    finally:
        server.close()
        socket_path.unlink(missing_ok=True)  # noqa: ASYNC240 - after the last packet
        await connection.engine.close()


async def _listen(path: Path, factory: Callable[[], asyncio.Protocol]) -> asyncio.Server:
    """Listen on a socket that only this user may use; a dead process's socket is replaced."""
    path.unlink(missing_ok=True)  # noqa: ASYNC240 - before the first packet
    mask = os.umask(0o077)
    try:
        return await asyncio.get_running_loop().create_unix_server(factory, str(path))
    finally:
        os.umask(mask)


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waiters = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
