"""Chinese words: jieba's dictionary, loaded once, quietly, and without a cache file.

jieba itself writes a marshalled cache into the shared temporary folder and loads whatever it finds
there; here the dictionary is read straight from the package, in one pass that also keeps each
word's part of speech.
"""

import warnings
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

with warnings.catch_warnings():
    # jieba 0.42.1 imports pkg_resources and has invalid escapes; neither is ours to mend.
    warnings.simplefilter("ignore")
    import jieba


class Word(NamedTuple):
    """A word, and jieba's part of speech: n noun, ns place, v verb, r pronoun, t time, ..."""

    text: str
    kind: str


def warm_up() -> None:
    """Load the dictionary now (about a second, once a process) instead of at the first call."""
    _dictionary()


def cut(text: str) -> list[Word]:
    """Split text into dictionary words; what is no word comes out as single characters."""
    tokenizer, kinds = _dictionary()
    return [Word(word, kinds.get(word, "x")) for word in tokenizer.cut(text, HMM=False)]


def boundaries(text: str) -> set[int]:
    """Return the positions in ``text`` where a word ends."""
    ends, position = set(), 0
    for word in cut(text):
        position += len(word.text)
        ends.add(position)
    return ends


@cache
def _dictionary() -> tuple[Any, dict[str, str]]:
    frequencies: dict[str, int] = {}
    kinds: dict[str, str] = {}
    total = 0
    with Path(jieba.__file__).with_name("dict.txt").open(encoding="utf-8") as lines:
        for line in lines:
            word, count, kind = line.split()
            frequencies[word] = int(count)
            kinds[word] = kind
            total += int(count)
            # jieba walks a word letter by letter and stops where no entry begins that way.
            for length in range(1, len(word)):
                frequencies.setdefault(word[:length], 0)
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total, tokenizer.initialized = frequencies, total, True
    return tokenizer, kinds
