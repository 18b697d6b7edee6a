"""Whose handshake it is, where no ICE has found the peer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media.meeting import Meeting, Verdict
from telephony.media.path import LATCH_PATIENCE, Source

NAMED: Source = ("192.0.2.7", 4000)
MOVED: Source = ("192.0.2.7", 61000)
STRANGER: Source = ("198.51.100.9", 5000)
SECOND: Source = ("203.0.113.1", 5000)


@pytest.mark.parametrize(
    "came, verdicts",
    [
        pytest.param([NAMED, STRANGER, NAMED], ["same", "stranger", "same"], id="named first"),
        pytest.param([MOVED, NAMED], ["same", "stranger"], id="its port may be another, once"),
        pytest.param([STRANGER, NAMED], ["stranger", "same"], id="nobody from elsewhere at once"),
    ],
)
def test_who_is_first_stays(came: list[Source], verdicts: list[Verdict]) -> None:
    meeting = Meeting(frozenset({NAMED[0]}))
    assert [meeting.judge(source, 0.0) for source in came] == verdicts


def test_somebody_from_elsewhere_waits_and_gives_way() -> None:
    meeting = Meeting(frozenset({NAMED[0]}))
    assert meeting.judge(STRANGER, 10.0) == "stranger"
    assert meeting.judge(STRANGER, 10.0 + LATCH_PATIENCE) == "same"
    assert meeting.judge(SECOND, 99.0) == "stranger"
    assert meeting.judge(NAMED, 99.0) == "other"
    assert meeting.judge(STRANGER, 99.0) == "stranger"


def test_where_nobody_is_named_the_first_is_met() -> None:
    meeting = Meeting()
    assert meeting.judge(STRANGER, 0.0) == "same"
    assert meeting.judge(NAMED, 9.0) == "stranger"


@given(st.lists(st.tuples(st.sampled_from([NAMED, MOVED, STRANGER, SECOND]), st.floats(0, 9))))
def test_whoever_is_met_by_name_stays(came: list[tuple[Source, float]]) -> None:
    meeting, now = Meeting(frozenset({NAMED[0]})), 0.0
    for source, passed in came:
        now += passed
        before = meeting.met
        verdict = meeting.judge(source, now)
        assert (verdict != "stranger") == (meeting.met == source)
        if before is not None and before[0] == NAMED[0]:
            assert meeting.met == before
