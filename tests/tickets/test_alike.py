"""Danger that no rule has words for."""

import pytest

from tickets import rules
from tickets.alike import shipped
from tickets.fields import PARTNERS
from tickets.urgency import BadRules, UrgencyRules, judge, shipped_rules


@pytest.mark.parametrize(
    "said,partner",
    [
        ("隔壁那个老爷子身子都凉了没动静了", "120"),
        ("有个小娃娃自己坐在马路边上哭没有大人管", "110"),
        ("煤气管子被挖断了呲呲往外跑", "119"),
    ],
)
def test_what_sounds_like_danger_is_passed_on(said: str, partner: str) -> None:
    urgency = judge(said)
    assert (urgency.urgent, urgency.transfer) == (True, partner)
    assert urgency.words
    assert urgency.words in said


@pytest.mark.parametrize(
    "said",
    [
        "去年隔壁的老爷子身子都凉了才有人发现",
        "听说有个两三岁的娃娃自己在马路上走",
        "要是煤气管子被挖断了呲呲往外跑谁负责",
        "路上有个大坑我电瓶车骑过去差点摔了",
        "我想问问居住证怎么办",
        "在张家浜红旗桥下面",
        "快",
    ],
)
def test_what_is_past_supposed_or_calm_does_not(said: str) -> None:
    assert not judge(said).urgent


def test_each_partner_has_examples_and_each_is_recognised() -> None:
    said = rules.load("dangers")
    assert set(said) == {*PARTNERS, "calm"}
    for partner in PARTNERS:
        heard = shipped().sounds(said[partner]["said"][0])
        assert heard is not None
        assert heard.partner == partner


def test_a_city_whose_rules_name_no_likeness_has_none() -> None:
    said = "隔壁那个老爷子身子都凉了没动静了"
    data = dict(rules.load("urgency"))
    del data["alike"]
    assert shipped_rules().judge(said).urgent
    assert not UrgencyRules(data, "city.toml").judge(said).urgent


def test_the_least_likeness_is_any_number() -> None:
    said = "隔壁那个老爷子身子都凉了没动静了"
    data = dict(rules.load("urgency"))
    assert not UrgencyRules(data | {"alike": 1}, "city.toml").judge(said).urgent
    for wrong in (True, "0.03"):
        with pytest.raises(BadRules, match=r"city\.toml: alike is a number such as 0\.03"):
            UrgencyRules(data | {"alike": wrong}, "city.toml")
