"""Programs under the tests' control: started, and ended whatever happens."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import Signals


class Program:
    """A running program. Its output goes to ``<name>.log`` in its folder, for reading afterwards.

    Args:
        name: for the log's name and for messages.
        argv: the program and its arguments.
        directory: where it runs; made if missing.
        env: additions to our environment.
        piped: its standard input and output are pipes, and only its errors go to the log.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | os.PathLike[str]],
        *,
        directory: Path,
        env: Mapping[str, str] | None = None,
        piped: bool = False,
    ) -> None:
        self.name = name
        self.directory = directory
        self.log = directory / f"{name}.log"
        self._argv = argv
        self._env = {**os.environ, **(env or {})}
        self._piped = piped
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                cwd=self.directory,
                env=self._env,
                stdin=asyncio.subprocess.PIPE if self._piped else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if self._piped else log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The process; an error before start()."""
        assert self._process is not None, f"{self.name} has not been started"
        return self._process

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    def signal(self, number: Signals) -> None:
        """Send a signal to it and to whatever it has started."""
        if self.running:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    async def wait(self, seconds: float) -> int:
        """Return its exit status once it has ended by itself; TimeoutError if it does not."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def stop(self, *, polite: Signals = Signals.SIGTERM, seconds: float = 3.0) -> None:
        """End it: politely, then with SIGKILL. Idempotent."""
        if self._process is None:
            return
        self.signal(polite)
        with suppress(TimeoutError):
            await self.wait(seconds)
        self.signal(Signals.SIGKILL)
        await self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()

    def said(self) -> str:
        """Return the log so far: what a failing test should show."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
