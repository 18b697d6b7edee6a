import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.sounds import (
    Syllable,
    character_distance,
    distance,
    readings,
    syllables,
)

_CHARACTERS = "张章长场沙萨那拉林凌陈程福湖山三金阊津昌号浩路楼渡度东冬一二银应行乐"
_SYLLABLES = st.sampled_from(sorted({s for c in _CHARACTERS for s in readings(c)}))


@pytest.mark.parametrize("alike", ["那拉", "张脏", "车册", "山三", "林凌", "陈程", "福湖"])
def test_what_accents_mix_up_is_nearer_than_anything_else(alike: str) -> None:
    a, b = syllables(alike)
    assert a.folded == b.folded
    assert 0 < distance(a, b) < distance(a, syllables("喝")[0])


def test_a_tone_is_the_least_difference() -> None:
    assert distance(*syllables("东冻")) == pytest.approx(0.1)


def test_a_character_is_read_in_the_way_that_fits() -> None:
    assert character_distance("行", "航") == 0.0
    assert character_distance("行", "形") == 0.0


@given(_SYLLABLES, _SYLLABLES, _SYLLABLES)
def test_it_is_a_metric(a: Syllable, b: Syllable, c: Syllable) -> None:
    assert distance(a, a) == 0
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, b) == distance(b, a) <= 1
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-12


@given(st.text(max_size=30))
def test_every_character_has_one_sound(text: str) -> None:
    assert len(syllables(text)) == len(text)
