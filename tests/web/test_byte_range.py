"""The header Range: what is asked for, and what is passed over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.byte_range import ByteRange, Unsatisfiable, read_range, whole


@pytest.mark.parametrize(
    "header,first,last",
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=90-", 90, 99),
        ("bytes=90-500", 90, 99),
        ("bytes=-5", 95, 99),
        ("bytes=-500", 0, 99),
        ("Bytes= 3-4 ", 3, 4),
    ],
)
def test_a_range(header: str, first: int, last: int) -> None:
    assert read_range(header, 100) == ByteRange(first, last, 100)


@pytest.mark.parametrize(
    "header", [None, "", "bytes=-", "bytes=5-4", "bytes=1-2,4-5", "seconds=1-2", "bytes=a-b"]
)
def test_what_is_no_range_of_ours_is_passed_over(header: str | None) -> None:
    assert read_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_what_is_not_there_is_refused(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        read_range(header, 100)


@given(st.text(max_size=40) | st.from_regex(r"bytes=[0-9]{0,20}-[0-9]{0,20}", fullmatch=True))
def test_whatever_is_asked_for_lies_within(header: str) -> None:
    try:
        found = read_range(header, 1000)
    except Unsatisfiable:
        return
    assert found is None or 0 <= found.first <= found.last < 1000


def test_the_whole() -> None:
    assert whole(244).content_range == "bytes 0-243/244"
