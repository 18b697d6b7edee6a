"""Places that nothing marks but where they stand: 陆渡这边, 我们浏家港这里.

A last resort, where no part of an utterance has a name's ending, a preposition or a number: the
characters before 这边 or 附近 are taken for a name when the dictionary knows them as none but a
name's, or not at all.
"""

from tickets.lexicon import cut
from tickets.place_names import name_start
from tickets.places import NEAR, NOWHERE, Place

_SHORTEST, _LONGEST = 2, 6
_NAMES = frozenset({"ns", "nz", "nr", "nrt", "nrfg", "nt"})
_THINGS = frozenset(
    "店家门楼房厂车树井坑灯牌桶箱摊桥河沟墙台口边旁人路园场所院室站区村镇的里上下点子公婆爸妈爷奶儿女弟妹哥姐叔嫂"
)
"""Last characters of what is no name, whatever stands before them: 他家门口, 那棵树旁边."""


def bare_place(text: str) -> Place | None:
    """Return the first such place of an utterance (names and numbers blanked), or None."""
    for near in NEAR.finditer(text):
        begin = name_start(text, near.start())
        name = text[begin : near.start()]
        if _SHORTEST <= len(name) <= _LONGEST and _may_be_one(name):
            return Place("loose", name, "", begin, near.start())
    return None


def _may_be_one(name: str) -> bool:
    if name[-1] in _THINGS or NOWHERE.search(name) or not name.isalpha():
        return False
    return all(len(word.text) == 1 or word.kind in _NAMES for word in cut(name))
