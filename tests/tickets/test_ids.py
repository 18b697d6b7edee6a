import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.ids import ENTROPY_BYTES, new_ticket_id

_TIMES = st.integers(1_700_000_000_000, 2_000_000_000_000)


def test_the_day_is_chinas() -> None:
    # 2026-11-20 16:00:00.001 UTC is one millisecond into the 21st in China.
    assert new_ticket_id(1_795_190_400.001, bytes(ENTROPY_BYTES)) == "20261121-000001-00000000"


@given(_TIMES, _TIMES, st.binary(min_size=5, max_size=5), st.binary(min_size=5, max_size=5))
def test_numbers_sort_by_time(one: int, other: int, first: bytes, second: bytes) -> None:
    if abs(one - other) > 1:  # floats of milliseconds may round to the neighbour
        ids = new_ticket_id(one / 1000, first), new_ticket_id(other / 1000, second)
        assert (ids[0] < ids[1]) == (one < other)


def test_too_little_entropy_is_refused() -> None:
    with pytest.raises(ValueError, match="entropy"):
        new_ticket_id(0.0, b"1234")
