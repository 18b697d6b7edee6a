import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.trunks.numbers import NumberRules, RuleError

TO_OURS = NumberRules(
    [(r"(?:\+|00)86(1\d{10})", r"\1"), (r"0(1\d{10})", r"\1"), ("0512(12345)", r"\1")]
)


@pytest.mark.parametrize(
    "given_, wanted",
    [
        ("+8613862311001", "13862311001"),
        ("+86 (138) 6231-1001", "13862311001"),
        ("051212345", "12345"),
        ("12345", "12345"),
        ("anonymous", "anonymous"),
        ("张三 138-6231-1001", "张三 138-6231-1001"),
        ("", ""),
        ("1" * 65, "1" * 65),
    ],
)
def test_rules(given_: str, wanted: str) -> None:
    assert TO_OURS.apply(given_) == wanted


def test_each_rule_is_given_what_the_one_before_has_left() -> None:
    rules = NumberRules([(r"\+86(\d+)", r"0\1"), (r"0(1\d+)", r"\1")])
    assert rules.apply("+8613862311001") == "13862311001"
    assert rules.apply("+8651253530000") == "051253530000"


def test_a_pattern_means_the_whole_number() -> None:
    assert NumberRules([("123", "9")]).apply("12345") == "12345"


def test_a_number_never_gets_lost() -> None:
    assert NumberRules([(".*", "")]).apply("12345") == "12345"


def test_sets_are_applied_one_after_the_other() -> None:
    both = NumberRules([("1(.*)", r"2\1")]).then(NumberRules([("2(.*)", r"3\1")]))
    assert both.apply("1") == "3"
    assert NumberRules([("1(.*)", r"2\1")]).apply("1") == "2"


@pytest.mark.parametrize("rule", [("(", ""), ("(0)", r"\2"), ("0", r"\g<name>"), ("0", "\\")])
def test_a_rule_that_cannot_work_is_named(rule: tuple[str, str]) -> None:
    with pytest.raises(RuleError, match="→"):
        NumberRules([rule])


@given(st.text())
def test_whatever_comes_something_short_comes_out(text: str) -> None:
    assert len(TO_OURS.apply(text)) <= max(64, len(text))
