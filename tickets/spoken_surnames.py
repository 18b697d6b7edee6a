"""Family names that the recogniser wrote with a character that is none: 我姓软 → 我姓阮.

A recogniser that does not know a family name writes the commonest character of its sound. After
我姓, and where an utterance is nothing but 姓 and it, that character is put right if it is no
family name itself and one of the same sound and tone is; of several the one that more people have
(``tickets/data/surnames.toml``).
"""

import re
from functools import cache

from tickets import rules
from tickets.gazetteer import Repair
from tickets.sounds import Syllable, readings

_FAMILY = re.compile(
    r"(?:^[嗯啊哦]*(?=姓[\u4e00-\u9fff]$)|我|本人|免贵|我就|我是)姓(?P<name>[\u4e00-\u9fff])"
    r"(?![\u4e00-\u9fff]{1,3}的(?P=name))(?=$|，|我|你|电话|手机|号码|就|的|(?P<titled>(?P=name)?(?:先生|女士|小姐)))"
)
_NO_NAME = frozenset("什啥名氏不么的是了个呃额嗯没好一")


def surname_repairs(spoken: str) -> list[Repair]:
    """Return the family names of an utterance that were written with another character."""
    found = []
    for match in _FAMILY.finditer(spoken):
        heard = match["name"]
        if heard in _NO_NAME or heard in rules.word_set("surnames", "single"):
            continue
        name = _by_sound().get(readings(heard)[0])
        if name is not None:
            start = match.start("name")
            again = spoken[start + 1] == heard if match["titled"] else False  # 我姓珍珍女士
            spots = (start, start + 1) if again else (start,)
            found += [Repair(at, at + 1, heard, name, 0.0) for at in spots]
    return found


@cache
def _by_sound() -> dict[Syllable, str]:
    """Return the most frequent family name of each sound, tone included."""
    names: dict[Syllable, str] = {}
    for name in "".join(rules.load("surnames")["single"].split()):
        names.setdefault(readings(name)[0], name)
    return names
