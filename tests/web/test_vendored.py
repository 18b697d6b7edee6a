"""Others' code in the pages is what VENDORED.md says."""

import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).parents[2] / "web" / "static" / "vendor"
ROW = re.compile(r"^\| (\S+\.js) \|.*\| ([0-9a-f]{64}) \|$", re.MULTILINE)


def test_each_file_is_listed_with_its_checksum_and_has_its_licence() -> None:
    listed = dict(ROW.findall((VENDOR / "VENDORED.md").read_text(encoding="utf-8")))
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.glob("*.js")
    }
    assert listed == there
    for name in there:
        licence = VENDOR / name.replace(".js", ".LICENSE.txt")
        assert "Permission is hereby granted" in licence.read_text(encoding="utf-8")
