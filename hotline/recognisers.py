"""The recognisers of the configuration: their command lines, and one state of health for all."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from asr.control import LoadChanged
from asr.group import USUAL
from config.asr import AsrSettings, RecogniserSettings
from config.directory import LineSettings
from tickets.help.knowledge import Entry

LONGEST_HINT = 16
"""Characters; a longer title is a sentence, which nobody says word for word."""
MOST_HINTS = 2000
"""What a server is told at the start of each stream."""


def recognisers(settings: AsrSettings) -> dict[str, AsrSettings | RecogniserSettings]:
    """Return them by name, the usual one first."""
    return {USUAL: settings, **settings.recognisers}


def title(name: str) -> str:
    """Return what a recogniser is called in the log and among the child processes."""
    return f"recogniser-{name}" if name else "recogniser"


def by_line(settings: AsrSettings, lines: Mapping[str, LineSettings]) -> dict[str, str]:
    """Return which recogniser hears a line's calls, where it is not the usual one."""
    by_skill = {
        number: settings.by_skill[line.skill]
        for number, line in lines.items()
        if line.skill in settings.by_skill
    }
    return {**by_skill, **settings.by_line}


def command(
    settings: AsrSettings,
    recogniser: AsrSettings | RecogniserSettings,
    *,
    socket: Path,
    model: Path | None,
    hints: Path | None = None,
) -> list[str]:
    """Return the program that runs a recogniser, and its arguments.

    Args:
        settings: what all recognisers share.
        recogniser: this one.
        socket: where it is to be reached.
        model: its model's folder, where it needs one.
        hints: a file with what :func:`hints` returned, in the place of its own list.
    """
    vad = settings.vad
    options: dict[str, object] = {
        "--socket": socket,
        "--engine": recogniser.engine,
        "--host": "127.0.0.1",
        "--rate": recogniser.server_rate,
        "--processes": recogniser.processes or os.cpu_count() or 1,
        "--threads": settings.threads,
        "--memory-mb": settings.process_memory_mb,
        "--watchdog": settings.watchdog_seconds,
        "--recycle": settings.recycle_seconds,
        "--backlog": settings.backlog_seconds,
        "--lag-budget": settings.lag_budget_seconds,
        "--pre-roll": vad.pre_roll_seconds,
        "--hang-over": vad.hang_over_seconds,
        "--aggressiveness": vad.aggressiveness,
    }
    if recogniser.engine == "scripted":
        options["--script"] = recogniser.model_path
    elif model is not None:
        options["--model"] = model
    if recogniser.url is not None:
        options["--url"] = recogniser.url
    if phrases := hints or recogniser.phrases_path:
        options["--phrases"] = phrases
    flags = ["--only-phrases"] if recogniser.only_phrases else []
    flags += [] if vad.enabled else ["--no-vad"]
    arguments = [str(part) for option in options.items() for part in option]
    return [sys.executable, "-m", "asr", *arguments, *flags]


def takes_hints(recogniser: AsrSettings | RecogniserSettings) -> bool:
    """Say whether a recogniser can lean towards names without hearing nothing else."""
    return recogniser.engine == "funasr"


def hints(names: Iterable[str], entries: Iterable[Entry], own: Path | None) -> list[str]:
    """Return what is likely to be said: a recogniser's own list, the city's names, the knowledge.

    Raises:
        OSError, UnicodeDecodeError: its own list cannot be read.
    """
    wanted = own.read_text(encoding="utf-8").splitlines() if own is not None else []
    wanted += names
    for entry in entries:
        wanted += [entry.title, *entry.keywords]
    short = (phrase for line in wanted if 0 < len(phrase := line.strip()) <= LONGEST_HINT)
    return list(dict.fromkeys(short))[:MOST_HINTS]


class RecogniserHealth:
    """One state of health of several recognisers.

    Args:
        report: told the state (ok, degraded, away, no_model) and why.
    """

    def __init__(self, report: Callable[[str, str | None], None]) -> None:
        self._report = report
        self._status: dict[str, tuple[str, str | None]] = {}
        self._load: dict[str, LoadChanged] = {}

    def status(self, name: str, status: str, reason: str | None) -> None:
        """Note that a recogniser came, went, or has a reservation about its model."""
        self._status[name] = status, reason
        self._load.pop(name, None)
        self._tell()

    def load(self, name: str, load: LoadChanged) -> None:
        """Note what a recogniser gives up."""
        self._load[name] = load
        self._tell()

    def each(self) -> dict[str, tuple[str, str | None]]:
        """Return each recogniser's state, and why or what it gives up."""
        return {
            name: (status, reason or _given_up(self._load.get(name, LoadChanged())))
            for name, (status, reason) in self._status.items()
        }

    def _tell(self) -> None:
        usual, reason = self._status.get(USUAL, ("away", "not started"))
        if usual != "ok":
            self._report(usual, reason)
            return
        complaints = [
            f"{title(name)}: {reason or status}" if name else str(reason)
            for name, (status, reason) in self._status.items()
            if status != "ok" or reason is not None
        ]
        complaints += [said for load in self._load.values() if (said := _given_up(load))]
        self._report("degraded" if complaints else "ok", "; ".join(complaints) or None)


def _given_up(load: LoadChanged) -> str | None:
    """Say in words what is given up; None when nothing is."""
    said = []
    if load.streams:
        said.append(f"{load.streams} streams are recognised after their calls")
    if load.partials:
        said.append("no partial results")
    if said:
        said.append(f"lag {load.lag:g} s")
    if load.trouble:
        said.append(load.trouble)
    return ", ".join(said) or None
