"""Likeness to examples of what people say."""

import pytest

from tickets.category import RuleClassifier, classify
from tickets.examples import Examples, shipped
from tickets.tree import OTHER, SHIPPED, CategoryTree

FEW = Examples({"水": ["家里停水了", "水管漏水"], "车": ["公交车不来", "停车难"]})


def test_a_text_is_most_like_the_examples_it_shares_most_with() -> None:
    likeness = FEW.likeness("我们家漏水了")
    assert 0.0 < likeness["车"] < likeness["水"] < 1.0 or likeness["车"] == 0.0 < likeness["水"]


def test_an_example_alone_is_wholly_like_itself() -> None:
    assert Examples({"水": ["家里停水了"]}).likeness("家里，停水了")["水"] == pytest.approx(1.0)


@pytest.mark.parametrize("text", ["", "，。", "abc", "囧"])
def test_what_shares_nothing_is_like_nothing(text: str) -> None:
    assert set(FEW.likeness(text).values()) == {0.0}


def test_there_are_examples_of_every_shipped_category() -> None:
    assert set(shipped().likeness("")) == set(SHIPPED.names)


def test_examples_decide_where_no_word_is_known() -> None:
    tree = CategoryTree({"水": {"供水": ("自来水",)}, "车": {"公交": ("驾驶员",)}, OTHER: {}})
    ranked = RuleClassifier(tree, FEW)("家里的水管漏了")
    assert (ranked[0].category, ranked[0].words) == ("水", ())
    assert RuleClassifier(tree, FEW)("驾驶员不开空调")[0].category == "车"


def test_categories_that_a_city_lacks_are_never_chosen() -> None:
    tree = CategoryTree({"供水": {"供水": ("自来水",)}, "供电": {"供电": ("变压器",)}, OTHER: {}})
    assert [r.category for r in RuleClassifier(tree)("村书记把低保给了亲戚")] == [OTHER]


@pytest.mark.parametrize("text", ["", "喂", "喂你好", "请讲"])
def test_a_greeting_is_about_nothing(text: str) -> None:
    assert classify(text)[0].category == OTHER
