"""Joins what those need who lead, inspect and look at the wall."""

from collections.abc import Awaitable, Callable

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from agents.accounts import Accounts
from agents.floor import Floor
from calls.finder import CallFinder
from calls.quality import QualityDesk
from calls.records import RecordWriter
from calls.service import CallService
from calls.statistics.service import FloorStatistics
from calls.statistics.shared_waiting import SharedWaiting
from calls.statistics.store import IntervalStore
from config.settings import Settings
from eventbus.bus import EventBus
from hotline.node import Part
from web.ports import Oversight


def oversight(
    settings: Settings,
    *,
    engine: AsyncEngine,
    writer: RecordWriter,
    redis: Redis,
    bus: EventBus,
    calls: CallService,
    floor: Floor,
    accounts: Accounts,
    give_way: Callable[[], Awaitable[None]],
) -> tuple[Oversight, Part]:
    """Return the services, and the part that counts while the node runs.

    ``give_way`` is awaited before it writes and reads, every two seconds.
    """
    node, lines = settings.node.id, settings.lines
    statistics = FloorStatistics(
        engine=engine,
        store=IntervalStore(engine, writer, node=node),
        shared=SharedWaiting(redis, prefix=settings.redis.prefix, node=node),
        bus=bus,
        live=calls.live,
        agents=floor.everyone,
        accounts=accounts.list_,
        lines={number: line.name for number, line in lines.items()},
        skill_of=lambda line: lines[line].skill if line in lines else None,
        give_way=give_way,
    )
    services = Oversight(
        statistics=statistics,
        finder=CallFinder(engine, writer),
        quality=QualityDesk(engine, writer),
    )
    return services, Part("statistics", statistics.start, statistics.close)
