"""How far a place's name reaches to the left of its ending: 居民 + 西北 + 街.

The walk goes word by word through jieba's dictionary; ``[not_in_a_name]`` of
``tickets/data/places.toml`` holds what ends it.
"""

import re
from functools import cache

from tickets import rules
from tickets.lexicon import cut

SHORTEST_NAME, LONGEST_NAME = 2, 10  # characters: 沙溪
DIRECTIONS = "东南西北中上下前后新老"
_AFTER_THIS = ("里", "边", "个", "儿", "些", "条", "家", "座", "位", "块", "片")
_MEASURES = ("个", "家", "条", "座", "位")
_SEATS = frozenset("港桥浜湾庄宅渡坝塘墩浦坞坪岭沟角堡寨集巷弄村")
_NO_SEAT = frozenset("我你他她们人大这那哪几一两三每各全自本公国住在回到老这的有农商厂店买卖")
_SEAT = 2  # characters: 浏家
_CLOSED_KINDS = frozenset("rpcudyeotk")
_OUTSIDE = ("在", "住", "到", "去", "是", "我们", "你们", "咱们", "你好", "您好")
_WITHIN = re.compile(r"[面边头屋间弄道街区湖]|河道|口(?!村)|$")
_VERBAL_KINDS = frozenset("vlizm")


def name_start(text: str, end: int, floor: int = 0) -> int:
    """Return where the name that ends at ``end`` begins, walking left word by word.

    Args:
        text: the utterance.
        end: where the walk starts.
        floor: where it must stop at the latest.
    """
    cuts = rules.load("places")["not_in_a_name"]["cuts"]
    start = max(floor, end - LONGEST_NAME - 4)
    bound = floor
    for position in range(end - 1, start - 1, -1):
        if text[position] in cuts:
            start = bound = position + 1
            break
    if start and text[start - 1] in "这那哪" and text[start : start + 1] in _AFTER_THIS:
        start += 1
    begin = end
    for word in reversed(cut(text[start:end])):
        if _joins_nothing(text, begin - len(word.text), bound, floor) or (
            word.text == "家" and _is_seat(text, begin - 1)
        ):
            begin -= len(word.text)
            continue
        if not may_belong(word.text, word.kind, adjacent=not text[begin:end].strip(DIRECTIONS)):
            break
        if end - begin + len(word.text) > LONGEST_NAME:
            break
        begin -= len(word.text)
    if begin and text[begin : begin + 1] in _MEASURES and text[begin - 1] in "那这哪一几某两每有":
        begin += 1
    if begin and _begins_with_inside(text, begin - 1, floor):
        begin -= 1
    # One function word alone is no name (没路), but it may end one (金都家园).
    return end if text[begin:end] in _stop_words() else begin


def _is_seat(text: str, position: int) -> bool:
    """Tell whether 家 at ``position`` stands inside a name: 浏家港, not 我家河边."""
    before, after = text[max(0, position - 1) : position], text[position + 1 : position + 2]
    return bool(before and after) and after in _SEATS and before not in _NO_SEAT


def _begins_with_inside(text: str, position: int, floor: int) -> bool:
    """Tell whether 里 at ``position`` begins a name, there being nothing it could be inside of.

    董家镇 + 里睦村: the village is not 睦村; 里河新村 as the whole answer, or after 在 and 我们.
    """
    after_town = 0 < floor == position and text[position - 1] in "镇乡道"
    if (after_town and text[position] in "里上下") or (position == 0 and text[0] == "里"):
        return True
    outside = text[position] == "里" and text[:position].endswith(_OUTSIDE)
    return outside and not _WITHIN.match(text, position + 1)


def _joins_nothing(text: str, position: int, bound: int, floor: int) -> bool:
    """Tell whether 和 at ``position`` is part of a name, having nothing to join.

    在 + 和园18幢, 嘉和园9幢; but 长江路 + 和太湖路 join two places.
    """
    if text[position] not in "和同与" or bound == floor != 0:
        return False
    return position - bound == 1 or (position == bound and bound > 0)


@cache
def _stop_words() -> frozenset[str]:
    return frozenset(rules.load("places")["not_in_a_name"]["words"].split())


def may_belong(word: str, kind: str, *, adjacent: bool) -> bool:
    """Tell whether a word may be part of a place's name.

    A verb may (建设路, 前进街) when it stands right before the ending; single characters may unless
    they are function words, since unknown names fall apart into them.
    """
    if len(word) == 1:
        return adjacent or word not in _stop_words()
    if word in _stop_words():
        return False
    if (
        kind[0] in _CLOSED_KINDS
        and not (adjacent and kind in {"d", "t"})  # 青年, says jieba, is a time
        and kind not in {"ns", "nt", "tg"}
    ):
        return False
    return adjacent or kind[0] not in _VERBAL_KINDS or kind == "vn"


def is_family_seat(stem: str) -> bool:
    """Tell whether a stem is a family's: 张家浜 or 浏家港, not 这家店."""
    if stem[-1:] != "家":
        return False
    return stem[-2:-1] in rules.word_set("surnames", "single") or (
        len(stem) == _SEAT and stem[0] not in _NO_SEAT
    )


@cache
def never_names() -> frozenset[str]:
    """Return the whole "names" that name nothing: 马路, 小区."""
    return frozenset(rules.load("places")["not_a_place"]["words"])
