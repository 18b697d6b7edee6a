"""Huge pages for what a node keeps: its modules, dictionaries and models.

Between two messages of a call a node does a hundred other things, so what it comes back to lies in
no cache of the processor's; and with small pages it has to be looked up first where it lies.
"""

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_KERNELS: Final = Path("/sys/kernel/mm/transparent_hugepage")
_COLLAPSE: Final = 25  # MADV_COLLAPSE of madvise(2), Linux 6.1
_MAPPING: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ 0(?: +\[(?:heap|anon:.*)\])?")
_IN_MEMORY: Final = 0.75  # of a mapping: others (threads' stacks) would grow


def gather() -> int:
    """Let what this process has in memory now lie in huge pages; return how many octets were tried.

    It is copied, which takes some milliseconds a MiB, once: what lies in them already is passed
    over. Nothing happens where they are forbidden, or the kernel knows no such request.
    """
    try:
        choice = (_KERNELS / "enabled").read_text(encoding="ascii")
        size = int((_KERNELS / "hpage_pmd_size").read_text(encoding="ascii"))
        mappings = Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0  # not Linux, or built without
    if "[never]" in choice:
        return 0
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    tried = 0
    for begin, end in own_memory(mappings):
        first, last = -(-begin // size) * size, end // size * size
        if last > first:
            madvise(first, last - first, _COLLAPSE)  # as far as it can: nothing depends on it
            tried += last - first
    return tried


def own_memory(mappings: str) -> Iterator[tuple[int, int]]:
    """Yield where the mappings lie that are no files', and in memory for the most part."""
    for part in re.split(r"\n(?=[0-9a-f]+-)", mappings):
        head, *lines = part.splitlines()
        found = _MAPPING.fullmatch(head.rstrip())
        sizes = dict(line.split()[:2] for line in lines if line.startswith(("Size:", "Rss:")))
        if found and int(sizes["Rss:"]) >= _IN_MEMORY * int(sizes["Size:"]):
            yield int(found[1], 16), int(found[2], 16)
