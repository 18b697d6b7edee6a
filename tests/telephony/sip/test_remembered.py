"""What is read once, and what is not kept."""

import pytest

from telephony.sip.remembered import _LONGEST, _VALUES, remembered


class Reader:
    """Counts what it is asked to read; a number is what it can read."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, value: str) -> int:
        self.asked.append(value)
        return int(value)


def test_a_value_is_read_once() -> None:
    reader = Reader()
    read = remembered(reader)
    assert (read("1"), read("2"), read("1")) == (1, 2, 1)
    assert reader.asked == ["1", "2"]


def test_neither_long_values_nor_errors_are_kept() -> None:
    reader = Reader()
    read = remembered(reader)
    for value in ("1" * _LONGEST, "1" * (_LONGEST + 1)):
        assert read(value) == read(value) == int(value)
    for _ in range(2):
        with pytest.raises(ValueError, match="many"):
            read("many")
    assert [len(value) for value in reader.asked] == [256, 257, 257, 4, 4]


def test_no_more_are_kept_than_there_is_room_for() -> None:
    reader = Reader()
    read = remembered(reader)
    for number in [*range(_VALUES), *range(_VALUES), _VALUES, 0]:
        assert read(str(number)) == number
    assert len(reader.asked) == _VALUES + 2  # room was made for the last but one
