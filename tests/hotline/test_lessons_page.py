"""Every test that docs/lessons.md names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "lessons.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


@pytest.mark.parametrize("path, name", NAMED)
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    assert any(line.startswith((f"def {name}(", f"async def {name}(")) for line in lines)


def test_every_row_names_one() -> None:
    rows = [line for line in PAGE.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 23
    assert [row for row in rows if "::test_" not in row] == []
