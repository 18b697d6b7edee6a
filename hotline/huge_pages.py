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
_LARGEST: Final = 1 << 22  # (where small pages are of 64 KiB, huge ones are of 512 MiB)
_IN_MEMORY: Final = 0.75  # of a mapping: others (threads' stacks) would grow


def pages() -> list[tuple[int, int]]:
    """Return where huge pages could hold what this process has in memory now: (begin, octets).

    None where they are forbidden, or the kernel has none. Reading it takes some 10 ms.
    """
    try:
        choice = (_KERNELS / "enabled").read_text(encoding="ascii")
        size = int((_KERNELS / "hpage_pmd_size").read_text(encoding="ascii"))
        mappings = Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []  # not Linux, or built without
    if "[never]" in choice or size > _LARGEST:
        return []
    return [
        (page, size)
        for begin, end in own_memory(mappings)
        for page in range(-(-begin // size) * size, end // size * size, size)
    ]


def gather(page: int, octets: int) -> None:
    """Have one huge page hold what lies there; it is copied, in some milliseconds.

    What lies in one already is passed over, as is all that the kernel cannot do.
    """
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    madvise(page, octets, _COLLAPSE)


def own_memory(mappings: str) -> Iterator[tuple[int, int]]:
    """Yield where the mappings lie that are no files', and in memory for the most part."""
    for part in re.split(r"\n(?=[0-9a-f]+-)", mappings):
        head, *lines = part.splitlines()
        found = _MAPPING.fullmatch(head.rstrip())
        sizes = dict(line.split()[:2] for line in lines if line.startswith(("Size:", "Rss:")))
        if found and int(sizes["Rss:"]) >= _IN_MEMORY * int(sizes["Size:"]):
            yield int(found[1], 16), int(found[2], 16)
