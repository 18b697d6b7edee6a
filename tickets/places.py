"""Places in spoken Chinese: a small grammar over name endings, house numbers and prepositions.

There is no gazetteer: 人民街218号 is found because 街 ends names of streets, 218号 is a house
number, and 居民 before it cannot belong to a name. ``tickets/data/places.toml`` holds the words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from tickets import rules
from tickets.lexicon import cut
from tickets.place_endings import (
    NATURE,
    Kind,
    endings,
    is_followed_badly,
    longest_ending,
    needs_context,
)
from tickets.place_names import (
    DIRECTIONS,
    LONGEST_NAME,
    SHORTEST_NAME,
    is_family_seat,
    may_belong,
    name_start,
    never_names,
)

_RANK: dict[Kind, int] = {"district": 0, "town": 1, "village": 2}
"""Administrative levels come first in an address, coarse before fine; the rest as spoken."""
_REST_RANK = 3


def _any_of(key: str) -> str:
    """Return an expression for any of the words of ``[context]`` in the rule file."""
    words = rules.load("places")["context"][key]
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_PHASE = r"(?:第?[\d一二三四五六七八九十]+期)?(?:[东南西北]区|[A-Za-z一二三四五六七八九十\d]+区)?"
_BUILDING = (
    rf"{_PHASE}(?:\d+(?:-\d+)?(?:幢|栋|号楼(?![下上道梯])|座)|[A-Za-z]座|\d+号(?!线|窗口))?"
    r"(?:\d+单元|[甲乙丙丁]单元)?(?:\d+(?:楼|层)(?!下|上|道))?"
    r"(?:\d{3,4}(?!\d|元|块|年|万|多|个|人|路|次|天))?(?:室(?!内|外))?"
)
_TAILS: dict[Kind, re.Pattern[str]] = {
    "road": re.compile(
        r"(?:[东南西北中]段)?(?:\d+(?:\.\d+)?公里处?)?(?:\d+弄)?"
        r"(?:[甲乙丙丁特附]?\d+(?:-\d+|之\d+)?号(?!线|窗口|公交|桥)(?:院|附\d+号)?)?"
        rf"(?:交叉路?口|交界处?|路?口|站台?(?!在|着|满|了|起|立|岗))?{_BUILDING}"
    ),
    # 36号楼下 of a street is below a house, 3号楼下面 of an estate below a building.
    "estate": re.compile(_BUILDING.replace("号楼(?![下上道梯])", "号楼(?![道梯])")),
    "village": re.compile(r"(?:村委会)?(?:\d+(?:组|队))?(?:\d+号(?!线))?"),
    "landmark": re.compile(
        r"(?:\d+号(?:泊位|码头|门|出?口|出站口|库|馆|厅))?"
        r"(?:第?[\d一二三四五六七八九]期)?(?:[东南西北]门|[东南西北]区)?(?:[A-Za-z\d]+座|\d+号?楼(?!下)|\d+层)?(?:\d{3,4}室?)?"
    ),
    "town": re.compile(r"(?:办事处)?"),
    "district": re.compile(""),
}
_NUMBERED = re.compile(
    rf"{_PHASE}(?<!\d)(?:\d+(?:幢|栋|号楼(?![下上道梯])|座(?=\d|$|，)|单元|弄)|(?<!月)\d+号(?!{_any_of('after_a_date')}))"
)
_AT = re.compile(rf"(?<![现正存实])(?:{_any_of('at')})了?(?:我们|咱们|我家|那个|这个)?$")
NEAR = re.compile(rf"(?:这边|那边|那个)?的?(?:{_any_of('near')})")
_LOOSE = re.compile(
    rf"(?:位于|(?<![现正存实])在|家?住在?|地址是?|地点是?|位置是?|(?:{_any_of('has_a_name')})(?:名字|名称)?(?:就?叫|就是)|^叫)"
    r"(?:那个|这个|我们|咱们|(?:你们|我们|咱们)?(?:这边|那边|这里|那里)的?)?(?P<name>[\u4e00-\u9fffA-Za-z]{2,12}?)"
    rf"(?P<near>{NEAR.pattern}|里$|上$|这$|那$|$|我姓|我叫|免贵|姓)"
)
_RESIDENT = re.compile(
    rf"(?:我|我们)是(?P<name>[\u4e00-\u9fffA-Za-z]{{2,10}}?)的(?:{_any_of('resident')})"
)
_HERE = re.compile(
    r"在(?:你们|我们|咱们)?(?:这边|那边|这里|那里)的?(?P<name>[\u4e00-\u9fff]{2,8}?)"
    rf"(?=里面?|上面?|{_any_of('done_there')})"
)  # 在你们这边万象汇办了张卡
_BUILDING_NAME = re.compile(rf"[\u4e00-\u9fff]{{2,8}}?(?=的?(?:{_any_of('near')}))")  # 8号 + 万象城
_MALLS = frozenset("城汇荟")
"""Where no house number leads to it, a name before 里面 ends in one of these: 迎宾路 + 银泰城."""
_FROM_TO = re.compile(
    r"从(?P<from>[\u4e00-\u9fff]{2,10}?)(?:出发|坐车|打车|开车|坐)?"
    r"(?:到|去|往|开往|至)(?P<to>[\u4e00-\u9fff]{2,10})"
)
_FROM_TO_BY = re.compile(
    r"(?P<from>[\u4e00-\u9fff]{2,10})到(?P<to>[\u4e00-\u9fff]{2,8}?)的(?:公交|班车|客车|大巴|车|地铁)"
)
_GOES_ON = re.compile(r"[\u4e00-\u9fff]{1,4}?\d+(?:幢|栋|号楼)")  # 锦绣江 + 南18幢
_LARGE = frozenset({"中心", "大楼", "厂"})
"""Doubtful endings of houses; a coined name makes one of these a place wherever it stands."""
_LONG_VILLAGE = 4
_SECTION = frozenset("一二三四五六七八九十号期")
"""Before 区 these tell a part of an estate: 桃花坞一区."""
_ROADS_MEET = re.compile(r"交叉|交汇|交界|路口|口")
_GATE_STREET = re.compile(r"[^有找走没好老新多托靠讲问么前后厂寺侧正边校院]门路")
"""葑门路, 娄门路: streets at a city's gates; 门路 alone is a word."""
_HIGHWAY = re.compile(
    r"(?:[京津沪渝冀豫皖鲁苏浙赣鄂湘桂晋陕闽粤川琼宁杭甬绍嘉锡昆常通盐徐泰镇沈哈汉蓉]{2}|绕城|沿江|沿海|[东南西北中内外]环)(?:高速|高架)"
)
_DATES = frozenset({"五一", "五四", "七一", "八一"})
_BUS = re.compile(r"(?:公交|车|的车|线|这路|那路|经过|站牌)")
# Dictionary words with these endings are words, not names; landmarks may be both (人民医院).
_COMMON_WORDS = frozenset({"n", "v", "vn", "d", "i", "l"})
_LONG_NOUN = 3
"""From so many characters on the dictionary's nouns are names too: 胜利路, 震泽镇, 团结村."""
_COMMON_KINDS = frozenset({"district", "town", "village", "road"})
_MEASURED = re.compile(r"[一二两三几多半](?:层|米|个|次|天|年|趟|辆|块|点|多|下)")
_PLAIN = "大小老新旧好全本该此每各某整上下里外前后左右马公铁道走过条个东西南北"
_LONGEST_AFTER = 6
_SHORT_NAME = 3
_CONNECTOR = re.compile(r"(?:和|与|跟|到|至|往|靠近|近|交)$")


@dataclass(frozen=True, slots=True)
class Place:
    """One part of an address.

    Attributes:
        kind: what it is; a unit (3幢401) belongs to a part said before, a loose one has no ending.
        name: 长庆街.
        number: house, building, room: 218号.
        start: where it begins in the text.
        end: where it ends.
        link: the word that joins it to the part before: 和, 到.
    """

    kind: Kind
    name: str
    number: str
    start: int
    end: int
    link: str = ""

    @property
    def text(self) -> str:
        """The part as written."""
        return self.name + self.number

    @property
    def rank(self) -> int:
        """Its level in an address."""
        return _RANK.get(self.kind, _REST_RANK)


def find_places(text: str, *, asked: bool = False) -> list[Place]:
    """Return the places in one utterance (numbers in figures), in the order in which they stand.

    Args:
        text: the utterance; spans that are names or telephone numbers should be blanked.
        asked: the agent has just asked where, so that a bare name is an answer.
    """
    named = _merge(_travel(text), list(_named(text, asked=asked)))
    places = _merge(named, list(_numbered(text, named)))
    strong = [place for place in places if place.kind != "unit"]
    if asked and strong:
        places = _merge(places, _after(text, strong[-1].end))
    if not strong:
        places = [*_loose(text, asked=asked and not places), *places]
    return [replace(place, link=_link(text, places, place)) for place in places]


@cache
def _village_cuts() -> frozenset[str]:
    return frozenset(rules.load("places")["not_in_a_name"]["cuts"]) | frozenset("有是里上下过到去")


def _named(text: str, *, asked: bool) -> Iterator[Place]:
    """Find the parts whose names have an ending of their own."""
    pattern, kinds = endings()
    floor = position = 0
    before: Kind | None = None
    while match := pattern.search(text, position):
        ending, end = match[0], match.end()
        ending, end = longest_ending(text, ending, match.start(), end)
        section = ending == "区" and text[end - 2 : end - 1] in _SECTION
        kind: Kind = "estate" if section else kinds[ending]
        position = match.end()
        begin = name_start(text, match.start(), floor)
        if begin == match.start() < end - len(ending):
            begin = name_start(text, end - len(ending), floor)  # 太湖 + 路: 太 alone begins no name
        if _is_all_the_name(text, floor, match.start(), kind, before):
            begin = floor
        if begin == match.start() and (kind == "road" or ending.endswith("新村")):
            begin = _noun_start(text, begin, floor)
        if kind == "district":
            begin = _map_start(text, begin, end, floor)
        name = text[begin:end]
        if not _is_name(text, name, ending, begin, end, asked=asked):
            continue
        known = _is_on_the_map(name) or _is_highway(name)
        if kind == "weak" or (ending in needs_context() and not known):
            coined = ending in _LARGE and _is_coined(name.removesuffix(ending))
            there = coined or _is_there(text, begin, end, asked=asked or 0 < floor == begin)
            if not there or _GOES_ON.match(text, end):
                continue
            kind = "landmark" if kind == "weak" else kind
        number = _number(text, kind, end)
        yield Place(kind, name, number, begin, end + len(number))
        floor = position = end + len(number)
        before = kind
        if building := _building(text, floor, number):
            yield building
            floor = position = building.end


def _is_all_the_name(text: str, floor: int, end: int, kind: Kind, before: Kind | None) -> bool:
    """Tell whether all that stands between the part before and an ending is the name."""
    between = text[floor:end]
    if kind == "village" and before == "town":  # 五接镇 + 开沙村
        cuts = NEAR.search(between) or set(between) & _village_cuts()
        return 0 < len(between) <= _LONG_VILLAGE and not cuts
    return kind == "town" and 0 < floor < end and len(between) <= _SHORT_NAME  # 金州区 + 向应街道


def _building(text: str, start: int, number: str) -> Place | None:
    """Find the building that a house number or a street leads to: 8号 + 万象城门口."""
    match = _BUILDING_NAME.match(text, start)
    if match is None or not (number.endswith("号") or match[0][-1] in _MALLS):
        return None
    return _plain(text, start, match.end())


def _is_on_the_map(name: str) -> bool:
    """Tell whether the dictionary knows the whole name as a district: 甘井子区."""
    words = cut(name)
    kinds = {"ns", "nr"} if name[-1] == "旗" else {"ns"}
    return len(words) == 1 and words[0].kind in kinds and name[-1] in "区县市旗"


def _is_highway(name: str) -> bool:
    """Tell whether a road is named by where it leads: 沪宁高速, 内环高架, not 安徽高速."""
    return _HIGHWAY.fullmatch(name) is not None


def _map_start(text: str, begin: int, end: int, floor: int) -> int:
    """Return where a district's name begins that holds a word which ends others: 上林县, 从江县."""
    longer = range(max(floor, begin - 2), begin)
    return next((start for start in longer if _is_on_the_map(text[start:end])), begin)


def _noun_start(text: str, end: int, floor: int) -> int:
    """Return where a noun begins that is a name only on the map: 在工人路."""
    words = cut(text[floor:end])
    if words and len(words[-1].text) > 1 and words[-1].kind == "n":
        begin = end - len(words[-1].text)
        if _AT.search(text[:begin]):
            return begin
    return end


def _is_name(  # noqa: PLR0911 -- one reason after the other
    text: str, name: str, ending: str, begin: int, end: int, *, asked: bool = False
) -> bool:
    """Tell whether a candidate names a place: 长庆街, not 逛街, 这条街 or 两层楼高 + 路."""
    stem = name.removesuffix(ending)
    if not stem:
        return re.match(r"第?[\d一二三四五六]期", text[end:]) is not None  # 软件园三期
    tails = rules.load("places")["not_a_place"]["tails"]
    if stem in DIRECTIONS and (ending == "大街" or (asked and begin == 0)):
        return True
    if (
        re.search(r"[不没]", stem)
        or name in never_names()
        or (is_followed_badly(text, ending, end) and not _is_its_bank(text, stem, ending, end))
        or (stem.endswith(tuple(tails)) and not is_family_seat(stem))
        or text[max(0, begin - 1) : begin] + stem in tails
    ):
        return False
    numbered = re.match(r"[甲乙丙丁特附]?\d+号", text[end:]) is not None
    if stem == "院" or _MEASURED.search(stem) or (not numbered and _is_common_word(name, ending)):
        return False
    at = _AT.search(text[:begin]) is not None
    if ending in {"路", "街"} and re.fullmatch(r"[\d一二三四五六七八九十百]+", stem):
        # 十三路 is a bus, 五一路 a street: it takes a house number or a preposition to tell.
        joined = text[max(0, begin - 1) : begin] in {"和", "与", "跟", "到"}
        placed = at or joined or _ROADS_MEET.match(text, end)
        dated = stem in _DATES and not _BUS.match(text, end)
        return numbered or dated or (len(stem) > 1 and bool(placed))
    if len(stem) == 1 and stem in _PLAIN:
        placed = at or re.match(r"\d", text[end:]) or NEAR.match(text, end)
        return bool(placed) and ending not in needs_context()
    return True


def _is_its_bank(text: str, stem: str, ending: str, end: int) -> bool:
    """Tell whether 边 or 里 after a water's name says only where: 金仓湖 + 边上, 新浏河 + 里."""
    bare = any(word.kind in {"s", "f", "r"} for word in cut(stem))
    near = NEAR.match(text, end) or text.startswith("里", end)
    return ending in NATURE and len(stem) > 1 and not bare and bool(near)


def _is_coined(stem: str) -> bool:
    """Tell whether a stem has a part that is no common word: 华旭 + 财富, not 养老 + 服务."""
    words = cut(stem)
    return len(words) > 1 and any(
        (len(word.text) == 1 and word.kind not in {"a", "m", "q", "v", "d", "f"})
        or word.kind in {"ns", "nz", "nr"}
        for word in words
    )


def _is_common_word(name: str, ending: str) -> bool:
    """Tell whether the ending belongs to a common word: 市区 + 道路, 糊弄, 农村."""
    if _GATE_STREET.fullmatch(name):
        return False
    last = cut(name)[-1]
    if last.text == ending or endings()[1][ending] not in _COMMON_KINDS:
        return False
    if last.text in rules.load("places")["not_a_place"]["common"]:
        return True
    named = last.kind == "n" and len(name) >= _LONG_NOUN
    return last.text == name and last.kind in _COMMON_WORDS and not named


def _is_there(text: str, begin: int, end: int, *, asked: bool = False) -> bool:
    """Tell whether the talk says that something is at this place."""
    on_it = text[end - 1] in "桥架速" and text[end : end + 1] in {"上", "下"}
    return bool(
        asked
        or on_it
        or _AT.search(text[:begin])
        or NEAR.match(text, end)
        or re.match(r"\d|就在|[东南西北]门", text[end:])
        or (text[end - 1] in NATURE and text.startswith(("里", text[end - 1]), end))
        or (text[end - 1] == "桥" and text.startswith(("栏杆", "桥墩", "头"), end))
    )


def _number(text: str, kind: Kind, end: int) -> str:
    match = _TAILS[kind].match(text, end)
    return match[0] if match else ""


def _numbered(text: str, named: list[Place]) -> Iterator[Place]:
    """Find names known only by the number that follows: 丽景湾9栋1002."""
    floor = 0
    for match in _NUMBERED.finditer(text):
        floor = max([floor, *(place.end for place in named if place.end <= match.start())])
        if match.start() < floor:
            continue
        begin = name_start(text, match.start(), floor)
        after = next((place for place in named if place.end == floor), None)
        if after and after.rank < _REST_RANK and _is_all_name(text[floor : match.start()]):
            begin = floor  # 云阳街道 + 华都锦城16栋
        name = text[begin : match.start()]
        number = _number(text, "estate", match.start()) or match[0]
        if name and name not in never_names() and len(name) > 1 and not re.search(r"\d", name):
            if match[0].endswith("号") and not _AT.search(text[:begin]) and begin != floor:
                continue
            yield Place("estate", name, number, begin, match.start() + len(number))
        elif not match[0].endswith("号") or len(text) <= len(number) + 4:
            yield Place("unit", "", number, match.start(), match.start() + len(number))
        else:
            continue
        floor = match.start() + len(number)


def _is_all_name(between: str) -> bool:
    """Tell whether what stands between a town and a building's number may be its estate's name."""
    if not SHORTEST_NAME <= len(between) <= _LONGEST_AFTER or set(between) & _village_cuts():
        return False
    return all(may_belong(w.text, w.kind, adjacent=len(w.text) == 1) for w in cut(between))


def _merge(first: list[Place], second: list[Place]) -> list[Place]:
    """Put both lists together; where they overlap the first one's part stands."""
    free = [p for p in second if all(p.end <= q.start or p.start >= q.end for q in first)]
    return sorted(first + free, key=lambda place: place.start)


def _after(text: str, start: int) -> list[Place]:
    """Find what an answer to 在哪里 goes on with: 娄江路 + 御景湾, 园区那个叫 + 圆梦谷."""
    lead = re.match(r"(?:的|这边|那边|那里|里面|那个|这个|叫|什么|就是|有个|上)*", text[start:])
    start += lead.end() if lead else 0
    stop = re.search(r"\d|，|,| |我姓|姓", text[start:])
    end = start + stop.start() if stop else len(text)
    near = NEAR.search(text, start + 2, end)
    place = _plain(text, start, near.start() if near else end)
    return [place] if place and len(place.name) <= _LONGEST_AFTER else []


def _loose(text: str, *, asked: bool) -> Iterator[Place]:
    """Find places without an ending: 在沙溪, 就停在大润发门口, 小区叫玖珑府."""
    for match in (*_LOOSE.finditer(text), *_RESIDENT.finditer(text), *_HERE.finditer(text)):
        place = _plain(text, match.start("name"), match.end("name"))
        if place:
            yield place
            return
    for name in sorted(rules.word_set("places", "bare"), key=len, reverse=True):
        start = text.find(name)
        end = start + len(name)
        if start >= 0 and (
            (start == 0 and name not in rules.load("places")["not_a_place"]["common"])
            or text[end : end + 1] in {"里", "到", "往"}
            or _is_there(text, start, end, asked=asked)
        ):
            yield Place("loose", name, "", start, end)
            return
    if asked:
        lead = re.match(r"(?:嗯|啊|哦|就|是|在|那个|叫|我们|我|家|住|地址|位置)*", text)
        start = lead.end() if lead else 0
        stop = re.search(rf"{NEAR.pattern}|负?\d|，|我姓|姓", text[start + 2 :])
        place = _plain(text, start, start + 2 + stop.start() if stop else len(text))
        if place:
            yield place


NOWHERE = re.compile(_any_of("nowhere"))


def _plain(text: str, start: int, end: int) -> Place | None:
    """Return text[start:end] as a place if its words look like a name's."""
    name = text[start:end]
    if name.isdecimal():
        return None  # 110 + 已经来了
    if name in rules.word_set("places", "bare"):
        return Place("loose", name, "", start, end)
    fits = SHORTEST_NAME <= len(name) <= LONGEST_NAME
    if not fits or NOWHERE.search(name) or name in never_names():
        return None
    words = cut(name)
    if name_start(text, end, start) != start or any(
        w.kind[0] in "vrdpc" for w in words if len(w.text) > 1
    ):
        return None
    if words[0].kind == "v" and len(words) > 1 and words[1].kind == "n":
        return None  # 在放 + 音乐
    return Place("loose", name, "", start, end)


def _travel(text: str) -> list[Place]:
    """Find both ends of a way: 从南站到沙溪, 火车站到甪直的公交车."""
    match = _FROM_TO.search(text)
    if match is None:
        match = _FROM_TO_BY.search(text)
        if match is None:
            return []
        start, end = match.span("from")
        known = [name for name in rules.word_set("places", "bare") if text[:end].endswith(name)]
        start = end - max(map(len, known)) if known else name_start(text, end)
        if any(w.kind[0] in "tm" or w.text[-1] == "路" for w in cut(text[start : match.end("to")])):
            return []  # 周一到周五的公交, 二路到五路的公交
        ends = [_plain(text, start, end), _plain(text, *match.span("to"))]
        return [place for place in ends if place] if all(ends) else []
    start, end = match.span("from")
    places = [_plain(text, start, end)]
    start = match.start("to")
    length = 0
    for word in cut(match["to"]):
        if not may_belong(word.text, word.kind, adjacent=False) or word.kind[0] in "vfd":
            break
        length += len(word.text)
    places.append(_plain(text, start, start + length))
    found = [place for place in places if place]
    return found if len(found) == len(places) else []


def _link(text: str, places: list[Place], place: Place) -> str:
    """Return the word between a part and the one before it, if it joins them."""
    before = [p for p in places if p.end <= place.start]
    if not before or place.kind == "unit":
        return ""
    between = text[before[-1].end : place.start]
    return between if _CONNECTOR.fullmatch(between) else ""
