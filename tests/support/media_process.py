"""The real media process, started for a test and ended with it."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from telephony.media.native.build import BuildFailed, build
from telephony.media_client import MediaClient

PAIRS = 40


def engines() -> list[str]:
    """Return the engines that can be tested here; the native one is built for it."""
    try:
        build()
    except BuildFailed:
        return ["python"]
    return ["python", "native"]


async def start_media(
    socket_path: Path,
    *,
    ports: str | None = None,
    log_level: str = "warning",
    engine: str = "auto",
) -> asyncio.subprocess.Process:
    """Start the process on a port range that is probably free; it skips pairs that are not."""
    if ports is None:
        first = 2 * random.randrange(15000, 30000)
        ports = f"{first}-{first + 2 * PAIRS - 1}"
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "telephony.media",
        *("--socket", str(socket_path), "--host", "127.0.0.1"),
        *("--ports", ports, "--engine", engine, "--log-level", log_level),
    )


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill the process if it still runs."""
    if process.returncode is None:
        process.kill()
    await process.wait()


@asynccontextmanager
async def media(socket_path: Path, **options: str) -> AsyncIterator[MediaClient]:
    """Yield a client connected to a process of its own."""
    process = await start_media(socket_path, **options)
    client = MediaClient(socket_path=socket_path, on_lost=lambda _: None)
    await client.start()
    try:
        async with asyncio.timeout(10):
            await client.wait_connected()
        yield client
    finally:
        await client.close()
        await end(process)
