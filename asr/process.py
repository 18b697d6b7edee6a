"""The recogniser process: a control socket, a UDP port for each stream, one engine.

The control language is described in asr/control.py. The process stays up without a model, and says
so; it looks for one again every few seconds, so that fetching it is all an operator has to do.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from asr import control
from asr.control import (
    CloseStream,
    Command,
    ControlError,
    LoadChanged,
    OpenStream,
    ProcessStatus,
    RecogniseFile,
    Stats,
)
from asr.later import recognise_file
from asr.load import LoadShedder, Shedding
from asr.ports import Heard, Partial, Recognizer, RecognizerError
from asr.receiver import Receiver
from asr.stream import OpenedStream
from asr.transcriber import Listening

log = structlog.get_logger(__name__)

_CONNECT_WITHIN = 30.0
_LOOK_AGAIN = 1.0
_LOOK_AGAIN_LATEST = 10.0
_UNSENT_LIMIT = 1 << 20
_LOOK_AT_LOAD_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine that is ready.

    Attributes:
        recognizer: the engine.
        note: a reservation about it.
        pids: its processes.
        figures: what it counts, for ``stats``.
    """

    recognizer: Recognizer
    note: str | None = None
    pids: Callable[[], Sequence[int]] = tuple
    figures: Callable[[], Mapping[str, int]] = dict


class RecogniserProcess:
    """Serves one control connection, from its coming to its going.

    Args:
        load: makes the engine. RecognizerError means there is no model, or no server (now).
        host: the address on which streams' UDP ports are opened.
        listening: how streams are listened to.
        lag_budget: seconds of lag from which on streams are given up.
    """

    def __init__(
        self,
        *,
        load: Callable[[], Awaitable[Loaded]],
        host: str,
        listening: Listening,
        lag_budget: float,
    ) -> None:
        self._load = load
        self._host = host
        self._listening = listening
        self._budget = lag_budget
        self._shedder = LoadShedder(budget=lag_budget)
        self._shedding = Shedding()
        self._told_load = LoadChanged()
        self._numbers = itertools.count()
        self._loaded: Loaded | None = None
        self._status: tuple[ProcessStatus, str | None] = ("loading", "the model is being loaded")
        self._streams: dict[str, OpenedStream] = {}
        self._shed_partials = 0
        self._shed_seconds = 0.0
        self._receiver = Receiver()
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()
        self._stop = asyncio.Event()

    async def run(self, socket_path: Path) -> None:
        """Serve until the control connection closes, none comes within 30 s, or ``stop``.

        Raises:
            OSError: the socket cannot be made.
        """
        server = await asyncio.start_unix_server(self._serve, socket_path, limit=control.LINE_LIMIT)
        socket_path.chmod(0o600)  # noqa: ASYNC240 - once, on a local disk
        tasks = (
            asyncio.create_task(self._load_engine(), name="load-model"),
            asyncio.create_task(self._watch_load(), name="load"),
        )
        try:
            async with asyncio.timeout(_CONNECT_WITHIN):
                await self._connected.wait()
            await self._stop.wait()
        except TimeoutError:
            log.warning("nobody connected", socket=str(socket_path))
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._abort_streams()
            if self._loaded is not None:
                await self._loaded.recognizer.aclose()
            socket_path.unlink(missing_ok=True)  # noqa: ASYNC240 - once, on a local disk

    def stop(self) -> None:
        """End ``run``."""
        self._connected.set()
        self._stop.set()

    async def _load_engine(self) -> None:
        delay = _LOOK_AGAIN
        while self._loaded is None:
            try:
                self._loaded = await self._load()
            except RecognizerError as error:
                self._set_status("no_model", str(error))
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LOOK_AGAIN_LATEST)
        self._set_status("ok", self._loaded.note)

    async def _watch_load(self) -> None:
        """Give up and take up again what the load allows, a few times a second."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_AT_LOAD_EVERY)
            streams = list(self._streams.values())
            loads = [stream.load() for stream in streams]
            self._shedding = self._shedder.handle(loads, loop.time())
            for stream in streams:
                stream.transcriber.partials = not self._shedding.partials
                stream.transcriber.shed(wanted=stream.name in self._shedding.streams)
            self._tell_load(next((t for s in streams if (t := s.transcriber.trouble)), None))

    def _tell_load(self, trouble: str | None) -> None:
        now, told = self._shedding, self._told_load
        new = LoadChanged(round(now.lag, 1), now.partials, len(now.streams), trouble)
        # The lag alone is no news: it is never the same twice.
        if (new.partials, new.streams, trouble) != (told.partials, told.streams, told.trouble):
            self._told_load = new
            log.info("load", **asdict(new))
            self._send(control.encode({"event": "load", **asdict(new)}))

    def _quiet(self) -> bool:
        """Tell whether there is time for what was missed."""
        return self._shedding.lag < self._budget / 4 and not self._shedding.streams

    def _set_status(self, status: ProcessStatus, reason: str | None) -> None:
        if (status, reason) == self._status:
            return
        self._status = (status, reason)
        log.info("recogniser", status=status, reason=reason)
        self._tell_status()

    def _tell_status(self) -> None:
        status, reason = self._status
        self._send(control.encode({"event": "status", "status": status, "reason": reason}))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connected.is_set():
            log.warning("a second control connection was refused")
            writer.close()
            return
        self._writer = writer
        self._connected.set()
        self._tell_status()
        commands: set[asyncio.Task[None]] = set()
        try:
            # ValueError: a line beyond the limit; nothing can be read after it.
            with contextlib.suppress(ConnectionError, ValueError):
                while line := await reader.readline():
                    # Each by itself: one stream's last words don't hold up another's opening.
                    task = asyncio.create_task(self._obey(line))
                    commands.add(task)
                    task.add_done_callback(commands.discard)
        finally:
            for task in commands:
                task.cancel()
            self._writer = None
            writer.close()
            self.stop()

    async def _obey(self, line: bytes) -> None:
        try:
            command = control.parse_command(line)
        except ControlError as error:
            log.warning("command not understood", error=str(error))
            if error.id is not None:
                self._answer(error.id, error="bad_command", reason=str(error))
            return
        try:
            await self._perform(command)
        except (RecognizerError, OSError) as error:
            log.warning("command failed", error=str(error))
            self._answer(command.id, error="failed", reason=str(error))
        except Exception:  # outermost boundary of the command's task
            log.exception("command failed")
            self._answer(command.id, error="failed", reason="see the recogniser's log")

    async def _perform(self, command: Command) -> None:
        match command:
            case OpenStream():
                await self._open(command)
            case CloseStream(id=number, stream=name):
                stream = self._streams.pop(name, None)
                if stream is None:
                    self._answer(number, error="unknown_stream", reason=f"no stream {name}")
                    return
                stats = await stream.finish()
                self._shed_partials += stats["shed_partials"]
                self._shed_seconds += stats["shed_seconds"]
                self._answer(number, stats=stats)
            case Stats(id=number):
                self._answer(number, **self._counts())
            case RecogniseFile(id=number):
                await self._recognise(command)
                self._answer(number)

    async def _open(self, command: OpenStream) -> None:
        name = command.stream
        if self._loaded is None:
            self._answer(command.id, error="no_model", reason=self._status[1])
            return
        if name in self._streams:
            self._answer(command.id, error="exists", reason=f"stream {name} is open")
            return
        stream = OpenedStream(
            command,
            self._loaded.recognizer,
            lambda heard: self._tell(name, heard),
            number=next(self._numbers),
            listening=self._listening,
            receiver=self._receiver,
        )
        try:
            host, port = stream.listen(self._host)
        except OSError:
            await stream.abort()
            raise
        self._streams[name] = stream
        self._answer(command.id, host=host, port=port)

    async def _recognise(self, command: RecogniseFile) -> None:
        """Hear a part of a recording. Raises RecognizerError."""
        if self._loaded is None:
            raise RecognizerError(self._status[1] or "there is no model")
        await recognise_file(
            command,
            self._loaded.recognizer,
            on_result=lambda result: self._tell(command.stream, result),
            listening=self._listening,
            quiet=self._quiet,
        )

    def _counts(self) -> dict[str, Any]:
        transcribers = [stream.transcriber for stream in self._streams.values()]
        seconds = self._shed_seconds + sum(t.shed_seconds for t in transcribers)
        lag = max((t.lag for t in transcribers), default=0.0)
        return {
            "streams": len(self._streams),
            "shed_partials": self._shed_partials + sum(t.shed_partials for t in transcribers),
            "shed_seconds": round(seconds, 2),
            "shed_streams": len(self._shedding.streams),
            "lag_ms": round(1000 * lag),
            "processes": list(self._loaded.pids()) if self._loaded is not None else [],
            **(self._loaded.figures() if self._loaded is not None else {}),
        }

    def _tell(self, stream: str, heard: Heard) -> None:
        writer = self._writer
        if (
            isinstance(heard, Partial)
            and writer is not None
            and writer.transport.get_write_buffer_size() > _UNSENT_LIMIT
        ):
            # The node does not read; it will want the finals when it does.
            return
        self._send(control.encode_result(stream, heard))

    def _answer(self, number: int, **body: Any) -> None:
        self._send(control.encode({"id": number, "ok": "error" not in body, **body}))

    def _send(self, line: bytes) -> None:
        if self._writer is not None:
            self._writer.write(line)

    async def _abort_streams(self) -> None:
        streams = list(self._streams.values())
        self._streams.clear()
        await asyncio.gather(*(stream.abort() for stream in streams), return_exceptions=True)
