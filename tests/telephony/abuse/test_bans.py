from hypothesis import given
from hypothesis import strategies as st

from telephony.abuse.bans import BanList, BanPolicy

POLICY = BanPolicy(failures=3, window=60.0, seconds=100.0)


def test_three_failures_within_a_minute() -> None:
    bans = BanList(POLICY)
    assert [bans.failed("a", at) for at in (0.0, 10.0)] == [False, False]
    assert not bans.is_banned("a", 10.0)
    assert bans.failed("a", 59.0)
    assert bans.is_banned("a", 59.1)
    assert not bans.is_banned("b", 59.1)
    assert bans.is_banned("a", 158.9)
    assert not bans.is_banned("a", 159.0)


def test_the_window_slides() -> None:
    bans = BanList(POLICY)
    assert not any(bans.failed("a", at) for at in (0.0, 40.0, 61.0, 102.0, 123.0))
    assert bans.failed("a", 124.0 + 30)


def test_each_further_ban_is_twice_as_long() -> None:
    bans = BanList(POLICY)
    for _ in range(3):
        bans.failed("a", 0.0)
    for _ in range(3):
        bans.failed("a", 200.0)
    assert bans.is_banned("a", 399.9)
    assert not bans.is_banned("a", 400.0)


def test_whoever_proves_himself_is_forgiven() -> None:
    bans = BanList(POLICY)
    for _ in range(3):
        bans.failed("a", 0.0)
    bans.forgive("a")
    assert not bans.is_banned("a", 0.1)
    assert not any(bans.failed("a", 0.2) for _ in range(2))


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 10)), max_size=300))
def test_memory_is_bounded(story: list[tuple[int, float]]) -> None:
    bans, now = BanList(POLICY, capacity=5), 0.0
    for source, pause in story:
        now += pause
        bans.failed(str(source), now)
        assert len(bans) <= 5
        assert len(bans._failures) <= 5
