"""Which memory is put into huge pages."""

from pathlib import Path

import pytest

from hotline import huge_pages

SMAPS = """\
55d0c1a00000-55d0c3a00000 rw-p 00000000 00:00 0                          [heap]
Size:              32768 kB
KernelPageSize:        4 kB
Rss:               30000 kB
VmFlags: rd wr mr mw me ac
7f1100000000-7f1100800000 rw-p 00000000 00:00 0
Size:               8192 kB
Rss:                  12 kB
7f1200000000-7f1200400000 rw-p 00000000 00:00 0
Size:               4096 kB
Rss:                4096 kB
7f1300000000-7f1300400000 r-xp 00001000 fe:00 1234                       /usr/lib/libc.so.6
Size:               4096 kB
Rss:                4096 kB
7f1400000000-7f1400400000 rw-p 00001000 fe:00 1234                       /usr/lib/libc.so.6
Size:               4096 kB
Rss:                4096 kB
7f1500000000-7f1500400000 rw-s 00000000 00:01 0
Size:               4096 kB
Rss:                4096 kB
7ffd00000000-7ffd00400000 rw-p 00000000 00:00 0                          [stack]
Size:               4096 kB
Rss:                4096 kB
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
Size:                  4 kB
Rss:                   0 kB
"""


def test_our_own_memory_is_what_no_file_holds_and_is_in_use() -> None:
    assert list(huge_pages.own_memory(SMAPS)) == [
        (0x55D0C1A00000, 0x55D0C3A00000),
        (0x7F1200000000, 0x7F1200400000),
    ]


def test_what_is_gathered_is_as_it_was() -> None:
    kept = [bytes([number % 251]) * 1000 for number in range(20_000)]
    found = huge_pages.pages()
    for page in found:
        huge_pages.gather(*page)
    assert all(octets == bytes([number % 251]) * 1000 for number, octets in enumerate(kept))


def test_nothing_is_done_where_huge_pages_are_forbidden_or_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(huge_pages, "_KERNELS", tmp_path)
    assert huge_pages.pages() == []
    (tmp_path / "enabled").write_text("always madvise [never]\n", encoding="ascii")
    (tmp_path / "hpage_pmd_size").write_text("2097152\n", encoding="ascii")
    assert huge_pages.pages() == []
    (tmp_path / "enabled").write_text("always [madvise] never\n", encoding="ascii")
    (tmp_path / "hpage_pmd_size").write_text("536870912\n", encoding="ascii")
    assert huge_pages.pages() == []
