import re

import cn2an
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.numerals import figures, to_int


@pytest.mark.parametrize(
    "spoken,written",
    [
        ("长庆街二百一十八号", "长庆街218号"),
        ("梅林一村三幢四零一", "梅林一村3幢401"),
        ("中心大道一千五百八十八号", "中心大道1588号"),
        ("二十三栋一千二百零二", "23栋1202"),
        ("十二幢二单元幺六零二室", "12幢2单元1602室"),
        ("一共十二万", "一共12万"),
        ("三千六", "3600"),
        ("一万二", "12000"),
        ("欠了三个月", "欠了3个月"),
        ("二零二四年", "2024年"),
        ("三号线", "3号线"),
        ("幺三八六二三一一零零一", "13862311001"),
        ("下午两点半", "下午2点半"),
        ("早上八点零五分", "早上8点05分"),
        ("下午三点二十", "下午3点20"),
        ("二零二五年三月五日", "2025年3月5日"),
        ("二五年十月一号", "25年10月1号"),
        ("一九年", "19年"),
        ("百分之二十", "20%"),
        ("百分之九十九点五", "99.5%"),
        ("三分之一", "1/3"),
        ("三点五公里", "3.5公里"),
        ("一点五万", "1.5万"),
        ("三千五百块", "3500块"),
        ("三块五", "3块5"),
        ("零下五度", "零下5度"),
        ("十天", "10天"),
    ],
)
def test_numbers_become_figures(spoken: str, written: str) -> None:
    assert figures(spoken).text == written


@pytest.mark.parametrize(
    "spoken",
    [
        "五一路",
        "千灯镇",
        "三十六湾村",
        "万一",
        "十字路口",
        "七八个人",
        "一点也不",
        "第二人民医院",
        "十分感谢",
        "有两点要求",
        "两三百块",
        "七八年",
        "十几万",
        "九一八大街",
        "滨河一号",
    ],
)
def test_names_and_idioms_keep_their_characters(spoken: str) -> None:
    assert figures(spoken).text == spoken


@pytest.mark.parametrize(
    "spoken,value",
    [
        ("十", 10),
        ("一百零五", 105),
        ("两千三", 2300),
        ("三万五", 35000),
        ("二十六", 26),
        ("一亿", 10**8),
    ],
)
def test_values(spoken: str, value: int) -> None:
    assert to_int(spoken) == value


def test_what_is_no_number_has_no_value() -> None:
    assert to_int("百十百") is None


def test_origin_leads_back_to_the_spoken_words() -> None:
    figured = figures("在长庆街二百一十八号门口")
    start = figured.text.index("长庆街")
    assert figured.words(start, figured.text.index("门口")) == "长庆街二百一十八号"


@given(st.text(alphabet="零一二三四五六七八九十百千万亿两幺号幢点第人abc", max_size=30))
def test_origins_are_ordered_and_complete(spoken: str) -> None:
    figured = figures(spoken)
    assert len(figured.origin) == len(figured.text) + 1
    assert list(figured.origin) == sorted(figured.origin)
    assert figured.words(0, len(figured.text)) == spoken


@given(st.integers(11, 10**8 - 1))
def test_numbers_come_back_from_the_way_they_are_spoken(number: int) -> None:
    written = figures(f"一共{cn2an.an2cn(number)}块").text
    amount = re.fullmatch(r"一共(\d+)(万?)块", written)
    assert amount, written
    assert int(amount[1]) * (10**4 if amount[2] else 1) == number


@given(st.integers(2000, 2099), st.integers(1, 12), st.integers(2, 31))
def test_dates_come_back_from_the_way_they_are_spoken(year: int, month: int, day: int) -> None:
    spoken = "".join("零一二三四五六七八九"[int(digit)] for digit in str(year))
    spoken += f"年{cn2an.an2cn(month)}月{cn2an.an2cn(day)}号".replace("一十", "十")
    assert figures(spoken).text == f"{year}年{month}月{day}号"


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.sampled_from("一幺"))
def test_telephone_numbers_come_back(number: str, one: str) -> None:
    spoken = "".join("零一二三四五六七八九"[int(digit)] for digit in number).replace("一", one)
    assert figures(f"电话{spoken}").text == f"电话{number}"


@given(st.integers(0, 100), st.integers(1, 9))
def test_shares_come_back(whole: int, tenth: int) -> None:
    spoken = cn2an.an2cn(whole).removeprefix("一" if 10 <= whole < 20 else "")
    written = figures(f"百分之{spoken}点{'零一二三四五六七八九'[tenth]}").text
    assert written == f"{whole}.{tenth}%"
