"""Who waits before whom, by the events of all nodes."""

from hypothesis import given
from hypothesis import strategies as st

from calls.attending.line_up import KEPT_SECONDS, LONGEST_WAIT, LineUp
from eventbus.catalogue import CallAnswered, CallArrived, CallEnded, CallWaiting

SKILLS = {"12345": "general", "12333": "general", "96111": "english"}


def arrived(call_id: str, at: float, line: str = "12345") -> CallArrived:
    return CallArrived(at=at, call_id=call_id, line=line, caller=None)


def answered(call_id: str, at: float) -> CallAnswered:
    return CallAnswered(at=at, call_id=call_id, line="12345", caller=None, ticket_id="", waited=1.0)


def ended(call_id: str, at: float) -> CallEnded:
    return CallEnded(at=at, call_id=call_id, outcome="abandoned", ended_by="citizen", talked=0.0)


def line_up(*events: CallArrived | CallAnswered | CallEnded) -> LineUp:
    made = LineUp(lambda line: SKILLS[line])
    for event in events:
        made.take(event)
    return made


def test_the_place_is_among_those_who_wait_for_the_same_agents() -> None:
    waiting = line_up(
        arrived("a", 1.0), arrived("e", 1.5, "96111"), arrived("b", 2.0, "12333"), arrived("c", 3.0)
    )
    assert [waiting.ahead_of(call) for call in "abce"] == [0, 1, 2, 0]
    waiting.take(answered("a", 4.0))
    waiting.take(ended("b", 5.0))
    assert waiting.ahead_of("c") == 0
    assert waiting.ahead_of("a") is None
    waiting.take(CallWaiting(at=6.0, call_id="c", line="12345"))
    assert waiting.ahead_of("c") == 0


def test_the_expected_wait_follows_the_latest_answers() -> None:
    calls = [arrived(name, 0.0) for name in "abcd"]
    waiting = line_up(*calls, answered("a", 10.0), answered("b", 40.0))
    assert waiting.expected_seconds("d", 100.0) is None  # two answers tell too little
    waiting.take(answered("c", 70.0))
    assert waiting.expected_seconds("d", 100.0) == 30.0
    waiting.take(arrived("e", 80.0))
    assert waiting.expected_seconds("e", 100.0) == 60.0
    assert waiting.expected_seconds("d", 100.0 + KEPT_SECONDS) is None
    assert waiting.expected_seconds("nobody", 100.0) is None


def test_whose_end_nobody_told_is_forgotten_in_the_end() -> None:
    waiting = line_up(arrived("of a dead node", 0.0), arrived("a", LONGEST_WAIT))
    assert waiting.ahead_of("a") == 1
    waiting.take(arrived("b", LONGEST_WAIT + 1.0))
    assert [waiting.ahead_of(call) for call in ("of a dead node", "a", "b")] == [None, 0, 1]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("+!-")), max_size=50))
def test_places_are_0_to_n_whatever_comes(steps: list[tuple[str, str]]) -> None:
    waiting = line_up()
    for at, (name, kind) in enumerate(steps):
        at_ = float(at)
        events = {"+": arrived(name, at_), "!": answered(name, at_), "-": ended(name, at_)}
        waiting.take(events[kind])
    places = [waiting.ahead_of(name) for name in "abcdef"]
    known = [place for place in places if place is not None]
    assert sorted(known) == list(range(len(known)))
