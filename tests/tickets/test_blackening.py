"""What was said in a redacted span is left nowhere in the database, on both kinds of it."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from calls.redaction import BLACKENED, Span, blacken, blackened_fields
from tickets import blackening
from tickets.draft import TicketDraft, Utterance
from tickets.handling import TicketDesk
from tickets.life import Deadlines, Step
from tickets.store import TicketStore, metadata
from tickets.working_days import Calendar

SAID = "我姓陆电话是13862311002"
SPAN = Span(2.0, 4.0, "caller")


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield engine
    await engine.dispose()


async def everything(engine: AsyncEngine) -> str:
    """All rows of all tables as one text."""
    async with engine.connect() as connection:
        return "\n".join(
            [
                str(row)
                for table in metadata.sorted_tables
                for row in await connection.execute(table.select())
            ]
        )


async def test_what_was_said_in_the_span_is_left_nowhere(engine: AsyncEngine) -> None:
    store = TicketStore(engine)
    draft = TicketDraft("t1", "13862311001")
    await store.create(draft, call_id="c1", agent_id="1001")
    draft.hear(Utterance("caller", "文昌路六十六号路灯坏了", 0.0, 2.0))
    await store.save(draft)
    draft.hear(Utterance("caller", SAID, 2.0, 4.0))
    await store.save(draft)
    await store.correct("t1", {"topic": "路灯"}, agent_id="1001")
    await store.submit("t1", agent_id="1001")
    desk = TicketDesk(engine, calendar=Calendar(), deadlines=Deadlines(), dispatch=True)
    passed = Step("pass_on", note="请回电13862311002", unit="城管局")
    await desk.step("t1", passed, who="1001")
    before = await everything(engine)
    assert "13862311002" in before
    async with store.begin() as connection:
        await blackening.redact(
            connection,
            "c1",
            fields=partial(blackened_fields, span=SPAN, words=[SAID]),
            text=partial(blacken, words=[SAID]),
            mark=BLACKENED,
        )
    left = await everything(engine)
    for gone in ("13862311002", "陆"):
        assert gone in before
        assert gone not in left
    ticket = await store.get("t1")
    assert ticket is not None
    assert ticket["fields"]["phone"]["value"] is None
    assert ticket["fields"]["name"]["evidence"] == BLACKENED
    assert ticket["fields"]["address"]["value"] == draft.fields["address"].value
    assert ticket["fields"]["topic"]["value"] == "路灯"
    assert await store.of_caller("13862311002") == []
