"""The call-back list's machine: every step, and any order of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.callbacks import (
    Attempted,
    CallBack,
    CallBackError,
    CallBackInput,
    CallBackRules,
    CalledAgain,
    Closed,
    Missed,
    QuietRule,
    Scheduled,
    Taken,
    handle,
)

RULES = CallBackRules(attempts=2, retry_seconds=600.0, lease_seconds=180.0)
NUMBER = "13862311001"


def missed(call_id: str = "c1", reason: str = "abandoned") -> Missed:
    return Missed(NUMBER, "12345", reason, call_id)  # type: ignore[arg-type]


def entry(*events: CallBackInput, now: float = 100.0) -> CallBack:
    found: CallBack | None = None
    for event in (missed(), *events):
        found = handle(found, event, now, RULES)
    assert found is not None
    return found


def test_a_number_stands_on_the_list_once_and_its_calls_are_counted() -> None:
    first = entry()
    again = handle(first, missed("c2", "asked"), 200.0, RULES)
    assert again == replace(first, call_id="c2", calls=2, reason="asked", last_at=200.0)
    assert handle(again, missed("c2", "abandoned"), 200.0, RULES) == again  # told twice
    weaker = handle(again, missed("c3", "abandoned"), 300.0, RULES)
    assert weaker is not None
    assert (weaker.reason, weaker.calls) == ("asked", 3)


def test_one_agent_takes_it_and_reaches_him() -> None:
    taken = entry(Taken("1001"))
    assert (taken.status, taken.agent_id) == ("calling", "1001")
    with pytest.raises(CallBackError) as caught:
        handle(taken, Taken("1002"), 200.0, RULES)
    assert caught.value.code == "taken"
    closed = handle(taken, Attempted(reached=True), 130.0, RULES)
    assert closed is not None
    assert (closed.status, closed.outcome, closed.closed_at) == ("closed", "reached", 130.0)


def test_an_entry_that_a_dead_node_was_calling_is_free_again() -> None:
    taken = entry(Taken("1001"))
    freed = handle(taken, Taken("1002"), 280.0, RULES)
    assert freed is not None
    assert freed.agent_id == "1002"


def test_who_does_not_answer_is_called_later_and_at_last_let_be() -> None:
    tried = entry(Taken("1001"), Attempted(reached=False))
    assert (tried.status, tried.attempts, tried.due_at) == ("open", 1, 700.0)
    assert handle(tried, missed("c2"), 200.0, RULES).due_at == 200.0  # type: ignore[union-attr]
    last = entry(Taken("1001"), Attempted(reached=False), Taken("1001"), Attempted(reached=False))
    assert (last.status, last.outcome) == ("closed", "unreachable")


PROMISE = Scheduled(NUMBER, "12345", "c9", 5000.0, "1001", "补材料")


def test_a_promised_call_is_due_at_its_time_and_lasts_till_then() -> None:
    promised = handle(None, PROMISE, 100.0, RULES)
    assert promised is not None
    assert (promised.reason, promised.status, promised.calls) == ("scheduled", "open", 1)
    assert (promised.due_at, promised.agent_id, promised.note) == (5000.0, "1001", "补材料")
    # he calls of another matter meanwhile: the promise stands; after its time he has been talked to
    assert handle(promised, CalledAgain(), 200.0, RULES) == promised
    assert handle(promised, CalledAgain(), 5000.0, RULES).outcome == "called_again"  # type: ignore[union-attr]
    lost = handle(promised, missed("c10"), 300.0, RULES)  # he has tried to reach us
    assert lost is not None
    assert (lost.reason, lost.due_at, lost.calls) == ("scheduled", 5000.0, 2)


def test_what_comes_before_its_time_neither_fulfils_a_promise_nor_moves_it() -> None:
    tried = entry(Taken("1001"), Attempted(reached=False), PROMISE)
    assert (tried.due_at, tried.attempts) == (5000.0, 0)  # a promise has all its attempts
    lost = handle(tried, missed("c10"), 300.0, RULES)
    assert handle(lost, CalledAgain(), 400.0, RULES) == lost
    for now in (500.0, 600.0, 700.0):
        taken = handle(lost, Taken("1001"), now, RULES)
        assert handle(taken, Attempted(reached=False), now + 20, RULES) == lost
    taken = handle(lost, Taken("1001"), 5000.0, RULES)
    due = handle(taken, Attempted(reached=False), 5010.0, RULES)
    assert due is not None
    assert (due.status, due.attempts, due.due_at) == ("open", 1, 5610.0)
    again = handle(due, missed("c11"), 5100.0, RULES)  # it was tried: from now on like any other
    assert again is not None
    assert again.due_at == 5100.0
    assert handle(due, CalledAgain(), 5100.0, RULES).outcome == "called_again"  # type: ignore[union-attr]


def test_a_promise_stays_its_agents_whoever_calls() -> None:
    promised = handle(None, PROMISE, 100.0, RULES)
    for reached in (None, False):
        taken = handle(promised, Taken("1002"), 5000.0, RULES)
        assert taken is not None
        assert (taken.agent_id, taken.promised_by) == ("1002", "1001")
        freed = handle(taken, Attempted(reached), 5020.0, RULES)
        assert freed is not None
        assert (freed.status, freed.agent_id) == ("open", "1001")  # whom his desk reminds
    closed = handle(taken, Attempted(reached=True), 5020.0, RULES)
    assert closed is not None
    assert closed.agent_id == "1002"


def test_another_agents_promise_is_not_taken_over_before_it_is_due() -> None:
    promised = handle(None, PROMISE, 100.0, RULES)
    theirs = replace(PROMISE, agent_id="1002", at=9000.0, note="别的事")
    with pytest.raises(CallBackError, match="promised"):
        handle(promised, theirs, 4999.0, RULES)
    later = handle(promised, replace(PROMISE, at=6000.0), 4999.0, RULES)  # one's own is moved
    assert later is not None
    assert later.due_at == 6000.0
    due = handle(promised, theirs, 5000.0, RULES)
    assert due is not None
    assert (due.promised_by, due.agent_id, due.note) == ("1002", "1002", "别的事")


def test_an_entry_becomes_the_promise_unless_he_is_being_called() -> None:
    waiting = entry()
    promised = handle(waiting, PROMISE, 200.0, RULES)
    assert promised is not None
    assert (promised.reason, promised.due_at, promised.first_at) == ("scheduled", 5000.0, 100.0)
    taken = entry(Taken("1002"))
    with pytest.raises(CallBackError, match="taken"):
        handle(taken, PROMISE, 200.0, RULES)
    freed = handle(taken, PROMISE, 280.0, RULES)  # by a node that died
    assert freed is not None
    assert (freed.status, freed.agent_id, freed.taken_at) == ("open", "1001", None)
    closed = entry(Closed("reached", "1002"))
    assert handle(closed, PROMISE, 300.0, RULES).status == "open"  # type: ignore[union-attr]


def test_an_agent_who_does_not_pick_up_costs_no_attempt() -> None:
    tried = entry(Taken("1001"), Attempted(reached=None))
    assert (tried.status, tried.attempts, tried.due_at) == ("open", 0, 100.0)


def test_a_call_of_his_that_is_answered_closes_it() -> None:
    assert entry(CalledAgain()).outcome == "called_again"
    assert entry(Taken("1001"), CalledAgain()).outcome == "called_again"
    assert handle(None, CalledAgain(), 1.0, RULES) is None


def test_an_agent_closes_it_by_hand() -> None:
    closed = entry(Closed("not_needed", "1001", "已办结"))
    assert (closed.outcome, closed.agent_id, closed.note) == ("not_needed", "1001", "已办结")
    with pytest.raises(CallBackError, match="closed"):
        handle(closed, Closed("reached", "1002"), 200.0, RULES)
    with pytest.raises(CallBackError, match="closed"):
        handle(closed, Taken("1002"), 200.0, RULES)
    with pytest.raises(CallBackError, match="unknown"):
        handle(None, Taken("1002"), 200.0, RULES)
    anew = handle(closed, missed("c9"), 300.0, RULES)
    assert anew is not None
    assert (anew.status, anew.calls, anew.outcome) == ("open", 1, None)


def test_it_is_quiet_when_enough_are_ready_and_nobody_waits() -> None:
    rule = QuietRule(ready=2)
    assert rule.is_quiet(ready=2, waiting=0)
    assert not rule.is_quiet(ready=1, waiting=0)
    assert not rule.is_quiet(ready=5, waiting=1)


INPUTS: st.SearchStrategy[CallBackInput] = st.one_of(
    st.builds(
        Missed,
        st.just(NUMBER),
        st.just("12345"),
        st.sampled_from(["asked", "failed", "missed", "abandoned"]),
        st.sampled_from(["c1", "c2", "c3"]),
    ),
    st.builds(
        Scheduled,
        st.just(NUMBER),
        st.just("12345"),
        st.just("c4"),
        st.floats(0, 5000),
        st.just("1001"),
    ),
    st.builds(Taken, st.sampled_from(["1001", "1002"])),
    st.builds(Attempted, st.sampled_from([True, False, None])),
    st.just(CalledAgain()),
    st.builds(Closed, st.just("not_needed"), st.just("1001")),
)


@given(st.lists(st.tuples(INPUTS, st.floats(0, 1000)), max_size=40))
def test_in_any_order_of_events(steps: list[tuple[CallBackInput, float]]) -> None:
    found: CallBack | None = None
    now = 0.0
    for event, passed in steps:
        now += passed
        before = found
        try:
            found = handle(found, event, now, RULES)
        except CallBackError:
            assert isinstance(event, Taken | Closed | Scheduled)
            continue
        if isinstance(event, Missed | Scheduled):
            assert found is not None
            assert found.status != "closed"  # nobody who was missed is off the list
        if found is not None:
            assert (found.status == "closed") == (found.outcome is not None)
            assert (found.status == "calling") == (found.taken_at is not None)
            assert found.attempts <= RULES.attempts
        if before is not None and before.status == "closed":
            assert found == before or isinstance(event, Missed | Scheduled)
