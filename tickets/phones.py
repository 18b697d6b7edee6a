"""Telephone numbers as people say them: 幺三八…, in pieces, with fillers."""

import re
from dataclasses import dataclass

from tickets.numerals import DIGITS

_DIGIT = "零〇○幺一二三四五六七八九0-9"
_FILLER = re.compile(
    r"(?:那个|然后|后面|接着|接下来|再|是|嗯|啊|哦|呃|额|诶|哎|呢|就是|还有|空格|杠|横杠|转|，|,|、|-|－|\s)+"
)
_REPEAT = re.compile(rf"([两二三四2-4])个([{_DIGIT}])")
# What recognisers write for 幺.
_ONE = re.compile(rf"[要腰妖夭](?=[{_DIGIT}])")
_AFTER_TWO = frozenset(("", "两", *DIGITS))
_MOBILE = re.compile(r"1[3-9]\d{9}")
_LANDLINE = re.compile(r"0(?:10|2\d)\d{8}|0[3-9]\d{2}\d{7,8}")
_LANDLINE_START = re.compile(r"0(?:10|2\d|[3-9]\d{2})?\d{0,8}|0[3-9]?\d?")
_MOBILE_LENGTH = 11
_SHORTEST_PIECE = 3
_LONG_PIECE = 7  # no room and no amount has so many digits
_BUILDING_BEFORE = re.compile(r"(?:幢|栋|单元|号楼|座|楼|层)$")
_UNIT_AFTER = re.compile(r"[年月日号室元块幢栋楼层点%]|单元|公里|平|路")
_PATIENCE = 2  # utterances of the caller that may come between two pieces of one number

# The number that follows is no call-back number.
_OTHERS = re.compile(
    r"(?:他|她|对方|商家|店家|店里|店铺|老板|卖家|骗子|公司|物业|中介|司机|房东|客服|医院|学校|单位|那边)"
    r"(?:们)?(?:的|留的|给的)?(?:联系)?(?:电话|手机|号码|座机|联系方式)[^我]{0,6}$"
    r"|(?:打来的|打来|来电|发来的)(?:的)?(?:电话|号码)?(?:是)?$"
    r"|(?:工号|车牌|车牌号|订单号|订单|身份证|身份证号|卡号|单号|编号|学号|账号|户号|证号|合同号|社保号|尾号)"
    r"(?:码)?(?:是|为)?[A-Za-z]?$"
)
# 你打我单位电话: there he can be reached; 骗子打我公司电话 tells who was rung.
_AT_WORK = re.compile(
    r"(?:(?:你|您|你们|请)(?:就|再|直接|可以)*|(?:^|[，。嗯啊])(?:有事|可以|直接|就)+)"
    r"打(?:到)?我(?:们)?(?:单位|公司)(?:的)?(?:电话|座机|号码)?(?:是|就是|，)*$"
)
_OTHERS_ASKED = re.compile(
    r"(?:他|她|对方|商家|店家|店里|店铺|老板|卖家|公司|物业|中介|司机|房东|单位)"
    r"(?:们)?(?:的)?(?:联系)?(?:电话|手机|号码|座机|联系方式)"
    r"|(?:工号|车牌|订单号?|身份证|卡号|单号|编号|户号|账号)"
)
_CONTEXT = 16
_THIS_LINE = re.compile(
    r"(?:不对|嗯|啊|哦|对|好|，)*(?:(?:刚才)?那个(?:号码?|电话|手机)?(?:已经|早就)?(?:停机|不用|欠费|注销)了)?"
    r"(?:我的?)?(?:联系)?(?:电话|手机|号码|方式)?"
    r"(?:嗯|啊|哦|对|好|那|呃|还是|你们?|您|可以|就|是|用|打|留|记|，)*"
    r"(?:(?:我|本人)+(?:就|是|用|现在|正在)*(?:打|拨)(?:过来|进来|来|给你们|你们)*的"
    r"(?:(?:这个|这部)(?:(?:电话|手机)?号码?|电话|手机)?|就是(?:这个|这部)(?:电话|手机|号码))"
    r"|本机(?:号码?)?)"
    r"(?:就|可以|行|好|吧|啊|呀|了|嘛|，|。)*(?:$|(?:我|名字)[叫姓].*)"
)
"""All that he says but his name: 不要打本机 and 我打的这个疫苗有问题 mean something else."""


@dataclass(frozen=True, slots=True)
class Number:
    """A complete number and where it was said."""

    digits: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Run:
    digits: str
    start: int
    end: int


class PhoneEar:
    """Listens for the call-back number through a talk.

    ``spans`` are the places of the last caller utterance that hold pieces of telephone numbers, so
    that nobody else takes them for house numbers.

    Args:
        line: the number he calls from (我现在打的这个); None when withheld.
    """

    def __init__(self, line: str | None = None) -> None:
        self._line = line
        self.spans: list[tuple[int, int]] = []
        self._piece = ""
        self._piece_words = ""
        self._patience = 0
        self._others_asked = False

    def agent(self, text: str) -> None:
        """Hear the agent; asked for somebody else's number, the next answer is not ours."""
        self._others_asked = bool(_OTHERS_ASKED.search(text))

    def caller(self, text: str) -> tuple[str, str] | None:
        """Hear the citizen; return ``(number, words)`` when a call-back number is complete."""
        others, self._others_asked = self._others_asked, False
        self.spans = []
        found = None
        runs = digit_runs(text)
        for run in runs:
            if _counts_something(text, run):
                continue
            before = text[max(0, run.start - _CONTEXT) : run.start]
            if others or (_OTHERS.search(before) and not _AT_WORK.search(text[: run.start])):
                if len(run.digits) >= _SHORTEST_PIECE:
                    self.spans.append((run.start, run.end))
                continue
            found = self._take(text, run) or found
        this_line = None if found else _THIS_LINE.fullmatch(text)
        if this_line and self._line:
            self.confirmed()
            return self._line, this_line[0]
        if not runs and self._piece:
            self._patience -= 1
            if self._patience <= 0:
                self._piece = self._piece_words = ""
        return found

    def confirmed(self) -> None:
        """Hear that the number, read back, was right: nothing more belongs to it."""
        self._keep("", "")

    def _take(self, text: str, run: _Run) -> tuple[str, str] | None:
        words = text[run.start : run.end]
        alone = complete(run.digits)
        joined = self._piece + run.digits
        # A lone digit further on (生二胎) is no end of a number.
        follows = len(run.digits) >= _SHORTEST_PIECE or _only_fillers(text[: run.start])
        if alone is None and self._piece and follows and _may_grow(joined):
            self.spans.append((run.start, run.end))
            self._keep(joined, f"{self._piece_words} {words}")
            whole = complete(joined)
            return (whole, self._piece_words) if whole else None
        if alone is not None:
            self.spans.append((run.start, run.end))
            self._keep(run.digits if _may_grow(run.digits) else "", words)
            return alone, words
        if len(run.digits) >= _SHORTEST_PIECE and _may_grow(run.digits):
            self._keep(run.digits, words)
        return None

    def _keep(self, piece: str, words: str) -> None:
        self._piece, self._piece_words, self._patience = piece, words if piece else "", _PATIENCE


def find_number(text: str) -> Number | None:
    """Return the first complete number in one text, whoever's it is."""
    for run in digit_runs(text):
        number = complete(run.digits)
        if number:
            return Number(number, run.start, run.end)
    return None


def complete(digits: str) -> str | None:
    """Return the complete mobile or landline number that ``digits`` are, or None.

    A number said twice in one breath counts once, and so does a first digit that was stuttered.
    """
    for shape in (_MOBILE, _LANDLINE):
        if shape.fullmatch(digits):
            return digits
    head = _MOBILE.match(digits)
    if head:
        rest = digits[_MOBILE_LENGTH:]
        if head[0].startswith(rest) or (len(rest) == _MOBILE_LENGTH and _MOBILE.fullmatch(rest)):
            return rest if _MOBILE.fullmatch(rest) else head[0]
    if digits.startswith("11") and _MOBILE.fullmatch(digits[1:]):
        return digits[1:]
    return None


def digit_runs(text: str) -> list[_Run]:
    """Return the digit strings of a text, pieces joined over fillers such as 是 and 然后."""
    runs: list[_Run] = []
    position = 0
    while position < len(text):
        step = _digits_at(text, position, after_digit=bool(runs) and runs[-1].end == position)
        if step is None:
            position += 1
            continue
        digits, end = step
        if runs and _only_fillers(text[runs[-1].end : position]):
            last = runs.pop()
            runs.append(_Run(last.digits + digits, last.start, end))
        else:
            runs.append(_Run(digits, position, end))
        position = end
    return runs


def _digits_at(text: str, position: int, *, after_digit: bool) -> tuple[str, int] | None:
    repeat = _REPEAT.match(text, position)
    if repeat:
        times = 2 if repeat[1] == "两" else int(DIGITS[repeat[1]])
        return DIGITS[repeat[2]] * times, repeat.end()
    if text[position] in DIGITS:
        return DIGITS[text[position]], position + 1
    if text[position] == "两" and after_digit and text[position + 1 : position + 2] in _AFTER_TWO:
        return "2", position + 1  # 五二零两, as some say it
    if _ONE.match(text, position):
        following = text[position + 1 : position + 4]
        if after_digit or (len(following) > 2 and all(c in DIGITS for c in following)):  # noqa: PLR2004 -- 要三八六, not 要三天
            return "1", position + 1
    return None


def _counts_something(text: str, run: _Run) -> bool:
    """Tell whether these digits are a room, a house number, a year or an amount."""
    return len(run.digits) < _LONG_PIECE and bool(
        _BUILDING_BEFORE.search(text[: run.start]) or _UNIT_AFTER.match(text, run.end)
    )


def _only_fillers(between: str) -> bool:
    return not between or _FILLER.fullmatch(between) is not None


def _may_grow(digits: str) -> bool:
    """Tell whether more digits could make this a complete number."""
    if digits.startswith("0"):
        return _LANDLINE_START.fullmatch(digits) is not None
    return (
        len(digits) <= _MOBILE_LENGTH
        and _MOBILE.fullmatch(digits.ljust(_MOBILE_LENGTH, "3")) is not None
    )
