"""Port pairs: which, and in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media.ports import QUARANTINE, PortPool, PortsExhausted


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
    assert [pool.take(0.0) for _ in range(pool.free)] == pairs


@pytest.mark.parametrize(
    "first,last", [(20001, 20002), (20000, 20000), (5, 4), (-4, 10), (0, 9), (65534, 65536)]
)
def test_a_range_without_a_pair_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match=f"{first}-{last}"):
        PortPool(first, last)


def test_exhaustion_is_said_clearly() -> None:
    pool = PortPool(20000, 20003)
    pool.take(0.0)
    pool.take(0.0)
    with pytest.raises(PortsExhausted, match="all 2 port pairs"):
        pool.take(0.0)


def test_a_pair_rests_as_long_as_possible() -> None:
    pool = PortPool(20000, 20005)
    first = pool.take(0.0)
    pool.give_back(first, 1.0)
    assert [pool.take(1.0 + QUARANTINE) for _ in range(3)] == [20002, 20004, 20000]


def test_a_pair_is_not_given_before_it_has_rested() -> None:
    pool = PortPool(20000, 20003, quarantine=2.0)
    first = pool.take(0.0)
    pool.take(0.0)
    pool.give_back(first, 10.0)
    with pytest.raises(PortsExhausted, match="1 port pairs are in use, 1 rest"):
        pool.take(11.9)
    assert pool.take(12.0) == first


def test_only_what_was_taken_can_be_given_back() -> None:
    pool = PortPool(20000, 20005)
    with pytest.raises(ValueError, match="20004 is not in use"):
        pool.give_back(20004, 0.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=60))
def test_no_pair_is_given_twice_or_too_soon(steps: list[tuple[bool, float]]) -> None:
    pool = PortPool(20000, 20011)
    out: list[int] = []
    rested: dict[int, float] = {}
    now = 0.0
    for takes, pause in steps:
        now += pause
        if takes and pool.free:
            try:
                port = pool.take(now)
            except PortsExhausted:
                assert all(now < since + QUARANTINE for since in rested.values())
                continue
            assert port not in out
            assert now >= rested.pop(port, -10.0) + QUARANTINE
            out.append(port)
        elif out:
            rested[out[0]] = now
            pool.give_back(out.pop(0), now)
        assert len(pool) == len(out)
        assert len(pool) + pool.free == 6
