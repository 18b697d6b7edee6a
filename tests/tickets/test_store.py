import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from tickets.draft import TicketDraft, Utterance
from tickets.fields import TicketError
from tickets.store import AlreadySubmitted, TicketStore, UnknownTicket, metadata


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[TicketStore]:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield TicketStore(engine, clock=Clock())
    await engine.dispose()


async def filled(store: TicketStore, ticket_id: str = "t1") -> TicketDraft:
    draft = TicketDraft(ticket_id, "13862311001")
    await store.create(draft, call_id=f"call-{ticket_id}", agent_id="1001")
    draft.hear(Utterance("caller", "我姓陆在文昌路六十六号"))
    await store.save(draft)
    return draft


async def test_a_draft_is_kept_as_it_fills(store: TicketStore) -> None:
    draft = await filled(store)
    ticket = await store.get("t1")
    assert ticket is not None
    assert ticket["fields"] == json.loads(json.dumps(draft.to_dict()["fields"]))
    assert (ticket["call_id"], ticket["agent_id"], ticket["status"]) == ("call-t1", "1001", "draft")
    assert (ticket["created_at"], ticket["submitted_at"]) == (1001.0, None)
    assert ticket["updated_at"] > ticket["created_at"]


async def test_history_says_who_changed_what(store: TicketStore) -> None:
    draft = await filled(store)
    draft.correct("name", "卢")
    assert await store.save(draft) == 1
    await store.correct("t1", {"title": "先生"}, agent_id="1002")
    history = await store.changes("t1")
    assert [
        (change["who"], change["before"], change["after"])
        for change in history
        if change["field"] in {"name", "title"}
    ] == [("heard", None, "陆"), ("1001", "陆", "卢"), ("1002", None, "先生")]
    times = [change["at"] for change in history]
    assert times == sorted(times)


async def test_saving_what_is_unchanged_leaves_no_trace(store: TicketStore) -> None:
    draft = await filled(store)
    history = await store.changes("t1")
    assert await store.save(draft) == 0
    assert await store.changes("t1") == history


async def test_a_ticket_is_submitted_once(store: TicketStore) -> None:
    await filled(store)
    results = await asyncio.gather(
        *(store.submit("t1", agent_id=f"100{n}") for n in range(5)), return_exceptions=True
    )
    submitted = [result for result in results if isinstance(result, dict)]
    assert len(submitted) == 1
    assert sum(isinstance(result, AlreadySubmitted) for result in results) == 4
    assert submitted[0]["status"] == "submitted"
    assert [c["field"] for c in await store.changes("t1")].count("status") == 1


async def test_a_submitted_ticket_does_not_change(store: TicketStore) -> None:
    draft = await filled(store)
    ticket = await store.submit("t1", agent_id="1001")
    draft.hear(Utterance("caller", "我姓王"))
    with pytest.raises(AlreadySubmitted):
        await store.save(draft)
    with pytest.raises(AlreadySubmitted):
        await store.correct("t1", {"name": "王"}, agent_id="1001")
    assert await store.get("t1") == ticket


async def test_a_wrong_correction_changes_nothing(store: TicketStore) -> None:
    await filled(store)
    before = await store.get("t1"), await store.changes("t1")
    with pytest.raises(TicketError):
        await store.correct("t1", {"name": "王", "phone": "12"}, agent_id="1001")
    assert (await store.get("t1"), await store.changes("t1")) == before


async def test_unknown_tickets(store: TicketStore) -> None:
    assert await store.get("nope") is None
    with pytest.raises(UnknownTicket):
        await store.submit("nope", agent_id="1001")
    with pytest.raises(UnknownTicket):
        await store.save(TicketDraft("nope", None))
    with pytest.raises(UnknownTicket):
        await store.correct("nope", {"name": "王"}, agent_id="1001")


async def test_a_number_is_given_once(store: TicketStore) -> None:
    await filled(store)
    with pytest.raises(IntegrityError):
        await store.create(TicketDraft("t1", None), call_id="other", agent_id=None)


async def test_lists_are_newest_first_and_filtered(store: TicketStore) -> None:
    for number in range(4):
        await filled(store, f"t{number}")
    await store.create(TicketDraft("t9", None), call_id="c9", agent_id="1002")
    await store.submit("t2", agent_id="1001")

    async def ids(**wanted: str | int) -> list[str]:
        return [ticket["id"] for ticket in await store.list_(**wanted)]  # type: ignore[arg-type]

    assert await ids() == ["t9", "t3", "t2", "t1", "t0"]
    assert await ids(agent_id="1001", status="draft") == ["t3", "t1", "t0"]
    assert await ids(status="submitted") == ["t2"]
    assert await ids(limit=2, offset=1) == ["t3", "t2"]
