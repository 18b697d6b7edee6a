"""Help as it comes while a call goes on, from the bus, with the real knowledge base."""

from collections.abc import AsyncIterator

import pytest

from calls.help import CallHelper
from eventbus.bus import EventBus
from eventbus.catalogue import (
    CallAnswered,
    CallEnded,
    CallHelp,
    Event,
    TicketField,
    TranscriptFinal,
)
from hotline.background import EXAMPLES
from hotline.database import migrate, open_engine
from tests.support.waiting import until
from tickets.help.knowledge import read_folder
from tickets.help.knowledge_base import KnowledgeBase
from tickets.help.similar import SimilarTickets


class Room:
    """A bus, a helper, and what was said on both."""

    def __init__(self, bus: EventBus, helper: CallHelper) -> None:
        self.bus, self.helper = bus, helper
        self.told: list[CallHelp] = []
        bus.subscribe(self._on_event)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, CallHelp):
            self.told.append(event)

    def answered(self, call_id: str, agent_id: str = "1001") -> None:
        self.bus.publish(
            CallAnswered(
                at=1.0,
                call_id=call_id,
                agent_id=agent_id,
                line="12345",
                caller=None,
                ticket_id=f"t-{call_id}",
                waited=1.0,
            )
        )

    def say(self, call_id: str, text: str, leg: str = "caller", *, secret: bool = False) -> None:
        said = TranscriptFinal(
            at=2.0, call_id=call_id, leg=leg, text=text, start=0.0, end=1.0, seq=1, secret=secret
        )
        self.bus.publish(said)

    def fill(self, call_id: str, field: str, value: object) -> None:
        self.bus.publish(
            TicketField(
                at=2.0,
                call_id=call_id,
                ticket_id=f"t-{call_id}",
                field=field,
                value=value,
                source="heard",
            )
        )


@pytest.fixture
async def room(database_url: str) -> AsyncIterator[Room]:
    engine = open_engine(database_url)
    await migrate(engine)
    knowledge, bus = KnowledgeBase(engine), EventBus()
    entries, experts = read_folder(EXAMPLES)
    await knowledge.import_(entries, experts=experts, who="9001")
    helper = CallHelper(
        bus=bus,
        knowledge=knowledge,
        similar=SimilarTickets(engine),
        wall_clock=lambda: 3.0,
        settle_seconds=0.01,
    )
    await helper.start()
    yield Room(bus, helper)
    await helper.close()
    await engine.dispose()


async def test_help_follows_the_talk(room: Room) -> None:
    room.answered("c1")
    room.say("c1", "楼下夜里施工噪音太大，吵得睡不着。")
    room.fill("c1", "category", "环境保护")
    await until(lambda: room.told and room.told[-1].topic == "噪音扰民")
    told = room.told[-1]
    assert (told.agent_id, told.call_id, told.ticket_id) == ("1001", "c1", "t-c1")
    assert "具体在哪个位置？" in told.questions
    assert told.knowledge[0]["id"] == "zaoyin"
    assert told.summary == ("楼下夜里施工噪音太大，吵得睡不着。",)
    room.fill("c1", "address", "人民路8号")
    await until(lambda: "具体在哪个位置？" not in room.told[-1].questions)
    assert room.helper.latest("c1") == room.told[-1]


async def test_help_in_a_matter_that_is_to_be_kept_secret_says_so(room: Room) -> None:
    room.answered("c1")
    room.say("c1", "拖欠工资")
    await until(lambda: room.told)
    assert not room.told[-1].secret
    room.fill("c1", "secret", value=True)
    await until(lambda: room.told[-1].secret)


async def test_help_from_words_that_are_to_be_kept_secret_says_so(room: Room) -> None:
    room.answered("c1")
    room.say("c1", "拖欠工资", secret=True)
    await until(lambda: room.told)
    assert room.told[-1].secret
    room.fill("c1", "secret", value=False)  # it was misheard, says the agent
    await until(lambda: not room.told[-1].secret)


async def test_whoever_a_call_is_passed_on_to_is_told_what_was_said_before(room: Room) -> None:
    room.answered("c1")
    room.say("c1", "楼下夜里施工噪音太大，吵得睡不着。")
    room.fill("c1", "category", "环境保护")
    await until(lambda: room.told and room.told[-1].topic == "噪音扰民")
    room.answered("c1", "1002")
    await until(lambda: room.told[-1].agent_id == "1002")
    told = room.told[-1]
    assert (told.topic, told.summary) == ("噪音扰民", ("楼下夜里施工噪音太大，吵得睡不着。",))
    room.say("c1", "在人民路8号。")
    await until(lambda: len(room.told[-1].summary) == 2)


async def test_what_changes_nothing_is_not_told_again(room: Room) -> None:
    room.answered("c1")
    room.say("c1", "楼下夜里施工噪音太大。")
    await until(lambda: room.told)
    room.say("c1", "嗯", leg="agent")
    room.answered("c2")
    room.say("c2", "拖欠工资")
    await until(lambda: room.told[-1].call_id == "c2")
    assert [told.call_id for told in room.told] == ["c1", "c2"]


async def test_a_call_that_is_over_is_forgotten(room: Room) -> None:
    room.answered("c1")
    room.say("c1", "拖欠工资")
    await until(lambda: room.told)
    room.bus.publish(
        CallEnded(at=4.0, call_id="c1", outcome="answered", ended_by="citizen", talked=1.0)
    )
    assert room.helper.latest("c1") is None
    room.say("c1", "还有")
    room.answered("c3")
    room.say("c3", "拖欠工资")
    await until(lambda: room.told[-1].call_id == "c3")
    assert [told.call_id for told in room.told] == ["c1", "c3"]
