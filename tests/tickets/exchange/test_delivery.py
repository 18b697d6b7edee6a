from hypothesis import given
from hypothesis import strategies as st

from tickets.exchange.delivery import (
    ALARM_SECONDS,
    GIVE_UP_SECONDS,
    Acked,
    Alarm,
    AlarmOver,
    Delivery,
    Due,
    Publish,
)


def test_it_is_sent_later_and_later_until_it_is_acknowledged() -> None:
    letter = Delivery(0.0, 0.0)
    assert letter.handle(Due(), 0.0) == [Publish()]
    assert (letter.deadline, letter.handle(Due(), 4.9)) == (5.0, [])
    assert letter.handle(Due(), 5.0) == [Publish()]
    assert letter.deadline == 20.0
    assert letter.handle(Acked(), 7.0) == []
    assert (letter.settled, letter.acked_at, letter.attempts) == (True, 7.0, 2)
    assert letter.handle(Acked(), 8.0) == []


def test_silence_raises_one_alarm_which_ends_with_the_acknowledgement() -> None:
    letter, told, now = Delivery(0.0, 0.0), [], 0.0
    while now <= 10 * ALARM_SECONDS:
        told += [(now, effect) for effect in letter.handle(Due(), now) if effect != Publish()]
        assert letter.deadline is not None
        now = letter.deadline
    assert told == [(ALARM_SECONDS, Alarm("no acknowledgement"))]
    assert letter.handle(Acked(), now) == [AlarmOver()]


def test_what_is_refused_is_not_sent_again_and_somebody_is_told() -> None:
    letter = Delivery(0.0, 0.0)
    letter.handle(Due(), 0.0)
    assert letter.handle(Acked("matter: too long"), 1.0) == [Alarm("refused: matter: too long")]
    assert (letter.settled, letter.error) == (True, "matter: too long")
    assert letter.handle(Due(), 9.0) == []


def test_what_was_given_up_may_have_arrived_after_all() -> None:
    letter = Delivery(0.0, 0.0)
    (alarm,) = letter.handle(Due(), GIVE_UP_SECONDS + 1)
    assert isinstance(alarm, Alarm)
    assert letter.settled
    assert letter.handle(Acked(), GIVE_UP_SECONDS + 2) == [AlarmOver()]
    assert letter.error is None


@given(
    st.lists(st.one_of(st.just(Due()), st.builds(Acked, st.none() | st.just("no"))), max_size=30)
)
def test_a_letter_is_never_forgotten(events: list[Due | Acked]) -> None:
    letter, now = Delivery(0.0, 0.0), 0.0
    for event in events:
        now = max(now + 0.5, letter.deadline or 0.0)
        letter.handle(event, now)
        assert (
            not letter.settled or letter.acked_at is not None or (letter.alarmed and letter.error)
        )
