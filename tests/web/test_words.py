"""The pages' words: both languages have the same, and whatever a page asks for is there."""

import json
import re
from pathlib import Path

import pytest

from calls.reporting.tables import COUNTS, DIRECTIONS, SECONDS, SHARES, VOLUMES
from tickets import rules

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "web" / "static"
_KEY = re.compile(r'^  "?([\w.-]+)"?:', re.MULTILINE)
_SHOWN = re.compile(r'data-i18n(?:-\w+)?="([\w.-]+)"')
_ASKED = re.compile(r'\bt\("([\w.-]+)"[,)]')


def words(language: str) -> set[str]:
    files = [path for path in STATIC.glob("words_*.js") if path.stem.endswith(language)]
    return {key for file in files for key in _KEY.findall(file.read_text())}


def test_both_languages_have_the_same_words() -> None:
    assert len(words("zh")) > 100
    assert words("zh") == words("en")


@pytest.mark.parametrize("page", sorted(STATIC.glob("*.*")), ids=lambda page: page.name)
def test_every_word_that_a_page_asks_for_is_there(page: Path) -> None:
    pattern = {".html": _SHOWN, ".js": _ASKED}.get(page.suffix)
    if pattern is not None:
        assert set(pattern.findall(page.read_text())) <= words("zh")


def test_every_figure_of_a_report_has_its_words() -> None:
    figures = {f"report.{name}" for name in (*COUNTS, *SECONDS, *SHARES, *DIRECTIONS)}
    assert figures | {f"report.by_{name}" for name in VOLUMES} <= words("zh")


def test_the_form_of_urgency_knows_every_guard() -> None:
    guards = set(rules.load("urgency")["guards"])
    form = (STATIC / "text_forms.js").read_text()
    listed = re.search(r"^const GUARDS = (\[.*\]);$", form, re.MULTILINE)
    assert listed
    assert set(json.loads(listed[1])) == guards
    assert {f"guard.{name}" for name in guards} <= words("zh")


def test_no_page_has_script_or_style_of_its_own() -> None:
    """The content security policy would refuse it."""
    for page in STATIC.glob("*.html"):
        text = page.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", text), page
