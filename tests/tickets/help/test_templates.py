import pytest

from tickets.help.templates import BadTemplates, missing, parse, shipped

NOISE = ["楼下的夜市音响太吵了"]


def test_ten_topics_ship_and_each_asks_for_the_place_or_a_sign() -> None:
    topics = shipped()
    assert len(topics) == 10
    assert len({topic.id for topic in topics}) == 10
    assert all(len(topic.asks) >= 3 for topic in topics)


def test_what_was_said_or_filled_is_not_asked_again() -> None:
    first = missing({"category": "环境保护", "address": None}, NOISE)
    assert first is not None
    assert (first.topic, first.questions[0]) == ("noise", "具体在哪个位置？")
    assert "是什么声音：施工、商铺、广场舞还是邻居？" not in first.questions
    later = missing(
        {"category": "环境保护", "address": "人民路8号"},
        [*NOISE, "每天晚上到12点", "好久了", "没有反映过"],
    )
    assert later is not None
    assert later.questions == ()


def test_the_words_find_a_topic_that_the_category_does_not() -> None:
    found = missing({"category": "其他"}, ["我办卡的健身房关门了", "要求退款"])
    assert found is not None
    assert found.topic == "consumer"
    assert missing({"category": "其他"}, ["我要退款"]) is None
    assert missing({"category": "人才服务"}, ["想问落户"]) is None
    assert missing({}, []) is None


@pytest.mark.parametrize(
    "topic, fault",
    [
        ({"name": "x"}, "topic without an id: 'ask'"),
        ({"id": "a", "ask": [{"question": "?", "field": "colour"}]}, "topic a: .*'colour'"),
        ({"id": "a", "ask": [{"question": "?"}]}, "needs a field or signs"),
        ({"id": "a", "ask": [{"question": "?", "signs": ["("]}]}, "topic a: '\\?'"),
    ],
)
def test_a_broken_template_is_named(topic: dict[str, object], fault: str) -> None:
    with pytest.raises(BadTemplates, match=fault):
        parse({"topic": [topic]})
