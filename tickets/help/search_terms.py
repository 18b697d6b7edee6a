"""Text as the index sees it: words, and how pairs of syllables sound.

Both full-text engines (SQLite's FTS5 and PostgreSQL's) split at blanks and know no Chinese, so
what is indexed and what is asked for is cut into words here (jieba). A recogniser that writes a
name with other characters still finds it by its sound: each two neighbouring syllables, folded as
accents fold them (:mod:`tickets.sounds`), are a term too.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from tickets.lexicon import cut
from tickets.sounds import syllables

_USEFUL: Final = frozenset("nvagbijlsz")
"""Parts of speech (jieba's first letter) that say what a text is about."""
_STOP: Final = frozenset(
    [
        "是",
        "有",
        "在",
        "说",
        "要",
        "想",
        "去",
        "来",
        "到",
        "给",
        "让",
        "把",
        "会",
        "能",
        "可以",
        "请问",
        "问",
        "知道",
        "反映",
        "你好",
        "您好",
        "谢谢",
        "这个",
        "那个",
        "什么",
        "怎么",
        "时候",
        "一下",
        "现在",
        "然后",
        "就是",
        "因为",
        "所以",
        "没有",
        "我们",
        "你们",
        "他们",
        "先生",
        "女士",
        "热线",
        "电话",
        "情况",
        "问题",
        "事情",
    ]
)
_SHORTEST: Final = 2
_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]+")


def words(text: str) -> list[str]:
    """Return the words of a text that say what it is about, as often as they occur."""
    return [
        word.text.lower()
        for word in cut(text)
        if len(word.text) >= _SHORTEST
        and word.text not in _STOP
        and (word.kind[0] in _USEFUL or word.text.isalnum())
    ]


def sounds(texts: Iterable[str]) -> list[str]:
    """Return the sound terms of texts, each by itself: ``~gong.ji`` and ``~ji.jin`` of 公积金."""
    terms = []
    for run in (run for text in texts for run in _CHINESE.findall(text)):
        folded = [syllable.folded for syllable in syllables(run)]
        terms += [f"~{one}.{two}" for one, two in pairwise(folded)]
    return terms
