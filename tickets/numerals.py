"""Spoken Chinese numbers, written in figures where a clerk would write figures.

Street and place names keep their characters (梅林一村, 五一路, 千灯镇); house numbers, rooms,
amounts and dates become figures (二百一十八号 → 218号, 三幢四零一 → 3幢401).
"""

import re
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
_COUNT_UNIT = re.compile(r"天|个(?:多)?(?:月|小时|人|星期|礼拜)|块|元钱|次|岁|万|人")
# After these a number of two characters or more is.
_UNIT = re.compile(
    r"[多几]?(?:号|幢|栋|室|单元|座|楼|层|弄|组|队|天|个|年|月|日|块|元|次|岁|点|分|秒|小时|人|户|家|辆"
    r"|棵|米|平|公里|公斤|斤|吨|度|亩|位|名|条|只|张|套|台|期|路|班|万|倍|毛|角|多|左右|以上|以下)"
)
_LONGEST_IN_A_NAME = 3  # 三十六湾
_AFTER_BUILDING = re.compile(r"(?:幢|栋|单元|号楼|座|层)$")
# 滨河一号 is an estate's name, 滨河路一号 a house.
_NUMBERED_PLACE = re.compile(r"(?:^|[月路街道巷弄村组园苑区镇里坊庄桥头口幢栋层楼元场厦城边])$")
_AFTER_CLOCK = re.compile(r"(?:早上|上午|中午|下午|晚上|凌晨|半夜|夜里)$")
_WELL_FORMED = re.compile(
    r"(?:[一二三四五六七八九两]千)?零?(?:[一二三四五六七八九两]百)?零?"
    r"(?:[一二三四五六七八九]?十)?零?[一二三四五六七八九]?"
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
    for run in _RUN.finditer(spoken):
        figure = _figure(run[0], spoken[: run.start()], spoken[run.end() :])
        if figure is None:
            continue
        text.append(spoken[done : run.start()])
        origin.extend(range(done, run.start()))
        text.append(figure)
        origin.extend([run.start()] * len(figure))
        done = run.end()
    text.append(spoken[done:])
    origin.extend(range(done, len(spoken) + 1))
    return Figured("".join(text), tuple(origin), spoken)


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
        return "2" if _COUNT_UNIT.match(after) else None
    if run[0] in "百千万亿" or (run == "十" and not _ADDRESS_UNIT.match(after)):
        return None
    counts = len(run) > _LONGEST_IN_A_NAME or run[-1] in "万亿" or not after or _UNIT.match(after)
    value = to_int(run) if counts or _AFTER_BUILDING.search(before) else None
    if value is None:
        return None
    if value >= 10**4 and value % 10**4 == 0:
        return f"{value // 10**4}万"
    return str(value)


def _digit_string(run: str, before: str, after: str) -> str | None:
    figure = "".join(DIGITS[character] for character in run)
    if len(run) > 2:  # noqa: PLR2004 -- 四零一, 二零二四: two may be 七八个, "seven or eight"
        return figure
    if run == "一" and after.startswith("号") and not _NUMBERED_PLACE.search(before):
        return None
    if _ADDRESS_UNIT.match(after):
        return figure
    if len(run) > 1 or before.endswith("第"):
        return None
    counted = run not in "一零〇○幺" and _COUNT_UNIT.match(after)
    o_clock = after.startswith("点") and (run != "一" or _AFTER_CLOCK.search(before))
    return figure if counted or o_clock else None
