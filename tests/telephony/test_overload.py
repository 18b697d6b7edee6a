"""Which calls are taken: by the standing delay, in proportion, and back again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.overload import CROWD, INTERVAL_SECONDS, Overload
from tests.telephony.gateways import OFFER, Desk, a_gateway, message
from tests.telephony.peers import a_peer

TICK = 0.1


def run(overload: Overload, delays: list[float], start: float = 0.0) -> float:
    now = start
    for delay in delays:
        now += TICK
        overload.measured(delay, now)
    return now


def taken(overload: Overload, calls: int) -> int:
    return sum(overload.refuses() is None for _ in range(calls))


def test_in_quiet_times_every_call_is_taken() -> None:
    overload = Overload(0.1)
    run(overload, [0.001] * 100)
    assert taken(overload, 1000) == 1000
    assert overload.refused == 0


def test_a_hiccup_is_no_overload() -> None:
    overload = Overload(0.1)
    run(overload, ([5.0] * 5 + [0.0]) * 20)
    assert overload.share == 1.0


def test_a_standing_delay_refuses_a_growing_share_and_says_when_to_come_again() -> None:
    overload = Overload(0.1)
    now = run(overload, [0.15] * 12)
    assert overload.share == pytest.approx(0.1 / 0.15)
    assert taken(overload, 300) == pytest.approx(200, abs=1)
    first = overload.share
    run(overload, [0.15] * 30, now)
    assert overload.share < first / 2
    waits = {overload.refuses() for _ in range(100)} - {None}
    assert waits
    assert all(2 <= wait <= 10 for wait in waits if wait is not None)
    assert overload.refused >= 100


def test_some_are_taken_however_bad_it_is() -> None:
    overload = Overload(0.1)
    run(overload, [60.0] * 1000)
    assert 0 < taken(overload, 1000) < 100


def test_it_comes_back_by_itself() -> None:
    overload = Overload(0.1)
    now = run(overload, [2.0] * 100)
    run(overload, [0.0] * round(25 * INTERVAL_SECONDS / TICK), now)
    assert taken(overload, 100) == 100


def set_ups(overload: Overload, took: list[float], start: float = 0.0) -> float:
    """Let an interval pass in which calls were set up, each in so many seconds."""
    for number, seconds in enumerate(took):
        overload.began(str(number), start)
        overload.set_up(str(number), start + seconds)
    return run(overload, [0.0] * 12, start)


def test_slow_set_ups_are_an_overload_though_the_loop_is_quick() -> None:
    overload = Overload(0.1)
    set_ups(overload, [0.15] * CROWD)
    assert overload.share == pytest.approx(0.1 / 0.15)


def test_a_few_slow_set_ups_are_none() -> None:
    overload = Overload(0.1)
    set_ups(overload, [3.0] * (CROWD - 1))
    assert overload.share == 1.0


def test_one_quick_set_up_among_slow_ones_shows_that_nothing_stands() -> None:
    overload = Overload(0.1)
    set_ups(overload, [*[3.0] * CROWD, 0.01])
    assert overload.share == 1.0


def test_calls_that_wait_for_their_set_up_count_until_they_are_over() -> None:
    overload = Overload(0.1)
    for number in range(CROWD):
        overload.began(str(number), 0.0)
    now = run(overload, [0.0] * 12)
    assert overload.share < 1.0
    for number in range(CROWD):
        overload.over(str(number))
    run(overload, [0.0] * round(25 * INTERVAL_SECONDS / TICK), now)
    assert overload.share == 1.0


def test_calls_that_have_only_just_begun_wait_for_nothing() -> None:
    overload = Overload(0.1)
    run(overload, [0.0] * 9)
    for number in range(2 * CROWD):
        overload.began(str(number), 0.95)
    run(overload, [0.0] * 2, 0.9)
    assert overload.share == 1.0


def test_zero_switches_it_off() -> None:
    overload = Overload(0.0)
    run(overload, [10.0] * 100)
    assert taken(overload, 10) == 10


@given(st.lists(st.floats(0, 100), max_size=200), st.integers(0, 500))
def test_the_share_is_a_share_and_calls_are_taken_by_it(delays: list[float], calls: int) -> None:
    overload = Overload(0.1)
    run(overload, delays)
    assert 0 < overload.share <= 1
    assert abs(taken(overload, calls) - overload.share * calls) < 1 + 1e-6


async def test_an_overloaded_node_refuses_before_anything_is_begun() -> None:
    desk = Desk()
    async with a_gateway(desk) as node:
        with a_peer() as trunk:
            node.overload.share = 1 / 8
            for branch in range(8):
                invite = message(trunk, node, "INVITE", body=OFFER, call_id=f"call-{branch}")
                trunk.send(invite, node.endpoint.local)
            refused: list[str | None] = []
            while len(refused) < 7:
                response = await trunk.response()
                if response.status_code == 503:
                    refused.append(response.headers.get_first("Retry-After"))
            assert refused == ["10"] * 7
            leg, _ = await desk.call()
            assert desk.calls.empty()
            assert node.strangers()["overload_refused"] == 7
            leg.refuse(486)
