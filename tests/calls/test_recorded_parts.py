"""Where a moment of a call lies in its recording's parts."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from calls.recorded_parts import Part, parts_of, path_of
from calls.redaction import Span

FIRST = Path("/r/call.wav")


def row(*parts: tuple[int, float | None, float]) -> dict[str, Any]:
    return {
        "recording": str(FIRST),
        "recordings": [
            {"part": number, "begins": begins, "seconds": seconds}
            for number, begins, seconds in parts
        ],
    }


def test_parts_lie_beside_the_first() -> None:
    assert path_of(FIRST, 1) == FIRST
    assert path_of(FIRST, 3) == Path("/r/call-3.wav")


def test_a_part_begins_when_its_agent_took_the_call() -> None:
    assert parts_of(row((2, 14.0, 5.0), (1, 0.0, 10.0))) == [
        Part(1, FIRST, 0.0, 10.0),
        Part(2, Path("/r/call-2.wav"), 14.0, 5.0),
    ]


def test_parts_from_before_beginnings_were_kept_follow_one_another() -> None:
    assert [part.begins for part in parts_of(row((1, None, 10.0), (2, None, 5.0)))] == [0.0, 10.0]


def test_a_recording_whose_media_process_died_is_its_file() -> None:
    assert parts_of(row()) == [Part(1, FIRST, 0.0, None, complete=False)]
    first, second = parts_of(row((2, 14.0, 5.0)))
    assert first == Part(1, FIRST, 0.0, 14.0, complete=False)  # at most until then
    assert second.within(Span(15.0, 16.0)) == Span(1.0, 2.0)
    assert first.within(Span(15.0, 16.0)) is None
    assert parts_of({"recording": None, "recordings": []}) == ()


def test_a_later_part_without_a_row_begins_when_its_agent_answered() -> None:
    call = {
        **row((1, 0.25, 10.0), (3, 40.0, 5.0)),
        "answered_at": 1000.0,
        "segments": [
            {"agent_id": "1001", "answered_at": 1000.0},
            {"agent_id": None, "answered_at": 1011.0},  # a partner, whom nobody records
            {"agent_id": "1002", "answered_at": 1020.0},
            {"agent_id": "1003", "answered_at": 1040.0},
        ],
    }
    second = parts_of(call, on_disk=[2, 3])[1]
    assert (second.number, second.begins, second.seconds, second.complete) == (2, 20.0, 20.0, False)
    assert second.within(Span(25.0, 26.0)) == Span(3.0, 8.0)  # give or take the margin
    unknown = parts_of(row((1, 0.0, 10.0)), on_disk=[2])[1]
    assert (unknown.begins, unknown.seconds) == (10.0, None)


@given(st.floats(0, 50), st.floats(0.01, 50))
def test_what_is_said_in_a_part_is_found_in_it_and_nothing_else(
    start: float, length: float
) -> None:
    part, span = Part(2, FIRST, 10.0, 20.0), Span(start, start + length, "agent")
    found = part.within(span)
    if span.end <= 10.0 or span.start >= 30.0:
        assert found is None
    else:
        assert found is not None
        assert found.start == max(0.0, span.start - 10.0)
        assert found.end == span.end - 10.0
        assert found.side == "agent"
