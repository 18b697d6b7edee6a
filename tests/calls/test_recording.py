"""What is kept of a recording: pauses while a card's number is said, and its checksum."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from calls.errors import RecordingError, UnknownCall
from calls.recorded_parts import path_of
from calls.records import calls, recordings
from calls.redaction import BLACKENED, Redacted, RedactionError, Span, checksum
from tests.calls.house import House, open_house
from tests.support.waiting import until
from tests.support.waveforms import write_tone


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


def flip_a_bit(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[1000] ^= 1
    path.write_bytes(octets)


def remove(path: Path) -> None:
    path.unlink()


async def talking(house: House) -> str:
    """Let the one call be answered; return its number."""
    await house.ready_agent("1001")
    house.arrives()
    (await house.phone()).pick_up()
    await house.until_talking()
    return house.service.live()[0].call_id


async def ended(house: House, call_id: str) -> None:
    await house.service.hang_up(call_id, agent_id="1001")
    await house.record()


async def test_while_paused_nothing_is_recorded_or_recognised(house: House) -> None:
    call_id = await talking(house)
    heard = dict(house.media.forks)
    assert all(heard.values())
    for _ in range(2):  # a second press of the same button changes nothing
        await house.service.pause_recording(call_id, paused=True)
        assert house.media.paused == {call_id}
        assert not any(house.media.forks.values())
    await house.service.pause_recording(call_id, paused=False)
    assert not house.media.paused
    assert house.media.forks == heard
    assert house.media.asked.count("pause_record") == 1
    await ended(house, call_id)
    record = await house.service.call(call_id)
    assert record is not None
    assert record["recordings"][0].pop("begins") >= 0
    assert record["recordings"] == [
        {"part": 1, "seconds": 1.0, "bytes": 44, "sha256": "ab" * 32, "pauses": [[0.25, 0.5]]}
    ]
    await house.nothing_is_left()


async def test_what_lies_on_another_nodes_disk_is_named(house: House) -> None:
    call_id = await talking(house)
    await ended(house, call_id)
    async with house.tickets._engine.begin() as connection:  # its media process died
        await connection.execute(sa.delete(recordings))
        await connection.execute(sa.update(calls).values(node="b"))
    house.records.utterance(call_id, 91, leg="caller", start=4.0, end=5.0, text="卡号")
    done = await house.service.redact(call_id, Span(4.0, 5.0))
    assert done == Redacted(0.0, (1,), "b")
    assert "node b" in (done.fault or "")
    assert (await house.service.transcript(call_id))[-1]["text"] == BLACKENED
    with pytest.raises(RedactionError, match="part 1 was not completed"):
        await house.service.redact(call_id, Span(100.0, 101.0))  # no words of it


async def test_the_recogniser_that_comes_back_does_not_hear_what_is_not_recorded(
    house: House,
) -> None:
    call_id = await talking(house)
    await house.service.pause_recording(call_id, paused=True)
    forks = house.media.asked.count("fork")
    house.recognizer.streams.clear()  # it was another process's
    house.service.on_recognizer_back()
    await house.until_forked(forks + 2)
    assert not any(house.media.forks.values())
    await house.service.pause_recording(call_id, paused=False)
    assert all(house.media.forks.values())
    await ended(house, call_id)


async def test_what_cannot_be_paused_says_so(house: House) -> None:
    with pytest.raises(UnknownCall):
        await house.service.pause_recording("nobody's", paused=True)
    house.media.refuses["record"] = "disk"
    call_id = await talking(house)
    with pytest.raises(RecordingError, match="not being recorded"):
        await house.service.pause_recording(call_id, paused=True)
    await ended(house, call_id)
    with pytest.raises(UnknownCall):
        await house.service.pause_recording(call_id, paused=True)


async def test_a_pause_that_fails_is_told_and_the_call_goes_on(house: House) -> None:
    call_id = await talking(house)
    house.media.refuses["pause_record"] = "unknown_recording"
    with pytest.raises(RecordingError):
        await house.service.pause_recording(call_id, paused=True)
    assert all(house.media.forks.values())  # what is recorded is recognised as well
    await ended(house, call_id)


async def test_a_recording_that_was_changed_is_found_out(house: House) -> None:
    call_id = await talking(house)
    await ended(house, call_id)
    assert await house.service.is_intact(call_id) is None  # there is no file
    record = await house.records.get(call_id)
    assert record is not None
    path = Path(record["recordings"][0]["path"])
    path.parent.mkdir(parents=True)
    write_tone(path, 400, seconds=1.0)
    assert await house.service.is_intact(call_id) is False
    assert await house.service.is_intact(call_id, part=2) is None
    assert await house.service.is_intact("nobody's") is None

    # What we change ourselves, we vouch for.
    for seq, start in ((91, 0.1), (92, 70.0)):
        house.records.utterance(call_id, seq, leg="caller", start=start, end=start + 1, text="卡号")
    await house.service.redact(call_id, Span(0.2, 60.0))
    said = {one["seq"]: one["text"] for one in await house.service.transcript(call_id)}
    assert (said[91], said[92]) == (BLACKENED, "卡号")
    assert await house.service.is_intact(call_id) is True
    flip_a_bit(path)
    assert await house.service.is_intact(call_id) is False


async def test_a_recording_of_which_nobody_was_told_is_the_calls_all_the_same(
    house: House,
) -> None:
    house.media.silent.add("record")
    call_id = await talking(house)
    await ended(house, call_id)
    record = await house.records.get(call_id)
    assert record is not None
    assert record["recordings"] == []
    first = Path(record["recording"])  # retention lets go of what lies there
    first.parent.mkdir(parents=True)
    write_tone(first, 400, seconds=0.5)
    assert await house.service.recording(call_id) == first
    second = path_of(first, 2)
    house.records.recorded(
        call_id, 2, path=str(second), seconds=1.0, bytes=44, sha256="", pauses=[], begins=5.0
    )
    write_tone(second, 400, seconds=1.0)
    done = await house.service.redact(call_id, Span(5.2, 5.5))
    assert done.seconds == pytest.approx(0.3, abs=0.001)
    remove(first)  # it did not begin
    done = await house.service.redact(call_id, Span(4.0, 5.5))
    assert done.seconds == pytest.approx(0.5, abs=0.001)
    assert done.fault is None  # it is nowhere else


async def test_the_second_agents_part_is_found_though_the_first_was_not_recorded(
    house: House,
) -> None:
    house.media.refuses["record"] = "disk"
    call_id = await talking(house)
    await house.until_asked("record")
    del house.media.refuses["record"]
    await house.ready_agent("1002")
    await house.service.transfer(call_id, "agent:1002", "blind", agent_id="1001")
    (await house.phone(1)).pick_up()
    await until(lambda: house.media.recordings)
    [path] = house.media.recordings.values()
    await house.service.hang_up(call_id, agent_id="1002")
    await house.record()
    path.parent.mkdir(parents=True)
    write_tone(path, 400, seconds=1.0)
    assert await house.service.recording(call_id, part=2) == path


async def test_a_span_is_silenced_in_every_part_that_it_lies_in(house: House) -> None:
    call_id = await talking(house)
    await ended(house, call_id)
    record = await house.records.get(call_id)
    assert record is not None
    begins = float(record["recordings"][0]["begins"])
    first = Path(record["recordings"][0]["path"])
    second = first.with_name(f"{first.stem}-2{first.suffix}")
    house.records.recorded(
        call_id,
        2,
        path=str(second),
        seconds=1.0,
        bytes=44,
        sha256="ab" * 32,
        pauses=[],
        begins=begins + 3.0,
    )
    first.parent.mkdir(parents=True)
    for path in (first, second):
        write_tone(path, 400, seconds=1.0)
    silenced = await house.service.redact(call_id, Span(begins + 0.5, begins + 3.25))
    assert silenced.seconds == pytest.approx(0.75, abs=0.001)
    assert silenced.fault is None
    for part in (1, 2):
        assert await house.service.is_intact(call_id, part=part) is True
    before = checksum(first)
    with pytest.raises(RedactionError, match="nothing is recorded"):
        await house.service.redact(
            call_id, Span(begins + 1.25, begins + 2.5)
        )  # he was with a partner then
    second.unlink()
    with pytest.raises(UnknownCall):  # not half of it
        await house.service.redact(call_id, Span(begins, begins + 3.5))
    assert checksum(first) == before


async def test_words_are_blackened_whatever_became_of_the_files(house: House) -> None:
    call_id = await talking(house)
    await ended(house, call_id)
    record = await house.records.get(call_id)
    assert record is not None
    first = Path(record["recordings"][0]["path"])
    first.parent.mkdir(parents=True)
    write_tone(first, 400, seconds=1.0)  # it ended early
    # The second part's media process died: no row tells of it.
    second = path_of(first, 2)
    write_tone(second, 400, seconds=8.0)
    ends = float(record["recordings"][0]["begins"]) + float(record["recordings"][0]["seconds"])
    for seq, start in ((91, ends + 4.0), (92, ends + 100.0)):
        house.records.utterance(call_id, seq, leg="caller", start=start, end=start + 1, text="卡号")
    before = checksum(second)
    assert (await house.service.redact(call_id, Span(ends + 4.0, ends + 5.0))).seconds > 1.0
    assert checksum(second) != before
    assert (await house.service.redact(call_id, Span(ends + 100.0, ends + 101.0))).seconds == 0.0
    said = {one["seq"]: one["text"] for one in await house.service.transcript(call_id)}
    assert (said[91], said[92]) == (BLACKENED, BLACKENED)
    with pytest.raises(RedactionError, match="nothing is recorded"):
        await house.service.redact(call_id, Span(ends + 200.0, ends + 201.0))
