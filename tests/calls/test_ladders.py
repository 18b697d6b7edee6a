"""A call's ladder: from the ring while it is there, from the record when it is not."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from calls.ladders import Ladders
from calls.records import CallRecords, RecordWriter, metadata
from eventbus.bus import EventBus
from eventbus.catalogue import CallEnded
from telephony.sip.hop import Hop
from telephony.sip.message import parse_message
from telephony.witness import Wire
from tests.support.node import until
from tests.telephony.test_witness import answer, request

TRUNK = Hop("192.0.2.7", 5060)


class Room:
    """A bus, a wire, and call records."""

    def __init__(self, records: CallRecords) -> None:
        self.bus, self.wire, self.records = EventBus(), Wire(clock=lambda: 5.0), records
        self.ladders = self.make()

    def make(self) -> Ladders:
        return Ladders(bus=self.bus, wire=self.wire, records=self.records, settle_seconds=0.01)

    def see(self, data: bytes, *, inbound: bool) -> None:
        self.wire(parse_message(data), data, TRUNK, inbound=inbound)

    def end(self, call_id: str) -> None:
        self.bus.publish(
            CallEnded(at=6.0, call_id=call_id, outcome="answered", ended_by="citizen", talked=1.0)
        )


@pytest.fixture
async def room(database_url: str) -> AsyncIterator[Room]:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    writer = RecordWriter(engine, on_status=lambda _status, _detail: None)
    writer.start()
    records = CallRecords(engine, writer, node="n1")
    records.arrived("c1", line="12345", caller=None, sip_call_id="a", arrived_at=1.0)
    room = Room(records)
    yield room
    room.ladders.close()
    await writer.close()
    await engine.dispose()


async def test_all_dialogs_of_a_call_and_no_others(room: Room) -> None:
    for call_id in "abc":
        room.see(request(call_id=call_id), inbound=True)
    room.see(answer(180), inbound=False)
    room.ladders.tie("c1", "a")
    room.ladders.tie("c1", "b")
    found = await room.ladders.of("c1")
    assert found is not None
    assert [rung.call_id for rung in found.rungs] == ["a", "a", "b"]
    assert [rung.peer for rung in found.rungs] == ["192.0.2.7:5060/UDP"] * 3
    assert found.texts[1].startswith("SIP/2.0 180")
    assert await room.ladders.of("c2") is None


async def test_the_record_keeps_it_in_short(room: Room) -> None:
    room.see(request(), inbound=True)
    room.ladders.tie("c1", "a")
    room.end("c1")
    await until(lambda: room.records.ladder("c1"))
    room.wire = Wire()
    found = await room.make().of("c1")
    assert found is not None
    assert [(rung.at, rung.label) for rung in found.rungs] == [(5.0, "INVITE")]
    assert found.texts == ()


async def test_closing_writes_what_still_waits(room: Room) -> None:
    room.see(request(), inbound=True)
    room.ladders.tie("c1", "a")
    room.end("c1")
    room.ladders.close()
    assert len(await room.records.ladder("c1")) == 1


async def test_a_finished_call_is_found_until_many_others_have_ended(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calls.ladders.CALLS_TIED", 1)
    for call_id in ("c1", "c2"):
        room.see(request(call_id=f"of {call_id}"), inbound=True)
        room.ladders.tie(call_id, f"of {call_id}")
        room.end(call_id)
        if call_id == "c1":
            await until(lambda: room.records.ladder("c1"))
            found = await room.ladders.of("c1")
            assert found is not None
            assert found.texts
    room.ladders.close()
    found = await room.ladders.of("c1")
    assert found is not None
    assert (len(found.rungs), found.texts) == (1, ())
