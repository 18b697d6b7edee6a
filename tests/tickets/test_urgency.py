import pytest

from tickets.urgency import judge


@pytest.mark.parametrize(
    "said,partner",
    [
        ("我家隔壁着火了烟很大", "119"),
        ("仓库爆炸了", "119"),
        ("家里全是煤气味", "119"),
        ("我被困在电梯里了", "119"),
        ("有人站在楼顶要往下跳", "110"),
        ("有个人拿着刀追人", "110"),
        ("我家进贼了", "110"),
        ("我老母亲早上出门到现在没回来", "110"),
        ("我爸昏倒了叫不醒", "120"),
        ("我被蛇咬了", "120"),
        ("前面两辆车撞了", "122"),
    ],
)
def test_danger_goes_to_a_partner(said: str, partner: str) -> None:
    urgency = judge(said)
    assert urgency.urgent
    assert urgency.transfer == partner
    assert urgency.reason
    assert urgency.words
    assert urgency.words in said


@pytest.mark.parametrize(
    "said",
    [
        "没有着火",
        "我怕着火",
        "去年我们这里着火了",
        "我们这里出过火灾",
        "万一爆炸怎么办",
        "请问打架怎么处罚",
        "小区里放烟花会不会引起火灾",
        "消防通道被堵了",
        "火车晚点了",
        "没有人受伤昏迷",
        "饭店的油烟冒到我家",
        "我在公司受伤了公司不给报工伤医药费",
        "我的狗走丢了",
    ],
)
def test_what_can_wait(said: str) -> None:
    assert not judge(said).urgent


def test_a_hidden_danger_is_marked_and_stays_here() -> None:
    urgency = judge("井盖没有了很危险")
    assert (urgency.level, urgency.urgent, urgency.transfer) == ("一般", False, None)


def test_the_most_pressing_danger_decides() -> None:
    assert judge("车祸有人昏迷了").transfer == "120"
