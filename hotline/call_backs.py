"""The call-back list, from the settings."""

import time
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from agents.floor import Floor
from calls.audit import AuditTrail
from calls.callback_desk import Automatic, CallBackDesk
from calls.callback_store import CallBackStore
from calls.callbacks import CallBackRules, QuietRule
from config.settings import Settings
from eventbus.bus import EventBus
from telephony.trunks.numbers import NumberRules
from tickets.working_days import CHINA

_MINUTE: Final = "%H:%M"


def call_backs(
    settings: Settings,
    *,
    engine: AsyncEngine,
    reader: AsyncEngine,
    bus: EventBus,
    floor: Callable[[], Floor],
    reserved: Callable[[], Collection[str]],
    audit: AuditTrail,
    give_way: Callable[[], Awaitable[None]],
) -> CallBackDesk:
    """Make this node's hand on the list; ``floor`` is asked when it is needed.

    ``reserved``: groups whose agents are not given call-backs by the system (linkage seats).
    ``give_way``: awaited before something is written.
    """
    wanted = settings.call_back
    automatic = Automatic(
        rule=QuietRule(ready=wanted.ready_agents),
        every_seconds=wanted.every_seconds,
        allowed=within(wanted.hours),
        ready=ready_agents(floor, reserved),
        waiting=waiting_calls(floor),
        note=audit.note,
    )
    return CallBackDesk(
        CallBackStore(
            engine,
            rules=CallBackRules(attempts=wanted.attempts, retry_seconds=wanted.retry_seconds),
            reader=reader,
        ),
        bus=bus,
        node=settings.node.id,
        expiry_seconds=settings.agents.node_expiry_seconds,
        wall_clock=time.time,
        automatic=automatic if wanted.automatic else None,
        hours=wanted.hours,
        known_as=NumberRules(settings.numbers.inbound).apply,
        give_way=give_way,
    )


def within(hours: str) -> Callable[[float], bool]:
    """Return whether a moment lies in hours as "08:30-20:00", China time; over midnight too."""
    opens, _, closes = hours.partition("-")

    def allowed(now: float) -> bool:
        minute = (datetime.fromtimestamp(now, UTC) + CHINA).strftime(_MINUTE)
        if opens <= closes:
            return not hours or opens <= minute < closes
        return minute >= opens or minute < closes

    return allowed


def waiting_calls(floor: Callable[[], Floor]) -> Callable[[], Awaitable[int]]:
    """Return how many calls wait for an agent; those of a node that died do so no more."""

    async def waiting() -> int:
        return (await floor().counts())["waiting"]

    return waiting


def ready_agents(
    floor: Callable[[], Floor], reserved: Callable[[], Collection[str]] = tuple
) -> Callable[[], Awaitable[list[str]]]:
    """Return who are ready and can be called, the longest idle first; none of a reserved group."""

    async def ready() -> list[str]:
        now, kept = time.time(), reserved()
        found = [
            one
            for one in await floor().everyone()
            if one.can_take_a_call(now) and one.group not in kept
        ]
        return [one.agent_id for one in sorted(found, key=lambda one: one.since)]

    return ready
