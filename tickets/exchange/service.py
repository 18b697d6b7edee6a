"""The exchange with partners, running: broker, database and desk around the machine.

Each input is handled in one transaction: what it concerns is loaded, the machine decides, the
desk's tickets and the book are stored together; only then anything is told to the partner or to
others. So a crash at any moment leaves either nothing or all of it, and what was not told is told
again.
"""

import asyncio
import os
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from eventbus.bus import EventBus
from eventbus.catalogue import ExchangeAlarm, ExchangeTicket
from eventbus.tasks import end
from tickets.exchange import store
from tickets.exchange.delivery import ALARM_SECONDS
from tickets.exchange.desk import ExchangeDesk
from tickets.exchange.intake import Intake
from tickets.exchange.machine import (
    Alarm,
    AlarmOver,
    Book,
    Changed,
    Decide,
    Effect,
    Ended,
    Exchange,
    ExchangeError,
    Garbled,
    Handover,
    Heard,
    Input,
    Key,
    Kind,
    LetterDue,
    Publish,
)
from tickets.exchange.messages import (
    AckMessage,
    BadMessage,
    StateMessage,
    TicketMessage,
    read,
    write,
)
from tickets.exchange.sharing import Outgoing
from tickets.handling import TicketDesk
from tickets.ids import ENTROPY_BYTES, new_ticket_id
from tickets.life import Step
from tickets.secrecy import note_for_units
from tickets.store import as_ticket, steps_table, ticket_row, tickets_table
from tickets.told import step_event

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_WAITING = 1000
_DRAFT_SECONDS = 7 * 86400.0
_FORGET_SECONDS = 3600.0  # it goes through all letters that there ever were


class Link(Protocol):
    """Goes to the broker (``eventbus.mqtt_link.MqttLink``)."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, if the broker is there; returns at once."""


class UnknownHandover(Exception):
    """There is none of that number."""


class ExchangeService:
    """The exchange of one node; several nodes may share a database.

    Args:
        engine: the database.
        link: to the broker.
        desk: takes steps with our tickets.
        bus: is told what happens.
        partners: who takes part → what he is called.
        shares: who takes part → the fields of a ticket that he may be given.
        intake: what is taken in.
        prefix: first level of every topic.
        alarm_seconds: a message without an acknowledgement is told of after so long.
        on_status: told ``ok``, or ``degraded`` with the partners that do not hear, at each change.
        clock: Unix seconds.
        look_seconds: how often what is due is looked for.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        link: Link,
        desk: TicketDesk,
        bus: EventBus,
        partners: Mapping[str, str],
        shares: Mapping[str, Collection[str]],
        intake: Intake,
        prefix: str = "hotline",
        alarm_seconds: float = ALARM_SECONDS,
        on_status: Callable[[str, str | None], None] = lambda _status, _detail: None,
        clock: Callable[[], float] = time.time,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._engine = engine
        # SQLite locks no rows that are only read: here what is decided in one moment takes turns.
        self._turn = asyncio.Lock()
        self._link = link
        self._desk = ExchangeDesk(desk, partners)
        self._tickets = desk
        self._bus = bus
        self._partners = partners
        self._shares = shares
        self._intake = intake
        self._prefix = prefix
        self._alarm_seconds = alarm_seconds
        self._on_status = on_status
        self._clock = clock
        self._look_seconds = look_seconds
        self._arrived: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_WAITING)
        self._hurry = False
        self._forget_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._drafts: set[asyncio.Task[None]] = set()

    @property
    def topics(self) -> tuple[str, ...]:
        """Where partners' messages come in."""
        return tuple(f"{self._prefix}/exchange/{partner}/from" for partner in self._shares)

    async def start(self) -> None:
        """Work in the background from now on."""
        await self._tell_status()
        self._tasks = [
            asyncio.create_task(self._hear_for_ever(), name="exchange-in"),
            asyncio.create_task(self._look_for_ever(), name="exchange-due"),
        ]

    async def close(self) -> None:
        """Stop; what is under way goes on after the next start."""
        await end(*self._tasks, *self._drafts)

    # -- what comes from the broker ----------------------------------------------------------------

    def on_message(self, topic: str, payload: bytes) -> None:
        """Take a message; one too many is left, and will be sent again."""
        partner = topic.removeprefix(f"{self._prefix}/exchange/").removesuffix("/from")
        if partner in self._shares:
            with suppress(asyncio.QueueFull):
                self._arrived.put_nowait((partner, payload))

    def on_up(self) -> None:
        """The broker is back: what waits for its next repetition goes at once."""
        self._hurry = True

    async def _hear_for_ever(self) -> None:
        while True:
            partner, payload = await self._arrived.get()
            try:
                await self.hear(partner, payload)
            except (SQLAlchemyError, OSError) as error:
                # Not acknowledged: it comes again.
                log.warning("exchange_waits_for_the_database", error=str(error))
            except Exception:
                # The outermost boundary of this task: one message must not end the exchange.
                log.exception("exchange_message_failed", partner=partner)

    async def hear(self, partner: str, payload: bytes) -> None:
        """Handle a partner's message."""
        try:
            message = read(payload)
        except BadMessage as error:
            log.warning("exchange_message_refused", partner=partner, error=str(error))
            await self._handle(Garbled(partner, error.id, str(error)), who=partner)
            return
        event = Heard(partner, message, self._new_id())
        keys: tuple[Key, ...] = ()
        letters: tuple[tuple[str, str], ...] = ()
        match message:
            case AckMessage(of=of):
                letters = ((partner, of),)
            case StateMessage(number=number):
                keys = (Key(partner, "out", "ticket", number),)
                letters = ((partner, f"ticket:{number}:1"),)
            case TicketMessage(number=number):
                keys = (Key(partner, "in", "ticket", number),)
            case _:
                keys = (Key(partner, "in", "draft", message.number),)
        reopens = message.reopens if isinstance(message, TicketMessage) else None
        await self._handle(event, *keys, *_older(partner, reopens), letters=letters, who=partner)

    # -- what our side asks for --------------------------------------------------------------------

    async def hand_over(
        self,
        ticket_id: str,
        partner: str,
        *,
        who: str,
        reason: str = "",
        reopens: str | None = None,
    ) -> dict[str, Any]:
        """Hand a submitted ticket over to a partner; return the handover.

        Raises:
            UnknownHandover: he takes no part in the exchange.
            ExchangeError: he has it already, or may be given nothing.
            tickets.store.UnknownTicket: there is none.
            tickets.life.LifeError: it is not submitted, or somebody has it.
        """
        async with self._engine.connect() as connection:
            # (whose it is; what the partner is told of it is read with the ticket's lock)
            ticket = as_ticket(await ticket_row(connection, ticket_id))
        return await self._send("ticket", ticket, partner, who=who, reason=reason, reopens=reopens)

    async def send_draft(self, ticket: Mapping[str, Any], partner: str) -> None:
        """Send what is known of a call that is being transferred.

        Raises:
            UnknownHandover, ExchangeError: he may be given nothing.
        """
        await self._send("draft", ticket, partner, who="system")

    async def _send(
        self,
        kind: Kind,
        ticket: Mapping[str, Any],
        partner: str,
        *,
        who: str,
        reason: str = "",
        reopens: str | None = None,
    ) -> dict[str, Any]:
        if partner not in self._shares:
            raise UnknownHandover(partner)
        key = Key(partner, "out", kind, ticket["id"])
        event = Outgoing(key, self._shares[partner], reopens, reason)
        await self._handle(event, key, who=who, agent_id=ticket["agent_id"])
        return await self._of(key)

    async def decide(
        self,
        handover_id: int,
        *,
        accepted: bool,
        reason: str = "",
        who: str,
        agent_id: str | None = None,
    ) -> dict[str, Any]:
        """Take a partner's ticket in, or give it back with the reason; return the handover.

        What is taken in is the ticket of ``agent_id``, or nobody's. An agent decides only what
        nobody has decided: of two who do so in one moment the second is refused.

        Raises:
            UnknownHandover: there is none.
            ExchangeError: it cannot be decided now, or lacks the reason.
        """
        found = await self.get(handover_id)
        key = _key(found)
        if key.direction != "in":
            raise ExchangeError("not_now", "the partner decides about what was handed to him")
        event = Decide(key, accepted, reason, self._new_id(), waiting=agent_id is not None)
        older = _older(key.partner, found["reopens"])
        await self._handle(event, key, *older, who=who, agent_id=agent_id)
        return await self.get(handover_id)

    async def reopen(self, handover_id: int, *, reason: str, who: str) -> dict[str, Any]:
        """Ask a partner to take up again (再处置) what he has finished; return the new handover.

        Our own ticket is reopened too: the new one links it, and is handed over.

        Raises:
            UnknownHandover: there is none.
            ExchangeError: it was not handed to him, or he is not done with it.
            tickets.life.LifeError: no reason is given.
        """
        found = await self.get(handover_id)
        key = _key(found)
        if key.direction != "out" or key.kind != "ticket" or found["state"] != "finished":
            raise ExchangeError("not_now", "only what a partner has finished is taken up again")
        old, new_id = found["ticket_id"], self._new_id()
        ticket = await self._tickets.reopen(old, reason=reason, new_id=new_id, who=who)
        self._publish_step(ticket, Step("reopen", note=reason), who)
        return await self.hand_over(new_id, key.partner, who=who, reason=reason, reopens=key.number)

    async def get(self, handover_id: int) -> dict[str, Any]:
        """Return a handover.

        Raises:
            UnknownHandover: there is none.
        """
        found = await self._find([store.handovers_table.c.id == handover_id], limit=1)
        if not found:
            raise UnknownHandover(str(handover_id))
        return found[0]

    async def list_(
        self,
        *,
        direction: str | None = None,
        state: str | None = None,
        partner: str | None = None,
        kind: str | None = None,
        number: str | None = None,
        agent_id: str | None = None,
        oldest_first: bool = False,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Return handovers, the ones that changed last first; an agent's: of tickets of his."""
        asked = {
            "direction": direction,
            "state": state,
            "partner": partner,
            "kind": kind,
            "number": number,
        }
        table = store.handovers_table.c
        conditions = [table[name] == value for name, value in asked.items() if value is not None]
        if agent_id is not None:
            conditions.append(store.of_agent(agent_id))
        return await self._find(conditions, limit=limit, offset=offset, oldest_first=oldest_first)

    async def counts(self) -> dict[str, int]:
        """Return how many messages wait for their acknowledgement, how many tickets for us."""
        letters, handovers = store.letters_table.c, store.handovers_table.c
        unacked = sa.select(sa.func.count()).where(letters.next_at.is_not(None))
        undecided = sa.select(sa.func.count()).where(
            handovers.state == "arrived", handovers.kind == "ticket"
        )
        async with self._engine.connect() as connection:
            return {
                "unacknowledged": (await connection.execute(unacked)).scalar_one(),
                "undecided": (await connection.execute(undecided)).scalar_one(),
            }

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Send a draft without keeping a call waiting."""
        task = asyncio.create_task(work, name="exchange-draft")
        self._drafts.add(task)
        task.add_done_callback(self._drafts.discard)

    # -- what is due -------------------------------------------------------------------------------

    async def _look_for_ever(self) -> None:
        while True:
            try:
                await self.look()
            except (SQLAlchemyError, OSError) as error:
                log.warning("exchange_waits_for_the_database", error=str(error))
            except Exception:
                # The outermost boundary of this task.
                log.exception("exchange_look_failed")
            await asyncio.sleep(self._look_seconds)

    async def look(self) -> None:
        """Send what is due again; tell partners what became of their tickets."""
        now = self._clock()
        async with self._engine.begin() as connection:
            if self._hurry:
                self._hurry = False
                await store.hurry(connection, now)
            due = await store.due_letters(connection, now)
            ended = [
                (key, await _result(connection, ticket_id))
                for key, ticket_id in await store.ended_tickets(connection)
            ]
            if now >= self._forget_at:
                await store.forget(connection, now - _DRAFT_SECONDS)
                self._forget_at = now + _FORGET_SECONDS
        for partner, message_id in due:
            event = LetterDue(partner, message_id)
            await self._handle(event, letters=((partner, message_id),), who="system")
        for key, result in ended:
            await self._handle(Ended(key, result), key, who="system")

    # -- one input ---------------------------------------------------------------------------------

    async def _handle(
        self,
        event: Input | Outgoing,
        *keys: Key,
        letters: Sequence[tuple[str, str]] = (),
        who: str,
        agent_id: str | None = None,
    ) -> None:
        """Handle an input in one transaction, then tell what came of it."""
        for last in (False, True):
            try:
                async with self._turn, self._engine.begin() as connection:
                    effects, taken = await self._within(
                        connection, event, keys, letters, who=who, agent_id=agent_id
                    )
                break
            except IntegrityError:
                # Another node has handled the same in this moment; now it is known.
                if last:
                    raise
        for effect in effects:
            self._tell(effect, agent_id)
        for ticket, step in taken:
            if step.action != "submit":  # told by what the exchange says
                self._publish_step(ticket, step, who)
        if any(isinstance(effect, Alarm | AlarmOver) for effect in effects):
            await self._tell_status()

    async def _within(
        self,
        connection: AsyncConnection,
        event: Input | Outgoing,
        keys: Sequence[Key],
        letters: Sequence[tuple[str, str]],
        *,
        who: str,
        agent_id: str | None,
    ) -> tuple[list[Effect], list[tuple[dict[str, Any], Step]]]:
        book: Book = await store.load(connection, keys, letters, alarm_seconds=self._alarm_seconds)
        if isinstance(event, Outgoing):  # the ticket is locked after its handover, as everywhere
            event = await event.compose(connection)
        exchange = Exchange(book, judge=self._intake.judge, alarm_seconds=self._alarm_seconds)
        effects = exchange.handle(event, self._clock())
        taken = await self._desk.perform(connection, effects, who=who, agent_id=agent_id)
        await store.save(connection, book)
        return effects, taken

    def _tell(self, effect: Effect, agent_id: str | None) -> None:
        match effect:
            case Publish(partner, message):
                self._link.publish(f"{self._prefix}/exchange/{partner}/to", write(message))
            case Changed(handover):
                self._bus.publish(_told(handover, self._clock(), agent_id))
            case Alarm(partner, message_id, why):
                log.error("exchange_alarm", partner=partner, message=message_id, why=why)
                alarm = ExchangeAlarm(
                    at=self._clock(), partner=partner, message=message_id, why=why
                )
                self._bus.publish(alarm)
            case AlarmOver(partner, message_id):
                over = ExchangeAlarm(
                    at=self._clock(), partner=partner, message=message_id, why="", over=True
                )
                self._bus.publish(over)
            case _:
                pass

    async def _tell_status(self) -> None:
        """Say which partners do not hear us."""
        table = store.letters_table.c
        silent = sa.select(table.partner).where(
            table.alarmed.is_(True), table.acked_at.is_(None), table.next_at.is_not(None)
        )
        async with self._engine.connect() as connection:
            partners = sorted(set((await connection.execute(silent)).scalars()))
        named = ", ".join(partners)
        if partners:
            self._on_status("degraded", f"no acknowledgement from {named}")
        else:
            self._on_status("ok", None)

    def _publish_step(self, ticket: Mapping[str, Any], step: Step, who: str) -> None:
        self._bus.publish(step_event(ticket, step.action, who=who, now=self._clock()))

    def _new_id(self) -> str:
        return new_ticket_id(self._clock(), os.urandom(ENTROPY_BYTES))

    async def _of(self, key: Key) -> dict[str, Any]:
        found = await self.list_(
            partner=key.partner,
            direction=key.direction,
            kind=key.kind,
            number=key.number,
            limit=1,
        )
        return found[0]

    async def _find(
        self,
        conditions: Sequence[sa.ColumnElement[bool]],
        *,
        limit: int,
        offset: int = 0,
        oldest_first: bool = False,
    ) -> list[dict[str, Any]]:
        async with self._engine.connect() as connection:
            return await store.find(
                connection, conditions, limit=limit, offset=offset, oldest_first=oldest_first
            )


def _older(partner: str, number: str | None) -> tuple[Key, ...]:
    """Return what a reopening may mean."""
    if number is None:
        return ()
    return Key(partner, "in", "ticket", number), Key(partner, "out", "ticket", number)


def _key(found: Mapping[str, Any]) -> Key:
    return Key(found["partner"], found["direction"], found["kind"], found["number"])


async def _result(connection: AsyncConnection, ticket_id: str) -> str:
    """Return what was noted when a ticket was answered or closed, as a partner may read it."""
    query = (
        sa.select(steps_table.c.note, tickets_table.c.fields)
        .join(tickets_table, tickets_table.c.id == steps_table.c.ticket_id)
        .where(steps_table.c.ticket_id == ticket_id, steps_table.c.action.in_(("answer", "close")))
        .order_by(steps_table.c.id.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).one_or_none()
    return note_for_units(row.fields, row.note) if row is not None else ""


def _told(handover: Handover, at: float, agent_id: str | None) -> ExchangeTicket:
    key = handover.key
    return ExchangeTicket(
        at=at,
        agent_id=agent_id,
        partner=key.partner,
        direction=key.direction,
        kind=key.kind,
        number=key.number,
        state=handover.state,
        ticket_id=handover.ticket_id,
        reason=handover.reason,
        reopens=handover.reopens,
    )
