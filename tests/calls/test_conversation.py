"""The ticket of a live call: words, corrections and the submission in every order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from asr.ports import Final, Partial
from calls.conversation import Side, stream_id
from eventbus.catalogue import (
    Event,
    TicketField,
    TicketStep,
    TicketSubmitted,
    TicketUrgent,
    TranscriptFinal,
    TranscriptPartial,
)
from tests.calls.house import House, open_house
from tests.support import waiting
from tests.support.node import until
from tests.support.waiting import PATIENCE
from tickets.draft import TicketDraft, Utterance
from tickets.life import Step
from tickets.store import AlreadySubmitted, tickets_table


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        await house.ready_agent("1001")
        house.arrives()
        (await house.phone()).pick_up()
        await house.until_talking()
        yield house


def citizen_says(house: House, text: str) -> None:
    (view,) = house.service.live()
    said = Final(text=text, start=0.0, end=1.0, words=(), confidence=1.0)
    house.service.on_result(stream_id(view.call_id, "caller"), said)


def ticket_of(house: House) -> str:
    (view,) = house.service.live()
    assert view.ticket_id
    return view.ticket_id


async def test_a_correction_outlasts_what_is_heard(house: House) -> None:
    ticket_id = ticket_of(house)
    await house.service.correct(ticket_id, {"name": "王"}, agent_id="1001")
    citizen_says(house, "我姓李")
    ticket = await house.service.ticket(ticket_id)
    assert ticket
    assert ticket["fields"]["name"]["value"] == "王"


async def test_drafts_are_saved_behind_calls_that_look_for_their_agents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventbus.precedence.PATIENCE_SECONDS", 10 * PATIENCE)
    async with open_house(tmp_path) as house:
        await house.ready_agent("1001")
        house.arrives()
        (await house.phone()).pick_up()
        order = house.service._facilities.precedence
        with order.first():
            await house.until_talking()
            ticket_id = ticket_of(house)
            await waiting.until(lambda: order._behind)
            assert await house.tickets.get(ticket_id) is None

        async def saved() -> object:
            return await house.tickets.get(ticket_id)

        await until(saved)


async def test_words_are_stored_while_the_call_goes_on(house: House) -> None:
    citizen_says(house, "我要投诉")
    async with asyncio.timeout(10):
        while True:
            ticket = await house.tickets.get(ticket_of(house))
            if ticket and ticket["fields"]["type"]["value"] == "投诉":
                break
            await asyncio.sleep(0.02)


async def test_a_submitted_ticket_is_closed_though_the_talk_goes_on(house: House) -> None:
    ticket_id = ticket_of(house)
    citizen_says(house, "我要投诉")
    submitted = await house.service.submit(ticket_id, agent_id="1001")
    assert submitted["fields"]["type"]["value"] == "投诉"
    told = len([event for event in house.events if isinstance(event, TicketField)])
    with pytest.raises(AlreadySubmitted):
        await house.service.correct(ticket_id, {"name": "王"}, agent_id="1001")
    with pytest.raises(AlreadySubmitted):
        await house.service.submit(ticket_id, agent_id="1001")
    citizen_says(house, "我姓李，我要表扬")
    assert len([event for event in house.events if isinstance(event, TicketField)]) == told
    assert len([event for event in house.events if isinstance(event, TicketSubmitted)]) == 1
    assert await house.service.ticket(ticket_id) == submitted
    (view,) = house.service.live()
    assert [said["spoken"] for said in await house.service.transcript(view.call_id)] == [
        "我要投诉",
        "我姓李，我要表扬",
    ]


async def test_a_step_is_published_as_the_ticket_is_after_it(house: House) -> None:
    ticket_id = ticket_of(house)
    await house.service.submit(ticket_id, agent_id="1001")
    await house.service.step(ticket_id, Step("answer", note="已解答"), who="1001")
    again = await house.service.step(ticket_id, Step("reopen", note="还没修"), who="8001")
    told = [event for event in house.events if isinstance(event, TicketStep)]
    assert [(one.ticket_id, one.action, one.status, one.by, one.reopens) for one in told] == [
        (ticket_id, "answer", "answered", "1001", None),
        (again["id"], "reopen", "submitted", "8001", ticket_id),
    ]


async def test_who_submitted_during_the_call_has_nothing_to_wrap_up(house: House) -> None:
    await house.service.submit(ticket_of(house), agent_id="1001")
    house.gateway.phones[0].end()
    await house.record()
    await house.until_state("1001", "ready")


async def test_who_has_not_submitted_wraps_up(house: House) -> None:
    ticket_id = ticket_of(house)
    house.gateway.phones[0].end()
    await house.record()
    await house.until_state("1001", "wrap_up")
    await house.service.submit(ticket_id, agent_id="1001")
    await house.until_state("1001", "ready")


async def test_a_draft_whose_creation_was_confirmed_to_nobody_is_saved_all_the_same(
    house: House,
) -> None:
    ticket_id = ticket_of(house)
    talk = house.service._conversation_of(ticket_id)
    assert talk is not None
    await talk.save()
    talk._created = False
    await house.service.correct(ticket_id, {"name": "王"}, agent_id="1001")
    stored = await house.tickets.get(ticket_id)
    assert stored
    assert stored["fields"]["name"]["value"] == "王"


async def test_a_ticket_that_vanished_does_not_keep_the_call_from_ending(house: House) -> None:
    ticket_id = ticket_of(house)
    talk = house.service._conversation_of(ticket_id)
    assert talk is not None
    await talk.save()
    async with house.tickets._engine.begin() as connection:
        await connection.execute(sa.delete(tickets_table))
    citizen_says(house, "我要投诉")
    house.gateway.phones[0].end()
    assert (await house.record())["outcome"] == "answered"
    await house.nothing_is_left()


async def test_the_duty_desk_is_told_at_once_and_once(house: House) -> None:
    citizen_says(house, "我家着火了在人民路五号")
    citizen_says(house, "火很大")
    (told,) = [event for event in house.events if isinstance(event, TicketUrgent)]
    assert (told.level, told.rule, told.transfer) == ("特急", "突发：火情或爆炸", "119")
    assert told.evidence == "着火"
    citizen_says(house, "火已经灭了没事了")
    citizen_says(house, "又烧起来了火很大")
    *_, again = [event for event in house.events if isinstance(event, TicketUrgent)]
    assert again is not told


async def test_who_asks_for_secrecy_is_secret_from_that_utterance_on(house: House) -> None:
    citizen_says(house, "楼下饭店油烟太大")
    before = len(house.events)
    citizen_says(house, "我叫陆小明请给我保密")
    (view,) = house.service.live()
    house.service.on_result(stream_id(view.call_id, "caller"), Partial("我住在", 5.0, 5.5))
    citizen_says(house, "我家着火了")

    def secret(events: list[Event]) -> list[bool]:
        kinds = (TicketField, TicketUrgent, TranscriptFinal, TranscriptPartial)
        return [event.secret for event in events if isinstance(event, kinds)]

    assert not any(secret(house.events[:before]))
    asked = secret(house.events[before:])
    assert len(asked) > 4
    assert all(asked)


async def test_words_that_ask_for_secrecy_are_secret_while_they_are_being_said(
    house: House,
) -> None:
    (view,) = house.service.live()
    before = len(house.events)
    said: tuple[tuple[Side, str], ...] = (
        ("caller", "我叫陆小明"),
        ("caller", "我叫陆小明请给我保密"),
        ("agent", "您要保密吗"),
    )
    for side, words in said:
        house.service.on_result(stream_id(view.call_id, side), Partial(words, 5.0, 5.5))
    heard = [event for event in house.events[before:] if isinstance(event, TranscriptPartial)]
    assert [event.secret for event in heard] == [False, True, False]


async def test_a_wish_for_secrecy_is_heard_after_the_ticket_was_submitted(house: House) -> None:
    citizen_says(house, "楼下饭店油烟太大")
    await house.service.submit(ticket_of(house), agent_id="1001")
    citizen_says(house, "请给我保密")
    citizen_says(house, "我姓李，我要表扬")
    finals = [event for event in house.events if isinstance(event, TranscriptFinal)]
    assert [event.secret for event in finals] == [False, True, True]

    async def kept() -> bool:
        ticket = await house.tickets.get(ticket_of(house))
        return ticket is not None and ticket["fields"]["secret"]["value"] is True

    await until(kept, every=0.01)
    ticket = await house.service.ticket(ticket_of(house))
    assert ticket is not None
    assert ticket["fields"]["secret"]["evidence"] == "保密"
    assert ticket["fields"]["name"]["value"] is None


async def test_a_form_that_asks_for_secrecy_is_secret_as_a_whole(house: House) -> None:
    form = {"name": "陆小明", "address": "幸福小区3栋", "secret": True}
    await house.service.correct(ticket_of(house), form, agent_id="1001")
    told = {event.field: event for event in house.events if isinstance(event, TicketField)}
    assert form.keys() <= told.keys()
    assert all(told[name].secret for name in form)


async def test_what_cannot_be_understood_is_told_to_the_desktop_and_to_nobody_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = house.service._conversation_of(ticket_of(house))
    assert talk is not None

    def fail(_utterance: Utterance) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(talk.draft, "hear", fail)
    with pytest.raises(ZeroDivisionError):
        citizen_says(house, "我叫陆小明请给我保密")
    (final,) = [event for event in house.events if isinstance(event, TranscriptFinal)]
    assert (final.spoken, final.secret) == ("我叫陆小明请给我保密", True)


async def test_a_burst_makes_the_ticket_urgent(house: House) -> None:
    for number in range(4):
        draft = TicketDraft(f"earlier-{number}", f"1390000000{number}")
        draft.hear(Utterance("caller", "自来水停了在荣文村"))
        await house.tickets.create(draft, call_id=f"c{number}", agent_id="1002")
    citizen_says(house, "我们荣文村停水了")
    async with asyncio.timeout(10):
        while True:
            told = [event for event in house.events if isinstance(event, TicketUrgent)]
            if told:
                break
            await asyncio.sleep(0.02)
    assert told[0].rule == "集中：60分钟内荣文村公用事业5件"
    assert len(told[0].tickets) == 5
    assert len(told) == 1


async def test_a_caller_is_known_by_his_earlier_tickets(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.ready_agent("1001")
        for number in range(2):
            draft = TicketDraft(f"0-{number}", "13862311001")
            draft.hear(Utterance("caller", "我叫张桂芳在文昌路六十六号"))
            await house.tickets.create(draft, call_id=f"c{number}", agent_id="1002")
        house.arrives()
        (await house.phone()).pick_up()
        await house.until_talking()
        async with asyncio.timeout(10):
            while True:
                ticket = await house.service.ticket(ticket_of(house))
                if ticket and ticket["fields"]["name"]["value"]:
                    break
                await asyncio.sleep(0.02)
        name = ticket["fields"]["name"]
        assert (name["value"], name["source"], name["confidence"]) == ("张桂芳", "history", 0.5)
        assert ticket["fields"]["address"]["value"] == "文昌路66号"
        history = await house.service.history(ticket_of(house))
        assert [earlier["id"] for earlier in history] == ["0-1", "0-0"]
