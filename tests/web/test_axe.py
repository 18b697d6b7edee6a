"""What the look at accessibility (test_staff_pages.py) rests on."""

import hashlib
from pathlib import Path

from web.pages import PAGES

AXE = Path(__file__).parents[1] / "assets" / "axe"


def test_axe_is_the_one_that_was_fetched() -> None:
    digest, name = (AXE / "SHA256SUMS").read_text().split()
    assert hashlib.sha256((AXE / name).read_bytes()).hexdigest() == digest


def test_every_page_is_looked_at() -> None:
    """Whoever adds a page adds it to the tests above."""
    assert set(PAGES) == {"/", "/wall", "/team", "/admin", "/api/docs"}
