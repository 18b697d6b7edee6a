"""The exchange on a real database; the partner is the machine itself, joined without a broker."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from eventbus.bus import EventBus
from eventbus.catalogue import Event, ExchangeAlarm, ExchangeTicket
from tests.tickets.exchange.network import Side
from tickets.draft import TicketDraft, Utterance
from tickets.exchange.delivery import ALARM_SECONDS
from tickets.exchange.intake import Intake, Verdict, shipped_intake
from tickets.exchange.machine import ExchangeError, Key, Send
from tickets.exchange.messages import Matter
from tickets.exchange.service import ExchangeService, UnknownHandover
from tickets.exchange.store import letters_table
from tickets.fields import FieldValue
from tickets.handling import TicketDesk
from tickets.late_wish import keep_secret
from tickets.life import Deadlines, LifeError, Step
from tickets.store import TicketStore, UnknownTicket, metadata, tickets_table
from tickets.working_days import Calendar

NOW = 1_795_000_000.0
SHARED = ("name", "phone", "address", "category", "content")
WISH = FieldValue(value=True, source="heard", evidence="保密", confidence=0.8)
CONSUMER = Matter(content="预付卡里的钱不退", category="消费维权", phone="13862311001")


@dataclass
class Post:
    """Takes what is published to the partner; or loses it."""

    side: Side
    works: bool = True

    def publish(self, topic: str, payload: bytes) -> None:
        assert topic == "hotline/exchange/110/to"
        if self.works:
            self.side.hear(payload, NOW)


@dataclass
class Office:
    engine: AsyncEngine
    service: ExchangeService
    post: Post
    side: Side
    store: TicketStore
    desk: TicketDesk
    events: list[Event]
    statuses: list[tuple[str, str | None]]
    clock: list[float] = field(default_factory=lambda: [NOW])

    async def submitted(self, ticket_id: str, *, agent: str = "1001", **fields: object) -> None:
        draft = TicketDraft(ticket_id, "13862311001")
        for name, value in {"content": "家门口有人打架", **fields}.items():
            draft.correct(name, value)
        await self.store.create(draft, call_id="c1", agent_id=agent)
        await self.store.submit(ticket_id, agent_id=agent)

    async def settle(self) -> None:
        """Let both sides talk until neither says anything more."""
        while self.side.out:
            payloads, self.side.out[:] = list(self.side.out), []
            for payload in payloads:
                await self.service.hear("110", payload)

    async def later(self, seconds: float) -> None:
        self.clock[0] += seconds
        await self.service.look()
        await self.settle()

    async def letters(self) -> list[dict[str, Any]]:
        """What the partner does not have yet."""
        async with self.engine.connect() as connection:
            return list(await connection.scalars(sa.select(letters_table.c.body).order_by("id")))

    async def tickets(self) -> list[dict[str, Any]]:
        async with self.engine.connect() as connection:
            rows = await connection.execute(sa.select(tickets_table).order_by("id"))
            return [dict(row) for row in rows.mappings()]

    def sends(self, number: str, matter: Matter = CONSUMER, **more: str) -> bytes:
        """The partner hands a ticket over; return what he publishes."""
        key = Key("12345", "out", "ticket", number)
        self.side.feed(Send(key, matter, number, **more), NOW)
        return self.side.out[-1]


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    side = Side("110", "12345", lambda _message: Verdict("ask"))
    post, bus, events = Post(side), EventBus(), list[Event]()
    bus.subscribe(events.append)
    desk = TicketDesk(engine, calendar=Calendar(), deadlines=Deadlines(), clock=lambda: NOW)
    statuses: list[tuple[str, str | None]] = []
    clock = [NOW]
    service = ExchangeService(
        engine,
        link=post,
        desk=desk,
        bus=bus,
        partners={"110": "公安报警", "119": "消防救援"},
        shares={"110": SHARED},
        intake=shipped_intake(),
        on_status=lambda status, detail: statuses.append((status, detail)),
        clock=lambda: clock[0],
    )
    store = TicketStore(engine, clock=lambda: NOW)
    yield Office(engine, service, post, side, store, desk, events, statuses, clock)
    await service.close()
    await engine.dispose()


async def test_what_an_agent_takes_in_is_his_ticket(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Intake, "judge", lambda _self, _message: Verdict("ask"))
    await office.service.hear("110", office.sends("JQ1", Matter(content="路灯坏了")))
    (kept,) = await office.service.list_(state="arrived")
    done = await office.service.decide(kept["id"], accepted=True, who="1001", agent_id="1001")
    assert done["state"] == "accepted"
    (ticket,) = await office.tickets()
    assert (ticket["id"], ticket["agent_id"]) == (done["ticket_id"], "1001")
    last = [event for event in office.events if isinstance(event, ExchangeTicket)][-1]
    assert (last.agent_id, last.state) == ("1001", "accepted")


async def test_of_two_agents_who_decide_at_once_one_is_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Intake, "judge", lambda _self, _message: Verdict("ask"))
    await office.service.hear("110", office.sends("JQ1", Matter(content="路灯坏了")))
    (kept,) = await office.service.list_(state="arrived")
    decide = partial(office.service.decide, kept["id"], reason="重复")
    done = await asyncio.gather(
        decide(accepted=True, who="1001", agent_id="1001"),
        decide(accepted=False, who="1002", agent_id="1002"),
        return_exceptions=True,
    )
    (refused,) = (one for one in done if isinstance(one, BaseException))
    assert isinstance(refused, ExchangeError)
    assert refused.code == "not_now"
    (first,) = (one for one in done if isinstance(one, dict))
    now = await office.service.get(kept["id"])
    assert now["state"] == first["state"]


async def test_a_ticket_goes_to_the_police_and_comes_back_done(office: Office) -> None:
    await office.submitted("T1", address="人民路1号", secret=False)
    sent = await office.service.hand_over("T1", "110", who="1001", reason="治安")
    assert (sent["state"], sent["direction"], sent["reason"]) == ("sent", "out", "治安")
    heard = office.side.book.handovers[Key("12345", "in", "ticket", "T1")]
    assert heard.matter["address"] == "人民路1号"
    assert set(heard.matter) <= set(SHARED)
    (ticket,) = await office.tickets()
    assert (ticket["status"], ticket["unit"]) == ("passed", "公安报警")
    await office.settle()
    office.side.decide("T1", NOW, accepted=True)
    office.side.end("T1", NOW, "已劝离")
    await office.settle()
    (ticket,) = await office.tickets()
    assert ticket["status"] == "closed"
    done = await office.service.get(sent["id"])
    assert (done["state"], done["reason"]) == ("finished", "已劝离")
    assert [step["who"] for step in await office.desk.steps("T1")] == ["1001", "1001", "110"]
    with pytest.raises(ExchangeError, match="was handed to 110 before"):
        await office.service.hand_over("T1", "110", who="1001")


async def test_a_ticket_that_comes_back_with_a_reason_is_returned(office: Office) -> None:
    await office.submitted("T1")
    await office.service.hand_over("T1", "110", who="1001")
    office.side.decide("T1", NOW, accepted=False, reason="不属于公安职责")
    await office.settle()
    (ticket,) = await office.tickets()
    assert (ticket["status"], ticket["returned"]) == ("returned", 1)
    told = [event for event in office.events if isinstance(event, ExchangeTicket)]
    assert (told[-1].state, told[-1].reason) == ("returned", "不属于公安职责")


async def test_an_agents_own_are_found_and_the_oldest_first_where_wanted(office: Office) -> None:
    for number, agent in enumerate(("1001", "1002", "1001"), start=1):
        await office.submitted(f"T{number}", agent=agent)
        office.clock[0] += 1.0
        await office.service.hand_over(f"T{number}", "110", who=agent)
    own = await office.service.list_(direction="out", agent_id="1001")
    assert [one["number"] for one in own] == ["T3", "T1"]
    first = await office.service.list_(direction="out", oldest_first=True, limit=2)
    assert [one["number"] for one in first] == ["T1", "T2"]
    assert await office.service.list_(direction="out", agent_id="1003") == []


async def test_what_cannot_be_handed_over_changes_nothing(office: Office) -> None:
    draft = TicketDraft("T1", None)
    draft.correct("content", "打架")
    await office.store.create(draft, call_id="c1", agent_id="1001")
    with pytest.raises(LifeError):
        await office.service.hand_over("T1", "110", who="1001")
    with pytest.raises(UnknownTicket):
        await office.service.hand_over("T9", "110", who="1001")
    with pytest.raises(UnknownHandover):
        await office.service.hand_over("T1", "119", who="1001")
    assert await office.service.list_() == []
    assert await office.service.counts() == {"unacknowledged": 0, "undecided": 0}


async def test_secrecy_keeps_name_and_number_from_the_partner(office: Office) -> None:
    await office.submitted("T1", name="陆明", content="我是陆明，13862311001", secret=True)
    await office.service.hand_over("T1", "110", who="1001")
    assert "13862311001" not in repr(office.side.book)
    assert "陆明" not in repr(office.side.book)


async def test_secrecy_keeps_them_out_of_what_is_said_of_a_ticket_as_well(office: Office) -> None:
    secret = Matter(content="商家不退款", name="陆明", phone="13862311001", secret=True)
    await office.service.hear("110", office.sends("JQ1", CONSUMER.model_copy(update=dict(secret))))
    (ticket,) = await office.tickets()
    done = Step("answer", note="已联系陆明13862311001，退款已到")
    await office.desk.step(ticket["id"], done, who="1001")
    await office.later(1.0)
    told = office.side.book.handovers[Key("12345", "out", "ticket", "JQ1")].reason
    assert told == "已联系******，退款已到"
    await office.submitted("T1", name="陆明", content="家门口有人打架", secret=True)
    await office.service.hand_over("T1", "110", who="1001", reason="请找陆明13912345678")
    assert "13912345678" not in repr(office.side.book)
    assert "找陆明" not in repr(office.side.book)


async def test_a_wish_that_comes_before_the_letter_is_stored_counts(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = ExchangeService._handle

    async def after_the_wish(service: ExchangeService, *args: Any, **more: Any) -> None:
        await keep_secret(office.store, "T1", WISH, now=NOW)
        await handle(service, *args, **more)

    monkeypatch.setattr(ExchangeService, "_handle", after_the_wish)
    await office.submitted("T1", name="陆明", content="我是陆明，13862311001")
    await office.service.hand_over("T1", "110", who="1001", reason="请找陆明13862311001")
    heard = office.side.book.handovers[Key("12345", "in", "ticket", "T1")]
    assert heard.reason == "请找******"
    assert "13862311001" not in repr(office.side.book)
    assert "陆明" not in repr(office.side.book)


async def test_whichever_of_a_wish_and_a_letter_is_first_the_letter_is_without_the_name(
    office: Office,
) -> None:
    office.post.works = False
    for number in range(5):
        await office.submitted(f"T{number}", name="陆明", content="我是陆明，13862311001")
        await asyncio.gather(
            office.service.hand_over(f"T{number}", "110", who="1001", reason="请找陆明"),
            keep_secret(office.store, f"T{number}", WISH, now=NOW),
        )
    letters = await office.letters()
    assert [letter["number"] for letter in letters] == ["T0", "T1", "T2", "T3", "T4"]
    assert "13862311001" not in repr(letters)
    assert "陆明" not in repr(letters)


@pytest.mark.parametrize("by", ["save", "fill_in", "correct"])
async def test_a_wish_in_the_call_changes_the_draft_that_the_partner_has_not_yet(
    office: Office, by: str
) -> None:
    office.post.works = False
    draft = TicketDraft("T1", "13862311001")
    draft.hear(Utterance("caller", "我叫陆小明 楼下饭店油烟太大"))
    await office.store.create(draft, call_id="c1", agent_id="1001")
    ticket = await office.store.get("T1")
    assert ticket is not None
    await office.service.send_draft(ticket, "110")
    (letter,) = await office.letters()
    assert (letter["matter"]["name"], letter["matter"]["phone"]) == ("陆小明", "13862311001")
    draft.hear(Utterance("caller", "麻烦请给我保密"))
    if by == "save":
        await office.store.save(draft)
    elif by == "fill_in":
        await office.store.fill_in(draft)
    else:
        await office.store.correct("T1", {"secret": True}, agent_id="1001")
    (letter,) = await office.letters()
    assert (letter["kind"], letter["number"], letter["call"]) == ("draft", "T1", "c1")
    assert letter["matter"]["name"] is letter["matter"]["phone"] is None
    assert "油烟" in letter["matter"]["content"]
    assert "陆小明" not in repr(letter)
    office.post.works = True
    await office.later(3600.0)
    heard = office.side.book.handovers[Key("12345", "in", "draft", "T1")]
    assert "13862311001" not in repr(heard)


async def test_a_partners_consumer_dispute_is_one_ticket_however_often_it_comes(
    office: Office,
) -> None:
    payload = office.sends("JQ1")
    for _ in range(3):
        await office.service.hear("110", payload)
    await office.settle()
    (ticket,) = await office.tickets()
    assert (ticket["channel"], ticket["status"], ticket["phone"]) == (
        "互转",
        "submitted",
        "13862311001",
    )
    assert ticket["fields"]["content"]["source"] == "partner"
    (kept,) = await office.service.list_(direction="in")
    assert (kept["state"], kept["rule"], kept["ticket_id"]) == (
        "accepted",
        "消费纠纷",
        ticket["id"],
    )
    assert kept["matter"] == {}
    assert office.side.state("out", "JQ1") == "accepted"
    await office.desk.step(ticket["id"], Step("answer", note="已退款"), who="1001")
    await office.later(1.0)
    assert office.side.state("out", "JQ1") == "finished"
    assert office.side.book.handovers[Key("12345", "out", "ticket", "JQ1")].reason == "已退款"


async def test_the_rest_goes_back_with_the_reason(office: Office) -> None:
    await office.service.hear("110", office.sends("JQ1", Matter(content="路灯坏了")))
    await office.settle()
    assert await office.tickets() == []
    assert office.side.given_back[0].reason.startswith("不属于12345受理范围")


async def test_a_partner_has_a_matter_taken_up_again(office: Office) -> None:
    await office.service.hear("110", office.sends("JQ1"))
    (old,) = await office.tickets()
    await office.desk.step(old["id"], Step("answer", note="已退款"), who="1001")
    await office.later(1.0)
    payload = office.sends("JQ2", reopens="JQ1", reason="没有收到退款")
    await office.service.hear("110", payload)
    await office.settle()
    (new,) = [ticket for ticket in await office.tickets() if ticket["id"] != old["id"]]
    assert new["reopens"] == old["id"]
    assert [step["action"] for step in await office.desk.steps(old["id"])] == [
        "submit", "answer", "reopen",
    ]  # fmt: skip


async def test_we_have_a_matter_taken_up_again(office: Office) -> None:
    await office.submitted("T1")
    sent = await office.service.hand_over("T1", "110", who="1001")
    with pytest.raises(ExchangeError, match="finished"):
        await office.service.reopen(sent["id"], reason="又来了", who="1001")
    office.side.decide("T1", NOW, accepted=True)
    office.side.end("T1", NOW)
    await office.settle()
    again = await office.service.reopen(sent["id"], reason="又来了", who="1001")
    assert (again["reopens"], again["state"], again["reason"]) == ("T1", "sent", "又来了")
    new = await office.store.get(again["ticket_id"])
    assert new is not None
    assert (new["reopens"], new["status"]) == ("T1", "passed")
    assert Key("12345", "in", "ticket", again["number"]) in office.side.book.handovers


async def test_a_person_gives_a_ticket_back_that_the_rules_took(office: Office) -> None:
    await office.service.hear("110", office.sends("JQ1"))
    (kept,) = await office.service.list_()
    with pytest.raises(ExchangeError, match="reason"):
        await office.service.decide(kept["id"], accepted=False, who="2001")
    back = await office.service.decide(kept["id"], accepted=False, reason="重复", who="2001")
    await office.settle()
    assert (back["state"], office.side.state("out", "JQ1")) == ("returned", "returned")
    (ticket,) = await office.tickets()
    assert ticket["status"] == "answered"
    with pytest.raises(UnknownHandover):
        await office.service.decide(99, accepted=True, who="2001")


async def test_silence_is_told_and_what_was_said_is_said_again(office: Office) -> None:
    await office.service.start()
    await office.service.close()
    office.post.works = False
    await office.submitted("T1")
    await office.service.hand_over("T1", "110", who="1001")
    for _ in range(8):
        await office.later(ALARM_SECONDS / 4)
    alarms = [event for event in office.events if isinstance(event, ExchangeAlarm)]
    assert [(alarm.partner, alarm.over) for alarm in alarms] == [("110", False)]
    assert office.statuses[-1] == ("degraded", "no acknowledgement from 110")
    assert (await office.service.counts())["unacknowledged"] == 1
    office.post.works = True
    office.service.on_up()  # the broker is back: nothing waits for its next repetition
    await office.later(0.1)
    assert office.statuses.pop() == ("ok", None)
    async with office.engine.connect() as connection:
        (letter,) = await connection.execute(sa.select(letters_table))
    assert (letter.body, letter.next_at, letter.error) == (None, None, None)


async def test_the_newest_draft_is_kept_for_the_call_it_comes_with(office: Office) -> None:
    key = Key("12345", "out", "draft", "JQ7")
    for at, content in ((NOW, "打架"), (NOW + 1, "三个人打架")):
        office.side.feed(Send(key, Matter(content=content), "JQ7"), at)
    await office.settle()
    (draft,) = await office.service.list_(kind="draft", number="JQ7")
    assert (draft["state"], draft["matter"]) == ("arrived", {"content": "三个人打架"})
    await office.later(8 * 86400)
    assert await office.service.list_(kind="draft") == []


async def test_what_is_no_message_is_answered_and_nothing_else(office: Office) -> None:
    await office.service.hear("110", b'{"id": "x", "kind": "ticket"}')
    await office.service.hear("110", b"\x00")
    assert await office.service.list_() == []
