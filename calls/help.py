"""Help for the agent while the citizen speaks: put together from what is said and known so far.

Listens to the events of this node's calls; a moment after something was said it looks up what
fits and publishes :class:`eventbus.catalogue.CallHelp`, if that differs from what it said before.
A call never waits for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from eventbus.bus import EventBus
from eventbus.catalogue import (
    CallAnswered,
    CallEnded,
    CallHelp,
    Event,
    TicketField,
    TranscriptFinal,
)
from eventbus.tasks import end
from tickets.help.knowledge_base import Found, KnowledgeBase
from tickets.help.similar import SimilarTickets
from tickets.help.summary import summarise
from tickets.help.templates import Topic, missing

log = structlog.get_logger(__name__)

SETTLE_SECONDS: Final = 0.4
"""So long after an utterance the look-up begins; fields that it fills come first."""
_RECENT: Final = 8
"""The entries are searched for by so many of the last utterances."""


@dataclass(slots=True)
class _Call:
    call_id: str
    agent_id: str | None
    ticket_id: str
    said: list[tuple[str, str]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    secret: bool = False
    told: CallHelp | None = None
    work: asyncio.Task[None] | None = None
    again: bool = False


class CallHelper:
    """Helps with every talking call of this node.

    Args:
        bus: where it listens and publishes.
        knowledge: the knowledge base.
        similar: finds open tickets.
        wall_clock: Unix seconds.
        settle_seconds: pause between an utterance and the look-up.

    Attributes:
        topics: the prepared ones; None: those that ship.
    """

    def __init__(
        self,
        *,
        bus: EventBus,
        knowledge: KnowledgeBase,
        similar: SimilarTickets,
        wall_clock: Callable[[], float],
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._bus = bus
        self._knowledge = knowledge
        self._similar = similar
        self._wall_clock = wall_clock
        self._settle_seconds = settle_seconds
        self.topics: Sequence[Topic] | None = None
        self._calls: dict[str, _Call] = {}
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Listen from now on."""
        self._unsubscribe = self._bus.subscribe(self._on_event, own_only=True)

    async def close(self) -> None:
        """Stop."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        await end(*(call.work for call in self._calls.values() if call.work is not None))
        self._calls.clear()

    def latest(self, call_id: str) -> CallHelp | None:
        """Return what was last said of a live call, None before the first."""
        call = self._calls.get(call_id)
        return call.told if call else None

    def _on_event(self, event: Event) -> None:
        match event:
            case CallAnswered(call_id=str(call_id)) if call := self._calls.get(call_id):
                call.agent_id = event.agent_id  # it was passed on: he has heard none of it
                if call.said:
                    self._look_up(call)
            case CallAnswered(call_id=str(call_id)):
                self._calls[call_id] = _Call(call_id, event.agent_id, event.ticket_id)
            case CallEnded(call_id=str(call_id)):
                call = self._calls.pop(call_id, None)
                if call is not None and call.work is not None:
                    call.work.cancel()
            case TicketField(call_id=str(call_id)) if call := self._calls.get(call_id):
                call.values[event.field] = event.value
                if event.field == "secret":  # the agent may take back what was misheard
                    call.secret = bool(event.value)
                if call.said:
                    self._look_up(call)
            case TranscriptFinal(call_id=str(call_id)) if call := self._calls.get(call_id):
                call.said.append((event.leg, event.text))
                call.secret |= event.secret
                self._look_up(call)
            case _:
                pass

    def _look_up(self, call: _Call) -> None:
        call.again = True
        if call.work is None or call.work.done():
            call.work = asyncio.create_task(self._work(call), name=f"help-{call.call_id}")

    async def _work(self, call: _Call) -> None:
        while call.again:
            await asyncio.sleep(self._settle_seconds)
            call.again = False
            try:
                told = await self._help(call)
            except (SQLAlchemyError, OSError) as error:
                log.warning("no_help", call_id=call.call_id, error=str(error))
                return
            before = call.told
            if before is None or told.to_dict() | {"at": before.at} != before.to_dict():
                call.told = told
                self._bus.publish(told)

    async def _help(self, call: _Call) -> CallHelp:
        said = [text for _, text in call.said]
        by_citizen = [text for leg, text in call.said if leg == "caller"]
        asked = missing(call.values, said, topics=self.topics)
        # jieba holds the interpreter for a few milliseconds: not on this loop.
        summary = await asyncio.to_thread(summarise, by_citizen)
        found = await self._knowledge.search("，".join(by_citizen[-_RECENT:]))
        similar = await self._similar.find(call.values, but=call.ticket_id)
        return CallHelp(
            at=self._wall_clock(),
            agent_id=call.agent_id,
            call_id=call.call_id,
            ticket_id=call.ticket_id,
            topic=asked.name if asked else None,
            questions=asked.questions if asked else (),
            knowledge=tuple(shown(entry) for entry in found),
            similar=tuple(asdict(ticket) for ticket in similar),
            summary=tuple(summary),
            secret=call.secret,
        )


def shown(found: Found) -> dict[str, Any]:
    """Return a found entry as the API and the events show it."""
    return {
        "id": found.entry.id,
        "version": found.version,
        "title": found.entry.title,
        "category": found.entry.category,
        "source": found.entry.source,
        "snippet": found.snippet,
        "experts": [
            {"id": expert.id, "name": expert.name, "unit": expert.unit, "phone": expert.phone}
            for expert in found.experts
        ],
    }
