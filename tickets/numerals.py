"""Spoken Chinese numbers, written in figures where a clerk would write figures.

Street and place names keep their characters (梅林一村, 五一路, 千灯镇); house numbers, rooms,
amounts, dates, times and telephone numbers become figures (二百一十八号 → 218号, 三幢四零一 →
3幢401, 下午两点半 → 下午2点半, 百分之二十 → 20%, 幺三八… → 138…). The words around a number stay as
they were said (块 is not made 元), and so do round guesses (七八个人, 两三百块).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

DIGITS = {
    **{str(n): str(n) for n in range(10)},
    **dict(zip("零一二三四五六七八九", "0123456789", strict=True)),
    **dict(zip("〇○幺", "001", strict=True)),
}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_RUN = re.compile(r"[零〇○一二三四五六七八九十百千万亿两幺]+")

# After these even one digit is a figure.
_ADDRESS_UNIT = re.compile(r"号|幢|栋|室|单元|座|楼|层|弄|组|队")
# After these a digit other than 一 is.
_COUNT_UNIT = re.compile(
    r"天|个(?:多)?(?:月|小时|人|星期|礼拜|钟头)|块|元|毛|次|岁|万|人|度|公里|斤|吨|亩|平米|平方|点多|点钟"
)
# After these 十 is 10; 十分 is "very", 十字 a crossing, 十几 a guess.
_TEN_UNIT = re.compile(
    r"天|个|年(?!如)|月|日|块|元|点|岁|人|户|家|辆|米|公里|斤|吨|次|名|小时|分钟|度|平|亩|毛"
)
# After these a number of two characters or more is.
_UNIT = re.compile(
    r"[多几]?(?:号|幢|栋|室|单元|座|楼|层|弄|组|队|天|个|年|月|日|块|元|次|岁|点|分|秒|小时|人|户|家|辆"
    r"|棵|米|平|公里|公斤|斤|吨|度|亩|位|名|条|只|张|套|台|期|路|班|万|倍|毛|角|多|左右|以上|以下)"
)
_LONGEST_IN_A_NAME = 3  # 三十六湾
_AFTER_BUILDING = re.compile(r"(?:幢|栋|单元|号楼|座|层)$")
# 滨河一号 is an estate's name, 滨河路一号 a house.
_NUMBERED_PLACE = re.compile(
    r"(?:^|[月路街道巷弄村组园苑区镇里坊庄桥头口幢栋层楼元场厦城边]|号附|[路街道巷弄][甲乙丙丁特])$"
)
_AFTER_CLOCK = re.compile(r"(?:早上|上午|中午|下午|晚上|凌晨|半夜|夜里)$")
_POINTS = re.compile(
    r"点(?:要求|建议|意见|原因|问题|理由|希望|疑问|想法|看法|情况|不|也|都|点|儿|小|吧)"
)
_MINUTES_BEFORE = re.compile(r"点$")
_NAMED_BY_DATE = re.compile(r"大?街|大道|广场|纪念|大桥|事变|小学|中学|学校|医院|公园")
_NAMED_BY_YUAN = re.compile(
    r"元[一二三四五六七八九十]?(?:村|坊|里|桥|路|街|巷|宫|庙|新村)"
)  # 三元一村
_JANUARY = re.compile(r"月(?:份|底|初|中旬|[一二三四五六七八九十])")
_CHANGE_BEFORE = re.compile(r"块$")
_LEAP = re.compile(r"[^一二三四五六七八九十百千万亿两几多零半点毛分]|$")
_MEASURE = re.compile(
    r"公里|千米|里|米|公斤|斤|吨|万|亿|元|块|度|倍|平|亩|个(?:小时|百分点|月|亿)|小时|升|分贝|折|级|寸|%"
)
_DECIMAL = re.compile(
    r"(?P<whole>[零一二三四五六七八九十百千两]+)点(?P<rest>[零一二三四五六七八九]+)(?![十百千点分刻])"
)
_PERCENT = re.compile(
    r"百分之(?P<whole>[零一二三四五六七八九十百两]+)(?:点(?P<rest>[零一二三四五六七八九]+))?"
)
_FRACTION = re.compile(
    r"(?<![百千万])(?P<below>[一二三四五六七八九十]+)分之(?P<above>[一二三四五六七八九十]+)"
)
_CLOCK_BEFORE = re.compile(r"(?:早上|上午|中午|下午|傍晚|晚上|凌晨|半夜|夜里|今天|昨天|明天|点到)$")
_WELL_FORMED = re.compile(
    r"(?:[一二三四五六七八九两]千)?零?(?:[一二三四五六七八九两]百)?零?"
    r"(?:[一二三四五六七八九]?十)?零?[一二三四五六七八九两]?"
)


@dataclass(frozen=True, slots=True)
class Figured:
    """Text with figures, and where each of its characters came from.

    Attributes:
        text: the text with figures.
        origin: for each character of ``text`` its index in ``spoken``; then the length of that.
        spoken: the text as it was.
    """

    text: str
    origin: tuple[int, ...]
    spoken: str

    def words(self, start: int, end: int) -> str:
        """Return what was spoken for ``text[start:end]``."""
        return self.spoken[self.origin[start] : self.origin[end]]


def figures(spoken: str) -> Figured:
    """Write the numbers of a spoken text in figures where that is usual."""
    text: list[str] = []
    origin: list[int] = []
    done = 0
    for start, end, figure in _found(spoken):
        text.append(spoken[done:start])
        origin.extend(range(done, start))
        text.append(figure)
        origin.extend([start] * len(figure))
        done = end
    text.append(spoken[done:])
    origin.extend(range(done, len(spoken) + 1))
    return Figured("".join(text), tuple(origin), spoken)


def _found(spoken: str) -> Iterator[tuple[int, int, str]]:
    """Yield where each number stands that becomes figures, and these."""
    position = 0
    while run := _RUN.search(spoken, position):
        start, end = run.span()
        figure = None
        for expression, write in _COMPOUND:
            match = expression.match(spoken, start)
            if match and (figure := write(match)) is not None:
                end = match.end()
                break
        else:
            figure = _figure(run[0], spoken[:start], spoken[end:])
        if figure is not None:
            yield start, end, figure
        position = end


def _percent(match: re.Match[str]) -> str | None:
    whole = 100 if match["whole"] == "百" else to_int(match["whole"])
    return None if whole is None else f"{whole}{_rest(match['rest'])}%"


def _fraction(match: re.Match[str]) -> str | None:
    above, below = to_int(match["above"]), to_int(match["below"])
    return f"{above}/{below}" if above and below else None


def _decimal(match: re.Match[str]) -> str | None:
    """Write 三点五公里 as 3.5公里; 下午三点五 … is a time, 有一点三个人 nothing."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    if _CLOCK_BEFORE.search(before) or not (_MEASURE.match(after) or not after):
        return None
    whole = to_int(match["whole"])
    return None if whole is None else f"{whole}{_rest(match['rest'])}"


def _rest(digits: str | None) -> str:
    return "." + "".join(DIGITS[digit] for digit in digits) if digits else ""


_COMPOUND: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]], ...] = (
    (_PERCENT, _percent),
    (_FRACTION, _fraction),
    (_DECIMAL, _decimal),
)


def to_int(run: str) -> int | None:
    """Return the value of a Chinese number such as 一千五百八十八 or 十二万, or None if it is none.

    A trailing digit counts tens of what stands before it, as people speak: 三千六 is 3600.
    """
    total = 0
    for unit, size in (("亿", 10**8), ("万", 10**4)):
        if unit in run:
            head, _, run = run.partition(unit)
            value = _below_ten_thousand(head)
            if not value:
                return None
            total += value * size
            if len(run) == 1 and run in "一二三四五六七八九":
                return total + int(DIGITS[run]) * size // 10
    rest = _below_ten_thousand(run)
    return None if rest is None else total + rest


def _below_ten_thousand(run: str) -> int | None:
    if not _WELL_FORMED.fullmatch(run):
        return None
    value, digit, unit = 0, 0, 1
    for character in run:
        if character in _UNITS:
            unit = _UNITS[character]
            value += (digit or 1) * unit
            digit = 0
        elif character == "零":
            unit = 1
        else:
            digit = 2 if character == "两" else int(DIGITS[character])
    # 三千六: the bare last digit counts hundreds. 三千零六 and 二十六 are exact.
    return value + digit * (unit // 10 if unit >= 100 else 1)  # noqa: PLR2004 -- 百


def _figure(run: str, before: str, after: str) -> str | None:
    """Return the figures for one run of numeral characters, or None to leave it."""
    if all(character in DIGITS for character in run):
        return _digit_string(run, before, after)
    if run == "两":
        o_clock = after.startswith("点") and not _POINTS.match(after)
        return "2" if o_clock or _COUNT_UNIT.match(after) else None
    if run[0] in "百千万亿" or run == "十":
        ten = run == "十" and (_ADDRESS_UNIT.match(after) or _is_ten(after))
        return "10" if ten else None
    if _MINUTES_BEFORE.search(before) and _CLOCK_BEFORE.search(before[:-2]):
        after = after or "分"  # 下午三点二十
    counts = len(run) > _LONGEST_IN_A_NAME or run[-1] in "万亿" or not after or _UNIT.match(after)
    value = to_int(run) if counts or _AFTER_BUILDING.search(before) else None
    if value is None:
        return None
    if value >= 10**4 and value % 10**4 == 0:
        return f"{value // 10**4}万"
    return str(value)


def _is_ten(after: str) -> bool:
    return _TEN_UNIT.match(after) is not None and _POINTS.match(after) is None


def _digit_string(run: str, before: str, after: str) -> str | None:
    figure = "".join(DIGITS[character] for character in run)
    if len(run) > 2:  # noqa: PLR2004 -- 四零一, 二零二四: two may be 七八个, "seven or eight"
        return None if len(run) == _A_DATE and _NAMED_BY_DATE.match(after) else figure
    if run == "一" and re.match(r"号(?!楼)", after) and not _NUMBERED_PLACE.search(before):
        return None
    if _ADDRESS_UNIT.match(after):
        return figure
    if len(run) > 1:
        minutes = run[0] in "零〇" and _MINUTES_BEFORE.search(before)
        return figure if minutes or _is_short_year(run, after) else None
    return figure if not before.endswith("第") and _is_figure(run, before, after) else None


def _is_figure(run: str, before: str, after: str) -> bool:
    """Tell whether a single digit is written as a figure here."""
    if _CHANGE_BEFORE.search(before) and _LEAP.match(after) and not _counted(run, after):
        return True  # 三块五
    if after.startswith("月") and not after.startswith(("月饼", "月嫂", "月子")):
        return run != "一" or before.endswith("年") or _JANUARY.match(after) is not None
    if after.startswith("日"):
        return before.endswith("月")
    if after.startswith("点") and not _POINTS.match(after):
        return run != "一" or _AFTER_CLOCK.search(before) is not None
    return _counted(run, after)


_A_DATE = 3  # 九一八


def _counted(run: str, after: str) -> bool:
    return (
        not _NAMED_BY_YUAN.match(after)
        and run not in "一零〇○幺"
        and _COUNT_UNIT.match(after) is not None
    )


def _is_short_year(run: str, after: str) -> bool:
    """Tell whether two digits are a year (二五年, 一九年) and no guess (七八年)."""
    if not after.startswith("年") or run[0] not in "零〇一二九八":
        return False
    guess = int(DIGITS[run[1]]) - int(DIGITS[run[0]]) == 1
    return not guess or re.match(r"年[一二三四五六七八九十]+月", after) is not None
