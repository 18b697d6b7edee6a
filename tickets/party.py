"""Whom a matter is about (被反映对象): a shop, a firm, a school; or the caller's own enterprise."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tickets import rules
from tickets.lexicon import cut
from tickets.place_names import name_start
from tickets.places import NEAR, NOWHERE

_HAN = "\u4e00-\u9fffA-Za-z0-9"


def _any_of(key: str) -> str:
    """Return an expression for any of the words of a list of the rule file."""
    return "|".join(sorted(map(re.escape, rules.load("parties")[key]), key=len, reverse=True))


_END = r"(?=在|的|，| |我姓|我叫|$)"
_ASKED = re.compile(
    rf"(?:{_any_of('firms')}|对方)[^，]{{0,6}}(?:叫什么|名字|名称|是哪家|哪一?家)"
    r"|(?:店|厂|单位|公司)名|哪家(?:公司|店|超市|医院|银行|单位|企业)?|什么(?:公司|单位|店名?|平台)"
)
_CALLED = re.compile(
    rf"(?:{_any_of('firms')}|店名|家)的?(?:名字|名称)?就?(?:叫做?|是叫|名叫)(?:什么|个)?"
    rf"(?P<name>[{_HAN}]{{2,16}}?){_END}"
)
_CALLED_WHAT = re.compile(rf"叫(?:什么|个)(?P<name>[{_HAN}]{{2,14}}?){_END}")
_OWN = re.compile(
    rf"(?:我|我们|这里|这边)是(?P<name>[{_HAN}]{{2,12}}?)的"
    rf"(?=我|姓| |，|$|{_any_of('staff')})"
)
_NO_FIRM = re.compile(
    rf"^(?:{_any_of('no_firm_begins')})|(?:{_any_of('no_firm_ends')})$|{_any_of('no_firm_has')}"
)
_BOUGHT = re.compile(
    rf"(?:(?<![现正存实])在|从)(?P<name>[{_HAN}]{{2,10}}?)"
    rf"(?:上面?|里面?|那里|那边|网站|APP|app)?(?:{_any_of('deals')})"
)
_ANSWER_LEAD = re.compile(
    r"^(?:嗯|啊|哦|好像|大概|应该|可能|就|是|叫做?|那个|名字|一家|它|他们|我们|公司|单位|店|厂|什么)*"
)
_LONGEST_ANSWER = 16
_LONGEST_GENERAL = 4
_GENERAL = frozenset({"教育", "培训", "保险", "摄影"})
_LONGEST_SHOP = 8

_NAMED, _ENDING, _BOUGHT_AT, _UNNAMED = 5, 4, 3, 1


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody a matter may be about.

    Attributes:
        name: as said, numbers in figures.
        weight: how sure; a named one outweighs 物业.
        own: the caller speaks for it.
    """

    name: str
    weight: int
    own: bool = False


class PartyEar:
    """Collects whom the matter may be about."""

    def __init__(self) -> None:
        self.found: list[Party] = []
        self._asked = False

    def agent(self, text: str) -> None:
        """Hear the agent: has he asked for the firm's name?"""
        self._asked = bool(_ASKED.search(text))

    def caller(self, text: str) -> None:
        """Hear the citizen (figures, names and numbers blanked)."""
        asked, self._asked = self._asked, False
        for party in (*(_answer(text) if asked else ()), *_parties(text)):
            if all(party.name != known.name for known in self.found):
                self.found.append(party)

    def best(self, kind: str | None) -> Party | None:
        """Return whom a matter of this type is about.

        The caller's own enterprise counts only where he complains of nobody else.
        """
        complaint = kind in {"投诉", "举报"}
        others = [p for p in self.found if not p.own and (complaint or p.weight > _UNNAMED)]
        own = [p for p in self.found if p.own]
        candidates = [*own, *others] if not complaint else (others or own)
        return max(candidates, key=lambda party: party.weight, default=None)


@cache
def _endings() -> re.Pattern[str]:
    endings = sorted(rules.load("parties")["endings"], key=len, reverse=True)
    return re.compile("|".join(map(re.escape, endings)))


def _answer(text: str) -> Iterator[Party]:
    """Read the answer to 公司叫什么: 叫鼎丰餐饮公司."""
    lead = _ANSWER_LEAD.match(text)
    rest = text[lead.end() if lead else 0 :]
    numbered = re.match(r".{2,}?\d+号", rest)
    if numbered and len(rest) > numbered.end() + 1:
        rest = rest[numbered.end() :]  # 观前街145号 + 丝域养发馆
    name = re.split(r"在|的|，| |我", rest, maxsplit=1)[0]
    if 2 <= len(name) <= _LONGEST_ANSWER and not re.search(r"不知道|不清楚|忘|记不|没有", name):  # noqa: PLR2004 -- 两个字
        yield Party(name, _NAMED)


def _parties(text: str) -> Iterator[Party]:
    for match in (*_CALLED.finditer(text), *_CALLED_WHAT.finditer(text)):
        yield Party(match["name"], _NAMED)
    for match in _OWN.finditer(text):
        if not _NO_FIRM.search(match["name"]):
            yield Party(match["name"], _NAMED, own=True)
    yield from _by_ending(text)
    for match in _BOUGHT.finditer(text):
        name = match["name"]
        if name_start(text, match.end("name"), match.start("name")) == match.start("name") and not (
            _NO_FIRM.search(name)
            or NOWHERE.search(name)
            or name in _nobody()
            or re.search(r"\d|网$|店$|家$", name)
        ):
            yield Party(name, _BOUGHT_AT)
    unnamed = [name for name in rules.load("parties")["unnamed"] if name in text]
    if unnamed:
        yield Party(min(unnamed, key=text.index), _UNNAMED)


def _by_ending(text: str) -> Iterator[Party]:
    floor = 0
    for match in _endings().finditer(text):
        begin = _firm_start(text, match, floor)
        if begin is not None:
            floor = match.end()
            yield Party(text[begin:floor], _ENDING)


def _firm_start(text: str, ending: re.Match[str], floor: int) -> int | None:
    """Return where the firm's name before an ending begins, or None if there is none."""
    end = ending.start()
    number = re.search(r"[号幢栋室楼层](?=[^号幢栋室楼层]*$)", text[floor:end])
    after_number = floor + number.end() if number else floor
    if number and _follows_number(text[after_number:end]):
        return after_number
    begin = name_start(text, end, after_number)
    if 0 < floor == begin:
        return None  # a branch is named after its chain: 惠民超市 + 凤起路店
    if text[begin : begin + 1] == "下" and text[begin - 1 : begin] == "楼":
        begin += 1  # 楼下 + 棋牌室
    begin = _without_street(text, begin, end)
    return begin if _is_firm(text[begin:end], ending[0]) else None


def _follows_number(between: str) -> bool:
    """Tell whether all between a house number and an ending is a name: 33号好再来饭店."""
    cuts = rules.load("places")["not_in_a_name"]["cuts"]
    return 1 < len(between) <= _LONGEST_SHOP and not (
        any(character in cuts for character in between) or NEAR.match(between)
    )


def _without_street(text: str, begin: int, end: int) -> int:
    """Return where the name begins when a street stands before it: 中兴路 + 苏果."""
    street = re.match(r".{2,}[路街巷弄](?=.{2,})", text[begin:end])
    return begin + street.end() if street else begin


def _is_firm(stem: str, ending: str) -> bool:
    """Tell whether stem and ending name a firm: not 一家公司, 怎么办 + 物业 or 高等教育."""
    if not 1 < len(stem) <= _LONGEST_SHOP or stem in _nobody() or stem + ending in _nobody():
        return False
    if stem[-1] in "的了家个间所" or stem.startswith("个"):
        return False
    first = cut(stem)[0]
    verbal = first.kind[0] in "vil" and len(first.text) < len(stem)
    if len(first.text) > 1 and (verbal or first.kind[0] in "mr"):
        return False
    return ending not in _GENERAL or len(stem) <= _LONGEST_GENERAL


@cache
def _nobody() -> frozenset[str]:
    return rules.word_set("parties", "nobody")
