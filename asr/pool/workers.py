"""The recogniser's worker processes: made, watched, replaced.

A worker that dies, or whose decoder hangs, is replaced at once; one whose own memory has grown past
the ceiling takes no more streams, gives up each of its streams at the end of an utterance, and is
replaced before that, one worker after the other. Streams notice neither (asr/pool/recognizer.py).
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from asr.model import ModelError
from asr.pool import frames
from asr.ports import RecognizerError

log = structlog.get_logger(__name__)

_LOAD_WITHIN = 120.0
_FORK_WITHIN = 10.0
_WORKER_WITHIN = 10.0
_LOOK_EVERY = 0.5
_MEASURE_EVERY = 10
_RETIRE_WITHIN = 30.0
_STOP_WITHIN = 2.0
_MEGABYTE = 1 << 20

_AHEAD = 2
"""Requests that wait in a worker's socket, so that it need not wait for the next one.

More would do harm: who waits here still gathers audio, and can be given up.
"""

_ALLOCATION = (
    "glibc.malloc.hugetlb=1:glibc.malloc.trim_threshold=536870912:glibc.malloc.top_pad=33554432"
)
"""Huge pages where the kernel has them, and none given back between utterances.

Each stream's search goes over megabytes of its own: with small pages a tenth of the time is lost to
address translation and page faults.
"""


class WorkerLost(Exception):
    """The worker has died, or was killed; what it was asked will not be answered."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many, and when a process or a decoder is given up.

    Attributes:
        processes: workers that take streams.
        threads: decoders at once in each of them.
        memory_mb: a worker's own memory (what it does not share with the others), MB.
        watchdog: seconds without an answer after which a worker is taken to hang.
        recycle: seconds of audio after which a decoder is replaced.
    """

    processes: int
    threads: int = 1
    memory_mb: float = 1000.0
    watchdog: float = 15.0
    recycle: float = 600.0


class Worker:
    """One worker process and its socket.

    Attributes:
        pid: its process id.
        streams: how many streams it hears.
        alive: it can be asked.
        retiring: it shall get no more streams, and lose those it has.
        turns: a place for each request that it may have at a time, given in the order of asking.
    """

    def __init__(
        self, pid: int, channel: socket.socket, on_lost: Callable[[], None], *, threads: int = 1
    ) -> None:
        self.pid = pid
        self.turns = asyncio.Semaphore(threads + _AHEAD)
        self.streams = 0
        self.alive = True
        self.retiring = False
        self._channel = channel
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._asked: dict[int, tuple[float, asyncio.Future[bytes]]] = {}
        self._unsent: deque[bytes] = deque()
        # recv() would have the kernel map and unmap memory for each message's longest size.
        self._buffer = memoryview(bytearray(frames.LONGEST))
        self._loop.add_reader(channel, self._read)

    def tell(self, operation: bytes, stream: int) -> None:
        """Send what has no answer."""
        if self.alive:
            self._send(frames.pack(operation, stream))

    async def ask(self, operation: bytes, stream: int, body: bytes = b"") -> bytes:
        """Send a request of this stream and return the answer's body.

        Raises:
            WorkerLost: there will be no answer.
            RecognizerError: the decoder failed and is gone.
        """
        if not self.alive:
            raise WorkerLost
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._asked[stream] = (self._loop.time(), future)
        self._send(frames.pack(operation, stream, body))
        try:
            return await future
        finally:
            self._asked.pop(stream, None)

    def waits(self) -> float:
        """Return for how long the oldest request has been waiting, in seconds."""
        now = self._loop.time()
        return max((now - since for since, _ in self._asked.values()), default=0.0)

    def kill(self) -> None:
        """End the process at once; whoever waits for it gets WorkerLost."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Close the socket, at which the process ends when it next looks."""
        if not self.alive:
            return
        self.alive = False
        self._loop.remove_reader(self._channel)
        self._loop.remove_writer(self._channel)
        self._channel.close()
        for _, future in self._asked.values():
            if not future.done():
                future.set_exception(WorkerLost())

    def _send(self, message: bytes) -> None:
        if not self._unsent:
            try:
                self._channel.send(message)
            except BlockingIOError:
                self._loop.add_writer(self._channel, self._write)
            except OSError:
                self._lost()
                return
            else:
                return
        self._unsent.append(message)

    def _write(self) -> None:
        while self._unsent:
            try:
                self._channel.send(self._unsent[0])
            except BlockingIOError:
                return
            except OSError:
                self._lost()
                return
            self._unsent.popleft()
        self._loop.remove_writer(self._channel)

    def _read(self) -> None:
        try:
            message = bytes(self._buffer[: self._channel.recv_into(self._buffer)])
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._lost()
            return
        operation, stream, body = frames.unpack(message)
        _, future = self._asked.get(stream, (0.0, None))
        if future is None or future.done():
            return
        if operation == frames.FAILED:
            future.set_exception(RecognizerError(body.decode(errors="replace")))
        else:
            future.set_result(body)

    def _lost(self) -> None:
        if self.alive:
            self.close()
            self._on_lost()


class Workers:
    """The pool of them. ``Workers.start`` makes one.

    Args:
        model: the model's folder.
        limits: how many and how large.
        phrases: a file with the only phrases that can be heard, one a line; None: any words.
    """

    def __init__(self, model: Path, limits: PoolLimits, *, phrases: Path | None = None) -> None:
        self.limits = limits
        self.lost = 0
        self.replaced = 0
        self._largest = 0
        self._model = model
        self._phrases = phrases
        self._workers: list[Worker] = []
        self._zygote: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._wake = asyncio.Event()
        self._available = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pids(self) -> Sequence[int]:
        """The processes: the one that holds the model, then the workers."""
        first = [self._zygote.pid] if self._zygote is not None else []
        return first + [worker.pid for worker in self._workers]

    def figures(self) -> dict[str, int]:
        """Return how many were lost and replaced, and the own memory of the largest, MB."""
        return {
            "workers_lost": self.lost,
            "workers_replaced": self.replaced,
            "worker_mb": self._largest // _MEGABYTE,
        }

    async def start(self) -> None:
        """Load the model and fork the workers.

        Raises:
            ModelError: there is no usable model.
        """
        try:
            await self._start_zygote()
            while len(self._workers) < self.limits.processes:
                await self._fork()
        except (OSError, TimeoutError) as error:
            await self.aclose()
            raise ModelError(f"the recogniser's processes do not start: {error}") from error
        except BaseException:
            await self.aclose()
            raise
        self._keeper = asyncio.create_task(self._keep(), name="recogniser-workers")

    async def aclose(self) -> None:
        """End all processes."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for worker in self._workers:
            worker.kill()
        self._workers.clear()
        await self._stop_zygote()

    async def pick(self) -> Worker:
        """Return the worker with the fewest streams.

        Raises:
            RecognizerError: there is none, and none comes.
        """
        try:
            async with asyncio.timeout(_WORKER_WITHIN):
                while not (fit := self._fit()):
                    self._available.clear()
                    await self._available.wait()
        except TimeoutError:
            raise RecognizerError("no recogniser process is available") from None
        return min(fit, key=lambda worker: worker.streams)

    def better_than(self, worker: Worker) -> bool:
        """Tell whether a stream should leave this worker, now that it is between utterances."""
        if worker.retiring or not worker.alive:
            return True
        return worker.streams > min((w.streams for w in self._fit()), default=worker.streams) + 1

    def _fit(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.alive and not worker.retiring]

    # -- processes ---------------------------------------------------------------------------------

    async def _start_zygote(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(0)
        self._control = ours
        phrases = ("--phrases", self._phrases) if self._phrases is not None else ()
        with theirs:
            self._zygote = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "asr.pool.zygote", "--fd", str(theirs.fileno())),
                *("--parent", str(os.getpid()), "--threads", str(self.limits.threads)),
                *("--recycle", str(self.limits.recycle)),
                *phrases,
                self._model,
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
                env={"GLIBC_TUNABLES": _ALLOCATION, **os.environ},
            )
        async with asyncio.timeout(_LOAD_WITHIN):
            said = await asyncio.get_running_loop().sock_recv(ours, frames.LONGEST)
        if said != b"ready":
            raise ModelError(said.decode().removeprefix("error ") or "the model cannot be loaded")

    async def _stop_zygote(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._zygote is not None:
            try:
                async with asyncio.timeout(_STOP_WITHIN):
                    await self._zygote.wait()
            except TimeoutError:
                self._zygote.kill()
                await self._zygote.wait()
            self._zygote = None

    async def _fork(self) -> None:
        """Add a worker. Raises OSError, TimeoutError: the zygote is away."""
        if self._control is None:
            raise OSError("the model's process is away")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(0)
        try:
            with theirs:
                socket.send_fds(self._control, [b"fork"], [theirs.fileno()])
            async with asyncio.timeout(_FORK_WITHIN):
                said = await asyncio.get_running_loop().sock_recv(self._control, 32)
        except BaseException:
            ours.close()
            raise
        if not said:
            ours.close()
            raise ConnectionResetError("the model's process ended")
        self._workers.append(Worker(int(said), ours, self._on_lost, threads=self.limits.threads))
        self._available.set()

    def _on_lost(self) -> None:
        self.lost += 1
        log.warning("a recogniser process was lost", lost=self.lost)
        self._wake.set()

    async def _keep(self) -> None:
        """Replace who has died, hangs or has grown; the outermost boundary of this task."""
        rounds = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._wake.wait()
            self._wake.clear()
            rounds += 1
            try:
                self._end_who_hangs()
                if rounds % _MEASURE_EVERY == 0:
                    await self._retire_who_has_grown()
                self._workers = [worker for worker in self._workers if worker.alive]
                while len(self._fit()) < self.limits.processes:
                    await self._replace()
                self._close_who_is_empty()
            except (OSError, TimeoutError, ModelError) as error:
                log.warning("recogniser processes not replaced", error=str(error))
                await asyncio.sleep(1.0)
            except Exception:
                log.exception("recogniser processes not looked after")
                await asyncio.sleep(1.0)

    def _end_who_hangs(self) -> None:
        for worker in self._workers:
            if worker.alive and worker.waits() > self.limits.watchdog:
                log.warning("a recogniser process hangs", pid=worker.pid)
                worker.kill()
                self.lost += 1

    async def _retire_who_has_grown(self) -> None:
        used = {w: await asyncio.to_thread(private_bytes, w.pid) for w in self._fit()}
        worker = max(used, key=lambda w: used[w], default=None)
        if worker is None:
            return
        self._largest = used[worker]
        # One at a time: where the ceiling is too low for anybody, most go on working.
        leaving = any(w.retiring and w.alive for w in self._workers)
        if self._largest > self.limits.memory_mb * _MEGABYTE and not leaving:
            mb = self._largest // _MEGABYTE
            log.warning("a recogniser process has grown", pid=worker.pid, mb=mb)
            self._retire(worker)

    def _retire(self, worker: Worker) -> None:
        worker.retiring = True
        self.replaced += 1
        # Whoever will not pause is moved in the midst of his words, and they are played again.
        asyncio.get_running_loop().call_later(_RETIRE_WITHIN, worker.kill)

    async def _replace(self) -> None:
        try:
            await self._fork()
        except (OSError, TimeoutError):
            log.warning("the process that holds the model is started again")
            await self._stop_zygote()
            await self._start_zygote()
            await self._fork()

    def _close_who_is_empty(self) -> None:
        for worker in self._workers:
            if worker.retiring and not worker.streams:
                worker.close()


def private_bytes(pid: int) -> int:
    """Return the memory that this process shares with nobody; 0 when it is gone. Blocking."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    sizes = (line.split() for line in text.splitlines() if line.startswith("Private_"))
    return sum(int(size) * 1024 for _, size, *_ in sizes)
