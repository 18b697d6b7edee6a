"""How many calls a second a node sets up, and what one costs, next to Sippy and Kamailio.

    python -m bench.sip_rate [--rates 25,50,100,150,200] [--seconds 10] [--agents 300] [--pin]
                             [--overload 1.5] [--json]

A call is INVITE - 100 - 180 - 200 - ACK, a second, BYE - 200, from SIPp through the server to SIPp.
The same rates are put to each server; after the first that fails for 0.1 % of the calls or more,
higher ones are not tried. The *node* does all that it does for a citizen: his call waits for a
ready agent, is offered to him, his phone is called; ports are opened, bridged and recorded; the
ticket's draft, the record and every event are written. Nobody speaks, so what packets cost is not
in here (see bench/media.py). *Sippy* is the simple B2BUA of its package, without media; *Kamailio*
is a proxy that keeps transactions, which is the least a server in the path can do.

Told are, for each rate: calls that failed (not answered in 5 s, or otherwise than they should), how
long the answer took, and processor time for a call: of the signalling process, and of the node's
other processes together. Last the node is called at more than its highest rate: how many were
refused with 503 and Retry-After, and how the others fared.
"""

import argparse
import asyncio
import csv
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.sip_servers import (
    PHONES,
    SCENARIOS,
    TRUNK,
    Server,
    Unavailable,
    kamailio,
    keep_on,
    node,
    phones,
    sippy,
)
from tests.support.ports import free_sip_port
from tests.support.programs import Program

MOST_FAILED = 0.001
ANSWER_SECONDS = 5.0
WARM_UP_RATE = 20
SERVERS_CORE, PHONES_CORE = 0, 1


@dataclass(frozen=True, slots=True)
class Row:
    """One run.

    Attributes:
        server: its name.
        rate: calls a second that were begun.
        calls: how many were as they should.
        failed: share of those begun that were neither answered in time nor refused.
        refused: share of those begun that got 503.
        hastily: of these, how many had no Retry-After.
        median_ms: until the answer.
        p99_ms: until the answer.
        cpu_ms: processor time of the signalling process for one answered call.
        helpers_ms: the same of its other processes, by name.
        busy: of one core, the signalling process.
    """

    server: str
    rate: float
    calls: int
    failed: float
    refused: float
    hastily: int
    median_ms: float
    p99_ms: float
    cpu_ms: float
    helpers_ms: dict[str, float]
    busy: float

    @property
    def steady(self) -> bool:
        """Whether it kept up."""
        return self.failed + self.refused < MOST_FAILED


async def call(server: Server, folder: Path, *, rate: int, seconds: float) -> Row:
    """Call a server at a rate."""
    await server.idle()
    await asyncio.to_thread(folder.mkdir)
    count = round(rate * seconds)
    program = Program(
        "caller",
        (
            *("sipp", f"{server.address[0]}:{server.address[1]}"),
            *("-sf", str(SCENARIOS / "caller.xml"), "-i", TRUNK, "-p", str(free_sip_port())),
            *("-t", "u1", "-bind_local", "-nostdin", "-r", str(rate), "-m", str(count)),
            *("-l", str(count), "-recv_timeout", str(round(1000 * ANSWER_SECONDS))),
            *("-trace_stat", "-stf", "statistics.csv", "-fd", "1", "-trace_rtt", "-trace_err"),
            *("-rtt_freq", "1", "-buff_size", "4194304"),
        ),
        directory=folder,
    )
    before, began = server.cpu(), time.monotonic()
    await program.start()
    try:
        if len(os.sched_getaffinity(server.main[0])) == 1:
            keep_on(program.process.pid, PHONES_CORE)
        await program.wait(seconds + 60)
    finally:
        await program.stop()
    passed = time.monotonic() - began
    used = {name: spent - before[name] for name, spent in server.cpu().items()}
    return _row(server.name, rate, folder, used, passed)


def _row(name: str, rate: int, folder: Path, used: dict[str, float], passed: float) -> Row:
    with (folder / "statistics.csv").open(newline="") as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    begun, refused = int(last["TotalCallCreated"]), int(last["GenericCounter1(C)"])
    calls = int(last["SuccessfulCall(C)"]) - refused
    waits = sorted(_answers(folder))
    return Row(
        server=name,
        rate=rate,
        calls=calls,
        failed=1 - (calls + refused) / begun,
        refused=refused / begun,
        hastily=int(last["GenericCounter2(C)"]),
        median_ms=statistics.median(waits) if waits else float("nan"),
        p99_ms=waits[int(0.99 * len(waits))] if waits else float("nan"),
        cpu_ms=1000 * used["main"] / max(1, calls),
        helpers_ms={
            helper: 1000 * spent / max(1, calls)
            for helper, spent in used.items()
            if helper != "main"
        },
        busy=used["main"] / passed,
    )


def _answers(folder: Path) -> list[float]:
    """Return how long each answer took, in ms."""
    found = []
    for path in folder.glob("*_rtt.csv"):
        with path.open(newline="") as file:
            found += [float(row["response_time_ms"]) for row in csv.DictReader(file, delimiter=";")]
    return found


async def measure(
    server: Server, folder: Path, rates: Sequence[int], *, seconds: float, overload: float
) -> list[Row]:
    """Call a server at rising rates until it fails, then, if wished, at more than the highest."""
    await asyncio.to_thread(folder.mkdir)
    await call(server, folder / "warm-up", rate=WARM_UP_RATE, seconds=5.0)
    rows: list[Row] = []
    for rate in rates:
        rows.append(await call(server, folder / str(rate), rate=rate, seconds=seconds))
        if not rows[-1].steady:
            break
    if overload and (steady := [row.rate for row in rows if row.steady]):
        rate = round(overload * steady[-1])
        rows.append(await call(server, folder / "overload", rate=rate, seconds=seconds))
    return rows


async def run(arguments: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """Measure each server; return the rows, and why one could not be measured."""
    rows, missing = list[Row](), list[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        address = (PHONES, free_sip_port())
        servers = {
            "node": node(folder, address, agents=arguments.agents, asr=arguments.asr),
            "sippy": sippy(folder, address),
            "kamailio": kamailio(folder, address),
        }
        for title in arguments.servers:
            try:
                async with servers[title] as server, phones(folder, address) as pid:
                    if arguments.pin:
                        server.pin(SERVERS_CORE)
                        keep_on(pid, PHONES_CORE)
                    rows += await measure(
                        server,
                        folder / f"calls-{title}",
                        arguments.rates,
                        seconds=arguments.seconds,
                        overload=arguments.overload if title == "node" else 0.0,
                    )
            except Unavailable as error:
                missing.append(f"{title}: {error}")
    return rows, missing


def print_table(rows: list[Row], missing: list[str]) -> None:
    """Print the rows, then the highest rates and the costs as ratios to the others'."""
    heads = ("calls/s", "calls", "failed", "503", "median", "p99", "busy", "CPU a call")
    print(f"{'':<16}" + "".join(f"{head:>12}" for head in heads) + "  other processes")
    for row in rows:
        cells = (
            f"{row.rate:g}",
            f"{row.calls}",
            f"{row.failed:.2%}",
            f"{row.refused:.1%}",
            f"{row.median_ms:.0f} ms",
            f"{row.p99_ms:.0f} ms",
            f"{row.busy:.0%}",
            f"{row.cpu_ms:.2f} ms",
        )
        helpers = " ".join(f"{name} {spent:.2f}" for name, spent in row.helpers_ms.items())
        print(f"{row.server:<16}" + "".join(f"{cell:>12}" for cell in cells) + f"  {helpers}")
    best = highest(rows)
    for name, row in best.items():
        print(f"{name}: {row.rate:g} calls/s steady")
    for other in (name for name in best if name != "node" and "node" in best):
        common = min(best["node"].rate, best[other].rate)
        ours, theirs = (
            next(row for row in rows if (row.server, row.rate) == (name, common))
            for name in ("node", other)
        )
        print(
            f"at {common:g} calls/s the node's signalling costs {ours.cpu_ms / theirs.cpu_ms:.2f} "
            f"times what {other} costs; its highest rate is "
            f"{best['node'].rate / best[other].rate:.2f} times as high"
        )
    hasty = sum(row.hastily for row in rows)
    if hasty:
        print(f"{hasty} refusals without Retry-After")
    for reason in missing:
        print(f"not measured: {reason}")


def highest(rows: list[Row]) -> dict[str, Row]:
    """Return the row of each server's highest steady rate."""
    return {row.server: row for row in rows if row.steady}


def _rates(text: str) -> list[int]:
    return sorted(int(rate) for rate in text.split(","))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rates", type=_rates, default=[25, 50, 100, 150, 200, 250])
    parser.add_argument("--seconds", type=float, default=10.0, help="each run")
    parser.add_argument("--agents", type=int, default=400, help="more than calls/s × 1.3 s")
    parser.add_argument("--overload", type=float, default=1.5, help="times the highest rate; 0: no")
    parser.add_argument("--asr", action="store_true", help="with recognition (of silence)")
    parser.add_argument("--pin", action="store_true", help="servers on one core, SIPp on another")
    parser.add_argument("--servers", nargs="+", default=["node", "sippy", "kamailio"])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    arguments = parser.parse_args()
    rows, missing = asyncio.run(run(arguments))
    if arguments.json:
        found = {"bench": "sip_rate", "rows": [asdict(row) for row in rows], "missing": missing}
        print(json.dumps(found))
        return
    heard = "on (nobody speaks)" if arguments.asr else "off"
    print(f"node: queue, offers, media ports and bridge, recording: on; recognition: {heard}")
    print_table(rows, missing)


if __name__ == "__main__":
    main()
