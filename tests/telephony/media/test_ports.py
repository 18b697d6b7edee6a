"""Port pairs: which, and in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media.ports import PortPool, PortsExhausted


@pytest.mark.parametrize(
    "first,last,pairs",
    [
        (20000, 20003, [20000, 20002]),
        (20001, 20005, [20002, 20004]),
        (20000, 20004, [20000, 20002]),
        (20000, 20001, [20000]),
    ],
)
def test_only_whole_pairs_are_given(first: int, last: int, pairs: list[int]) -> None:
    pool = PortPool(first, last)
    assert [pool.take() for _ in range(pool.free)] == pairs


@pytest.mark.parametrize(
    "first,last", [(20001, 20002), (20000, 20000), (5, 4), (-4, 10), (0, 9), (65534, 65536)]
)
def test_a_range_without_a_pair_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match=f"{first}-{last}"):
        PortPool(first, last)


def test_exhaustion_is_said_clearly() -> None:
    pool = PortPool(20000, 20003)
    pool.take()
    pool.take()
    with pytest.raises(PortsExhausted, match="all 2 port pairs"):
        pool.take()


def test_a_pair_rests_as_long_as_possible() -> None:
    pool = PortPool(20000, 20005)
    first = pool.take()
    pool.give_back(first)
    assert [pool.take() for _ in range(3)] == [20002, 20004, 20000]


def test_only_what_was_taken_can_be_given_back() -> None:
    pool = PortPool(20000, 20005)
    with pytest.raises(ValueError, match="20004 is not in use"):
        pool.give_back(20004)


@given(st.lists(st.booleans(), max_size=60))
def test_no_pair_is_ever_given_twice(takes: list[bool]) -> None:
    pool = PortPool(20000, 20011)
    out: list[int] = []
    for take in takes:
        if take and pool.free:
            port = pool.take()
            assert port not in out
            out.append(port)
        elif out:
            pool.give_back(out.pop(0))
        assert len(pool) == len(out)
        assert len(pool) + pool.free == 6
