import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.trunks.health import (
    OVERLOADED,
    Answered,
    Changed,
    Failed,
    HealthEffect,
    HealthInput,
    HealthTimes,
    Opened,
    Overloaded,
    Probe,
    TimeUp,
    TrunkHealth,
)

TIMES = HealthTimes(interval=5.0, retry=1.0, answer=2.0, trial=30.0, failures=2, successes=2)
UP, GONE = Changed(up=True), Changed(up=False, reason="no answer to OPTIONS")


def asked() -> TrunkHealth:
    health = TrunkHealth(TIMES)
    assert health.handle(Opened(), 0.0) == [Probe()]
    return health


def ring(health: TrunkHealth) -> tuple[float, list[HealthEffect]]:
    assert health.deadline is not None
    at = health.deadline
    return at, health.handle(TimeUp(), at)


def test_a_trunk_that_answers_is_asked_from_time_to_time() -> None:
    health = asked()
    assert health.handle(Answered(probe=True), 0.1) == []
    assert ring(health) == (5.1, [Probe()])
    assert health.up


def test_silence_takes_it_out_and_answers_bring_it_back() -> None:
    health = asked()
    assert ring(health) == (2.0, [])
    assert ring(health) == (3.0, [Probe()])
    assert ring(health) == (5.0, [GONE])
    assert (health.up, health.reason) == (False, "no answer to OPTIONS")
    assert ring(health) == (6.0, [Probe()])
    assert health.handle(Answered(probe=True), 6.1) == []
    assert ring(health) == (7.1, [Probe()])
    assert health.handle(Answered(probe=True), 7.2) == [UP]
    assert health.deadline == 12.2


def test_answers_must_come_in_a_row() -> None:
    health = asked()
    for _ in range(3):
        ring(health)
    ring(health)
    assert health.handle(Answered(probe=True), 6.1) == []
    ring(health)
    assert ring(health)[1] == []
    ring(health)
    assert health.handle(Answered(probe=True), 12.0) == []
    assert not health.up


def test_an_answer_that_comes_too_late_counts_for_nothing() -> None:
    health = asked()
    assert ring(health) == (2.0, [])
    assert health.handle(Answered(probe=True), 2.5) == []
    assert ring(health) == (3.0, [Probe()])
    assert ring(health) == (5.0, [GONE])


def test_calls_tell_as_well_as_probes_and_at_once() -> None:
    health = asked()
    health.handle(Answered(probe=True), 0.1)
    assert health.handle(Failed("no answer to the INVITE"), 1.0) == []
    assert health.deadline == 2.0  # does not wait for the regular one
    gone = Changed(up=False, reason="no answer to the INVITE")
    assert health.handle(Failed("no answer to the INVITE"), 1.5) == [gone]
    assert health.handle(Answered(), 1.7) == []
    assert health.handle(Answered(), 1.8) == [UP]


def test_a_call_that_is_answered_makes_up_for_one_that_was_not() -> None:
    health = asked()
    health.handle(Answered(probe=True), 0.1)
    for at in range(1, 10):
        assert health.handle(Failed("x"), at) == []
        assert health.handle(Answered(), at + 0.5) == []


def test_retry_after_is_obeyed() -> None:
    health = asked()
    assert health.handle(Overloaded(20.0, probe=True), 1.0) == [
        Changed(up=False, reason=OVERLOADED)
    ]
    assert health.deadline == 21.0
    assert health.handle(Answered(), 5.0) == []
    assert health.handle(Answered(), 6.0) == []
    assert ring(health) == (21.0, [Probe()])
    assert health.handle(Answered(probe=True), 21.1) == []
    ring(health)
    assert health.handle(Answered(probe=True), 22.2) == [UP]


def test_a_503_without_retry_after_is_a_failure_like_any_other() -> None:
    health = asked()
    assert health.handle(Overloaded(None, probe=True), 1.0) == []
    assert health.handle(Overloaded(None), 1.1) == [Changed(up=False, reason=OVERLOADED)]


def test_a_trunk_that_is_not_asked_is_down_for_a_while() -> None:
    health = TrunkHealth(HealthTimes(interval=None))
    assert health.handle(Opened(), 0.0) == []
    assert health.deadline is None
    health.handle(Failed("x"), 1.0)
    assert health.deadline is None
    assert health.handle(Failed("x"), 2.0) == [Changed(up=False, reason="x")]
    assert ring(health) == (32.0, [UP])
    assert health.deadline is None


inputs = st.one_of(
    st.just(TimeUp()),
    st.builds(Answered, st.booleans()),
    st.builds(Failed, st.just("x"), st.booleans()),
    st.builds(Overloaded, st.none() | st.floats(0, 60), st.booleans()),
)


@given(
    st.sampled_from([None, 5.0]),
    st.lists(st.tuples(inputs, st.floats(0, 40)), max_size=60),
)
def test_any_order_of_events(
    interval: float | None, story: list[tuple[HealthInput, float]]
) -> None:
    health = TrunkHealth(HealthTimes(interval=interval))
    now, up = 0.0, True
    health.handle(Opened(), now)
    for event, pause in story:
        now += pause
        for effect in health.handle(event, now):
            if isinstance(effect, Changed):
                assert effect.up is not up, "told twice"
                up = effect.up
        assert health.up is up
        # whoever is down, or is asked at all, is looked at again
        assert health.deadline is not None or (interval is None and up)
    for _ in range(200):  # and a trunk that answers from now on comes back
        if health.up:
            break
        at, effects = ring(health)
        if Probe() in effects:
            health.handle(Answered(probe=True), at)
    assert health.up


@pytest.mark.parametrize("count", [1, 3])
def test_how_many_failures_count(count: int) -> None:
    health = TrunkHealth(HealthTimes(failures=count))
    health.handle(Opened(), 0.0)
    told = [health.handle(Failed("x"), 0.1) for _ in range(count)]
    assert told == [[]] * (count - 1) + [[Changed(up=False, reason="x")]]
