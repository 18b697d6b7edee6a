"""Places that nothing marks but where they stand: 陆渡这边, 我们浏家港这里.

A last resort, where nothing is known of the address yet and no part of an utterance has a name's
ending, a preposition or a number: the characters before 这边 or 附近 are taken for a name when the
dictionary does not know them, or knows them as what is neither a person's nor a city's (苏州那边
的医院), an utterance's first ones before 我家 when they end as new estates do.
"""

import re

from tickets.lexicon import cut
from tickets.place_names import name_start
from tickets.places import NEAR, NOWHERE, Place

_SHORTEST, _LONGEST = 2, 6
_NAMES = frozenset({"nz", "nt"})
_PERSON = re.compile(
    r"(?:师傅|老板娘?|经理|阿姨|先生|女士|小姐|老师|医生|大夫|护士|书记|主任|队长|警官|律师|大爷|大妈|大姐|大哥|叔叔?|总|工|哥|姐)$"
)
_NAMESAKES = frozenset({"ns", "nr"})
"""Kinds of what is a place here only when it ends as one does: 白鹭湾, not 苏州 or 王师傅."""
_SPOT = frozenset("岛湾屿渡滩")
_ESTATE = frozenset("城苑庭园府湾邸墅轩阁居郡洲寓")
_AT_FIRST = re.compile(
    r"^(?P<name>[\u4e00-\u9fff]{3,6}?)(?=我们?(?:家|楼|隔壁|对门|这|那|小区|单元|村|住))"
)
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
    first = _AT_FIRST.match(text)
    if first and name_start(text, first.end()) == 0 and _is_estate(first["name"]):
        return Place("loose", first["name"], "", 0, first.end())
    return None


def _is_estate(name: str) -> bool:
    """Tell whether an estate's name may stand before 我家: 水岸花城我楼下, not 幼儿园我家孩子."""
    words = cut(name)
    if name[-1] not in _ESTATE or len(words) == 1:
        return False
    return NOWHERE.search(name) is None and all(
        word.kind[0] in "nx" or len(word.text) == 1 for word in words
    )


def _may_be_one(name: str) -> bool:
    if name[-1] in _THINGS or NOWHERE.search(name) or not name.isalpha() or _PERSON.search(name):
        return False
    kinds = _NAMES | _NAMESAKES if name[-1] in _SPOT | _ESTATE else _NAMES
    return all(len(word.text) == 1 or word.kind in kinds for word in cut(name))
