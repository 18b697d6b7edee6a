"""The earliest of many deadlines."""

from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.deadlines import Deadlines


def test_they_come_in_order_and_only_when_due() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("b", 2.0)
    deadlines.set("a", 1.0)
    assert deadlines.next == 1.0
    assert deadlines.pop_due(0.9) is None
    assert [deadlines.pop_due(2.0) for _ in range(3)] == ["a", "b", None]
    assert deadlines.next is None


def test_a_changed_deadline_replaces_the_last_one() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.set("a", 5.0)
    assert deadlines.pop_due(4.0) is None
    deadlines.set("a", None)
    assert (deadlines.next, len(deadlines)) == (None, 0)


def test_stale_entries_do_not_pile_up() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for step in range(10_000):
        deadlines.set("a", 1e6 - step)
    assert len(deadlines._heap) < 100


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.floats(0, 100)), max_size=60))
def test_it_agrees_with_a_plain_dict(changes: list[tuple[int, float | None]]) -> None:
    deadlines: Deadlines[int] = Deadlines()
    plain: dict[int, float] = {}
    for machine, deadline in changes:
        deadlines.set(machine, deadline)
        plain.pop(machine, None)
        if deadline is not None:
            plain[machine] = deadline
        assert deadlines.next == min(plain.values(), default=None)
    popped = list(iter(lambda: deadlines.pop_due(50.0), None))
    assert [plain[machine] for machine in popped] == sorted(at for at in plain.values() if at <= 50)
