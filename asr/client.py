"""The node's handle on the recogniser process: open and close streams, hear results.

The process may be away (not started, crashed, on its way back); the client reconnects for ever and
says so through ``status``. A call never waits for recognition: opening answers None at once when
nothing can be recognised.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import structlog

from asr import control
from asr.control import (
    Answer,
    Codec,
    ControlError,
    LoadChanged,
    Message,
    ResultHeard,
    StatusChanged,
)
from asr.load import Role
from asr.ports import Heard

log = structlog.get_logger(__name__)

Address = tuple[str, int]
Status = Literal["ok", "no_model", "away"]

_FIGURES = (
    *("streams", "shed_streams", "shed_partials", "lag_ms"),
    *("workers_lost", "workers_replaced", "worker_mb"),
)
_OPEN_TIMEOUT = 1.0
_STATS_TIMEOUT = 1.0
_FIRST_DELAY = 0.05
_LONGEST_DELAY = 2.0


class RecognizerClient:
    """Talks to one recogniser process over its control socket.

    Args:
        socket_path: the Unix socket that ``python -m asr --socket`` listens on.
        on_result: called with the stream's name and each result or gap, in order; its times are
            on the clock given as ``t0`` when the stream was opened.
        on_status: called with ``status`` and a reason each time ``status`` changes. Streams do not
            survive ``away``: open them again at the next ``ok``.
        on_load: called when something is given up for the load, or taken up again.

    Attributes:
        status: ``ok``; ``no_model`` (the process runs, but has nothing to recognise with; the
            reason says what to do); ``away`` (also before the first connection, and while the
            model is being loaded).
        reason: why the status is what it is, or None.
        load: what is given up at the moment.
    """

    def __init__(
        self,
        *,
        socket_path: Path,
        on_result: Callable[[str, Heard], None],
        on_status: Callable[[str, str | None], None],
        on_load: Callable[[LoadChanged], None] = lambda _load: None,
    ) -> None:
        self.status: Status = "away"
        self.reason: str | None = None
        self.load = LoadChanged()
        self._socket_path = socket_path
        self._on_result = on_result
        self._on_status = on_status
        self._on_load = on_load
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect, and to reconnect; returns at once."""
        self._task = asyncio.create_task(self._stay_connected(), name="recogniser-client")

    async def close(self) -> None:
        """Close the control connection, which ends the process."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def open_stream(
        self,
        stream: str,
        *,
        t0: float = 0.0,
        role: Role = "caller",
        payload_types: Mapping[int, Codec] | None = None,
    ) -> Address | None:
        """Return where to fork this leg's RTP, or None when it cannot be recognised now.

        Args:
            stream: a name, repeated with each result.
            t0: the call's clock at this moment, in seconds.
            role: whose side it is: the agents' are given up first.
            payload_types: dynamic payload types of this leg, beyond PCMU 0 and PCMA 8.
        """
        if self.status != "ok":
            return None
        command = control.OpenStream(next(self._ids), stream, t0, payload_types or {}, role)
        answer = await self._ask(command, timeout=_OPEN_TIMEOUT)
        match answer:
            case Answer(ok=True, body={"host": str() as host, "port": int() as port}):
                return host, port
            case Answer(body=body):
                log.warning("stream refused", stream=stream, reason=body.get("reason"))
        return None

    async def close_stream(self, stream: str, *, timeout: float = 3.0) -> bool:  # noqa: ASYNC109 - the caller's patience is part of the interface
        """End the stream; returns when its last final has gone through ``on_result``.

        Gives up after ``timeout`` seconds, or when the process goes away.

        Returns:
            False when it gave up: words may be missing.
        """
        if self._writer is None:
            return False
        command = control.CloseStream(next(self._ids), stream)
        if await self._ask(command, timeout=timeout) is not None:
            return True
        log.warning("stream not closed in time", stream=stream)
        return False

    async def recognise_file(
        self, stream: str, path: Path, *, channel: int, start: float, end: float
    ) -> str | None:
        """Hear one channel of a recording between two times, when there is time for it.

        Its results come through ``on_result``, in the recording's times. However long it takes:
        cancelling is the way to give it up.

        Returns:
            None when it was heard to its end, or why it was not.
        """
        if self.status != "ok":
            return self.reason or "the recogniser is away"
        command = control.RecogniseFile(
            next(self._ids), stream, str(path), channel=channel, start=start, end=end
        )
        answer = await self._ask(command, timeout=None)
        if answer is None:
            return "the recogniser went away"
        return None if answer.ok else str(answer.body.get("reason"))

    async def counts(self) -> dict[str, int]:
        """Return the process's figures (asr/control.py, ``stats``); no streams when it is away."""
        answer = await self._ask(control.Stats(next(self._ids)), timeout=_STATS_TIMEOUT)
        body = answer.body if answer is not None else {}
        found = {name: value for name in _FIGURES if isinstance(value := body.get(name), int)}
        return {"streams": 0, **found}

    async def processes(self) -> list[int]:
        """Return the ids of the processes that the engine runs in; empty when it is away."""
        answer = await self._ask(control.Stats(next(self._ids)), timeout=_STATS_TIMEOUT)
        found = answer.body.get("processes") if answer is not None else None
        return [pid for pid in found if isinstance(pid, int)] if isinstance(found, list) else []

    async def _ask(self, command: control.Command, *, timeout: float | None) -> Answer | None:  # noqa: ASYNC109 - as above
        if self._writer is None:
            return None
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[command.id] = future
        self._writer.write(control.encode_command(command))
        try:
            async with asyncio.timeout(timeout):
                return await future
        except (TimeoutError, ConnectionError):
            return None
        finally:
            self._answers.pop(command.id, None)

    async def _stay_connected(self) -> None:
        delay = _FIRST_DELAY
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(
                    self._socket_path, limit=control.LINE_LIMIT
                )
            except OSError as error:
                self._set_status("away", f"{self._socket_path}: {error.strerror or error}")
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
                continue
            delay = _FIRST_DELAY
            self._writer = writer
            try:
                await self._read(reader)
            finally:
                await self._disconnected(writer)
            await asyncio.sleep(delay)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Dispatch lines until the process goes away."""
        # ValueError: a line beyond the limit; the stream cannot be read on after it.
        with contextlib.suppress(ConnectionError, ValueError):
            while line := await reader.readline():
                try:
                    message = control.parse_message(line)
                except ControlError as error:
                    log.warning("recogniser sent what is not understood", error=str(error))
                    continue
                self._dispatch(message)

    def _dispatch(self, message: Message) -> None:
        match message:
            case Answer(id=number):
                future = self._answers.get(number)
                if future is not None and not future.done():
                    future.set_result(message)
            case StatusChanged(status="loading", reason=reason):
                self._set_status("away", reason)
            case StatusChanged(status="ok" | "no_model" as status, reason=reason):
                self._set_status(status, reason)
            case ResultHeard(stream=stream, result=result):
                _call(self._on_result, stream, result)
            case LoadChanged():
                self.load = message
                _call(self._on_load, message)

    async def _disconnected(self, writer: asyncio.StreamWriter) -> None:
        self._writer = None
        self.load = LoadChanged()
        for future in self._answers.values():
            if not future.done():
                future.set_exception(ConnectionError("the recogniser process is away"))
        self._set_status("away", "the recogniser process closed its connection")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def _set_status(self, status: Status, reason: str | None) -> None:
        changed = status != self.status
        self.status, self.reason = status, reason
        if changed:
            log.info("recogniser status", status=status, reason=reason)
            _call(self._on_status, status, reason)


def _call(callback: Callable[..., None], *arguments: Any) -> None:
    """Keep the connection alive when a listener of ours fails; his error is logged."""
    try:
        callback(*arguments)
    except Exception:  # outermost boundary of the reading task
        log.exception("listener failed")
