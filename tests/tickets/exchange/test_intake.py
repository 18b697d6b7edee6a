from pathlib import Path

import pytest

from tickets.exchange.intake import BadIntake, people_in, read_intake, shipped_intake
from tickets.exchange.messages import Matter, TicketMessage


def ticket(content: str, *, category: str | None = None, **more: object) -> TicketMessage:
    values = {
        "id": "t",
        "at": 1.0,
        "number": "JQ1",
        "matter": Matter(content=content, category=category),
    }
    return TicketMessage.model_validate({**values, **more})


@pytest.mark.parametrize(
    "message, what, rule",
    [
        (ticket("健身房倒闭了，预付卡里的三千块钱不退给我"), "accept", "消费纠纷"),
        (ticket("买的手机有质量问题，商家不给退货"), "accept", "消费纠纷"),
        (ticket("老板拖欠我两个月工资"), "accept", "单人欠薪"),
        (ticket("包工头拖欠工钱不给", category="劳动纠纷", people=1), "accept", "单人欠薪"),
        (ticket("包工头拖欠我们15个工人的工资"), "return", "多人欠薪"),
        (ticket("包工头拖欠工资", people=8), "return", "多人欠薪"),
        (ticket("买的手机有质量问题，商家不给退货", needs_officer=True), "return", "需要出警"),
        (ticket("因为退款正在打架，有人持刀"), "return", "正在发生的危险"),
        (ticket("怀疑他在家里吸毒"), "return", "违法犯罪"),
        (ticket("路灯坏了没人修"), "return", None),
        (ticket(""), "return", None),
    ],
)
def test_the_shipped_rules(message: TicketMessage, what: str, rule: str | None) -> None:
    verdict = shipped_intake().judge(message)
    assert (verdict.what, verdict.rule) == (what, rule)
    assert bool(verdict.reason) is (what == "return")


@pytest.mark.parametrize(
    "text, people",
    [
        ("拖欠我的工资", 1),
        ("拖欠我们15个工人的工资", 15),
        ("拖欠十几个民工的工钱", 10),
        ("拖欠大家的工资", 2),
        ("我们几个的工资", 2),
        ("人民路一号", 1),
    ],
)
def test_how_many_a_text_speaks_of(text: str, people: int) -> None:
    assert people_in(text) == people


@pytest.mark.parametrize(
    "text, fault",
    [
        ("", "otherwise"),
        ("otherwise = 'no'\n[[rules]]\nverdict = 'maybe'\n", "rule 1: verdict"),
        ("otherwise = 'no'\n[[rules]]\nverdict = 'return'\n", "rule 1: reason"),
        ("otherwise = 'no'\n[[rules]]\nverdict = 'accept'\npeople = [1]\n", "rule 1: people"),
        ("otherwise = 'no'\n[[rules]]\nverdict = 'accept'\nwords = 'a'\n", "rule 1: words"),
        ("otherwise = 'no'\n[[rules]]\nverdict = 'accept'\ncategories = ['天气']\n", "天气"),
        ("otherwise = 'no'\n[[rules]]\nverdict = 'accept'\nofficer = 1\n", "rule 1: officer"),
        ("otherwise = 'no'\n[[rules]]\nverdict = 'accept'\ncolour = 1\n", "colour"),
        ("otherwise = 'no'\nrules = [1]\n", "rule 1: a table"),
        ("otherwise = ", "Invalid"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "intake.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadIntake, match=r"intake\.toml") as caught:
        read_intake(file)
    assert fault in str(caught.value)
