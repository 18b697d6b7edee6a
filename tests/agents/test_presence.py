"""The presence machine: every pair of state and input, and what each transition keeps."""

import itertools
from dataclasses import replace

import pytest

from agents.presence import (
    HELD,
    TRANSITIONS,
    Details,
    Input,
    Presence,
    PresenceError,
    State,
    step,
)

NOW = 1000.0
DETAILS = Details(
    node="b",
    reason="lunch",
    call_id="c1",
    call_node="a",
    wrap_up_seconds=30.0,
    reoffer_seconds=5.0,
)


def someone(state: State) -> Presence:
    """Return an agent as he would be found in a state."""
    held = state in HELD
    waits = state in {State.READY, State.RESERVED, State.RINGING}
    return Presence(
        "1001",
        state=state,
        reason="training" if state is State.NOT_READY else None,
        since=900.0,
        ready_since=800.0 if waits else None,
        call_id="c0" if held or state is State.WRAP_UP else None,
        call_node="a" if held else None,
        node="a",
        phones=2,
        wrap_up_until=930.0 if state is State.WRAP_UP else None,
    )


@pytest.mark.parametrize("state, what", list(itertools.product(State, Input)))
def test_a_pair_that_is_not_in_the_table_raises_and_one_that_is_goes_where_it_says(
    state: State, what: Input
) -> None:
    before = someone(state)
    target = TRANSITIONS[state].get(what)
    if target is None:
        with pytest.raises(PresenceError) as caught:
            step(before, what, NOW, DETAILS)
        assert (caught.value.agent_id, caught.value.state, caught.value.wanted) == (
            "1001",
            state,
            what,
        )
        return

    after = step(before, what, NOW, DETAILS)

    assert after.state is target
    assert (after.agent_id, after.phones) == ("1001", 2)
    assert (after.call_node is not None) == (target in HELD)
    assert (after.call_id is not None) == (target in HELD | {State.WRAP_UP})
    assert (after.reason is not None) == (target is State.NOT_READY)
    assert (after.wrap_up_until is not None) == (target is State.WRAP_UP)
    assert (after.ready_since is not None) == (
        target in {State.READY, State.RESERVED, State.RINGING}
    )
    if target is not state:
        assert after.since == NOW


def test_every_state_can_be_left_and_reached() -> None:
    assert set(TRANSITIONS) == set(State)
    reached = {target for row in TRANSITIONS.values() for target in row.values()}
    assert reached == set(State)


def test_what_refusal_costs() -> None:
    after = step(someone(State.RINGING), Input.REFUSED, NOW, DETAILS)
    assert (after.ready_since, after.not_before) == (NOW, NOW + 5)
    assert not replace(after, phones=1).can_take_a_call(NOW + 4.9)
    assert after.can_take_a_call(NOW + 5)


def test_a_cancelled_offer_costs_nothing() -> None:
    after = step(someone(State.RINGING), Input.CANCELLED, NOW, DETAILS)
    assert (after.ready_since, after.not_before) == (800.0, None)


@pytest.mark.parametrize(
    "state, ending",
    [
        (state, what)
        for state in sorted(HELD)
        for what, target in TRANSITIONS[state].items()
        if target not in HELD
    ],
)
@pytest.mark.parametrize("wish", [Input.SET_NOT_READY, Input.SIGN_OUT])
def test_a_wish_waits_for_the_end_of_the_call(state: State, ending: Input, wish: Input) -> None:
    wished = step(someone(state), wish, NOW, DETAILS)
    assert (wished.state, wished.since) == (state, 900.0)

    after = step(wished, ending, NOW + 1, DETAILS)
    if after.state is State.WRAP_UP:
        after = step(after, Input.END_WRAP_UP, NOW + 31, DETAILS)

    expected = State.SIGNED_OUT if wish is Input.SIGN_OUT else State.NOT_READY
    assert after.state is expected
    assert after.reason == ("lunch" if expected is State.NOT_READY else None)
    assert after.pending is None


def test_the_last_wish_wins() -> None:
    talking = someone(State.TALKING)
    out = step(talking, Input.SIGN_OUT, NOW, DETAILS)
    lunch = step(out, Input.SET_NOT_READY, NOW, DETAILS)
    assert (lunch.pending, lunch.pending_reason) == (State.NOT_READY, "lunch")
    assert step(lunch, Input.SET_READY, NOW).pending is None
    assert step(lunch, Input.SIGN_IN, NOW, DETAILS).pending is State.NOT_READY
    assert step(out, Input.SIGN_IN, NOW, DETAILS).pending is None


def test_repeating_an_input_changes_nothing_more() -> None:
    repeatable = {
        Input.SIGN_IN: State.SIGNED_OUT,
        Input.SIGN_OUT: State.READY,
        Input.SET_READY: State.NOT_READY,
        Input.SET_NOT_READY: State.READY,
        Input.RING: State.RESERVED,
        Input.ANSWER: State.RINGING,
    }
    for what, state in repeatable.items():
        once = step(someone(state), what, NOW, DETAILS)
        assert step(once, what, NOW + 1, DETAILS) == once
