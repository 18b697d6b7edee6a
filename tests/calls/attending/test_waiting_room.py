"""What a waiting caller hears, step by step and in any order of events."""

from hypothesis import given
from hypothesis import strategies as st

from calls.attending.script import (
    AskPlace,
    Attend,
    Begun,
    Gone,
    Heard,
    Key,
    Line,
    PlaceTold,
    Resumed,
    Say,
    SayingEnded,
    ScriptEffect,
    ScriptInput,
    TimePassed,
    WantsCallBack,
)
from calls.attending.waiting_room import LONGEST_SAYING, Stage, WaitingRoom, WaitingRules

RULES = WaitingRules(by="answer", after_seconds=6.0, every_seconds=30.0, call_back_key="1")
MUSIC = Say((Line("music"),), loop=True)


def waiting(rules: WaitingRules = RULES) -> WaitingRoom:
    """Return a room whose caller hears the greeting since 6.0."""
    room = WaitingRoom(rules)
    assert room.handle(Begun(), 0.0) == []
    assert room.handle(TimePassed(), 6.0) == [Attend()]
    assert room.handle(Heard(), 6.0) == [Say((Line("welcome"), Line("busy")))]
    return room


def test_a_whole_wait() -> None:
    room = waiting()
    assert room.handle(SayingEnded(), 12.0) == [AskPlace()]
    place = (Line("position", 3), Line("wait-minutes", 2), Line("call-back-offer"))
    assert room.handle(PlaceTold(3, 130.0), 12.0) == [Say(place)]
    assert room.handle(SayingEnded(), 20.0) == [MUSIC]
    assert room.deadline == 50.0
    assert room.handle(TimePassed(), 49.9) == []
    assert room.handle(TimePassed(), 50.0) == [AskPlace()]
    assert room.handle(PlaceTold(0), 50.0) == [Say((Line("position", 0), Line("call-back-offer")))]


def test_nothing_is_said_while_it_rings_or_where_it_only_rings() -> None:
    room = WaitingRoom(RULES)
    room.handle(Begun(), 0.0)
    assert room.handle(TimePassed(), 5.9) == []
    only_ringing = WaitingRoom(WaitingRules(by="ring"))
    assert only_ringing.handle(Begun(), 0.0) == []
    assert only_ringing.deadline is None


def test_a_key_asks_for_a_call_back_at_any_moment_after_the_greeting_began() -> None:
    room = WaitingRoom(RULES)
    room.handle(Begun(), 0.0)
    assert room.handle(Key("1"), 1.0) == []  # he cannot have heard the offer
    room = waiting()
    assert room.handle(Key("2"), 7.0) == []
    assert room.handle(Key("1"), 7.0) == [WantsCallBack()]
    assert room.deadline is None
    assert room.handle(Key("1"), 8.0) == []


def test_no_key_does_anything_where_none_is_offered() -> None:
    room = waiting(WaitingRules(call_back_key=None))
    assert room.handle(SayingEnded(), 12.0) == [AskPlace()]
    assert room.handle(PlaceTold(1, None), 12.0) == [Say((Line("position", 1),))]
    assert all(room.handle(Key(key), 13.0) == [] for key in "0123456789*#")


def test_whose_turn_it_is_hears_music_and_no_number() -> None:
    room = waiting()
    room.handle(SayingEnded(), 12.0)
    assert room.handle(PlaceTold(None), 12.0) == [MUSIC]


def test_a_very_long_wait_is_not_foretold() -> None:
    room = waiting()
    room.handle(SayingEnded(), 12.0)
    lines = (Line("position", 200), Line("call-back-offer"))
    assert room.handle(PlaceTold(200, 3 * 3600.0), 12.0) == [Say(lines)]


def test_who_waits_again_hears_music_at_once_if_he_hears_us() -> None:
    room = waiting()
    assert room.handle(Resumed(heard=True), 90.0) == [MUSIC]
    never_answered = WaitingRoom(RULES)
    never_answered.handle(Begun(), 0.0)
    assert never_answered.handle(Resumed(heard=False), 3.0) == []
    assert never_answered.handle(TimePassed(), 6.0) == [Attend()]


def test_a_saying_whose_end_nobody_tells_does_not_last_for_ever() -> None:
    room = waiting()
    assert room.handle(TimePassed(), 6.0 + LONGEST_SAYING) == [AskPlace()]
    assert room.handle(TimePassed(), 6.0 + 2 * LONGEST_SAYING) == [MUSIC]


INPUTS: st.SearchStrategy[ScriptInput] = st.one_of(
    st.sampled_from([Begun(), Heard(), SayingEnded(), TimePassed(), Gone(), Resumed(heard=True)]),
    st.builds(Key, st.sampled_from("0123456789*#")),
    st.builds(PlaceTold, st.none() | st.integers(0, 9999), st.none() | st.floats(0, 1e6)),
)


@given(st.lists(st.tuples(INPUTS, st.floats(0, 100)), max_size=60))
def test_in_any_order_of_events(steps: list[tuple[ScriptInput, float]]) -> None:
    room, now = WaitingRoom(RULES), 0.0
    effects: list[ScriptEffect] = []
    for event, passed in steps:
        now += passed
        over = room.stage is Stage.OVER
        told = room.handle(event, now)
        assert not (over and told)
        effects += told
        if room.stage in {Stage.GREETING, Stage.ASKING, Stage.PLACE, Stage.MUSIC}:
            assert room.deadline is not None  # there is always something to come
    assert sum(isinstance(effect, WantsCallBack) for effect in effects) <= 1
    says = [effect for effect in effects if isinstance(effect, Say)]
    assert all(say.loop == (say == MUSIC) for say in says)
