"""Whether a node's memory stays what it is while hundreds wait with music and talk, for hours.

    python -m bench.soak [--hours 2 | --minutes 5] [--waiting 300] [--talking 100] [--json]

So many callers are always there, and come evenly: with 400 of them one comes, and one goes, every
0.6 s. Each stays for four minutes, of which he waits three, until an agent is free, and talks one.
Everybody's telephone (SIPp) sends speech, or what is as much: A-law, 50 packets a second. Who waits
hears announcements and music; who talks is relayed and recorded; when he hangs up the next one
calls, so that calls, tickets, records and recordings come and go all the time. Recognition is off.

Told are the node's processes, with their memory (Pss: pages shared by several are divided among
them) at the start, after the first ten minutes (or the first third of a shorter run), at the end,
the most in between, the growth from there to the end, and how much that is for an hour; each figure
but the most is the mean of a minute. And how many waited and talked, on average from there on, and
how many calls there were: a soak in which nobody waits says nothing. It is meant to be run on a
machine of its own:

    nohup .venv/bin/python -m bench.soak --hours 2 --json > soak.json &

A recording takes 32 kB a second: two hours of 100 talking leave 23 GB in the temporary directory
(``TMPDIR``); ``--no-recording`` leaves nothing.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

from bench.processes import memory_mb
from bench.sip_servers import PHONES, SCENARIOS, TRUNK, Server, node
from telephony.media.g711 import encode
from tests.support.ports import free_sip_port
from tests.support.programs import Program
from tests.support.sipp import SippStatistics
from tests.support.tones import sine

TALK_SECONDS = 60.0
SETTLED_SECONDS = 600.0
SAMPLE_SECONDS = 5.0
MEAN_SECONDS = 60.0
ENOUGH = 0.9
"""So large a part of those who should wait and talk has to be there on average."""
STREAM = "voice.alaw"
CALLS = "calls.csv"


@dataclass
class Memory:
    """One process's memory over the run.

    Attributes:
        process: its name.
        samples: (seconds since the first, MB).
    """

    process: str
    samples: list[tuple[float, float]] = field(default_factory=list)

    def mean(self, start: float, seconds: float = MEAN_SECONDS) -> float:
        """Return the mean of the samples of a span; it must have one."""
        return fmean(mb for when, mb in self.samples if start <= when <= start + seconds)


@dataclass(frozen=True)
class Row:
    """One process."""

    process: str
    start_mb: float
    settled_mb: float
    end_mb: float
    most_mb: float
    growth_mb: float
    growth_mb_an_hour: float


@dataclass
class Load:
    """Who waited and who talked at each look, by the node's own figures."""

    waiting: list[int] = field(default_factory=list)
    talking: list[int] = field(default_factory=list)

    def look(self, counts: Mapping[str, int]) -> None:
        """Take the figures of the node's health report."""
        self.waiting.append(counts["floor_waiting"])
        self.talking.append(counts["floor_conversations"])


@dataclass(frozen=True)
class Told:
    """What the program prints: memory, who was there on average, and the callers' own count."""

    processes: list[Row]
    waiting: float
    talking: float
    calls: int
    failed: int


def rows(memories: Sequence[Memory], settled: float) -> list[Row]:
    """Return the table."""
    told = []
    for memory in memories:
        last = memory.samples[-1][0]
        span = min(MEAN_SECONDS, (last - settled) / 2)
        start, middle = memory.samples[0][1], memory.mean(settled, span)
        end, hours = memory.mean(last - span, span), max(last - span - settled, 1.0) / 3600
        most = max(mb for when, mb in memory.samples if when >= settled)
        growth = end - middle
        told.append(Row(memory.process, start, middle, end, most, growth, growth / hours))
    return told


def scenario(folder: Path, name: str, after: str, pause: float | None) -> Path:
    """Write a scenario of sip_rate's whose telephone speaks from its first answer on."""
    text = (SCENARIOS / f"{name}.xml").read_text(encoding="utf-8")
    for port in ("40000", "40002"):
        text = text.replace(f"m=audio {port} ", "m=audio [rtpstream_audio_port] ")
    speak = f'<nop><action><exec rtp_stream="{folder / STREAM},-1,8,PCMA/8000"/></action></nop>\n'
    head, mark, tail = text.partition(after)
    if not mark:
        raise SystemExit(f"{name}.xml has changed: no {after}")
    if pause is not None:
        old, new = f'{after}="1000"', f'{after}="{round(1000 * pause)}"'
        mark, tail = "", (mark + tail).replace(old, new, 1)
        if new not in tail:
            raise SystemExit(f"{name}.xml has changed: no {old}")
    path = folder / f"{name}.xml"
    path.write_text(f"{head}{speak}{mark}{tail}", encoding="utf-8")
    return path


def sipp(name: str, folder: Path, path: Path, host: str, *arguments: str) -> Program:
    """Return a SIPp that has yet to be started."""
    return Program(
        name,
        (
            *("sipp", *arguments, "-sf", str(path), "-i", host, "-mi", host),
            *("-t", "u1", "-bind_local", "-nostdin", "-mp", "40000"),
            *("-buff_size", "4194304"),
        ),
        directory=folder,
    )


async def watch(
    server: Server, phones: Sequence[Program], seconds: float, settled: float
) -> tuple[list[Memory], Load]:
    """Look at all processes until the time is over; everybody has to be there all the while."""
    pids = {"node": server.main[0], **server.helpers}
    memories = {name: Memory(name) for name in pids}
    load = Load()
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        for name, pid in pids.items():
            memories[name].samples.append((passed, memory_mb(pid)[1]))
        for program in phones:
            if not program.running:
                raise SystemExit(f"SIPp ended:\n{program.said()[-1000:]}")
        if passed >= settled and (counts := await server.counts()):
            load.look(counts)
        await asyncio.sleep(SAMPLE_SECONDS)
    return list(memories.values()), load


async def soak(seconds: float, *, waiting: int, talking: int, recording: bool) -> Told:
    """Keep a node busy for so long."""
    callers = waiting + talking
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        speech = encode("PCMA", sine(440, 10))
        (folder / STREAM).write_bytes(speech)
        phones = PHONES, free_sip_port()
        settings = {
            "recording__enabled": str(recording).lower(),
            "waiting__by": "answer",
            "waiting__after_seconds": 1,
            "sip__overload_seconds": 10,
        }
        server = await stack.enter_async_context(
            node(folder, phones, agents=talking, asr=False, more=settings)
        )
        agents = sipp(
            "phones",
            folder,
            scenario(folder, "phone", '<recv request="BYE"/>', None),
            phones[0],
            *("-p", str(phones[1])),
        )
        # A caller is answered when his waiting begins: he waits and talks within one pause.
        stays = TALK_SECONDS * callers / talking
        citizens = sipp(
            "callers",
            folder,
            scenario(folder, "caller", "<pause milliseconds", stays),
            TRUNK,
            f"{server.address[0]}:{server.address[1]}",
            *("-p", str(free_sip_port()), "-l", str(callers)),
            # As many as there are come while one stays: evenly, or all would go at once as well.
            *("-r", str(callers), "-rp", str(round(1000 * stays))),
            *("-trace_stat", "-stf", str(folder / CALLS), "-fd", "5"),
        )
        for program in (agents, citizens):
            await program.start()
            stack.push_async_callback(program.stop)
        settled = min(SETTLED_SECONDS, seconds / 3)
        memories, load = await watch(server, (agents, citizens), seconds, settled)
        calls = SippStatistics.read(folder / CALLS)
    return Told(
        rows(memories, settled),
        fmean(load.waiting),
        fmean(load.talking),
        calls.successful,
        calls.failed,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--hours", type=float, default=2.0)
    length.add_argument("--minutes", type=float)
    parser.add_argument("--waiting", type=int, default=300)
    parser.add_argument("--talking", type=int, default=100)
    parser.add_argument("--no-recording", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    seconds = 3600 * args.hours if args.minutes is None else 60 * args.minutes
    told = asyncio.run(
        soak(seconds, waiting=args.waiting, talking=args.talking, recording=not args.no_recording)
    )
    if args.json:
        print(json.dumps(asdict(told)))
    else:
        _print_table(told)
    if told.waiting < ENOUGH * args.waiting or told.talking < ENOUGH * args.talking:
        raise SystemExit(f"only {told.waiting:.0f} waited and {told.talking:.0f} talked")


def _print_table(told: Told) -> None:
    names = ("start", "settled", "end", "most", "growth", "an hour")
    print(f"{'process':12}" + "".join(f"{name:>9}" for name in names) + "  (MB)")
    for row in told.processes:
        figures = (
            row.start_mb, row.settled_mb, row.end_mb, row.most_mb,
            row.growth_mb, row.growth_mb_an_hour,
        )  # fmt: skip
        print(f"{row.process:12}" + "".join(f"{figure:9.1f}" for figure in figures))
    print(f"on average {told.waiting:.0f} waited and {told.talking:.0f} talked")
    print(f"{told.calls} calls, and {told.failed} that failed")


if __name__ == "__main__":
    main()
