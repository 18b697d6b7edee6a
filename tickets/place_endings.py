"""What names of places end in, and where one ending stands on another: 虹桥 + 路."""

import re
from functools import cache
from typing import Literal

from tickets import rules
from tickets.place_names import DIRECTIONS, LONGEST_NAME

Kind = Literal["district", "town", "village", "road", "estate", "landmark", "weak", "loose", "unit"]

NATURE = frozenset("湖河江山港塘桥浜")
_STANDS_ALONE = NATURE | {"寺", "庙", "站", "碑"}
_DISTRICTS = frozenset("区市县")
_BEGINS_ANOTHER = frozenset("区市县山江港")
_TOWN_FOLLOWS = re.compile(r"[\u4e00-\u9fff]{2,4}?(?:街道|镇|乡)(?!上|下|里|政府|干部|亲)")


@cache
def endings() -> tuple[re.Pattern[str], dict[str, Kind]]:
    """Return an expression for any ending, longest first, and the kind of each."""
    kinds: dict[str, Kind] = {}
    for kind, words in rules.load("places")["endings"].items():
        kinds.update(dict.fromkeys(words, kind))
    longest_first = sorted(kinds, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))), kinds


@cache
def needs_context() -> frozenset[str]:
    """Return the endings that make a place only where something is said to be there."""
    data = rules.load("places")
    return frozenset(data["endings"]["weak"] + data["doubtful"]["endings"])


def is_followed_badly(text: str, ending: str, end: int) -> bool:
    """Tell whether a word follows that shows the ending to be part of another word: 路 + 灯."""
    tails = rules.load("places")["not_followed_by"].get(ending, ())
    return text.startswith(tuple(tails), end) if tails else False


def longest_ending(text: str, ending: str, start: int, end: int) -> tuple[str, int]:
    """Follow endings that stand on one another: 虹桥 + 路, 南门路 + 小学, 解放路 + 东街.

    Returns:
        The last of them and where it ends.
    """
    pattern, kinds = endings()
    while True:
        following = pattern.match(text, end)
        if following is None and text[end : end + 1] and text[end] in DIRECTIONS:
            following = pattern.match(text, end + 1)
            if following and kinds[following[0]] != "road":
                following = None
        if following is None or is_followed_badly(text, following[0], following.end()):
            return ending, end
        if _begins_another(text, ending, end, following):
            return ending, end
        ending, end = following[0], following.end()
        if end - start > 2 * LONGEST_NAME:
            return ending, end


def _begins_another(text: str, ending: str, end: int, following: re.Match[str]) -> bool:
    """Tell whether what follows an ending belongs to another name, or to none."""
    pattern, kinds = endings()
    kind, then = kinds[ending], following[0]
    match kind:
        case "district" if _TOWN_FOLLOWS.match(text, end):
            return True  # 瑞安市 + 塘下镇
        case "town" if then in _STANDS_ALONE or pattern.match(text, following.end()):
            return True  # 平东镇 + 桥北村, 来榜镇 + 花园村
        case "village" if then in _STANDS_ALONE:
            return True
        case "road" if then == "工地":
            return True
        case "landmark" if len(ending) > 1 and then in NATURE:
            return True  # 黄河公园 + 湖心亭
    natural = ending in NATURE and then in _DISTRICTS  # 天河区, 昆山市
    return then == ending or (  # 长乐桥 + 桥面
        then in _BEGINS_ANOTHER and following.start() == end and not natural
    )
