"""Whether packets go before what is not in real time (sched(7), SCHED_FIFO), and for how long.

It halves the worst delays where other programs want the same core. What could make it dangerous is
held by three things: a share of the core that the thread gives its priority up beyond
(``native/urgent.c``), the kernel's own reserve for everybody else, and its limit on a run without
waiting. ``auto`` wants the second, and a second core: on one alone, whoever answers calls and
pages would wait for every packet, which is worth more than a millisecond of theirs.
"""

import os
from pathlib import Path
from typing import Final, Literal

Realtime = Literal["auto", "always", "never"]
REALTIME: Final = ("auto", "always", "never")

SHARE: Final = 0.8
"""Of a core: who takes more in real time gives it up."""

_RESERVE = Path("/proc/sys/kernel/sched_rt_runtime_us")


def objection(cores: int, runtime_us: int | None) -> str | None:
    """Say why nobody should go first by himself; None: nothing speaks against it. Pure.

    Args:
        cores: that the node may use.
        runtime_us: how much of a period the kernel gives to real time (``sched_rt_runtime_us``);
            -1: all of it, None: it does not say.
    """
    if cores < 2:  # noqa: PLR2004 - see the module's text
        return "there is one core, which the answers to calls need as well"
    if runtime_us is None or runtime_us < 0:
        return "the kernel keeps no time for what is not in real time (sched_rt_runtime_us)"
    return None


def share_of(realtime: Realtime, *, reserve: Path = _RESERVE) -> tuple[float, str | None]:
    """Return up to which share of a core packets go first, and why not; 0: they do not."""
    if realtime == "never":
        return 0.0, None
    found = None if realtime == "always" else objection(_cores(), _runtime_us(reserve))
    return (SHARE, None) if found is None else (0.0, found)


def _cores() -> int:
    """Count the cores of whoever started us: we ourselves may be tied to one (``pin_cores``)."""
    try:
        return len(os.sched_getaffinity(os.getppid()))
    except OSError:  # it is gone
        return len(os.sched_getaffinity(0))


def _runtime_us(reserve: Path) -> int | None:
    try:
        return int(reserve.read_text())
    except (OSError, ValueError):
        return None
