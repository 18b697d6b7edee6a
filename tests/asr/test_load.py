from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.load import LoadShedder, Role, Shedding, StreamLoad

TICK = 0.2
STEP = 0.02
PIECE = 0.1
LONGEST = 0.4


def streams(calls: int, lag: float) -> list[StreamLoad]:
    roles: tuple[Role, Role] = ("caller", "agent")
    return [StreamLoad(f"{n // 2}.{roles[n % 2]}", roles[n % 2], n, lag) for n in range(2 * calls)]


class Stream:
    """Somebody who talks all the time, and what of it waits."""

    def __init__(self, number: int, role: Role) -> None:
        self.name, self.role, self.number = f"{number // 2}.{role}", role, number
        self.waiting: deque[float] = deque()  # when each piece was complete
        self.came = self.heard = 0.0
        self.in_turn = False

    def load(self, now: float, at_work_since: float | None) -> StreamLoad:
        since = at_work_since or (self.waiting[0] if self.waiting else now)
        return StreamLoad(self.name, self.role, self.number, now - since, self.came, self.heard)


class Machine:
    """Hears ``capacity`` seconds of voice a second: the streams in turn, what has piled up each."""

    def __init__(self, calls: int, capacity: float) -> None:
        self.capacity = capacity
        self.now = 0.0
        self.shedder = LoadShedder(budget=1.0)
        self.shedding = Shedding()
        self.streams = [Stream(n, "agent" if n % 2 else "caller") for n in range(2 * calls)]
        self.turns: deque[Stream] = deque()
        self.at_work: tuple[Stream, float, float] | None = None  # who, since when, seconds of it
        self.left = 0.0  # what the engine still needs for it

    def run(self, seconds: float) -> list[Shedding]:
        history = []
        for _ in range(round(seconds / TICK)):
            for _ in range(round(TICK / STEP)):
                self._talk()
                self._hear()
            self.shedding = self.shedder.handle([self._load(s) for s in self.streams], self.now)
            for stream in self.streams:
                if stream.name in self.shedding.streams:
                    stream.waiting.clear()
            history.append(self.shedding)
        return history

    def _load(self, stream: Stream) -> StreamLoad:
        busy = self.at_work is not None and self.at_work[0] is stream
        return stream.load(self.now, self.at_work[1] if self.at_work and busy else None)

    def _talk(self) -> None:
        before, self.now = self.now, self.now + STEP
        for stream in self.streams:
            shift = PIECE * stream.number / len(self.streams)
            if int((self.now + shift) / PIECE) == int((before + shift) / PIECE):
                continue
            if stream.name not in self.shedding.streams:
                stream.waiting.append(self.now)
                stream.came += PIECE
                self._queue(stream)

    def _queue(self, stream: Stream) -> None:
        if stream.waiting and not stream.in_turn:
            stream.in_turn = True
            self.turns.append(stream)

    def _hear(self) -> None:
        time = STEP
        while time > 0 and (self.at_work or self.turns):
            if self.at_work is None:
                self._take()
                continue
            used = min(time, self.left)
            time, self.left = time - used, self.left - used
            if self.left <= 0:
                stream, _, seconds = self.at_work
                stream.heard += seconds
                self.at_work = None
                self._queue(stream)

    def _take(self) -> None:
        stream = self.turns.popleft()
        stream.in_turn = False
        if stream.waiting:
            since = stream.waiting[0]
            pieces = min(len(stream.waiting), round(LONGEST / PIECE))
            for _ in range(pieces):
                stream.waiting.popleft()
            self.at_work = (stream, since, pieces * PIECE)
            self.left = pieces * PIECE / self.capacity


def kept(machine: Machine, history: list[Shedding]) -> list[str]:
    gone = frozenset[str]().union(*(step.streams for step in history))
    return [stream.name for stream in machine.streams if stream.name not in gone]


def test_within_its_powers_it_gives_up_nothing() -> None:
    assert set(Machine(10, 20.5).run(60)) == {Shedding()}


def test_partials_go_first_then_agents_then_the_newest_citizens() -> None:
    history = Machine(10, 5).run(30)
    partials = next(n for n, step in enumerate(history) if step.partials)
    dropped = next(n for n, step in enumerate(history) if step.streams)
    assert partials < dropped
    first = next(step for step in history if any("caller" in name for name in step.streams))
    assert {f"{n}.agent" for n in range(10)} <= first.streams
    callers = {int(name.split(".")[0]) for name in first.streams if "caller" in name}
    assert callers == set(range(10 - len(callers), 10))


@pytest.mark.parametrize(
    "calls, capacity", [(39, 39), (39, 26), (20, 30), (20, 19.5), (10, 5), (5, 9)]
)
def test_nearly_as_many_are_heard_throughout_as_can_be(calls: int, capacity: float) -> None:
    machine = Machine(calls, capacity)
    history = machine.run(20)
    found = kept(machine, history)
    assert len(found) >= 0.8 * capacity
    assert sum("caller" in name for name in found) >= 0.8 * min(calls, capacity)
    assert max(step.lag for step in history) < 2.0
    assert history[-1].lag <= 1.1


def test_it_does_not_try_again_and_again_to_hear_more_than_it_can() -> None:
    machine = Machine(20, 20)
    history = machine.run(200)
    taken_back = sum(len(a.streams - b.streams) for a, b in pairwise(history))
    assert taken_back <= 10
    assert len(kept(machine, history)) >= 0.8 * 20


def test_all_come_back_when_there_is_time_again_the_oldest_citizen_first() -> None:
    machine = Machine(10, 5)
    machine.run(30)
    before = machine.shedding.streams
    machine.capacity = 100
    history = machine.run(120)
    first = before - next(step.streams for step in history if step.streams != before)
    assert first == {min(before, key=lambda name: ("agent" in name, int(name.split(".")[0])))}
    assert history[-1] == Shedding()


def test_after_minutes_with_too_much_to_hear_all_come_back_soon_all_the_same() -> None:
    machine = Machine(20, 20)
    machine.run(300)
    assert len(machine.shedding.streams) > 15
    machine.capacity = 100  # which has never been needed before
    assert machine.run(150)[-1] == Shedding()


def test_after_seconds_in_which_little_was_heard_all_come_back_soon() -> None:
    machine = Machine(13, 30)
    machine.run(6)
    machine.capacity = 4
    machine.run(4)
    assert len(machine.shedding.streams) > 13
    machine.capacity = 30
    history = machine.run(60)
    assert max(step.lag for step in history[50:]) < 1.0
    assert not history[-1].streams


def test_when_calls_end_the_others_come_back_one_a_second() -> None:
    machine = Machine(20, 20)
    machine.run(30)
    machine.streams = machine.streams[20:]
    machine.run(25)
    assert machine.shedding == Shedding()


def test_one_stream_that_hangs_costs_the_others_nothing() -> None:
    shedder = LoadShedder(budget=1.0)
    for tick in range(100):
        loads = [*streams(5, 0.2), StreamLoad("stuck", "caller", 99, 7.0, came=0.2 * tick)]
        assert not shedder.handle(loads, tick * TICK).streams


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 9), *(st.floats(0, 20) for _ in range(3))), max_size=10),
        max_size=60,
    )
)
def test_whatever_the_lags_only_streams_that_exist_are_given_up(
    history: list[list[tuple[int, float, float, float]]],
) -> None:
    shedder = LoadShedder(budget=1.0)
    for tick, figures in enumerate(history):
        loads = [
            StreamLoad(str(n), "caller", n, *of) for n, *of in {f[0]: f for f in figures}.values()
        ]
        shedding = shedder.handle(loads, tick * TICK)
        assert shedding.streams <= {load.name for load in loads}
        assert not shedding.streams or shedding.partials


def test_a_lag_that_falls_though_beyond_the_budget_still_costs_nobody_anything() -> None:
    shedder = LoadShedder(budget=1.0)
    for tick in range(20):
        now = tick * TICK
        loads = [
            StreamLoad(str(n), "caller", n, 2.5 - 0.1 * tick, came=now, heard=1.1 * now)
            for n in range(10)
        ]
        assert not shedder.handle(loads, now).streams
