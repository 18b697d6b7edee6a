"""What is wanted of carrying calls, beside what was measured. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

RELAY: Final = "native"
RECORDED: Final = "native + fork + record"
RTPENGINE: Final = "rtpengine"
BARE: Final = "bare C relay"

RELAY_RATIO: Final = 1.0
RECORDED_RATIO: Final = 1.5
CALLS_WITHOUT_LOSS: Final = 500
DELAY_CALLS: Final = 300
DELAY_MEDIAN_US: Final = 1000.0
DELAY_P99_US: Final = 2000.0
KB_PER_CALL: Final = 60.0
CONFERENCE_PERCENT: Final = 0.4
GROWTH_PERCENT: Final = 2.0
"""Of the memory over many short calls. Over all of them it is what was wanted; the later half says
whether what they left behind still grows, for the earlier one fills caches, and the interpreter
takes memory by the megabyte."""


@dataclass(frozen=True)
class Measured:
    """One row of the benchmark, as far as a goal asks for it."""

    cpu_us_per_packet: float
    lost: int
    delay_p50_us: float
    delay_p99_us: float
    kb_per_call: float


@dataclass(frozen=True)
class Goal:
    """One goal: it is met if ``measured`` is not above ``limit``.

    ``bare`` is the bare relay's figure of the same run, where it has one: the machine's share.
    """

    what: str
    measured: float
    limit: float
    unit: str
    bare: float | None = None

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.measured <= self.limit


def goals(
    rows: Mapping[tuple[str, int], Measured],
    conference_percent: float | None,
    short_calls_kb: tuple[int, ...],
) -> list[Goal]:
    """Return every goal that something was measured for.

    Args:
        rows: by what was done, and with how many calls.
        conference_percent: of a core, for each conference of three.
        short_calls_kb: the process's memory, in the course of many short calls.
    """
    found = [*_ratios(rows), *_delays(rows)]
    if conference_percent is not None:
        found.append(Goal("conference of three", conference_percent, CONFERENCE_PERCENT, "% core"))
    later = short_calls_kb[(len(short_calls_kb) - 1) // 2 :]
    for what, kept in (("all", short_calls_kb), ("later half of", later)):
        if len(kept) > 1 and kept[0]:
            growth = round(100 * (kept[-1] / kept[0] - 1), 2)
            found.append(Goal(f"memory, {what} short calls", growth, GROWTH_PERCENT, "% more"))
    return found


def _ratios(rows: Mapping[tuple[str, int], Measured]) -> Iterator[Goal]:
    for calls in sorted({calls for _, calls in rows}):
        theirs = rows.get((RTPENGINE, calls))
        for name, limit in ((RELAY, RELAY_RATIO), (RECORDED, RECORDED_RATIO)):
            ours = rows.get((name, calls))
            if ours is not None and theirs is not None and theirs.cpu_us_per_packet:
                ratio = round(ours.cpu_us_per_packet / theirs.cpu_us_per_packet, 2)
                yield Goal(f"{name}, {calls} calls", ratio, limit, "× rtpengine")
        recorded = rows.get((RECORDED, calls))
        if recorded is not None:
            yield Goal(f"memory, {calls} calls", recorded.kb_per_call, KB_PER_CALL, "kB/call")
        if recorded is not None and calls >= CALLS_WITHOUT_LOSS:
            yield Goal(f"lost, {calls} recorded calls", recorded.lost, 0, "packets")


def _delays(rows: Mapping[tuple[str, int], Measured]) -> Iterator[Goal]:
    bare = rows.get((BARE, DELAY_CALLS))
    p50, p99 = (bare.delay_p50_us, bare.delay_p99_us) if bare is not None else (None, None)
    for name in (RELAY, RECORDED):
        row = rows.get((name, DELAY_CALLS))
        if row is not None:
            what = f"{name}, {DELAY_CALLS} calls: delay"
            yield Goal(f"{what} p50", row.delay_p50_us, DELAY_MEDIAN_US, "µs", p50)
            yield Goal(f"{what} p99", row.delay_p99_us, DELAY_P99_US, "µs", p99)


def table(found: list[Goal]) -> list[str]:
    """Return the goals as lines to print."""
    return [f"{'goal':<46}{'measured':>10}{'at most':>10}{'bare C':>10}  {'':<12}"] + [
        f"{goal.what:<46}{goal.measured:>10.2f}{goal.limit:>10.2f}"
        f"{'' if goal.bare is None else f'{goal.bare:.2f}':>10}  {goal.unit:<12}"
        f"{'met' if goal.met else 'MISSED'}"
        for goal in found
    ]
