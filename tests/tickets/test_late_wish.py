"""A wish for secrecy that comes after the ticket was submitted."""

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tickets.draft import TicketDraft, Utterance
from tickets.exchange.store import handovers_table, letters_table
from tickets.fields import FieldValue
from tickets.late_wish import keep_secret, wish_for_secrecy
from tickets.store import TicketStore, UnknownTicket, deliveries_table

NOW = 1_795_000_000.0
WISH = FieldValue(value=True, source="heard", evidence="保密", confidence=0.8)


async def submitted(engine: AsyncEngine, *, dispatch: bool = False) -> TicketStore:
    store = TicketStore(engine, clock=lambda: NOW, dispatch=dispatch)
    draft = TicketDraft("T1", "13862311001")
    draft.hear(Utterance("caller", "我叫陆小明 楼下饭店油烟太大"))
    await store.create(draft, call_id="c", agent_id="1001")
    await store.submit("T1", agent_id="1001")
    return store


def test_only_the_citizen_can_ask_for_secrecy() -> None:
    said = Utterance("caller", "麻烦请给我保密", 4.0, 8.0)
    wish = wish_for_secrecy(said)
    assert wish is not None
    assert (wish.value, wish.source, wish.evidence) == (True, "heard", "保密")
    assert wish.passage is not None
    assert 4.0 < wish.passage.start < wish.passage.end == 8.0
    assert wish_for_secrecy(Utterance("agent", "需要给您保密吗请给我保密")) is None
    assert wish_for_secrecy(Utterance("caller", "我要投诉")) is None


async def test_a_submitted_ticket_becomes_secret_once(engine: AsyncEngine) -> None:
    store = await submitted(engine)
    (change,) = await keep_secret(store, "T1", WISH, now=NOW)
    assert change.now == WISH
    assert await keep_secret(store, "T1", WISH, now=NOW + 1) == []
    ticket = await store.get("T1")
    assert ticket is not None
    assert ticket["updated_at"] == NOW  # the second one changed nothing
    assert (ticket["fields"]["secret"], ticket["status"]) == (WISH.to_dict(), "submitted")
    assert await store.of_caller("13862311001") == []  # as those of all secret tickets
    *_, last = await store.changes("T1")
    assert (last["who"], last["field"], last["after"]) == ("heard", "secret", True)
    with pytest.raises(UnknownTicket):
        await keep_secret(store, "T2", WISH, now=NOW)


async def test_what_the_agent_decided_stays(engine: AsyncEngine) -> None:
    store = TicketStore(engine, clock=lambda: NOW)
    await store.create(TicketDraft("T1", None), call_id="c", agent_id="1001")
    await store.correct("T1", {"secret": True}, agent_id="1001")
    await store.correct("T1", {"secret": False}, agent_id="1001")
    await store.submit("T1", agent_id="1001")
    assert await keep_secret(store, "T1", WISH, now=NOW) == []


@pytest.mark.parametrize("arrived", [False, True])
async def test_a_platform_is_told_and_gets_no_name_that_it_has_not(
    engine: AsyncEngine, *, arrived: bool
) -> None:
    store = await submitted(engine, dispatch=True)
    if arrived:
        async with store.begin() as connection:
            await connection.execute(deliveries_table.update().values(next_at=None))
    await keep_secret(store, "T1", WISH, now=NOW)
    async with store.begin() as connection:
        rows = await connection.execute(sa.select(deliveries_table).order_by("id"))
        first, second = [row.body for row in rows]
    assert (first["action"], second["action"]) == ("submit", "secret")
    assert first["fields"]["phone"] == ("13862311001" if arrived else None)
    assert first["fields"]["name"] == ("陆小明" if arrived else None)
    assert second["fields"]["phone"] is second["fields"]["name"] is None
    assert second["fields"]["secret"] is True


async def test_letters_that_no_partner_has_yet_are_changed(engine: AsyncEngine) -> None:
    store = await submitted(engine)
    matter = {"name": "陆小明", "phone": "13862311001", "secret": False, "content": "油烟太大"}
    asked = {"number": "T1", "kind": "ticket", "reason": "请回电陆小明13862311001"}
    times = {"said_at": NOW, "created_at": NOW, "changed_at": NOW}
    handover = {"direction": "out", "state": "sent", "step": 1, "ticket_id": "T1", **times}
    letter = {"message_id": "m1", "created_at": NOW, "attempts": 0, "alarmed": False}
    async with store.begin() as connection:
        row = {"partner": "110", "matter": matter, **asked, **handover}
        await connection.execute(handovers_table.insert().values(row))
        body = {"id": "m1", "at": NOW, "matter": matter, **asked}
        row = {"partner": "110", "body": body, **letter}
        await connection.execute(letters_table.insert().values(row))
    await keep_secret(store, "T1", WISH, now=NOW)
    async with store.begin() as connection:
        [told] = (await connection.execute(sa.select(letters_table))).all()
        [kept] = (await connection.execute(sa.select(handovers_table))).all()
    assert told.body["matter"] == {
        "name": None,
        "phone": None,
        "secret": True,
        "content": "油烟太大",
    }
    assert "陆小明" not in told.body["reason"]
    assert "13862311001" not in told.body["reason"]
    assert kept.matter == matter  # what was agreed stays on our own record
