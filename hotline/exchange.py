"""The exchange of tickets, made from the settings: which partners, over which broker."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from config.directory import PartnerSettings
from config.errors import ConfigError, Problem
from config.settings import Settings
from eventbus.bus import EventBus
from eventbus.mqtt import Protocol
from eventbus.mqtt_link import MqttLink
from telephony.sip.reference import reference_header
from tickets.exchange.intake import BadIntake, Intake, read_intake, shipped_intake
from tickets.exchange.machine import ExchangeError
from tickets.exchange.service import ExchangeService, UnknownHandover
from tickets.handling import TicketDesk

log = structlog.get_logger(__name__)

_AGAIN_SECONDS: Final = 2.0
"""So long after the database was away the exchange tries to begin again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where the MQTT broker is, and how it is reached."""

    host: str
    port: int
    protocol: Protocol
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None


class ExchangeStatus:
    """How the exchange is: not to hear is worse than not to be heard.

    Args:
        on_status: told ``ok``, or ``degraded`` and why.
    """

    def __init__(self, on_status: Callable[[str, str | None], None]) -> None:
        self._on_status = on_status
        self._refused: str | None = None
        self._answers: tuple[str, str | None] = ("ok", None)

    def answers(self, status: str, detail: str | None) -> None:
        """Take how the partners answer."""
        self._answers = status, detail
        self._tell()

    def refused(self, why: str | None) -> None:
        """Take what the broker does not let us listen to; None: nothing."""
        self._refused = why
        self._tell()

    def _tell(self) -> None:
        if self._refused is None:
            self._on_status(*self._answers)
        else:
            self._on_status("degraded", f"the broker refuses {self._refused}")


class TicketExchange:
    """The exchange of a node.

    Args:
        settings: all of them.
        broker: where it goes over.
        engine: the database.
        desk: takes steps with our tickets.
        bus: is told what happens.
        ticket: returns a ticket as it is at this moment, by its number.
        on_status: told how the partners hear us.

    Raises:
        ConfigError: the rules of intake cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        broker: BrokerAddress,
        engine: AsyncEngine,
        desk: TicketDesk,
        bus: EventBus,
        ticket: Callable[[str], Awaitable[dict[str, Any] | None]],
        on_status: Callable[[str, str | None], None],
    ) -> None:
        self._ticket = ticket
        # The exchange looks into these whenever something happens.
        self._names: dict[str, str] = {}
        self._shares: dict[str, Sequence[str]] = {}
        self._know(settings.partners)
        self._started = self._listening = False
        self._topics: tuple[str, ...] = ()
        self._changing = asyncio.Lock()
        status = ExchangeStatus(on_status)
        self.service = ExchangeService(
            engine,
            link=self,
            desk=desk,
            bus=bus,
            partners=self._names,
            shares=self._shares,
            intake=_intake(settings),
            prefix=settings.mqtt.topic_prefix,
            alarm_seconds=settings.exchange.alarm_seconds,
            on_status=status.answers,
        )
        self._new_link = partial(
            MqttLink,
            host=broker.host,
            port=broker.port,
            client_id=f"{settings.mqtt.topic_prefix}-{settings.node.id}-exchange",
            on_message=self.service.on_message,
            on_up=self.service.on_up,
            on_refused=status.refused,
            protocol=broker.protocol,
            username=broker.username,
            password=broker.password,
            tls=broker.tls,
        )
        self._link = self._new_link(topics=self._topics)

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message to the broker, if it is there."""
        self._link.publish(topic, payload)

    async def start(self) -> None:
        """Begin; where no partner takes part there is nothing to begin."""
        self._started = True
        async with self._changing:
            await self._listen()

    async def take(self, partners: Mapping[str, PartnerSettings]) -> None:
        """Exchange tickets with these from now on; returns once it does, or is closed."""
        self._know(partners)
        while self._started:
            try:
                async with self._changing:  # two links of one name throw each other out
                    await self._listen()
            except (SQLAlchemyError, OSError) as error:
                log.warning("exchange_waits_for_the_database", error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def _listen(self) -> None:
        """Listen to those who take part at this moment."""
        if not self._started or self._topics == self.service.topics:
            return
        if not self._listening:
            await self.service.start()
            self._listening = True
        await self._link.close()
        self._topics = self.service.topics
        self._link = self._new_link(topics=self._topics)
        await self._link.start()

    def _know(self, partners: Mapping[str, PartnerSettings]) -> None:
        self._names.clear()
        self._names |= {name: partner.name for name, partner in partners.items()}
        self._shares.clear()
        self._shares |= {name: one.shares for name, one in partners.items() if one.shares}

    async def close(self) -> None:
        """Stop."""
        self._started = False
        async with self._changing:
            await self._link.close()
            await self.service.close()

    def carry(self, call_id: str, ticket_id: str, partner_id: str) -> Mapping[str, str]:
        """Send a call's draft to the partner who is being called; return how he knows it by."""
        if partner_id not in self._shares:
            return {}
        self.service.in_background(self._send_draft(call_id, ticket_id, partner_id))
        return dict([reference_header(ticket_id)])

    async def _send_draft(self, call_id: str, ticket_id: str, partner_id: str) -> None:
        try:
            ticket = await self._ticket(ticket_id)
            if ticket is not None:
                await self.service.send_draft(ticket, partner_id)
        except (ExchangeError, UnknownHandover, SQLAlchemyError, OSError) as error:
            log.warning("draft_not_sent", call_id=call_id, partner=partner_id, error=str(error))


def _intake(settings: Settings) -> Intake:
    path = settings.exchange.intake_rules
    try:
        return read_intake(path) if path is not None else shipped_intake()
    except (BadIntake, OSError) as error:
        problem = Problem("exchange.intake_rules", str(path), f"rules of intake: {error}", "")
        raise ConfigError([problem]) from error
