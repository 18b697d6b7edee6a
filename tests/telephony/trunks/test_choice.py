import random
from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from telephony.trunks.choice import in_order


@dataclass(frozen=True)
class Way:
    name: int
    priority: int
    weight: int


ways = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5)).map(lambda pair: Way(0, *pair)), max_size=8
).map(lambda found: [Way(place, way.priority, way.weight) for place, way in enumerate(found)])
chances = st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=8)


@given(ways, chances)
def test_every_way_once_and_in_the_order_of_priorities(
    found: list[Way], drawn: list[float]
) -> None:
    ordered = in_order(found, drawn)
    assert sorted(ordered, key=lambda way: way.name) == found
    assert [way.priority for way in ordered] == sorted(way.priority for way in found)


@given(st.floats(0, 1, exclude_max=True))
def test_nobody_has_to_choose_from_one(chance: float) -> None:
    assert in_order([Way(1, 0, 0)], [chance]) == [Way(1, 0, 0)]


def test_shares_follow_the_weights() -> None:
    chance = random.Random(12345)
    group = [Way(1, 0, 100), Way(2, 0, 300), Way(3, 0, 0)]
    first = Counter(
        in_order(group, [chance.random() for _ in group])[0].name for _ in range(20_000)
    )
    # RFC 2782's draw "between 0 and the sum (inclusive)" gives weight 0 one chance in 401
    assert abs(first[1] / 20_000 - 100 / 401) < 0.015
    assert abs(first[2] / 20_000 - 300 / 401) < 0.015
    assert 0 < first[3] < 150


def test_the_example_of_running_sums() -> None:
    group = [Way(1, 0, 1), Way(2, 0, 3)]
    assert [way.name for way in in_order(group, [0.0, 0.0])] == [1, 2]
    assert [way.name for way in in_order(group, [0.5, 0.0])] == [2, 1]
