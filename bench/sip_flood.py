"""What a flood at the SIP port does to a node and its calls.

    python -m bench.sip_flood [--rate 5000] [--seconds 20] [--json]

A node with the limits of config/default.toml has one trunk and one agent's phone, between which a
call stands. In one spell nobody disturbs; in the next a stranger at another address sends malformed
and valid-looking requests, each at the given rate. Meanwhile the trunk places one new call after
the other, and gives each up as soon as it rings. Told are, without and with the flood: how long the
new calls waited for 180, how many of the standing call's RTP packets arrived, and the node's
processor time and memory. The flood takes processor time of its own: on two cores little is left
for others.

New calls take memory until the ring of SIP messages and other books of the last ones are full. What
the flood itself takes is seen in the last two spells, in which no new call comes.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.processes import cpu_seconds, resident_kb
from tests.e2e.sip.conftest import OnDuty
from tests.e2e.sip.raw import Caller, RawSip, Registration, description
from tests.e2e.sip.talk import Talk, talking
from tests.support.node import PASSWORD, ROOT, RunningNode, running_node, until
from tests.support.programs import Program
from tests.support.tones import sine

TRUNK, PHONE = "127.0.0.9", "127.0.0.10"
FRAMES_A_SECOND = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One spell of time.

    Attributes:
        flood: datagrams sent a second, both kinds.
        dropped: of these, the share that the node did not even parse.
        calls: new calls that rang; none were placed in a flood alone.
        failed: new calls that did not, or could not be given up, within 8 s.
        median_ms: until 180, None without calls; a lost INVITE is sent again after half a second.
        worst_ms: until 180.
        heard: RTP packets that arrived of those that the standing call's parties sent.
        cpu: of one core, by the node process.
        grown_kib: resident memory of the node process at the end, less that at the beginning.
    """

    flood: int
    dropped: float
    calls: int
    failed: int
    median_ms: float | None
    worst_ms: float | None
    heard: float
    cpu: float
    grown_kib: int


@dataclass(frozen=True, slots=True)
class Spell:
    """So many datagrams of each kind a second, for so long, with or without new calls."""

    rate: int
    seconds: float
    calls: bool = True


async def _not_read(node: RunningNode) -> int:
    counts = (await node.health())["counts"]
    return sum(int(counts[f"sip_{name}"]) for name in ("over_budget", "banned", "scanners"))


async def _new_calls(sip: tuple[str, int], until_time: float) -> tuple[list[float], int]:
    """Place calls until then; return how long each waited for 180, and how many waited in vain."""
    waits, failed = list[float](), 0
    async with RawSip(TRUNK) as wire:
        while time.monotonic() < until_time:
            caller = Caller(wire, sip)
            began = time.monotonic()
            try:
                invite = caller.invite(description(40000))
                await wire.insist(invite, sip, "180 INVITE")
                waits.append(time.monotonic() - began)
                await wire.insist(caller.cancel(), sip, "200 CANCEL")
                await caller.refused(487)
            except AssertionError:
                failed += 1
    return waits, failed


async def _speak(talk: Talk, until_time: float) -> float:
    """Let both parties speak until then; return the share of packets that arrived."""
    voices = (
        (talk.citizens_voice, talk.citizens_port),
        (talk.agents_voice, talk.agents_port),
    )
    for voice, _ in voices:
        voice.datagrams.clear()
    sent = 0
    while time.monotonic() < until_time:
        await asyncio.gather(
            *(voice.play(sine(440, 1.0), ("127.0.0.1", port)) for voice, port in voices)
        )
        sent += 2 * FRAMES_A_SECOND
    await asyncio.sleep(0.2)  # what is under way
    return sum(len(voice.datagrams) for voice, _ in voices) / sent


async def _measure(
    node: RunningNode, sip: tuple[str, int], talk: Talk, spell: Spell, folder: Path
) -> Row:
    rate, seconds = spell.rate, spell.seconds
    flood = Program(
        "flood",
        (
            *(sys.executable, "-m", "tests.support.flood", "--target", f"{sip[0]}:{sip[1]}"),
            *("--rate", str(rate), "--seconds", str(seconds)),
        ),
        directory=folder,
        env={"PYTHONPATH": str(ROOT)},
    )
    cpu, memory, unread = cpu_seconds(node.pid), resident_kb(node.pid), await _not_read(node)
    began = time.monotonic()
    if rate:
        await flood.start()
    try:
        (waits, failed), heard = await asyncio.gather(
            _new_calls(sip, began + seconds if spell.calls else began),
            _speak(talk, began + seconds),
        )
        sent = 0
        if rate:
            await flood.wait(seconds + 10)
            sent = int(flood.said().split()[-1])
    finally:
        await flood.stop()
    passed = time.monotonic() - began
    return Row(
        flood=round(sent / passed),
        dropped=(await _not_read(node) - unread) / sent if sent else 0.0,
        calls=len(waits),
        failed=failed,
        median_ms=1000 * statistics.median(waits) if waits else None,
        worst_ms=1000 * max(waits) if waits else None,
        heard=heard,
        cpu=(cpu_seconds(node.pid) - cpu) / passed,
        grown_kib=resident_kb(node.pid) - memory,
    )


async def run(rate: int, seconds: float) -> list[Row]:
    """Measure without and with the flood, and the flood alone, after a spell not counted."""
    quiet, flood, alone = Spell(0, seconds), Spell(rate, seconds), Spell(rate, seconds, calls=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = {"asr__enabled": "false", "trunks__local__networks": f"{TRUNK}/32"}
        async with running_node(folder / "node", settings) as node:
            sip = ("127.0.0.1", node.sip_port)
            async with RawSip(PHONE) as phone, node.signed_in("1001") as api, RawSip(TRUNK) as line:
                await Registration(phone, sip, "1001", PASSWORD).register()

                async def phone_is_there() -> bool:
                    return bool((await api.get("/me"))["presence"]["phones"])

                await until(phone_is_there)
                await api.send("PUT", "/me/presence", {"state": "ready"})
                async with talking(line, OnDuty("1001", api, (phone,)), sip) as talk:
                    rows = [
                        await _measure(node, sip, talk, spell, folder)
                        for spell in (flood, quiet, flood, alone, alone)  # the first warms up
                    ]
                    await talk.citizen_hangs_up()
    return rows[1:]


def print_table(rows: list[Row]) -> None:
    """Print the rows, and each figure under the flood as a ratio to the quiet one."""
    heads = ("flood/s", "unread", "calls", "failed", "180 median", "worst", "heard", "CPU", "grown")
    print("".join(f"{head:>12}" for head in heads))
    for row in rows:
        cells = (
            f"{row.flood}",
            f"{row.dropped:.1%}",
            f"{row.calls}",
            f"{row.failed}",
            "-" if row.median_ms is None else f"{row.median_ms:.1f} ms",
            "-" if row.worst_ms is None else f"{row.worst_ms:.0f} ms",
            f"{row.heard:.1%}",
            f"{row.cpu:.0%}",
            f"{row.grown_kib} KiB",
        )
        print("".join(f"{cell:>12}" for cell in cells))
    quiet, flooded, *_ = rows
    if quiet.median_ms and flooded.median_ms:
        times = flooded.median_ms / quiet.median_ms
        print(f"180 under the flood: {times:.1f} times the quiet median")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A flood at the SIP port, and the calls.")
    parser.add_argument("--rate", type=int, default=5000, help="datagrams a second of each kind")
    parser.add_argument("--seconds", type=float, default=20.0, help="each spell")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    arguments = parser.parse_args()
    rows = asyncio.run(run(arguments.rate, arguments.seconds))
    if arguments.json:
        print(json.dumps({"bench": "sip_flood", "rows": [asdict(row) for row in rows]}))
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
