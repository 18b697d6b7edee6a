"""Child processes that are started, watched, restarted and stopped.

A child that ends by itself is started again: at once the first time, so that new calls work within
seconds, then after growing pauses. Its output goes line by line into our log. It lives in a session
of its own, so a Ctrl-C in the terminal reaches only us and we stop it in the right order; and it
is told by the kernel when we die (``hotline/launch.py``), so even ``kill -9`` leaves no orphans.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import structlog

log = structlog.get_logger(__name__)

ChildState = Literal["starting", "running", "restarting", "stopped"]

LAUNCHER = Path(__file__).with_name("launch.py")
DELAYS = (0.0, 0.5, 1.0, 2.0, 5.0)
STABLE_SECONDS = 30.0
PROBE_SECONDS = 0.05
LAST_WORDS_SECONDS = 1.0
LONGEST_LINE = 8192


class ChildFailed(Exception):
    """A child did not become ready at its first start; the message has its last words."""


class BackOff:
    """How long to wait before the next restart.

    Args:
        delays: the pauses in order; the last one repeats.
        stable: a child that lived so long has recovered: the pauses begin anew.
    """

    def __init__(self, delays: Sequence[float], *, stable: float = STABLE_SECONDS) -> None:
        self._delays = tuple(delays)
        self._stable = stable
        self._next = 0

    def after(self, lived: float) -> float:
        """Return the pause after a child that lived for so many seconds."""
        if lived >= self._stable:
            self._next = 0
        delay = self._delays[min(self._next, len(self._delays) - 1)]
        self._next += 1
        return delay


class ChildProcess:
    """One supervised child.

    Args:
        name: for log and health.
        argv: the program and its arguments.
        others: what to start instead, in this order, if that does not become ready at first.
        env: its environment; None: ours.
        restart_delays: pauses before restarts, seconds; the last one repeats.
        on_state: told of every change of state.
        ready: asked again and again after a start until it says True; None: ready when started.
        ready_seconds: a child that is not ready by then is killed and counts as ended.
        stop_seconds: time between SIGTERM and SIGKILL.
        quiet: its output is chatter: logged at debug instead of info.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | os.PathLike[str]],
        *,
        others: Sequence[Sequence[str | os.PathLike[str]]] = (),
        env: Mapping[str, str] | None = None,
        restart_delays: Sequence[float] = DELAYS,
        on_state: Callable[[str, ChildState], None] | None = None,
        ready: Callable[[], Awaitable[bool]] | None = None,
        ready_seconds: float = 30.0,
        stop_seconds: float = 5.0,
        quiet: bool = False,
    ) -> None:
        self.name = name
        self.state: ChildState = "stopped"
        self.restarts = 0
        self._argv, *self._others = (
            [os.fspath(part) for part in program] for program in (argv, *others)
        )
        self._env = None if env is None else dict(env)
        self._back_off = BackOff(restart_delays)
        self._on_state = on_state
        self._ready = ready
        self._ready_seconds = ready_seconds
        self._stop_seconds = stop_seconds
        self._write_output = log.debug if quiet else log.info
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._last_words: deque[str] = deque(maxlen=5)

    @property
    def pid(self) -> int | None:
        """The running process's id; it is this number that a kill must be aimed at."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            ChildFailed: it could not be started, ended, or was not ready in time.
        """
        while self._others:
            try:
                return await self._start()
            except ChildFailed as error:
                self._argv = self._others.pop(0)
                log.warning("child.instead", child=self.name, error=str(error), argv=self._argv)
        return await self._start()

    async def _start(self) -> None:
        self._enter("starting")
        try:
            await self._spawn()
            await self._until_ready()
        except (OSError, ChildFailed) as error:
            await self._end_process()
            self._enter("stopped")
            raise ChildFailed(f"{self.name}: {error}") from error
        except asyncio.CancelledError:
            await self._end_process()
            self._enter("stopped")
            raise
        self._enter("running")
        self._watch = asyncio.create_task(self._keep_alive(), name=f"child {self.name}")

    async def stop(self) -> None:
        """End it, and wait until it has ended: SIGTERM, then SIGKILL. Idempotent."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        await self._end_process()
        if self.state != "stopped":
            self._enter("stopped")

    def _enter(self, state: ChildState) -> None:
        self.state = state
        log.debug("child.state", child=self.name, state=state, pid=self.pid)
        if self._on_state is not None:
            self._on_state(self.name, state)

    async def _spawn(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", os.fspath(LAUNCHER), str(os.getpid())),
            *self._argv,
            env=self._env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=LONGEST_LINE,
        )
        self._output = asyncio.create_task(self._forward(self._process), name=f"log {self.name}")

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(self._ready_seconds):
                while self.pid is not None:
                    if self._ready is None or await self._ready():
                        return
                    await asyncio.sleep(PROBE_SECONDS)
        except TimeoutError:
            raise ChildFailed(f"not ready after {self._ready_seconds:g} s{self._said()}") from None
        await self._collect()
        raise ChildFailed(f"ended with {self._exit_status()}{self._said()}")

    async def _keep_alive(self) -> None:
        """Wait for the child's end and start it again, for ever; only stop() ends this."""
        clock = asyncio.get_running_loop().time
        started = clock()
        while True:
            await self._collect()
            delay = self._back_off.after(clock() - started)
            log.warning(
                "child.ended", child=self.name, status=self._exit_status(), restart_in=delay
            )
            self._enter("restarting")
            await asyncio.sleep(delay)
            self.restarts += 1
            started = clock()
            try:
                await self._spawn()
                await self._until_ready()
            except (OSError, ChildFailed) as error:
                log.warning("child.not_ready", child=self.name, error=str(error))
                await self._end_process()
            else:
                self._enter("running")

    async def _collect(self) -> None:
        """Wait until the process has ended and everything it said is in the log."""
        if self._process is not None:
            await self._process.wait()
        if self._output is not None:
            # What it started itself may still hold the pipe open; that must not hold us up.
            await asyncio.wait([self._output], timeout=LAST_WORDS_SECONDS)
            self._output.cancel()

    async def _end_process(self) -> None:
        if self.pid is not None:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(self._stop_seconds):
                    await self._collect()
            except TimeoutError:
                log.warning("child.killed", child=self.name, after=self._stop_seconds)
                self._signal(signal.SIGKILL)
        await self._collect()

    def _signal(self, number: signal.Signals) -> None:
        # The child leads its own process group, so helpers it has started get the signal too.
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def _forward(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        pending = b""
        while chunk := await process.stdout.read(LONGEST_LINE):
            *lines, pending = (pending + chunk).split(b"\n")
            if len(pending) > LONGEST_LINE:  # a line without end must not fill the memory
                lines.append(pending)
                pending = b""
            for line in lines:
                self._heard(line)
        if pending:
            self._heard(pending)

    def _heard(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text:
            self._last_words.append(text)
            self._write_output("child.output", child=self.name, line=text)

    def _said(self) -> str:
        return f"; it said: {' / '.join(self._last_words)}" if self._last_words else ""

    def _exit_status(self) -> str:
        code = self._process.returncode if self._process is not None else None
        if code is not None and code < 0:
            return signal.Signals(-code).name
        return f"exit status {code}"
