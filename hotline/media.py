"""The media processes of the configuration: their command lines, one state of health for all."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from config.media import MediaSettings
from hotline.children import ChildState

_CALL_PAIRS: Final = 2
"""A call has two legs at least, with a pair of ports each."""


def title(number: int) -> str:
    """Return what a process is called in the log and among the child processes."""
    return "media" if number == 0 else f"media-{number + 1}"


def process_count(settings: MediaSettings, cores: int) -> int:
    """Return how many processes carry speech, at least one and no more than there are ports for."""
    if settings.processes:
        return settings.processes
    first = settings.port_first + settings.port_first % 2
    pairs = (settings.port_last + 1 - first) // 2
    return max(1, min(cores // 2, pairs // _CALL_PAIRS))


def port_ranges(first: int, last: int, parts: int) -> list[tuple[int, int]]:
    """Divide UDP ports, both ends inclusive, into ranges of whole pairs (even, odd)."""
    first += first % 2
    pairs = (last + 1 - first) // 2
    bounds = [first + 2 * (pairs * part // parts) for part in range(parts + 1)]
    return [(begin, end - 1) for begin, end in pairwise(bounds)]


def commands(
    settings: MediaSettings, sockets: Sequence[Path], cores: Sequence[int]
) -> Iterator[list[str]]:
    """Yield the program and arguments of each process.

    Args:
        settings: of all.
        sockets: one for each process.
        cores: those that may be used, ascending; the last ones are taken, since the first ones have
            the network card's interrupts.
    """
    ranges = port_ranges(settings.port_first, settings.port_last, len(sockets))
    for number, (socket, (first, last)) in enumerate(zip(sockets, ranges, strict=True)):
        options = {
            "--socket": str(socket),
            "--host": settings.host,
            "--ports": f"{first}-{last}",
            "--engine": settings.engine,
        }
        if settings.pin_cores:
            options["--core"] = str(cores[-1 - number % len(cores)])
        arguments = [part for option in options.items() for part in option]
        if settings.realtime is not False:
            arguments += ["--realtime", "auto" if settings.realtime == "auto" else "always"]
        yield [sys.executable, "-m", "telephony.media", *arguments]


def usable_cores() -> list[int]:
    """Return the cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


class MediaHealth:
    """One state of health of several media processes.

    Args:
        count: how many there are.
        report: told the state (ok, degraded, away) and why.
    """

    def __init__(self, count: int, report: Callable[[str, str | None], None]) -> None:
        self._report = report
        self._states: dict[str, ChildState] = {title(number): "starting" for number in range(count)}
        self._failed_recording: str | None = None

    def state(self, name: str, state: ChildState) -> None:
        """Note a process's state."""
        self._states[name] = state
        self._tell()

    def recording_failed(self, reason: str) -> None:
        """Raise the alarm of a full disk: the calls go on, unrecorded."""
        self._failed_recording = reason
        self._tell()

    def _tell(self) -> None:
        away = {name: state for name, state in self._states.items() if state != "running"}
        said = [f"{name}: {state}" for name, state in away.items()]
        if len(away) == len(self._states):
            self._report("away", "; ".join(said))
            return
        if self._failed_recording is not None:
            said.append(f"a recording failed: {self._failed_recording}")
        self._report("degraded" if said else "ok", "; ".join(said) or None)
