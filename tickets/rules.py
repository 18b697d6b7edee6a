"""The rule data that ships in ``tickets/data``: read once, kept for the life of the process."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("data")


@cache
def load(name: str) -> dict[str, Any]:
    """Return the parsed ``tickets/data/<name>.toml``; treat it as read-only.

    Raises:
        OSError: the installation lacks the file.
        tomllib.TOMLDecodeError: somebody broke it.
    """
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


@cache
def word_set(name: str, key: str) -> frozenset[str]:
    """Return a list of words of a rule file; a string counts as its characters."""
    words = load(name)[key]
    return frozenset("".join(words.split()) if isinstance(words, str) else words)
