"""What carrying calls costs, beside a bare relay and rtpengine: CPU, loss, delay, memory.

``python -m bench.media [--calls 10 100 300 500] [--seconds 5] [--conferences 50] [--json]``
``python -m bench.media --calls --conferences 0 --short-calls 20000``

Real processes over loopback, one after another on one core, the phones on another: G.711 packets
every 20 ms from both sides of every call, sent and received by native/load.c. The bare relay
(native/bare_relay.c) does nothing but receive and send; rtpengine is Debian's, in user space. CPU
is the server's whole process, threads and kernel included, divided by the packets that phones got.
Delay is from just before a phone sends until the kernel has stamped the packet for the other
(SO_TIMESTAMPNS), so it holds the server, two passes through the kernel's network, and nothing of
the phone that receives. Memory is what the process grew by for each call, since it had its first
one. About ``--seconds`` + 2 a row. Needs a C compiler and two cores; without rtpengine (``apt-get
install rtpengine-daemon``) its rows are left out.

On a machine that does other things too, delay and loss are theirs as well. For how much of the
time the thread with the packets was ready to run and was not let is the column "kept"; the bare
relay's delay is what the machine allows a program that does nothing else. All run on equal terms:
where the service would carry packets in real time by itself (``media.realtime = "auto"``: it may,
and there are two cores) phones, bare relay and rtpengine run under ``chrt -f 1``, elsewhere or with
``--no-realtime`` nobody does. ``--realtime`` asks for it, and says so where it is not permitted.

Last come the goals (bench/media_goals.py) beside the native engine's figures; all of them:
``python -m bench.media --engines native --short-calls 20000``.

A conference is three parties who hear each other. Short calls are opened, bridged, forked,
recorded, spoken in and closed; what the process holds in between must not grow.
"""

import argparse
import json
import logging
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import structlog
import uvloop

from bench.media_conference import Conferences, measure_conferences
from bench.media_goals import Goal, Measured, goals, table
from bench.media_load import Phones, phones
from bench.media_servers import (
    BareRelay,
    MediaProcess,
    Rtpengine,
    bare_relay,
    compile_program,
    kept_waiting,
    media_process,
    rtpengine,
    turns,
)
from bench.media_short_calls import AT_ONCE, Memory, many_short_calls
from bench.processes import cpu_seconds, resident_kb
from telephony.media.scheduling import Realtime, share_of

WARM_UP_SECONDS = 1.0
BARE = "bare C relay"
RTPENGINE = "rtpengine"
ENGINES = ("native", "python")
GATHERED = 4
"""Packets in one datagram of a fork that is gathered."""
ADDITIONS = ("", " + fork", f" + fork by {GATHERED}", " + fork + record")

Server = BareRelay | Rtpengine | MediaProcess
Contestant = tuple[str, partial[AbstractAsyncContextManager[Server]]]


@dataclass(frozen=True)
class Row:
    """One measurement; ratios are of CPU time a packet, None where the other did not run."""

    scenario: str
    calls: int
    sent: int
    lost: int
    forked: int
    cpu_us_per_packet: float
    cpu_percent_of_core: float
    delay_p50_us: float
    delay_p99_us: float
    kb_per_call: float
    kept_waiting_percent: float
    ratio_to_bare: float | None = None
    ratio_to_rtpengine: float | None = None


async def measure(name: str, calls: int, load: Phones, server: Server, seconds: float) -> Row:
    """Connect every call, warm up, load; return the figures."""
    empty = resident_kb(server.pid)
    load.target(await server.connect(load.ports))
    await load.run(WARM_UP_SECONDS)
    before, waits = cpu_seconds(server.pid), turns(server.pid)
    seen = await load.run(seconds)
    used = cpu_seconds(server.pid) - before
    waited = kept_waiting(waits, turns(server.pid))
    if not seen["received"] or seen["misdirected"]:
        raise SystemExit(f"{name}, {calls} calls: broken: {seen}")
    row = Row(
        name,
        calls,
        sent=int(seen["sent"]),
        lost=int(seen["sent"] - seen["received"]),
        forked=int(seen["forked"]),
        cpu_us_per_packet=round(used / seen["received"] * 1e6, 2),
        cpu_percent_of_core=round(used / seconds * 100, 2),
        delay_p50_us=seen["delay_p50_us"],
        delay_p99_us=seen["delay_p99_us"],
        kb_per_call=round((resident_kb(server.pid) - empty) / calls, 1),
        kept_waiting_percent=round(waited / seconds * 100, 2),
    )
    print(f"  {name}, {calls} calls: {row.cpu_us_per_packet} µs a packet", file=sys.stderr)
    return row


@dataclass(frozen=True)
class Ground:
    """Where everybody is measured: the server's core and the phones', programs, the scheduling."""

    cores: tuple[int, int]
    folder: Path
    realtime: bool

    @property
    def own(self) -> Realtime:
        """How our media process is started."""
        return "always" if self.realtime else "never"

    def contestants(self, engines: Sequence[str]) -> list[Contestant]:
        """Name everybody who can run here."""
        core, realtime = self.cores[0], self.realtime
        bare = partial(bare_relay, core, self.folder / "bare_relay", realtime=realtime)
        found: list[Contestant] = [(BARE, bare)]
        if shutil.which("rtpengine"):
            found.append((RTPENGINE, partial(rtpengine, core, realtime=realtime)))
        for engine in engines:
            start = partial(media_process, core, engine, realtime=self.own)
            found += [(engine + addition, start) for addition in ADDITIONS]
        return found

    def phones(self, count: int) -> AbstractAsyncContextManager[Phones]:
        """Start so many phones."""
        return phones(self.cores[1], self.folder / "load", count, realtime=self.realtime)


async def measure_all(
    calls: int, ground: Ground, seconds: float, engines: Sequence[str]
) -> list[Row]:
    """Measure everybody with so many calls, and set them in relation."""
    rows: list[Row] = []
    for name, start in ground.contestants(engines):
        async with ground.phones(2 * calls) as load, start() as server:
            if isinstance(server, MediaProcess):
                await many_short_calls(name, server, AT_ONCE)  # what the first calls of all cost
                server.fork_to = load.sink if "fork" in name else None
                server.gathered = GATHERED if f"by {GATHERED}" in name else 1
                server.record = "record" in name
            rows.append(await measure(name, calls, load, server, seconds))
    of = {row.scenario: row.cpu_us_per_packet for row in rows}
    return [
        Row(
            **{
                **asdict(row),
                "ratio_to_bare": round(row.cpu_us_per_packet / of[BARE], 2),
                "ratio_to_rtpengine": round(row.cpu_us_per_packet / of[RTPENGINE], 2)
                if RTPENGINE in of
                else None,
            }
        )
        for row in rows
    ]


@dataclass
class Results:
    """Everything that was measured."""

    rows: list[Row] = field(default_factory=list)
    conferences: list[Conferences] = field(default_factory=list)
    short_calls: list[Memory] = field(default_factory=list)

    def goals(self) -> list[Goal]:
        """Set the native engine's figures beside what is wanted of them."""
        rows = {
            (row.scenario, row.calls): Measured(
                row.cpu_us_per_packet,
                row.lost,
                row.delay_p50_us,
                row.delay_p99_us,
                row.kb_per_call,
            )
            for row in self.rows
        }
        each = [one.percent_each for one in self.conferences if one.engine == "native"]
        kept = tuple(one.resident_kb for one in self.short_calls if one.engine == "native")
        return goals(rows, each[0] if each else None, kept)


async def run(arguments: argparse.Namespace) -> Results:
    """Measure what was asked for."""
    results = Results()
    cores, seconds, engines = tuple(arguments.cores), arguments.seconds, arguments.engines
    with tempfile.TemporaryDirectory() as name:
        ground = Ground(cores, Path(name), arguments.realtime)
        for program in ("bare_relay", "load"):
            await compile_program(program, ground.folder)
        for calls in arguments.calls:
            results.rows += await measure_all(calls, ground, seconds, engines)
        for engine in engines if arguments.conferences else ():
            async with (
                ground.phones(3 * arguments.conferences) as load,
                media_process(cores[0], engine, realtime=ground.own) as server,
            ):
                results.conferences.append(await measure_conferences(engine, load, server, seconds))
        for engine in engines if arguments.short_calls else ():
            async with media_process(cores[0], engine) as server:
                results.short_calls += await many_short_calls(engine, server, arguments.short_calls)
    return results


def print_tables(results: Results) -> None:
    """Print what a reader wants to see."""
    if results.rows:
        print_rows(results.rows)
    for conference in results.conferences:
        print(
            f"{conference.engine}: {conference.conferences} conferences of three use"
            f" {conference.cpu_percent_of_core:.1f} % of a core,"
            f" {conference.percent_each:.3f} % each; {conference.lost} of"
            f" {conference.expected} frames lost"
        )
    for memory in results.short_calls:
        print(f"{memory.engine}: {memory.resident_kb:>8} kB after {memory.calls:>6} short calls")
    if found := results.goals():
        print()
        print("\n".join(table(found)))


def print_rows(rows: Sequence[Row]) -> None:
    """Print what carrying calls cost."""
    print(
        f"{'calls':>5}  {'what is done':<30}{'µs/pkt':>8}{'× bare':>8}{'× rtpe':>8}{'core %':>8}"
        f"{'kept %':>8}{'lost':>6}{'p50 µs':>9}{'p99 µs':>9}{'kB/call':>9}"
    )
    for row in rows:
        rtpe = "-" if row.ratio_to_rtpengine is None else f"{row.ratio_to_rtpengine:.2f}"
        print(
            f"{row.calls:>5}  {row.scenario:<30}{row.cpu_us_per_packet:>8.2f}"
            f"{row.ratio_to_bare:>8.2f}{rtpe:>8}{row.cpu_percent_of_core:>8.2f}"
            f"{row.kept_waiting_percent:>8.2f}{row.lost:>6}"
            f"{row.delay_p50_us:>9.0f}{row.delay_p99_us:>9.0f}{row.kb_per_call:>9.1f}"
        )


def is_realtime(wanted: bool | None) -> bool:  # noqa: FBT001 - None: where it is usual
    """Decide whether everybody runs in real time.

    Raises:
        SystemExit: it is wanted, and not permitted.
    """
    if wanted is False or (wanted is None and not share_of("auto")[0]):
        return False
    parameters = os.sched_param(1)
    usual = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, parameters)
    except PermissionError:
        if wanted is None:
            return False
        raise SystemExit("--realtime needs root, CAP_SYS_NICE or a limit on RTPRIO") from None
    os.sched_setscheduler(0, *usual)
    return True


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cost of carrying calls, side by side.")
    parser.add_argument("--calls", type=int, nargs="*", default=[10, 100, 300, 500], metavar="N")
    parser.add_argument("--seconds", type=float, default=5.0, help="load per row, 1-60")
    parser.add_argument("--cores", type=int, nargs=2, default=[0, 1], metavar=("SERVER", "PHONES"))
    parser.add_argument("--engines", nargs="+", default=ENGINES, choices=ENGINES)
    parser.add_argument("--conferences", type=int, default=50, help="of three; 0: none")
    parser.add_argument("--short-calls", type=int, default=0, help="how many, for the memory left")
    parser.add_argument(
        "--realtime",
        action=argparse.BooleanOptionalAction,
        help="all before others, or none",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    arguments = parser.parse_args()
    if not (1 <= arguments.seconds <= 60 and all(1 <= n <= 1000 for n in arguments.calls)):
        parser.error("--seconds is 1 to 60, --calls 1 to 1000")
    arguments.realtime = is_realtime(arguments.realtime)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # what we start inherits it
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    results = uvloop.run(run(arguments))
    if arguments.json:
        found = [asdict(goal) | {"met": goal.met} for goal in results.goals()]
        print(json.dumps({"bench": "media", **asdict(results), "goals": found}))
    else:
        print_tables(results)


if __name__ == "__main__":
    main()
