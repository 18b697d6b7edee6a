"""The brake on trying many accounts from one place."""

import pytest

from agents.source_brake import SourceBrake

HERE, THERE = "192.0.2.7", "192.0.2.8"


def spent(source: str = HERE, *, failures: int = 3) -> SourceBrake:
    brake = SourceBrake(failures=failures, per_minute=6)
    for _ in range(failures):
        assert brake.wait(source, "1001", 0.0) == 0
        brake.failed(source, 0.0)
    return brake


def test_whoever_tries_many_accounts_waits_for_the_next() -> None:
    brake = spent()
    assert brake.wait(HERE, "1001", 0.0) == brake.wait(HERE, "1002", 0.0) == 10
    assert brake.wait(HERE, "1001", 4.0) == pytest.approx(6)
    assert brake.wait(HERE, "1001", 10.0) == 0
    brake.failed(HERE, 10.0)
    assert brake.wait(HERE, "1003", 10.0) == 10
    assert brake.wait(THERE, "1001", 10.0) == 0


def test_what_was_saved_up_is_bounded_and_so_is_the_debt() -> None:
    brake = spent()
    for _ in range(5):  # they were under way already
        brake.failed(HERE, 0.0)
    assert brake.wait(HERE, "1001", 0.0) == 10
    for _ in range(3):
        assert brake.wait(HERE, "1001", 3600.0) == 0
        brake.failed(HERE, 3600.0)
    assert brake.wait(HERE, "1001", 3600.0) == 10


def test_who_has_signed_in_there_is_not_held_by_others() -> None:
    brake = SourceBrake(failures=3, per_minute=6)
    brake.succeeded(HERE, "1001")
    for _ in range(3):
        brake.failed(HERE, 0.0)
    assert brake.wait(HERE, "1001", 0.0) == 0
    assert brake.wait(HERE, "1002", 0.0) > 0


def test_a_success_gives_no_guesses_back() -> None:
    brake = spent()
    brake.succeeded(HERE, "9999")
    assert brake.wait(HERE, "1001", 0.0) > 0


@pytest.mark.parametrize(
    "source, other, same",
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
        ("", "192.0.2.7", False),
    ],
)
def test_an_ipv6_site_is_one_source(source: str, other: str, *, same: bool) -> None:
    assert (spent(source).wait(other, "1001", 0.0) > 0) is same


def test_a_clock_that_is_set_back_frees_and_holds_nobody() -> None:
    brake = spent()
    assert brake.wait(HERE, "1001", -1e6) == 10


@pytest.mark.parametrize("capacity", [1, 100])
def test_memory_is_bounded(capacity: int) -> None:
    brake = SourceBrake(capacity=capacity)
    for number in range(300):
        brake.failed(f"10.0.{number // 256}.{number % 256}", 0.0)
        brake.succeeded(HERE, str(number))
    assert len(brake) == capacity
    assert len(brake._known) == capacity
