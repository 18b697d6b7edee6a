"""The brake on guessing passwords."""

import pytest

from agents.brake import Brake


def test_a_few_mistakes_cost_nothing_and_then_each_costs_double() -> None:
    brake = Brake(free=3, first_delay=2, longest_delay=5)
    assert [brake.attempt("x", 0.0) for _ in range(3)] == [0, 0, 0]
    assert brake.attempt("x", 0.5) == 1.5
    assert brake.attempt("x", 2.0) == 0
    assert brake.attempt("x", 2.0) == 4.0
    assert brake.attempt("x", 6.0) == 0
    assert brake.attempt("x", 6.0) == 5.0


def test_an_attempt_while_braked_does_not_lengthen_the_wait() -> None:
    brake = Brake(free=1, first_delay=2)
    brake.attempt("x", 0.0)
    assert [brake.attempt("x", 1.0) for _ in range(10)] == [1.0] * 10


def test_success_forgets_the_failures() -> None:
    brake = Brake(free=2)
    brake.attempt("x", 0.0)
    brake.succeeded("x")
    assert [brake.attempt("x", 0.0) for _ in range(2)] == [0, 0]
    assert brake.attempt("x", 0.0) > 0


def test_one_key_does_not_brake_another() -> None:
    brake = Brake(free=1)
    brake.attempt("x", 0.0)
    assert brake.attempt("y", 0.0) == 0


def test_after_long_quiet_the_key_starts_afresh() -> None:
    brake = Brake(free=1, first_delay=2, longest_delay=60)
    assert brake.attempt("x", 0.0) == 0
    assert brake.attempt("x", 2.0) == 0
    # The second failure blocks until 6.0; 60 s of quiet after that are not over at 66.0.
    assert brake.attempt("x", 66.0) == 0
    assert brake.attempt("x", 66.0) == 8
    assert brake.attempt("x", 134.1) == 0
    assert brake.attempt("x", 134.1) == 2


@pytest.mark.parametrize("capacity", [1, 100])
def test_memory_is_bounded(capacity: int) -> None:
    brake = Brake(capacity=capacity)
    for number in range(1000):
        brake.attempt(number, 0.0)
    assert len(brake) == capacity


def test_a_million_failures_do_not_overflow() -> None:
    brake = Brake(free=1, first_delay=2, longest_delay=300)
    now = 0.0
    for _ in range(2000):
        now += brake.attempt("x", now)
    assert brake.attempt("x", now) <= 300
