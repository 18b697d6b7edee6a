import pytest

from calls.errors import UnknownCall
from calls.holders import CallHolders
from calls.records import CallRecords, RecordWriter
from hotline.database import migrate, open_engine


async def test_the_holder_is_the_node_whose_call_has_not_ended(database_url: str) -> None:
    engine = open_engine(database_url)
    await migrate(engine)
    writer = RecordWriter(engine, on_status=lambda *_: None)
    writer.start()
    try:
        records = CallRecords(engine, writer, node="b")
        for call_id in ("c1", "c2"):
            records.arrived(call_id, line="12345", caller=None, sip_call_id="s", arrived_at=1.0)
            records.change(call_id, ticket_id=f"t-{call_id}")
        records.change("c2", ended_at=2.0)
        await writer.flush()

        a = CallHolders(engine, node="a", is_live=lambda call_id: call_id == "own")
        b = CallHolders(engine, node="b", is_live=lambda call_id: call_id == "c1")
        assert [await a.of_call("c1"), await a.of_call("c2"), await a.of_call("own")] == [
            "b",
            None,
            None,
        ]
        assert [await a.of_ticket("t-c1"), await a.of_ticket("t-c2")] == ["b", None]
        assert [await b.of_call("c1"), await b.of_ticket("t-c1")] == [None, None]
        assert (a.holds("own"), b.holds("own")) == (True, False)
        with pytest.raises(UnknownCall):
            await a.of_call("c3")
    finally:
        await writer.close()
        await engine.dispose()
