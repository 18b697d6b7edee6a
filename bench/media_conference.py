"""What conferences of three cost the media process."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.media_load import Phones
from bench.media_servers import MediaProcess
from bench.processes import cpu_seconds

WARM_UP_SECONDS = 1.0
FRAMES_A_SECOND = 50
PARTIES = 3
DRAIN_SECONDS = 0.3  # native/load.c: DRAIN_NS


@dataclass(frozen=True)
class Conferences:
    """One measurement.

    Attributes:
        expected: frames of 20 ms that the parties should have got.
        lost: how many fewer they got.
        percent_each: of a core, for one conference.
    """

    engine: str
    conferences: int
    expected: int
    lost: int
    cpu_percent_of_core: float
    percent_each: float


async def join(server: MediaProcess, phones: Sequence[int]) -> list[int]:
    """Let phones 0, 1 and 2 hear each other, and 3, 4 and 5, …; return where each sends to."""
    names = [f"party-{number}" for number in range(len(phones))]
    ports = [await server.open(name, phone) for name, phone in zip(names, phones, strict=True)]
    for first in range(0, len(names), PARTIES):
        party = names[first : first + PARTIES]
        rows = {one: {other: 1.0 for other in party if other != one} for one in party}
        await server.client.matrix(f"conference-{first}", rows)
    return ports


async def measure_conferences(
    engine: str, load: Phones, server: MediaProcess, seconds: float
) -> Conferences:
    """Load every party for so long."""
    load.target(await join(server, load.ports))
    await load.run(WARM_UP_SECONDS)
    before = cpu_seconds(server.pid)
    seen = await load.run(seconds)
    lasted = seconds + DRAIN_SECONDS  # frames come while it drains, too
    used = cpu_seconds(server.pid) - before
    count = len(load.ports) // PARTIES
    # One frame of each party may lie on the edge.
    expected = (round(lasted * FRAMES_A_SECOND) - 1) * len(load.ports)
    return Conferences(
        engine,
        count,
        expected,
        max(0, expected - int(seen["others"] + seen["received"])),
        round(used / lasted * 100, 2),
        round(used / lasted * 100 / count, 4),
    )
