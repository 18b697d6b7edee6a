"""Asking for a rating: every key, no key, and any order of events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.attending.parting import Farewell, Survey, SurveyRules
from calls.attending.script import (
    Begun,
    Dismiss,
    Gone,
    Key,
    Line,
    Rated,
    Say,
    SayingEnded,
    ScriptEffect,
    ScriptInput,
    TimePassed,
)
from calls.attending.waiting_room import LONGEST_SAYING

QUESTION = Say((Line("rating"),))
AGAIN = Say((Line("rating-unknown"), Line("rating")))
GOODBYE = Say((Line("goodbye"),))


def asked() -> Survey:
    survey = Survey(SurveyRules(attempts=2, answer_seconds=8.0))
    assert survey.handle(Begun(), 0.0) == [QUESTION]
    return survey


@pytest.mark.parametrize("score", [1, 2, 3, 4, 5])
def test_a_score_also_before_the_question_has_ended(score: int) -> None:
    survey = asked()
    thanks = Say((Line("thanks"), Line("goodbye")))
    assert survey.handle(Key(str(score)), 1.0) == [Rated("rated", score), thanks]
    assert survey.handle(Key("1"), 2.0) == []  # one answer is enough
    assert survey.handle(SayingEnded(), 5.0) == [Dismiss()]
    assert survey.deadline is None


def test_no_key_is_asked_once_more_and_then_let_go() -> None:
    survey = asked()
    assert survey.handle(SayingEnded(), 6.0) == []
    assert survey.deadline == 14.0
    assert survey.handle(TimePassed(), 14.0) == [QUESTION]
    survey.handle(SayingEnded(), 20.0)
    assert survey.handle(TimePassed(), 28.0) == [Rated("timeout"), GOODBYE]
    assert survey.handle(SayingEnded(), 30.0) == [Dismiss()]


def test_a_wrong_key_is_told_and_the_second_one_ends_it() -> None:
    survey = asked()
    assert survey.handle(Key("9"), 1.0) == [AGAIN]
    assert survey.handle(Key("0"), 2.0) == [Rated("invalid"), GOODBYE]


def test_the_question_is_repeated_on_demand() -> None:
    survey = asked()
    assert survey.handle(Key("*"), 1.0) == [QUESTION]
    assert survey.handle(Key("4"), 2.0)[0] == Rated("rated", 4)


def test_who_hangs_up_while_he_is_asked_has_not_rated() -> None:
    survey = asked()
    assert survey.handle(Gone(), 1.0) == [Rated("hung_up")]
    assert survey.deadline is None
    survey = asked()
    survey.handle(Key("5"), 1.0)
    assert survey.handle(Gone(), 2.0) == []  # he has


def test_nobody_is_kept_when_no_end_of_a_saying_is_told() -> None:
    survey = asked()
    survey.handle(Key("5"), 1.0)
    assert survey.handle(TimePassed(), 1.0 + LONGEST_SAYING) == [Dismiss()]


def test_a_farewell() -> None:
    farewell = Farewell(Line("call-back-noted"))
    assert farewell.handle(Begun(), 0.0) == [Say((Line("call-back-noted"),))]
    assert farewell.handle(Key("1"), 1.0) == []
    assert farewell.handle(SayingEnded(), 3.0) == [Dismiss()]
    assert farewell.handle(TimePassed(), 99.0) == []
    farewell = Farewell(Line("goodbye"))
    farewell.handle(Begun(), 0.0)
    assert farewell.handle(Gone(), 1.0) == []


INPUTS: st.SearchStrategy[ScriptInput] = st.one_of(
    st.sampled_from([SayingEnded(), TimePassed(), Gone()]),
    st.builds(Key, st.sampled_from("0123456789*#ABCD")),
)


@given(st.lists(st.tuples(INPUTS, st.floats(0, 70)), max_size=40), st.integers(1, 4))
def test_one_result_and_one_end_in_any_order_of_events(
    steps: list[tuple[ScriptInput, float]], attempts: int
) -> None:
    survey, now = Survey(SurveyRules(attempts=attempts)), 0.0
    effects: list[ScriptEffect] = survey.handle(Begun(), now)
    for event, passed in steps:
        now += passed
        effects += survey.handle(event, now)
    while survey.deadline is not None:  # whatever has not happened, time passes
        now = survey.deadline
        effects += survey.handle(TimePassed(), now)
    assert sum(isinstance(effect, Rated) for effect in effects) == 1
    dismissed = [effect for effect in effects if isinstance(effect, Dismiss)]
    gone = any(isinstance(event, Gone) for event, _ in steps)
    assert dismissed == [effects[-1]] or gone
    questions = [effect for effect in effects if isinstance(effect, Say)]
    assert sum(Line("rating") in say.lines for say in questions) <= attempts
