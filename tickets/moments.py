"""When it happened: 昨天下午3点, 15号凌晨, 2025年3月, 上个礼拜三; as said, with figures.

What is said is kept, not reckoned: the ticket's own date tells which day 昨天 was.
"""

import re
from dataclasses import dataclass

_NUMBER = r"\d{1,2}"
_WEEKDAY = r"[一二三四五六日天]"
_PART = r"(?:凌晨|清晨|早上|早晨|一早|上午|中午|午后|下午|傍晚|晚上|夜里|(?:大|后)?半夜|深夜)"
_CLOCK = rf"(?:{_NUMBER}点(?:{_NUMBER}分?|半|[13一三]刻|多|钟|左右)*)"
_DAY = (
    rf"(?:\d{{4}}年(?:{_NUMBER}月(?:{_NUMBER}[号日])?)?"
    rf"|(?:今年|去年|前年|上个?月|这个月|本月)?{_NUMBER}月{_NUMBER}[号日]"
    rf"|(?:上个?月|这个月|本月)(?:{_NUMBER}[号日])?"
    rf"|{_NUMBER}[号日](?=晚|早|上午|下午|中午|凌晨|半夜|夜里|那天|当天|左右|开始|就|的时候)"
    r"|大前天|前天|昨天|今天|当天|昨晚|今晚|今早|今晨|前晚|昨夜"
    rf"|(?:上上|上|这)个?(?:周|星期|礼拜){_WEEKDAY}?|周{_WEEKDAY}|星期{_WEEKDAY}|礼拜{_WEEKDAY})"
)
_MOMENT = re.compile(rf"{_DAY}的?{_PART}?的?{_CLOCK}?|{_PART}的?{_CLOCK}|刚才|刚刚")
_DATED = re.compile(rf"{_NUMBER}[号日]")
_ASKED = re.compile(r"什么时候|什么时间|几点|哪天|哪一天|几号(?:的|发生|开始)|何时|多久以前")
_ANSWER = re.compile(rf"{_NUMBER}[号日]|{_CLOCK}")
# Not when it happened but when to ring, or a time of opening.
_NOT_THEN = re.compile(r"(?:营业|上班|开门|关门|办公|开放|打给我|回电|联系我|给我回复)")
_RECENT = frozenset({"刚才", "刚刚"})


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, as written, and where it stands in the text."""

    text: str
    start: int
    end: int


class TimeEar:
    """Listens for the time of the matter; the first one said stands, unless it is corrected."""

    def __init__(self) -> None:
        self.moment: str | None = None
        self._asked = False

    def agent(self, text: str) -> None:
        """Hear the agent: has he asked when?"""
        self._asked = bool(_ASKED.search(text))

    def caller(self, text: str) -> Moment | None:
        """Hear the citizen (numbers in figures); return a time when it is new."""
        asked, self._asked = self._asked, False
        found = _moment(text, asked=asked)
        better = self.moment is None or asked or self.moment in _RECENT
        if found is None or not better or found.text == self.moment:
            return None
        self.moment = found.text
        return found

    @property
    def has_day(self) -> bool:
        """Whether a day of the month was said, so that 不对是27号 may correct it."""
        return self.moment is not None and _DATED.search(self.moment) is not None

    def correct_day(self, number: str) -> str:
        """Put another day of the month in place; return the whole time."""
        self.moment = _DATED.sub(f"{number}号", self.moment or "", count=1)
        return self.moment


def _moment(text: str, *, asked: bool) -> Moment | None:
    best: Moment | None = None
    for match in _MOMENT.finditer(text):
        if _NOT_THEN.search(text[match.end() : match.end() + 6]):
            continue
        moment = Moment(match[0].removesuffix("的"), match.start(), match.end())
        # 昨天下午3点 says more than 刚才.
        if best is None or (best.text in _RECENT and moment.text not in _RECENT):
            best = moment
    if best is None and asked and (match_ := _ANSWER.search(text)):
        best = Moment(match_[0], match_.start(), match_.end())
    return best
