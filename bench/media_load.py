"""The phones of bench/media.py: native/load.c and how it is told what to do."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bench.media_servers import HOST, pipes, process


class Phones:
    """The load generator: two phones a call, and a sink for forks."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self._stdin, self._stdout = pipes(running)
        self.ports: list[int] = []
        self.sink = 0

    async def read_ports(self) -> None:
        """Learn the phones' ports."""
        *self.ports, self.sink = map(int, (await self._stdout.readline()).split())

    def target(self, ports: Sequence[int]) -> None:
        """Say where each phone sends."""
        self._stdin.write(f"target {' '.join(map(str, ports))}\n".encode())

    async def run(self, seconds: float) -> dict[str, float]:
        """Load for so long; return what was seen."""
        self._stdin.write(f"run {seconds}\n".encode())
        line = await self._stdout.readline()
        seen: dict[str, float] = json.loads(line)
        return seen


@asynccontextmanager
async def phones(
    core: int, program: Path, count: int, *, realtime: bool = False
) -> AsyncIterator[Phones]:
    """Start the load generator."""
    async with process(core, str(program), HOST, str(count), realtime=realtime) as running:
        made = Phones(running)
        await made.read_ports()
        yield made
