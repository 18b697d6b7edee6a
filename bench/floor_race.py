"""Nodes race for agents on one real Redis while things break: ``python -m bench.floor_race``.

    python -m bench.floor_race [--minutes 5] [--seed 1] [--json]

Four processes, each a node with callers and agents who follow a seeded script; again and again, by
the seed's choice, a node is killed for good or started again, or frozen until it is taken for dead
and let go on, or redis-server is killed and started with its data or without. All the while Redis
is looked into. What must hold is told in ``tests/support/floor_race.py``; the first thing that does
not ends the program with 1 and says with which seed.

Prints what was done and what became of the callers. Seeds give the same scripts, not the same race:
which process is first is the machine's choice.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import asdict
from typing import Any, Final, get_args

from tests.support.floor_race import NODES, Fault, Findings, running_race
from tests.support.redis_server import running_redis

CALLS_BETWEEN: Final = 40
FAULTS_OF_A_RACE: Final = 12


async def run_race(seed: int, ends: float) -> Findings:
    """Let one race run: a number of faults, or until the time is up."""
    choice = random.Random(seed)
    async with running_redis() as server, running_race(server, seed=seed) as race:
        await race.go_on(CALLS_BETWEEN)
        race.check_undisturbed()
        living = list(NODES)
        for _ in range(FAULTS_OF_A_RACE):
            fault: Fault = choice.choice(get_args(Fault))
            node = choice.choice(living)
            if fault == "node dies":
                if len(living) <= 2:
                    continue
                living.remove(node)
            await race.strike(fault, node)
            await race.go_on(CALLS_BETWEEN)
            if time.monotonic() > ends:
                break
        await race.end()
        return race.findings


async def run(minutes: float, seed: int) -> dict[str, Any]:
    """Let races follow each other until the time is up; return the sums."""
    begun = time.monotonic()
    ends = begun + minutes * 60
    outcomes: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    longest = 0.0
    races = 0
    while races == 0 or time.monotonic() < ends:
        try:
            findings = await run_race(seed + races, ends)
        except BaseException:
            print(f"the race with seed {seed + races} failed", file=sys.stderr)
            raise
        races += 1
        outcomes += findings.outcomes
        faults += findings.faults
        longest = max(longest, findings.longest_wait)
        sums.update({
            name: value for name, value in asdict(findings).items() if isinstance(value, int)
        })  # fmt: skip
    return {
        "seconds": round(time.monotonic() - begun, 1),
        "races": races,
        "callers": dict(outcomes),
        "served_without_redis": sums["without_redis"],
        "faults": dict(faults),
        "offers_to_who_talks": sums["busy"],
        "nodes_taken_for_dead_or_redis_emptied": sums["buried"],
        "looks_into_redis": sums["looks"],
        "longest_wait_seconds": round(longest, 3),
    }


def main() -> int:
    """Print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = asyncio.run(run(arguments.minutes, arguments.seed))
    if arguments.json:
        print(json.dumps(found))
        return 0
    for name, value in found.items():
        if isinstance(value, dict):
            print(name.replace("_", " "))
            for each, times in sorted(value.items()):
                print(f"  {each:<22}{times:>8}")
        else:
            print(f"{name.replace('_', ' '):<40}{value:>10}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
