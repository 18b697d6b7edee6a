"""A place is completed from the end of what was typed."""

import pytest

from calls.place_search import PlaceNames

NAMES = [("临顿路", "道路"), ("临顿河", "河道"), ("平江街道", "街道"), ("平江路", "道路")]


@pytest.mark.parametrize(
    "typed,names,start",
    [
        ("临顿", ["临顿河", "临顿路"], 0),
        ("平江街道临顿", ["临顿河", "临顿路"], 4),
        ("平江街道ldl", ["临顿路"], 4),
        ("平江", ["平江路", "平江街道"], 0),
        ("pingj", ["平江路", "平江街道"], 0),
        ("临顿路", [], 0),
        ("临", [], 0),
        ("", [], 0),
        ("人民路8号", [], 0),
    ],
)
def test_completions(typed: str, names: list[str], start: int) -> None:
    found = PlaceNames(NAMES).complete(typed, limit=5)
    assert [name for name, _, _ in found] == names
    assert {begin for _, _, begin in found} <= {start}


def test_no_more_than_wanted() -> None:
    assert len(PlaceNames(NAMES).complete("临顿", limit=1)) == 1
