"""A summary in the citizen's own words: three of his sentences, chosen and never changed.

Which ones: those whose words come up most in this call (a sentence's content words, each by how
often it is said), those that say where and when, and the one that says what he wants; a sentence
that repeats another adds nothing. In the order in which they were said.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from tickets.content import readable
from tickets.lexicon import cut

SENTENCES: Final = 3
_LONGEST: Final = 80
_CONTENT: Final = frozenset("nvagt")
_EMPTY_WORDS: Final = frozenset("是有在到说要想去来给让把被会能就没不我你他们这那个")
_WISH: Final = re.compile(
    "希望|要求|能不能|能否|可不可以|请你们|麻烦|尽快|赶紧|想知道|想问|怎么办|建议|投诉|举报"
)
_PLACE: Final = re.compile(r"[路街巷弄村镇区园苑庄桥](?:\d|[的在上边口门])|\d+[号幢栋室]")
_TIME: Final = re.compile(r"\d+[点月日天年]|昨天|今天|前天|早上|晚上|上午|下午|夜里|最近|一直")
_SPLIT: Final = re.compile(r"(?<=[。！？；])|(?<=，)(?=.{60,})")
_NOVEL: Final = 0.3


def sentences(utterances: Sequence[str]) -> list[str]:
    """Return what was said as sentences that tell something; greetings are left out."""
    pieces = [piece for text in utterances for piece in _SPLIT.split(text) if piece]
    return [piece for piece in pieces if len(readable(piece.rstrip("。！？；，"))) > 3]  # noqa: PLR2004 - shorter says nothing


def summarise(utterances: Sequence[str], *, limit: int = SENTENCES) -> list[str]:
    """Return up to ``limit`` sentences of the citizen, word for word, in their order.

    Args:
        utterances: what the citizen said, punctuated where that is known.
        limit: how many sentences.
    """
    said = sentences(utterances)
    words = [_words(sentence) for sentence in said]
    often = Counter(word for of_one in words for word in of_one)
    chosen: list[int] = []
    covered: set[str] = set()
    while len(chosen) < min(limit, len(said)):
        scores = {
            number: _score(said[number], of_one, often, covered)
            for number, of_one in enumerate(words)
            if number not in chosen
        }
        best = max(scores, key=lambda number: (scores[number], -number))
        if chosen and scores[best] <= 0:
            break
        chosen.append(best)
        covered |= words[best]
    return [said[number] for number in sorted(chosen)]


def _score(sentence: str, words: frozenset[str], often: Counter[str], covered: set[str]) -> float:
    new = words - covered
    if covered and len(new) < _NOVEL * len(words):
        return 0.0
    weight = float(sum(often[word] for word in new))
    weight += 3.0 * bool(_PLACE.search(sentence)) + 2.0 * bool(_WISH.search(sentence))
    weight += 1.0 * bool(_TIME.search(sentence))
    return weight * min(1.0, _LONGEST / max(1, len(sentence)))


def _words(sentence: str) -> frozenset[str]:
    return frozenset(
        word.text
        for word in cut(sentence)
        if word.kind[0] in _CONTENT and word.text not in _EMPTY_WORDS
    )
