"""What a text is made of, for a trained model: its character pairs, and the concepts it speaks of.

A concept is a list of words of one thing (``tickets/data/concepts.toml``). A few hundred closed
tickets are too few to learn that 幼儿园 and 小学 go together; the concept says so beforehand.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Literal, get_args

from tickets import rules

Block = Literal["characters", "concepts"]
BLOCKS: tuple[Block, ...] = get_args(Block)
"""Each kind of term is weighted and normalised by itself; both then count alike."""

Concepts = Mapping[str, tuple[str, ...]]
"""The words of each concept, as ``folded`` writes them."""

_LONGEST = 2
_SPACE = re.compile(r"\s+")


def shipped_concepts() -> Concepts:
    """Return the concepts that ship with the product."""
    return {
        name: tuple(sorted({folded(word) for word in words.split()}))
        for name, words in rules.load("concepts").items()
    }


def folded(text: str) -> str:
    """Return the text with full-width forms, case and white space made alike."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text)).strip().upper()


def count(text: str, concepts: Concepts) -> dict[Block, Counter[str]]:
    """Count a text's terms by block."""
    text = folded(text)
    characters = Counter(
        text[start : start + length]
        for length in range(1, _LONGEST + 1)
        for start in range(len(text) - length + 1)
    )
    heard = Counter({name: sum(map(text.count, words)) for name, words in concepts.items()})
    return {"characters": characters, "concepts": +heard}
