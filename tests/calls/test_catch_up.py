"""What was not recognised during a call is written down, survives a restart, and is recognised."""

import asyncio
import wave
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asr.group import RecognizerGroup
from asr.ports import Final, Gap
from calls.catch_up import CatchUp
from calls.conversation import stream_id
from calls.gaps import GapStore
from calls.late_words import LateWords
from calls.recording_files import PLAIN, RecordingFiles
from calls.records import CallRecords, RecordWriter, metadata
from calls.redaction import Span, silence
from eventbus.bus import EventBus
from eventbus.catalogue import Event, TicketField, TranscriptFinal, TranscriptGap
from telephony.media.sealed import SealedFile, SealKeys
from tests.calls.house import open_house
from tests.support.node import until
from tests.support.waveforms import write_tone
from tickets.draft import TicketDraft, Utterance
from tickets.store import TicketStore
from tickets.store import metadata as tickets_metadata
from tickets.written import Writer

CALL = "20260322T101500000-aaaaaaaa"


@dataclass
class StandInRecognizer:
    """Hears in every recording what it is told to; ``faults`` come first."""

    says: list[Final]
    faults: list[str] = field(default_factory=list)
    status: str = "ok"
    asked: list[dict[str, Any]] = field(default_factory=list)
    on_result: Callable[[str, Final], bool] = lambda _stream, _final: False
    after_first: Callable[[], None] = lambda: None
    heard_seconds: float = 0.0

    def client(self, _name: str) -> SimpleNamespace:
        return SimpleNamespace(status=self.status)

    async def recognise_file(self, stream: str, path: Path, **what: Any) -> str | None:
        self.asked.append({"path": path, **what})
        with wave.open(str(path), "rb") as file:
            self.heard_seconds = file.getnframes() / file.getframerate()
        for final in self.says:
            self.on_result(stream, final)
        if len(self.asked) == 1:
            self.after_first()
        return self.faults.pop(0) if self.faults else None


@dataclass
class Archive:
    """The database of a node, and what its bus has carried."""

    engine: AsyncEngine
    writer: RecordWriter
    records: CallRecords
    gaps: GapStore
    bus: EventBus
    events: list[Event]
    recording: Path

    def call(self, *, ended: bool = True, recording: bool = True) -> None:
        self.records.arrived(CALL, line="12345", caller=None, sip_call_id="s", arrived_at=1.0)
        self.records.change(CALL, answered_at=2.0, agent_id="1001")
        if recording:
            self.records.change(CALL, recording=str(self.recording), recorded_seconds=9.5)
            self.part(1, self.recording, begins=0.0, seconds=9.5)
        if ended:
            self.records.change(CALL, ended_at=12.0, outcome="answered")

    def part(self, number: int, path: Path, *, begins: float, seconds: float) -> None:
        self.records.recorded(
            CALL,
            number,
            path=str(path),
            seconds=seconds,
            bytes=44,
            sha256="ab" * 32,
            pauses=[],
            begins=begins,
        )

    def gap(self, *, leg: str = "caller", end: float | None = 6.0) -> None:
        self.gaps.add(CALL, leg=leg, start=4.0, end=end, reason="load", recogniser="")

    async def state(self) -> list[str]:
        return [gap["state"] for gap in await self.gaps.of_call(CALL)]

    def catch_up(
        self,
        recognizer: StandInRecognizer,
        late_words: LateWords | None = None,
        files: RecordingFiles = PLAIN,
    ) -> CatchUp:
        job = CatchUp(
            gaps=self.gaps,
            recognizer=cast("RecognizerGroup", recognizer),
            writer=Writer(),
            bus=self.bus,
            late_words=late_words,
            files=files,
            clock=lambda: 100.0,
            look_every=0.01,
        )
        recognizer.on_result = job.on_result
        return job

    async def fill(
        self,
        recognizer: StandInRecognizer,
        *,
        state: str = "recognised",
        files: RecordingFiles = PLAIN,
    ) -> None:
        """Go on until the gap is in the state."""
        job = self.catch_up(recognizer, files=files)
        await self.writer.flush()
        await job.start()
        await self.until_state([state])
        await job.close()

    async def told_of_the_gap(self) -> bool:
        """Whether everything has been published: the gap comes last."""
        return any(isinstance(event, TranscriptGap) for event in self.events)

    async def until_state(self, wanted: list[str]) -> None:
        async def reached() -> bool:
            return await self.state() == wanted

        await until(reached, seconds=20, every=0.01)


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'db'}", pool_size=1)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.run_sync(tickets_metadata.create_all)
    writer = RecordWriter(engine, on_status=lambda _status, _detail: None)
    writer.start()
    recording = tmp_path / "call.wav"
    with wave.open(str(recording), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
    bus, events = EventBus(), list[Event]()
    bus.subscribe(events.append)
    records, gaps = CallRecords(engine, writer, node="n1"), GapStore(engine, writer, node="n1")
    yield Archive(engine, writer, records, gaps, bus, events, recording)
    await writer.close()
    await engine.dispose()


def said(text: str, start: float, end: float) -> Final:
    return Final(text, start, end, (), 0.9)


async def test_a_gap_is_filled_in_order_and_marked(archive: Archive) -> None:
    archive.call()
    archive.records.utterance(CALL, 1, leg="caller", start=1.0, end=4.0, text="前", spoken="前")
    archive.records.utterance(CALL, 2, leg="caller", start=6.5, end=7.0, text="后", spoken="后")
    archive.gap()
    recognizer = StandInRecognizer([said("前", 3.7, 4.0), said("中间", 4.5, 5.5)])
    await archive.fill(recognizer)
    transcript = await archive.records.transcript(CALL)
    assert [(part["seq"], part["later"]) for part in transcript] == [
        (1, None),
        (3, True),
        (2, None),
    ]
    assert transcript[1]["spoken"] == "中间"
    (asked,) = recognizer.asked
    assert (asked["path"], asked["channel"]) == (archive.recording, 0)
    assert (asked["start"], asked["end"]) == (pytest.approx(3.6), 6.0)
    final, gap = archive.events
    assert isinstance(final, TranscriptFinal)
    assert (final.later, final.seq, final.agent_id) == (True, 3, "1001")
    assert isinstance(gap, TranscriptGap)
    assert gap.state == "recognised"


@pytest.mark.parametrize("key,state", [(b"k", "recognised"), (b"l", "failed")])
async def test_a_sealed_recording_is_heard_by_who_has_its_key(
    archive: Archive, key: bytes, state: str
) -> None:
    archive.recording = archive.recording.with_suffix(".sealed")
    file = SealedFile(archive.recording, SealKeys([b"k" * 32]).new_seal())
    file.append(bytes(9 * 32000))
    file.close()
    archive.call()
    archive.gap()
    recognizer = StandInRecognizer([said("中间", 4.5, 5.5)])
    await archive.fill(recognizer, state=state, files=RecordingFiles(SealKeys([key * 32])))
    assert recognizer.heard_seconds == (9.0 if state == "recognised" else 0.0)
    assert all(not asked["path"].exists() for asked in recognizer.asked)  # the copy is gone


@pytest.mark.parametrize("secret", [False, True])
async def test_later_words_complete_the_draft_but_not_what_the_agent_set(
    archive: Archive, *, secret: bool
) -> None:
    tickets = TicketStore(archive.engine)
    draft = TicketDraft("T1", "13862311001")
    draft.hear(Utterance("caller", "我姓陆", 1.0, 2.0))
    await tickets.create(draft, call_id=CALL, agent_id="1001")
    await tickets.correct("T1", {"type": "咨询", "secret": secret}, agent_id="1001")
    archive.call()
    archive.records.utterance(
        CALL, 1, leg="caller", start=1.0, end=2.0, text="我姓陆。", spoken="我姓陆"
    )
    archive.gap()
    missed = "我要投诉城厢镇文昌路六十六号路灯不亮"
    job = archive.catch_up(
        StandInRecognizer([said(missed, 4.5, 5.5)]),
        late_words=LateWords(
            records=archive.records, tickets=tickets, writer=Writer(), bus=archive.bus
        ),
    )
    await archive.writer.flush()
    await job.start()

    async def complete() -> bool:
        ticket = await tickets.get("T1")
        return ticket is not None and bool(ticket["fields"]["address"]["value"])

    await until(complete, seconds=20, every=0.01)
    await until(archive.told_of_the_gap, seconds=20, every=0.01)
    await job.close()
    ticket = await tickets.get("T1")
    assert ticket is not None
    fields = ticket["fields"]
    assert "文昌路66号" in fields["address"]["value"]
    assert 4.5 <= fields["address"]["passage"]["start"] < fields["address"]["passage"]["end"] <= 5.5
    assert (fields["name"]["value"], fields["phone"]["value"]) == ("陆", "13862311001")
    assert (fields["type"]["value"], fields["type"]["source"]) == ("咨询", "agent")
    told = {event.field for event in archive.events if isinstance(event, TicketField)}
    assert "address" in told
    kinds = (TicketField, TranscriptFinal)
    assert {event.secret for event in archive.events if isinstance(event, kinds)} == {secret}
    assert not told & {"name", "phone", "type"}


@pytest.mark.parametrize("submitted", [False, True])
async def test_a_wish_for_secrecy_in_a_gap_covers_the_words_beside_it(
    archive: Archive, *, submitted: bool
) -> None:
    tickets = TicketStore(archive.engine)
    await tickets.create(TicketDraft("T1", "13862311001"), call_id=CALL, agent_id="1001")
    if submitted:
        await tickets.submit("T1", agent_id="1001")
    archive.call()
    archive.gap()
    job = archive.catch_up(
        StandInRecognizer([said("我叫陆小明请你们给我保密", 4.5, 5.5)]),
        late_words=LateWords(
            records=archive.records, tickets=tickets, writer=Writer(), bus=archive.bus
        ),
    )
    await archive.writer.flush()
    await job.start()
    await until(archive.told_of_the_gap, seconds=20, every=0.01)
    await job.close()
    told = [event for event in archive.events if isinstance(event, (TicketField, TranscriptFinal))]
    assert {type(event) for event in told} == {TicketField, TranscriptFinal}
    assert all(event.secret for event in told)
    ticket = await tickets.get("T1")
    assert ticket is not None
    fields = ticket["fields"]
    assert fields["secret"]["value"] is True
    assert fields["name"]["value"] == (None if submitted else "陆小明")


async def test_late_words_that_cannot_be_understood_are_told_to_the_desktop_and_to_nobody_else(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    late_words = LateWords(
        records=archive.records,
        tickets=TicketStore(archive.engine),
        writer=Writer(),
        bus=archive.bus,
    )

    async def fail(_call_id: str, **_clock: object) -> int:
        raise OSError

    monkeypatch.setattr(late_words, "take", fail)
    archive.call()
    archive.gap()
    job = archive.catch_up(StandInRecognizer([said("我叫陆小明", 4.5, 5.5)]), late_words)
    await archive.writer.flush()
    await job.start()
    await until(archive.told_of_the_gap, seconds=20, every=0.01)
    await job.close()
    (final,) = [event for event in archive.events if isinstance(event, TranscriptFinal)]
    assert (final.spoken, final.secret) == ("我叫陆小明", True)


async def test_a_gap_without_end_reaches_to_the_recordings_end(archive: Archive) -> None:
    archive.call()
    archive.gap(leg="agent", end=None)
    recognizer = StandInRecognizer([said("尾", 8.0, 9.0)])
    await archive.fill(recognizer)
    assert (recognizer.asked[0]["channel"], recognizer.asked[0]["end"]) == (1, 9.5)


async def test_a_gap_is_heard_in_every_part_that_it_lies_in(archive: Archive) -> None:
    archive.call()
    second = archive.recording.with_name(f"{archive.recording.stem}-2.wav")
    second.write_bytes(archive.recording.read_bytes())
    archive.part(2, second, begins=12.0, seconds=5.0)
    archive.gap(end=13.0)
    recognizer = StandInRecognizer([said("话", 0.5, 0.9), said("中间", 8.0, 8.4)])
    await archive.fill(recognizer)
    asked = [(one["path"], one["start"], one["end"]) for one in recognizer.asked]
    assert asked == [(archive.recording, pytest.approx(3.6), 9.5), (second, 0.0, 1.0)]
    spans = [(one["spoken"], one["start"]) for one in await archive.records.transcript(CALL)]
    assert spans == [("中间", 8.0), ("话", 12.5), ("中间", 20.0)]


async def test_what_was_redacted_while_it_was_heard_is_heard_again(archive: Archive) -> None:
    write_tone(archive.recording, 400, seconds=9.5)
    archive.call()
    archive.gap()
    recognizer = StandInRecognizer([said("卡号", 4.5, 5.5)])

    def redact() -> None:
        silence(archive.recording, Span(4.0, 6.0))
        recognizer.says = []

    recognizer.after_first = redact
    await archive.fill(recognizer)
    assert len(recognizer.asked) == 2
    assert await archive.records.transcript(CALL) == []


async def test_what_was_redacted_while_a_later_part_was_heard_is_heard_again(
    archive: Archive,
) -> None:
    write_tone(archive.recording, 400, seconds=9.5)
    second = archive.recording.with_name(f"{archive.recording.stem}-2.wav")
    write_tone(second, 400, seconds=5.0)
    archive.call()
    archive.part(2, second, begins=12.0, seconds=5.0)
    archive.gap(end=13.0)
    recognizer = StandInRecognizer([said("卡号", 4.5, 5.5)])

    def redact() -> None:
        silence(archive.recording, Span(4.0, 6.0))
        recognizer.says = []

    recognizer.after_first = redact
    await archive.fill(recognizer)
    assert [one["path"] for one in recognizer.asked] == [archive.recording, second] * 2
    assert await archive.records.transcript(CALL) == []
    assert not any(isinstance(event, TranscriptFinal) for event in archive.events)


async def test_of_a_gap_whose_other_part_is_not_there_the_rest_is_heard(archive: Archive) -> None:
    archive.call()
    second = archive.recording.with_name(f"{archive.recording.stem}-2.wav")
    archive.part(2, second, begins=12.0, seconds=5.0)
    archive.gap(end=13.0)
    recognizer = StandInRecognizer([said("中间", 4.5, 5.5)])
    await archive.fill(recognizer)
    assert [one["spoken"] for one in await archive.records.transcript(CALL)] == ["中间"]


async def test_what_fails_is_tried_again_and_given_up_in_the_end(archive: Archive) -> None:
    archive.call()
    archive.gap()
    recognizer = StandInRecognizer([said("中间", 4.5, 5.5)], faults=["engine failed"])
    job = archive.catch_up(recognizer)
    await archive.writer.flush()
    await job.start()
    await archive.until_state(["recognised"])
    assert [part["seq"] for part in await archive.records.transcript(CALL)] == [1], "once"
    recognizer.faults = ["engine failed"] * 9
    archive.gap()
    await archive.until_state(["recognised", "failed"])
    await job.close()
    assert len(recognizer.asked) == 2 + 3


async def test_without_a_recording_a_gap_stays_one(archive: Archive) -> None:
    archive.call(recording=False)
    archive.gap()
    await archive.fill(StandInRecognizer([]), state="failed")


async def test_calls_in_progress_and_an_absent_recogniser_are_waited_for(archive: Archive) -> None:
    archive.call(ended=False)
    archive.gap()
    await archive.writer.flush()
    assert await archive.gaps.next() is None
    archive.records.change(CALL, ended_at=12.0)
    await archive.writer.flush()
    recognizer = StandInRecognizer([], status="away")
    job = archive.catch_up(recognizer)
    await job.start()
    await asyncio.sleep(0)
    assert await archive.state() == ["missing"]
    assert recognizer.asked == []
    recognizer.status = "ok"
    await archive.until_state(["recognised"])
    await job.close()


async def test_what_a_dead_node_had_not_recognised_is_a_gap(archive: Archive) -> None:
    archive.call(ended=False)
    archive.records.utterance(CALL, 1, leg="caller", start=1.0, end=5.0, text="前", spoken="前")
    archive.gap(leg="agent", end=None)
    await archive.writer.flush()
    assert await archive.gaps.note_orphans() == 1
    assert await archive.records.close_orphans(now=50.0) == 1
    gaps = await archive.gaps.of_call(CALL)
    assert [(gap["leg"], gap["start"], gap["end"]) for gap in gaps] == [
        ("agent", 4.0, None),
        ("caller", 5.0, None),
    ]
    assert await archive.gaps.note_orphans() == 0
    assert await archive.gaps.missing() == 2


async def test_where_recognition_is_switched_off_nothing_is_missing(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.recognizer.off, house.recognizer.status = True, "away"
        await house.ready_agent("1001")
        house.arrives()
        (await house.phone()).pick_up()

        async def talks() -> bool:
            return [(v.state, bool(v.ticket_id)) for v in house.service.live()] == [
                ("talking", True)
            ]

        await until(talks, seconds=30, every=0.001)
        assert not house.recognizer.streams
        house.gateway.phones[0].end()
        record = await house.record()
    assert record["gaps"] == []
    assert not [event for event in house.events if isinstance(event, TranscriptGap)]


async def test_last_words_that_come_too_late_are_a_gap(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.ready_agent("1001")
        house.arrives()
        (await house.phone()).pick_up()
        await house.until_talking()
        (view,) = house.service.live()
        caller = stream_id(view.call_id, "caller")
        house.service.on_result(caller, said("我要投诉", 0.0, 0.001))
        house.recognizer.slow.add(caller)
        house.gateway.phones[0].end()
        record = await house.record()
        house.service.on_result(caller, said("电话是", 1.8, 2.5))
    (gap,) = record["gaps"]
    assert (gap["leg"], gap["start"], gap["reason"]) == ("caller", 0.001, "load")
    assert gap["end"] > gap["start"]
    assert [event.text for event in house.events if isinstance(event, TranscriptFinal)] == [
        "我要投诉。"
    ]


async def test_a_live_call_writes_its_gaps_down(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.ready_agent("1001")
        house.arrives()
        (await house.phone()).pick_up()
        await house.until_talking()
        (view,) = house.service.live()
        caller = stream_id(view.call_id, "caller")
        house.service.on_result(caller, said("我要投诉", 0.5, 1.5))
        house.service.on_result(caller, Gap(2.0, 3.0, "load"))
        house.recognizer.status = "away"
        house.service.on_recognizer_away()
        house.recognizer.streams.clear()
        house.recognizer.status = "ok"
        house.service.on_recognizer_back()
        house.gateway.phones[0].end()
        record = await house.record()
    gaps = record["gaps"]
    assert [(gap["leg"], gap["start"], gap["reason"]) for gap in gaps] == [
        ("agent", 0.0, "away"),
        ("caller", 2.0, "load"),
        ("caller", 3.0, "away"),
    ]
    assert all(gap["end"] is not None for gap in gaps)
    told = [event for event in house.events if isinstance(event, TranscriptGap)]
    assert [event.state for event in told] == ["missing"] * 3
