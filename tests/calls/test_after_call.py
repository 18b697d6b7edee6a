from collections.abc import AsyncIterator

import pytest

from calls.after_call import AfterCall, UnknownDisposition
from calls.attending.script import Rated
from calls.records import RecordWriter
from hotline.database import migrate, open_engine


@pytest.fixture
async def after_call(database_url: str) -> AsyncIterator[AfterCall]:
    engine = open_engine(database_url)
    await migrate(engine)
    writer = RecordWriter(engine, on_status=lambda _status, _detail: None)
    writer.start()
    yield AfterCall(engine, writer, dispositions={"answered": "在线解答", "other": "其他"})
    await writer.close()
    await engine.dispose()


async def test_ratings_are_kept_by_segment(after_call: AfterCall) -> None:
    after_call.rated("c1", "1001", 0, Rated("rated", 5), at=1.0)
    after_call.rated("c1", "1002", 2, Rated("timeout"), at=9.0)
    after_call.rated("c2", "1002", 0, Rated("hung_up"), at=9.0)
    assert (await after_call.of_call("c1"))["ratings"] == [
        {"seq": 0, "agent_id": "1001", "outcome": "rated", "score": 5, "at": 1.0},
        {"seq": 2, "agent_id": "1002", "outcome": "timeout", "score": None, "at": 9.0},
    ]


async def test_the_latest_choice_of_a_disposition_counts(after_call: AfterCall) -> None:
    await after_call.dispose("c1", agent_id="1001", code="other", note="误拨", at=1.0)
    await after_call.dispose("c1", agent_id="1001", code="answered", note=None, at=2.0)
    await after_call.dispose("c1", agent_id="1002", code="other", note=None, at=3.0)
    found = (await after_call.of_call("c1"))["dispositions"]
    assert [(part["agent_id"], part["code"], part["name"], part["note"]) for part in found] == [
        ("1001", "answered", "在线解答", None),
        ("1002", "other", "其他", None),
    ]
    with pytest.raises(UnknownDisposition, match="nothing"):
        await after_call.dispose("c1", agent_id="1001", code="nothing", note=None, at=4.0)
