"""The pages for readers name files, folders and commands: all of them are there."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = (
    *("agents", "asr", "bench", "calls", "config", "deploy", "docs", "eventbus", "hotline"),
    *("requirements", "scripts", "telephony", "tests", "tickets", "web"),
)
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)\s#]+)")
FILE = re.compile(r"`([\w./-]+\.(?:py|lua|js|c|sh|toml))(?:::\w+)?`")
MODULE = re.compile(r"python -m ((?:bench|hotline|tickets|asr)(?:\.\w+)*)")


@cache
def _files() -> frozenset[str]:
    """Return every path of ours, and each path's ends: ``a/b/c.py``, ``b/c.py``, ``c.py``."""
    paths = [path for folder in OURS for path in (ROOT / folder).rglob("*") if path.is_file()]
    paths += [path for path in ROOT.iterdir() if path.is_file()]
    parts = [path.relative_to(ROOT).parts for path in paths]
    return frozenset("/".join(one[at:]) for one in parts for at in range(len(one)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    files = [name for name in FILE.findall(text) if name.removeprefix("./") not in _files()]
    modules = [
        name
        for name in MODULE.findall(text)
        if not {name.replace(".", "/") + end for end in (".py", "/__main__.py")} & _files()
    ]
    assert (links, files, modules) == ([], [], [])


def _anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings have (GitHub's way of making them)."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_to_a_heading_meets_one(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)\s#]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    named = [(page.parent / path if path else page, anchor) for path, anchor in links]
    assert [link for link in named if link[1] not in _anchors(link[0])] == []
