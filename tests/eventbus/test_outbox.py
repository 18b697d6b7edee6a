import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventbus.outbox import Outbox


def messages(*numbers: int) -> list[tuple[str, bytes]]:
    return [("t", str(number).encode()) for number in numbers]


def payloads(outbox: Outbox, count: int = 1000) -> list[int]:
    return [int(letter.payload) for letter in outbox.oldest(count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "outbox.db"


def test_what_was_put_in_is_there_in_order_after_reopening(path: Path) -> None:
    outbox = Outbox.open(path, limit=100)
    outbox.append(messages(1, 2))
    outbox.append(messages(3))
    outbox.remove(outbox.oldest(1))
    outbox.close()
    outbox = Outbox.open(path, limit=100)
    assert payloads(outbox) == [2, 3]
    assert outbox.oldest(1)[0].topic == "t"
    assert outbox.count() == 2
    outbox.close()


def test_a_number_is_not_given_again_after_the_box_ran_empty(path: Path) -> None:
    outbox = Outbox.open(path, limit=100)
    outbox.append(messages(1))
    (first,) = outbox.oldest(1)
    outbox.remove([first])
    outbox.close()
    outbox = Outbox.open(path, limit=100)
    outbox.append(messages(2))
    assert outbox.oldest(1)[0].seq > first.seq
    outbox.close()


def test_beyond_the_limit_the_oldest_go_and_are_counted(path: Path) -> None:
    outbox = Outbox.open(path, limit=3)
    assert outbox.append(messages(1, 2, 3)) == 0
    assert outbox.append(messages(4, 5)) == 2
    assert payloads(outbox) == [3, 4, 5]
    outbox.close()


def test_an_unreadable_file_is_put_aside(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, and long enough to be sure of it" * 10)
    outbox = Outbox.open(path, limit=3)
    outbox.append(messages(1))
    assert payloads(outbox) == [1]
    outbox.close()
    (aside,) = path.parent.glob("outbox.db.broken-*")
    assert aside.read_bytes().startswith(b"this is not")


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").mkdir()
    with pytest.raises(sqlite3.OperationalError):
        Outbox.open(tmp_path / "outbox.db", limit=3)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 7)), max_size=30))
def test_it_is_a_bounded_line_of_people(steps: list[tuple[bool, int]]) -> None:
    limit, model, number = 10, list[int](), 0
    folder = tempfile.TemporaryDirectory()  # pytest's would be shared by all examples
    outbox = Outbox.open(Path(folder.name) / "outbox.db", limit=limit)
    for put, count in steps:
        if put:
            new = list(range(number, number + count))
            number += count
            dropped = outbox.append(messages(*new))
            model = (model + new)[-limit:]
            assert len(model) == outbox.count()
            assert dropped <= count
        else:
            outbox.remove(outbox.oldest(count))
            model = model[count:]
        assert payloads(outbox) == model
    outbox.close()
    folder.cleanup()
