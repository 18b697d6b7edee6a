"""A recogniser process on a core of its own, and the bare engine beside it, for bench/asr*.py."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.client import RecognizerClient
from asr.control import LoadChanged
from asr.ports import Heard
from bench.processes import cpu_seconds, memory_mb
from bench.speech_source import Leg


@dataclass(frozen=True)
class Row:
    """One figure and what it is measured against."""

    part: str
    what: str
    value: float
    unit: str
    beside: float | None = None
    ratio: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Bare:
    """The bare engine: audio seconds by CPU second and by second, p95 of ``FinalResult``."""

    speed: float
    wall_speed: float
    final_p95: float


@dataclass(frozen=True)
class Memory:
    """Of several processes, MB: resident, and the same with each shared page counted once."""

    resident: float
    proportional: float


class Recogniser:
    """A recogniser process and everything it has told."""

    def __init__(self, folder: Path, model: Path, *arguments: str, processes: int = 1) -> None:
        self.socket = folder / "s"
        self.argv = [
            *(sys.executable, "-m", "asr", "--socket", str(self.socket), "--model", str(model)),
            *("--processes", str(processes), "--log-level", "error", *arguments),
        ]
        self.heard: list[tuple[float, str, Heard]] = []
        self.loads: list[tuple[float, LoadChanged]] = []
        self.ready = asyncio.Event()
        self.client = RecognizerClient(
            socket_path=self.socket,
            on_result=lambda name, heard: self.heard.append((time.monotonic(), name, heard)),
            on_status=lambda status, _reason: self.ready.set() if status == "ok" else None,
            on_load=lambda load: self.loads.append((time.monotonic(), load)),
        )
        self.pid = 0

    async def cpu(self) -> float:
        """Return the CPU seconds of all its processes."""
        pids = [self.pid, *await self.client.processes()]
        return sum(map(cpu_seconds, pids))

    async def memory(self) -> Memory:
        """Return the memory of all its processes."""
        pids = [self.pid, *await self.client.processes()]
        sizes = [await asyncio.to_thread(memory_mb, pid) for pid in pids]
        return Memory(*(sum(column) for column in zip(*sizes, strict=True)))

    def rtp_cpu(self) -> float:
        """Return the CPU seconds of the process that takes the RTP."""
        return cpu_seconds(self.pid)

    async def watch_lag(self, every: float = 0.25) -> list[float]:
        """Collect the longest lag, a few times a second, until cancelled."""
        lags: list[float] = []
        try:
            while True:
                await asyncio.sleep(every)
                lags.append((await self.client.counts()).get("lag_ms", 0) / 1000)
        except asyncio.CancelledError:
            return lags

    async def until_heard(self, within: float = 900.0) -> None:
        """Return when no stream lags any more. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while (await self.client.counts()).get("lag_ms", 1) > 0:  # noqa: ASYNC110 - a rate
                await asyncio.sleep(0.1)

    async def open(self, names: Sequence[str], audio: Sequence[np.ndarray]) -> list[Leg]:
        """Open a stream for each leg."""
        legs = []
        for name, samples in zip(names, audio, strict=True):
            role = "agent" if name.endswith(".agent") else "caller"
            target = await self.client.open_stream(name, role=role)  # type: ignore[arg-type]
            if target is None:
                raise SystemExit(f"no stream: {self.client.reason}")
            legs.append(Leg(name, samples, target, opened=time.monotonic()))
        return legs

    async def close(self, legs: Sequence[Leg]) -> None:
        """Close them, hearing all that is still on its way."""
        await asyncio.gather(*(self.client.close_stream(leg.name, timeout=60) for leg in legs))


@asynccontextmanager
async def recogniser(model: Path, *arguments: str, processes: int = 1) -> AsyncIterator[Recogniser]:
    """Run one on the first core; the sender keeps to the others."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="asr-") as folder:
        found = Recogniser(Path(folder), model, *arguments, processes=processes)
        os.sched_setaffinity(0, cores[:1])
        process = await asyncio.create_subprocess_exec(*found.argv)
        os.sched_setaffinity(0, cores[1:] or cores)
        found.pid = process.pid
        await found.client.start()
        try:
            async with asyncio.timeout(60):
                await found.ready.wait()
            yield found
        finally:
            await found.client.close()
            await process.wait()
            os.sched_setaffinity(0, cores)


async def bare(
    model: Path,
    audio: Sequence[np.ndarray],
    folder: Path,
    *,
    seconds: float = 2.0,
    in_turn: int = 1,
) -> Bare:
    """Have the bare engine loop over this audio, on the first core (bench/asr_bare.py)."""
    raw = folder / "bare.raw"
    raw.write_bytes(b"".join(np.asarray(samples, "<i2").tobytes() for samples in audio))
    lengths = ",".join(str(2 * len(samples)) for samples in audio)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.asr_bare", str(model), str(raw), lengths),
        *(str(seconds), str(in_turn)),
        stdout=asyncio.subprocess.PIPE,
    )
    os.sched_setaffinity(0, cores)
    output, _ = await process.communicate()
    return Bare(**json.loads(output))
