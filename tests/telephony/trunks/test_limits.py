from hypothesis import given
from hypothesis import strategies as st

from telephony.trunks.limits import BUSY_SECONDS, CallLimit


def test_no_limit() -> None:
    limit = CallLimit()
    assert [limit.admit(str(number), 0.0) for number in range(1000)] == [None] * 1000
    assert limit.refused == 0


def test_calls_at_once() -> None:
    limit = CallLimit(max_calls=2)
    assert [limit.admit(leg, 0.0) for leg in "abc"] == [None, None, BUSY_SECONDS]
    limit.release("a")
    limit.release("a")
    limit.release("unknown")
    assert [limit.admit(leg, 0.0) for leg in "de"] == [None, BUSY_SECONDS]
    assert limit.refused == 2
    assert limit.live == {"b", "d"}


def test_new_calls_a_second() -> None:
    limit = CallLimit(per_second=2)
    assert [limit.admit(leg, 100.0) for leg in "abc"] == [None, None, 1]
    assert limit.admit("d", 100.5) is None
    assert limit.admit("e", 100.5) == 1


def test_less_than_one_a_second() -> None:
    limit = CallLimit(per_second=0.1)
    assert [limit.admit("a", 5.0), limit.admit("b", 5.0)] == [None, 10]
    assert limit.wait(10.0) == 5
    assert limit.admit("b", 15.0) is None


def test_a_look_costs_nothing() -> None:
    limit = CallLimit(max_calls=1, per_second=1)
    assert [limit.wait(7.0) for _ in range(5)] == [None] * 5
    assert limit.admit("a", 7.0) is None


@given(
    st.lists(st.floats(0, 3), min_size=1, max_size=200),
    st.floats(0.1, 20),
)
def test_never_more_in_any_window(pauses: list[float], per_second: float) -> None:
    limit, now, admitted = CallLimit(per_second=per_second), 50.0, list[float]()
    for number, pause in enumerate(pauses):
        now += pause
        if limit.admit(str(number), now) is None:
            admitted.append(now)
    for start in admitted:
        for length in (1.0, 5.0):
            window = sum(start <= at <= start + length for at in admitted)
            assert window <= max(1.0, per_second) + per_second * length + 1e-6
