from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as sa_event
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from calls import forgetting
from calls.after_call import dispositions
from calls.audit import AuditTrail
from calls.callback_store import CallBackStore
from calls.callbacks import CallBackRules, Closed, Missed
from calls.records import CallRecords, RecordWriter, segments
from calls.retention import DAY, Periods, RetentionJob
from tickets.draft import TicketDraft
from tickets.exchange.store import handovers_table
from tickets.handling import TicketDesk
from tickets.life import Deadlines, Step
from tickets.store import TicketStore
from tickets.working_days import Calendar

NOW = 1_795_000_000.0
PERIODS = Periods(recordings=30, transcripts=60, personal=90, audit=180)
KINDS_OF_ONE_CALL = {"recordings": 1, "transcripts": 1, "personal": 2}
"""Of the last, the ticket's fields and the call's number."""


class Archive:
    """Calls of several ages, each with a recording, words, and a ticket answered on line."""

    def __init__(self, engine: AsyncEngine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.writer = RecordWriter(engine, on_status=lambda _status, _detail: None)
        self.writer.start()
        self.records = CallRecords(engine, self.writer, node="n1")
        self.audit = AuditTrail(engine, self.writer, clock=lambda: NOW)

    async def call(self, call_id: str, days_ago: float, *, answered: bool = True) -> None:
        at = NOW - days_ago * DAY
        day = self.folder / call_id
        day.mkdir()
        path = day / f"{call_id}.wav"
        path.write_bytes(b"RIFF")
        self.records.arrived(
            call_id, line="12345", caller="13862311001", sip_call_id="s", arrived_at=at
        )
        self.records.change(call_id, ended_at=at, recording=str(path), called="13862311001")
        self.records.change(call_id, ladder=[{"start": "INVITE", "from": "13862311001"}])
        self.records.segment(
            call_id, 1, agent_id=None, kind="partner", number="13862311001", offered_at=at
        )
        self.records.utterance(call_id, 1, leg="caller", start=0.0, end=1.0, text="我姓陆")
        tickets = TicketStore(self.engine, clock=lambda: at)
        draft = TicketDraft(f"t-{call_id}", "13862311001")
        draft.correct("name", "陆")
        draft.correct("category", "市容管理")
        await tickets.create(draft, call_id=call_id, agent_id="1001")
        draft.correct("address", "人民路1号")
        await tickets.save(draft)
        await tickets.submit(f"t-{call_id}", agent_id="1001")
        desk = TicketDesk(self.engine, calendar=Calendar(), deadlines=Deadlines(), clock=lambda: at)
        done = Step("answer", note="陆先生已告知") if answered else Step("pass_on", unit="城管局")
        await desk.step(f"t-{call_id}", done, who="1001")

    def job(self, periods: Periods) -> RetentionJob:
        return RetentionJob(
            self.engine, periods=periods, audit=self.audit, node="n1", clock=lambda: NOW
        )


def folders(path: Path) -> list[str]:
    return [entry.name for entry in path.iterdir() if entry.is_dir()]


async def test_each_kind_goes_after_its_own_time(engine: AsyncEngine, tmp_path: Path) -> None:
    archive = Archive(engine, tmp_path)
    for days in (10, 40, 70, 100):
        await archive.call(f"c{days}", days)
    await archive.writer.flush()
    gone = await archive.job(PERIODS).once()
    assert gone == {"recordings": 3, "transcripts": 2, "personal": 2, "audit": 0}
    assert folders(tmp_path) == ["c10"]
    assert len(await archive.records.transcript("c40")) == 1
    assert await archive.records.transcript("c70") == []
    tickets = TicketStore(engine)
    kept, emptied = await tickets.get("t-c70"), await tickets.get("t-c100")
    assert kept is not None
    assert emptied is not None
    assert kept["fields"]["name"]["value"] == "陆"
    assert emptied["fields"]["category"]["value"] == "市容管理"
    call = await archive.records.get("c100")
    assert call is not None
    changes = await tickets.changes("t-c100")
    text = repr((emptied, call, changes, await archive.records.ladder("c100")))
    for personal in ("陆", "13862311001", "人民路"):
        assert personal not in text
    assert (await archive.audit.list_())[0]["detail"] == {**gone, "kept_for_open_tickets": 0}
    assert await archive.job(PERIODS).once() == dict.fromkeys(gone, 0)
    await archive.writer.close()


async def test_what_a_unit_still_has_to_do_with_stays(engine: AsyncEngine, tmp_path: Path) -> None:
    archive = Archive(engine, tmp_path)
    await archive.call("c300", 300, answered=False)
    await archive.writer.flush()
    archive.records.withheld("c300", number="13862311001", at=NOW - 300 * DAY)
    await archive.writer.flush()
    nothing = {"recordings": 0, "transcripts": 0, "personal": 0, "audit": 0}
    assert await archive.job(PERIODS).once() == nothing
    assert folders(tmp_path) == ["c300"]
    assert len(await archive.records.transcript("c300")) == 1
    assert await archive.records.withheld_number("c300") == "13862311001"
    desk = TicketDesk(
        engine, calendar=Calendar(), deadlines=Deadlines(), clock=lambda: NOW - 95 * DAY
    )
    await desk.step("t-c300", Step("close", note="好了"), who="2001")
    assert await archive.job(PERIODS).once() == {**nothing, **KINDS_OF_ONE_CALL}
    assert folders(tmp_path) == []
    assert await archive.records.withheld_number("c300") is None
    await archive.writer.close()


async def test_a_ticket_that_nobody_closes_here_keeps_its_call_for_a_time(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    archive = Archive(engine, tmp_path)
    for days in (300, 100):
        await archive.call(f"c{days}", days, answered=False)
    await archive.writer.flush()
    gone = await archive.job(replace(PERIODS, open_tickets=200)).once()
    assert gone == {"recordings": 1, "transcripts": 1, "personal": 2, "audit": 0}
    assert folders(tmp_path) == ["c100"]
    detail = (await archive.audit.list_())[0]["detail"]
    assert detail == {**gone, "kept_for_open_tickets": 1}
    tickets = TicketStore(engine)
    emptied, kept = await tickets.get("t-c300"), await tickets.get("t-c100")
    assert emptied is not None
    assert kept is not None
    assert (emptied["status"], emptied["fields"]["name"]["value"]) == ("passed", None)
    assert kept["fields"]["name"]["value"] == "陆"
    await archive.writer.close()


async def test_whom_the_record_tells_of_only_by_the_way_is_forgotten(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    archive = Archive(engine, tmp_path)
    for call_id in ("c1", "c2"):
        await archive.call(call_id, 100)
        # withheld, called in, and without a ladder
        archive.records.change(call_id, caller=None, called=None, ladder=None)
    await archive.writer.flush()
    async with engine.begin() as connection:
        await connection.execute(
            segments.update().where(segments.c.call_id == "c2").values(number=None)
        )
        await connection.execute(
            dispositions.insert().values(
                call_id="c2", agent_id="1001", code="解答", at=NOW, note="陆先生"
            )
        )
    await archive.job(PERIODS).once()
    async with engine.connect() as connection:
        numbers = (await connection.execute(select(segments.c.number))).scalars().all()
        notes = (await connection.execute(select(dispositions.c.note))).scalars().all()
    assert (numbers, notes) == ([None, None], [None])
    await archive.writer.close()


async def test_each_old_call_is_looked_at_once(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 1)
    archive = Archive(engine, tmp_path)
    for call_id in ("c3", "c1", "c2"):
        await archive.call(call_id, 100)
    await archive.writer.flush()
    batches = []

    def look(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT calls.call_id") and "calls.caller" in statement:
            batches.append([value for value in parameters if str(value) in {"", "c1", "c2", "c3"}])

    sa_event.listen(engine.sync_engine, "before_cursor_execute", look)
    assert (await archive.job(PERIODS).once())["personal"] == 6
    assert batches == [[""], ["c1"], ["c2"], ["c3"]]
    await archive.writer.close()


async def test_a_later_part_alone_is_removed_where_it_lies(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    archive = Archive(engine, tmp_path)
    await archive.call("c1", 40)
    # its first part was never written; its node is gone, or has another name now
    (tmp_path / "c1" / "c1.wav").rename(tmp_path / "c1" / "c1-2.wav")
    archive.records.change("c1", node="n2")
    await archive.writer.flush()
    assert (await archive.job(PERIODS).once())["recordings"] == 1
    assert folders(tmp_path) == []
    await archive.writer.close()


async def test_a_recording_is_removed_where_it_lies(engine: AsyncEngine, tmp_path: Path) -> None:
    archive = Archive(engine, tmp_path)
    for call_id in ("c1", "c2", "c3"):
        await archive.call(call_id, 40)
    # c1 lies on another machine; of c2, of another node, the disk is shared
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "c1").rename(elsewhere)
    archive.records.change("c1", node="n2")
    archive.records.change("c2", node="n2")
    # a killed node has left a copy that was not silenced yet
    (tmp_path / "c3" / ".c3.wav.redacting").write_bytes(b"RIFF")
    await archive.writer.flush()
    assert (await archive.job(PERIODS).once())["recordings"] == 2
    assert folders(tmp_path) == ["elsewhere"]
    left = await archive.records.get("c1")
    assert left is not None
    assert left["recording"] is not None
    await archive.writer.close()


async def test_a_file_that_cannot_be_removed_keeps_nothing_else(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    archive = Archive(engine, tmp_path)
    for call_id in ("c1", "c2"):
        await archive.call(call_id, 100)
    stubborn = tmp_path / "c1" / "c1.wav"
    stubborn.unlink()
    (stubborn / "within").mkdir(parents=True)
    await archive.writer.flush()
    gone = await archive.job(PERIODS).once()
    assert (gone["recordings"], gone["transcripts"], gone["personal"]) == (1, 2, 4)
    assert folders(tmp_path) == ["c1"]
    await archive.writer.close()


async def test_what_partners_said_goes_with_what_is_decided(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    row = {
        "partner": "110",
        "direction": "in",
        "kind": "ticket",
        "step": 1,
        "reason": "陆先生已联系",
        "matter": {"name": "陆"},
        "said_at": 1.0,
        "created_at": NOW - 100 * DAY,
        "changed_at": NOW - 100 * DAY,
    }
    async with engine.begin() as connection:
        await connection.execute(
            handovers_table.insert(),
            [{**row, "number": state, "state": state} for state in ("finished", "arrived")],
        )
    archive = Archive(engine, tmp_path)
    await archive.job(PERIODS).once()
    async with engine.connect() as connection:
        told = {
            one.number: (one.matter, one.reason)
            for one in await connection.execute(handovers_table.select())
        }
    assert told == {"finished": ({}, ""), "arrived": ({"name": "陆"}, "陆先生已联系")}
    await archive.writer.close()


async def test_nothing_goes_where_nothing_is_set(engine: AsyncEngine, tmp_path: Path) -> None:
    archive = Archive(engine, tmp_path)
    await archive.call("c5000", 5000)
    await archive.writer.flush()
    assert await archive.job(Periods()).once() == {}
    assert folders(tmp_path) == ["c5000"]
    await archive.writer.close()


async def test_whom_nobody_needs_to_call_back_any_more_is_forgotten(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    store = CallBackStore(engine, rules=CallBackRules())
    long_ago = NOW - 100 * DAY
    closed, _ = await store.missed(Missed("13862311001", "12345", "asked", "c1"), now=long_ago)
    await store.change(closed, Closed("not_needed", "1001"), now=long_ago)
    still_open, _ = await store.missed(Missed("13862311002", "12345", "asked", "c2"), now=long_ago)
    archive = Archive(engine, tmp_path)
    await archive.job(PERIODS).once()
    assert [entry["id"] for entry in await store.list_()] == [still_open]
    await archive.writer.close()
