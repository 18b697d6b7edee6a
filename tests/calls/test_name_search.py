"""Names are found by characters, pinyin, initials and numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.name_search import found, rank

POLICE = ("公安报警", ("110",))


@pytest.mark.parametrize(
    "typed",
    ["", "公安", "安报", "gongan", "gonganbaojing", "gabj", "GA", "bj", "baoj", "110", "11", "10"],
)
def test_the_police_are_found(typed: str) -> None:
    assert rank(typed, *POLICE) is not None


@pytest.mark.parametrize("typed", ["消防", "xf", "119", "gabjx", "公报", "1100"])
def test_they_are_not_found_by_what_is_anothers(typed: str) -> None:
    assert rank(typed, *POLICE) is None


@pytest.mark.parametrize("typed", ["cq", "zq", "chongq", "zhongqing"])
def test_every_reading_finds(typed: str) -> None:
    assert rank(typed, "重庆12345") is not None


def test_names_with_latin_letters_and_figures_are_found_as_they_are_written() -> None:
    assert rank("zxA", "中心A座") is not None
    assert rank("12345", "苏州12345") is not None
    assert rank("sz12345", "苏州12345") is not None


def test_the_best_comes_first_and_equals_stay_in_order() -> None:
    people = [("a", "张三", ("1101",)), ("b", "公安报警", ("110",)), ("c", "110指挥中心", ("8",))]
    assert found("110", people) == ["b", "c", "a"]
    assert found("", people) == ["a", "b", "c"]


@given(st.text(max_size=20), st.text(max_size=20), st.lists(st.text(max_size=5), max_size=3))
def test_whatever_is_typed_is_answered(typed: str, name: str, numbers: list[str]) -> None:
    assert rank(typed, name, numbers) in {None, *range(9)}
    if name and "".join(name.split()) == name:
        assert rank(name, name) is not None
