"""Commas and full stops for what was said: by the speaker's pauses, and by a few set words."""

import re
from collections.abc import Sequence
from itertools import pairwise

_PAUSE = 0.35
"""Seconds of silence between two words that are a comma."""
_SHORTEST = 3
"""Characters between two commas, where it is a word that asks for one."""
_AFTER = re.compile(
    r"(?:^(?:喂|诶|哎)|^(?:喂|诶|哎)?(?:您好|你好)(?:啊|呀)?"
    r"|^(?:好的|是的|对的|没错|不对|不是的)(?=.{3}))"
)
_BEFORE = re.compile(
    r"但是|所以|而且|然后|不过|因为|如果|要是|另外|还有就是|结果|后来|可是|请问|希望你们|麻烦你们"
    r"|我姓(?!名)|我叫|我的电话|电话是|打我"
)
_QUESTION = re.compile(
    r"(?:吗|呢|么|没有呢|怎么办|怎么弄|怎么样|多少钱?|几点|哪里|在哪|哪儿|什么时候|为什么|可以不|行不行"
    r"|是不是|能不能|有没有|对不对|好不好)(?:啊|呀|的)?$"
    r"|^(?:请问|我想问一下|问一下).*(?:怎么|哪|几|多少|什么|如何|能不能|是否|可不可以).*$"
)
_POINTED = re.compile(r"[，。？！；]")
_NO_BREAK_BEFORE = re.compile(r"[的了吗呢吧啊呀么]")


def punctuated(text: str, pauses: Sequence[float] = ()) -> str:
    """Return the text with punctuation.

    Args:
        text: one utterance; one that has punctuation is left as it is.
        pauses: the silence before each of its characters, seconds; may be left out.
    """
    if not text or _POINTED.search(text):
        return text  # an engine that punctuates has heard the melody
    breaks = {at for at in _set_words(text) if 0 < at < len(text)}
    for at, pause in enumerate(pauses):
        if 0 < at < len(text) and pause >= _PAUSE and not _NO_BREAK_BEFORE.match(text, at):
            breaks.add(at)
    edges = [0, *sorted(at for at in breaks if _may_break(text, at)), len(text)]
    written = "，".join(text[start:end] for start, end in pairwise(edges))
    return written + ("？" if _QUESTION.search(text) else "。")


def _set_words(text: str) -> set[int]:
    found = {match.end() for match in _AFTER.finditer(text)}
    last = 0
    for match in _BEFORE.finditer(text):
        if match.start() - last >= _SHORTEST:
            found.add(match.start())
            last = match.start()
    return found


def _may_break(text: str, at: int) -> bool:
    """Tell whether a comma here parts neither a number nor a Latin word."""
    return not (text[at - 1].isascii() and text[at].isascii()) and text[at - 1 : at + 1] != "我我"
