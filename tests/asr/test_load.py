from hypothesis import given
from hypothesis import strategies as st

from asr.load import LoadShedder, Shedding, StreamLoad

TICK = 0.2


def streams(calls: int, lag: float, *, without: frozenset[str] = frozenset()) -> list[StreamLoad]:
    found = []
    for number in range(calls):
        for offset, role in enumerate(("caller", "agent")):
            name = f"{number}.{role}"
            heard = 0.0 if name in without else lag
            found.append(StreamLoad(name, role, 2 * number + offset, heard))  # type: ignore[arg-type]
    return found


class Machine:
    """A machine that hears ``capacity`` streams at once; the rest becomes lag."""

    def __init__(self, calls: int, capacity: int) -> None:
        self.calls, self.capacity = calls, capacity
        self.shedder = LoadShedder(budget=1.0)
        self.now = self.lag = 0.0
        self.shedding = Shedding()

    def run(self, seconds: float) -> list[Shedding]:
        history = []
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            heard = 2 * self.calls - len(self.shedding.streams)
            self.lag = max(0.0, self.lag + TICK * (1 - self.capacity / heard)) if heard else 0.0
            loads = streams(self.calls, self.lag, without=self.shedding.streams)
            self.shedding = self.shedder.handle(loads, self.now)
            # What waits of a stream that is given up is not heard: the others come sooner.
            self.lag *= min(1.0, (2 * self.calls - len(self.shedding.streams)) / (heard or 1))
            history.append(self.shedding)
        return history


def test_within_its_powers_it_gives_up_nothing() -> None:
    assert set(Machine(10, 20).run(60)) == {Shedding()}


def test_partials_go_first_then_agents_then_the_newest_citizens() -> None:
    history = Machine(10, 5).run(30)
    partials = next(n for n, step in enumerate(history) if step.partials)
    dropped = next(n for n, step in enumerate(history) if step.streams)
    assert partials < dropped
    first = next(step for step in history if any("caller" in name for name in step.streams))
    assert {f"{n}.agent" for n in range(10)} <= first.streams
    callers = {int(name.split(".")[0]) for name in first.streams if "caller" in name}
    assert callers == set(range(10 - len(callers), 10))


def test_the_lag_is_caught() -> None:
    machine = Machine(20, 20)
    history = machine.run(60)
    assert all(step.lag < 2.0 for step in history)
    assert all("caller" not in name for step in history for name in step.streams)


def test_all_come_back_when_there_is_time_again_the_oldest_citizen_first() -> None:
    machine = Machine(10, 5)
    machine.run(30)
    before = machine.shedding.streams
    machine.capacity, machine.lag = 100, 0.0
    history = machine.run(120)
    first = before - next(step.streams for step in history if step.streams != before)
    assert first == {min(before, key=lambda name: ("agent" in name, int(name.split(".")[0])))}
    assert history[-1] == Shedding()


def test_one_stream_that_hangs_costs_the_others_nothing() -> None:
    shedder = LoadShedder(budget=1.0)
    loads = [*streams(5, 0.2), StreamLoad("stuck", "caller", 99, 7.0)]
    for tick in range(100):
        assert not shedder.handle(loads, tick * TICK).streams


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 20)), max_size=10), max_size=60))
def test_whatever_the_lags_only_streams_that_exist_are_given_up(
    history: list[list[tuple[int, float]]],
) -> None:
    shedder = LoadShedder(budget=1.0)
    for tick, lags in enumerate(history):
        loads = [StreamLoad(str(n), "caller", n, lag) for n, lag in dict(lags).items()]
        shedding = shedder.handle(loads, tick * TICK)
        assert shedding.streams <= {load.name for load in loads}
        assert not shedding.streams or shedding.partials


def test_it_gives_up_just_enough() -> None:
    machine = Machine(20, 30)
    history = machine.run(60)
    assert max(len(step.streams) for step in history) <= 12, "10 of 40 are too many"
    assert history[-1].lag < 1.5


def test_it_awaits_what_a_step_brings() -> None:
    """A lag that falls, though it is beyond the budget still, costs nobody anything."""
    shedder = LoadShedder(budget=1.0)
    rising = [shedder.handle(streams(10, 0.2 * tick), 0.2 * tick) for tick in range(15)]
    given_up = rising[-1].streams
    assert given_up
    falling = [
        shedder.handle(streams(10, 2.8 - 0.1 * tick, without=given_up), 3.0 + 0.2 * tick)
        for tick in range(15)
    ]
    assert {step.streams for step in falling} == {given_up}
