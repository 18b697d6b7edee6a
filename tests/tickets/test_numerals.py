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
