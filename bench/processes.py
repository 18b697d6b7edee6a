"""What other processes have taken: processor time and memory (Linux)."""

import os
import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of another process: its clock's number is made of its pid."""
    return time.clock_gettime((~pid << 3) | 2)


def family_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, of its children and of those that have ended."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    ticks = 0
    for process in (str(pid), *children):
        try:
            text = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
        except OSError:  # it has just ended: the parent has its time
            continue
        # The 14th field and the next: utime, stime, and those of the children that have ended.
        ticks += sum(map(int, text.rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_kb(pid: int) -> int:
    """Return how much memory another process holds, in kB."""
    fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGESIZE") // 1024


def memory_mb(pid: int) -> tuple[float, float]:
    """Return another process's memory, MB: resident, and with shared pages divided.

    They are Rss and Pss of proc(5)'s smaps_rollup.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return sizes["Rss"] / 1024, sizes["Pss"] / 1024
