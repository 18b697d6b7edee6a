import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.phones import PhoneEar, find_number


def heard(*turns: str) -> str | None:
    """Return the number after the turns; a turn that begins with 问 is the agent's."""
    ear, number = PhoneEar(), None
    for turn in turns:
        if turn.startswith("问"):
            ear.agent(turn[1:])
        elif found := ear.caller(turn):
            number = found[0]
    return number


@pytest.mark.parametrize(
    "turns,number",
    [
        (["打我另外一个电话一三六六二二零零零四四"], "13662200044"),
        (["手机停机了你打我单位电话零四七一六六一零三三八"], "04716610338"),
        (["他单位电话零四七一六六一零三三八"], None),
        (["你打到我公司电话零四七一六六一零三三八就行"], "04716610338"),
        (["他天天打我老板的电话一三八一二三四五六七八"], None),
        (["骗子打我公司电话一三八一二三四五六七八"], None),
        (["他打我房东电话一三九一二三四五六七八骚扰"], None),
        (["电话幺三七零六二二零零幺零"], "13706220010"),
        (["电话要三八六二三幺幺零零幺"], "13862311001"),
        (["一三八三个零然后一二三四五"], "13800012345"),
        (["一八六", "六二三四", "五六七八"], "18662345678"),
        (["换一个一五零", "问嗯您说", "零二五六八八九九"], "15002568899"),
        (["座机零五一二六六七七八八九九"], "051266778899"),
        (["座机零五一二", "六六七七八八九九"], "051266778899"),
        (["零二一五五六六七七八八"], "02155667788"),
        (["手机是13862311001"], "13862311001"),
        (["一三八六二三一一零零一一三八六二三一一零零一"], "13862311001"),
        (["二栋五零三电话幺三七零六二二零零幺零"], "13706220010"),
        (["打一三八六二三一一零零一", "不对打一三九一二三四五六七八"], "13912345678"),
    ],
)
def test_complete_numbers(turns: list[str], number: str) -> None:
    assert heard(*turns) == number


@pytest.mark.parametrize(
    "turns",
    [
        ["一三八六二三一一零零"],
        ["他的电话是一三八六二三一一零零一"],
        ["商家的号码一三八六二三一一零零一"],
        ["问对方电话是多少", "一三八六二三一一零零一"],
        ["身份证号三二零五八三一九八零零一零一一二三四"],
        ["在三幢一五零二", "六七七八八九九零"],
        ["我住一三零号", "一二三四五六七八"],
        ["二一五五六六七七八八"],
    ],
)
def test_what_is_no_call_back_number(turns: list[str]) -> None:
    assert heard(*turns) is None


def test_an_unfinished_number_is_forgotten() -> None:
    assert heard("一五零", "我想想", "算了不说了", "零二五六八八九九") is None


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.integers(1, 10), st.data())
def test_any_mobile_is_heard_however_it_is_broken_up(
    number: str, cuts: int, data: st.DataObject
) -> None:
    spoken = [
        data.draw(st.sampled_from({"0": "零0", "1": "一幺1", "2": "二2"}.get(d, d))) for d in number
    ]
    pieces = ["".join(spoken[:cuts]), "".join(spoken[cuts:])]
    filler = data.draw(st.sampled_from(["", "嗯", "然后", "是", "，"]))
    assert heard(f"电话{filler.join(pieces)}") == number


@given(st.text())
def test_no_text_raises(text: str) -> None:
    ear = PhoneEar()
    ear.agent(text)
    ear.caller(text)
    find_number(text)


@pytest.mark.parametrize(
    "said,number",
    [
        ("我本人就现在打的这个", "13800000001"),
        ("就用我打过来的这个号码", "13800000001"),
        ("打本机就行", "13800000001"),
        ("骗子打的这个号码", None),
        ("就这个号码", None),
        ("我打的这个时候没人接", None),
        ("你们打我现在打的这个号码就行", "13800000001"),
        ("我本人就现在打的这个我叫南宫雪", "13800000001"),
        ("不要打本机", None),
        ("别打本机打刚才那个号码", None),
        ("就是本机这个不要打了没人接的", None),
        ("手机用本机号码可以注册", None),
        ("我现在打的这个是借别人的手机", None),
        ("我现在打的这个手机快没电了", None),
        ("我打的这个电话是物业的没人接", None),
        ("我打的这个疫苗有问题", None),
        ("你们现在打的这个广告吵死了", None),
        ("我打来的就是这个事情", None),
        ("就打的这个电话一三八一二三四五六七八", "13812345678"),
        ("不对那个停机了就是本机号码", "13800000001"),
        ("就是本机", "13800000001"),
        ("本机号码就可以", "13800000001"),
        ("我打的就是这个电话", "13800000001"),
        ("联系电话就是我打的这个", "13800000001"),
        ("嗯用我现在打的这个手机号我叫王强", "13800000001"),
        ("不是本机", None),
        ("就是本机号码欠费了", None),
        ("我打的就是这个电话没人接", None),
        ("可以打我公司座机051265432109", "051265432109"),
        ("有事打我单位电话051265432109", "051265432109"),
        ("他有事打我单位电话051265432109", None),
        ("骗子打我公司电话051265432109", None),
        ("他天天打我老板的电话13812345678", None),
    ],
)
def test_the_line_he_calls_from_may_be_the_number_he_gives(said: str, number: str | None) -> None:
    found = PhoneEar("13800000001").caller(said)
    assert (found and found[0]) == number


def test_a_withheld_line_is_no_number() -> None:
    assert PhoneEar().caller("就我现在打的这个") is None
