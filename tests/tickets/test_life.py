import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.life import NEEDS_NOTE, Deadlines, Handling, LifeError, Review, Step, take
from tickets.working_days import Calendar

CALENDAR = Calendar()
NOW = 1_795_000_000.0
ACTIONS = (
    "submit",
    "answer",
    "pass_on",
    "give_back",
    "close",
    "urge",
    "supervise",
    "reopen",
    "review",
)


def do(state: Handling, action: str, **more: object) -> Handling:
    filled = {"note": "因为", "unit": "城管局", "review": Review(reached=False), **more}
    step = Step(action, **filled)  # type: ignore[arg-type]
    return take(state, step, now=NOW, working_days=5, by=CALENDAR)


def test_the_common_way_through_a_unit() -> None:
    state = do(Handling(), "submit")
    assert (state.status, state.submitted_at) == ("submitted", NOW)
    state = do(state, "pass_on")
    assert (state.status, state.unit) == ("passed", "城管局")
    assert state.deadline_at == CALENDAR.deadline(NOW, 5)
    state = do(state, "give_back")
    assert (state.status, state.returned) == ("returned", 1)
    state = do(do(do(state, "pass_on", unit="住建局"), "urge"), "supervise")
    assert (state.status, state.unit, state.urged, state.supervised) == (
        "passed",
        "住建局",
        1,
        True,
    )
    state = do(state, "close")
    assert (state.status, state.ended_at) == ("closed", NOW)


def test_answered_on_line_is_an_end() -> None:
    state = do(do(Handling(), "submit"), "answer")
    assert (state.status, state.ended_at) == ("answered", NOW)
    assert do(state, "reopen") == state
    verdict = Review(reached=True, solved=True, result=False)
    assert do(state, "review", review=verdict).review == verdict


@pytest.mark.parametrize("action", sorted(NEEDS_NOTE))
def test_a_step_that_needs_a_reason_is_refused_without(action: str) -> None:
    status = {"give_back": "passed", "close": "passed", "reopen": "closed"}.get(action, "submitted")
    with pytest.raises(LifeError) as refused:
        do(Handling(status=status), action, note="  ")  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.field) == ("required", "note")


@pytest.mark.parametrize(
    "more, code, field",
    [
        ({"unit": " "}, "required", "unit"),
        ({"unit": "x" * 101}, "too_long", "unit"),
        ({"note": "x" * 2001}, "too_long", "note"),
    ],
)
def test_what_a_step_lacks_is_named(more: dict[str, object], code: str, field: str) -> None:
    with pytest.raises(LifeError) as refused:
        do(Handling(status="submitted"), "pass_on", **more)
    assert (refused.value.code, refused.value.field) == (code, field)
    with pytest.raises(LifeError, match="verdict"):
        do(Handling(status="closed"), "review", review=None)


@given(st.lists(st.sampled_from(ACTIONS), max_size=30))
def test_whatever_is_tried_in_whatever_order(actions: list[str]) -> None:
    state, refused = Handling(), list[tuple[str, bool]]()
    for action in actions:
        try:
            after = do(state, action)
        except LifeError as error:
            refused.append((error.code, state.status in str(error)))
            continue
        assert (after.status == "passed") <= (after.deadline_at is not None)
        assert (after.ended_at is not None) == (after.status in {"answered", "closed"})
        assert after.status == "draft" or after.submitted_at is not None
        assert after.returned >= state.returned
        if state.status in {"answered", "closed"}:
            assert action in {"reopen", "review"}
            assert after.status == state.status
        state = after
    assert set(refused) <= {("not_now", True)}


def test_days_by_urgency_win_over_days_by_type() -> None:
    deadlines = Deadlines(5, {"咨询": 2}, {"特急": 0})
    assert deadlines.of(type_="投诉", urgency="普通") == 5
    assert deadlines.of(type_="咨询", urgency="普通") == 2
    assert deadlines.of(type_="咨询", urgency="特急") == 0
    assert deadlines.of(type_=None, urgency=None) == 5
