"""The real media process, started for a test and ended with it."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from telephony.media.native.build import build, compiler
from telephony.media_client import MediaClient

PAIRS = 40


def engines() -> list[str]:
    """Return the engines that can be tested here; the native one is built for it."""
    if compiler() is None:
        return ["python"]
    build()
    return ["python", "native"]


def media_argv(
    socket_path: Path,
    *,
    ports: str | None = None,
    log_level: str = "warning",
    engine: str = "auto",
    core: int | None = None,
) -> list[str]:
    """Return the command line, with a port range that is probably free."""
    if ports is None:
        first = 2 * random.randrange(15000, 30000)
        ports = f"{first}-{first + 2 * PAIRS - 1}"
    return [
        *(sys.executable, "-m", "telephony.media"),
        *("--socket", str(socket_path), "--host", "127.0.0.1"),
        *("--ports", ports, "--engine", engine, "--log-level", log_level),
        *([] if core is None else ["--core", str(core)]),
    ]


async def start_media(
    socket_path: Path,
    *,
    ports: str | None = None,
    log_level: str = "warning",
    engine: str = "auto",
    core: int | None = None,
) -> asyncio.subprocess.Process:
    """Start the process; it skips port pairs that are not free."""
    argv = media_argv(socket_path, ports=ports, log_level=log_level, engine=engine, core=core)
    return await asyncio.create_subprocess_exec(*argv)


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill the process if it still runs."""
    if process.returncode is None:
        process.kill()
    await process.wait()


@asynccontextmanager
async def media(
    socket_path: Path, *, ports: str | None = None, engine: str = "auto"
) -> AsyncIterator[MediaClient]:
    """Yield a client connected to a process of its own."""
    process = await start_media(socket_path, ports=ports, engine=engine)
    client = MediaClient(socket_path=socket_path, on_lost=lambda _: None)
    await client.start()
    try:
        async with asyncio.timeout(10):
            await client.wait_connected()
        yield client
    finally:
        await client.close()
        await end(process)
