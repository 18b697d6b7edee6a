"""Joins a node to the others of its hotline."""

from collections.abc import Callable

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.holders import CallHolders
from config.settings import Settings
from eventbus.asking import NodeAsking
from hotline.node import Part
from web.other_nodes import OtherNodes


def other_nodes(
    settings: Settings, *, redis: Redis, engine: AsyncEngine, is_live: Callable[[str], bool]
) -> tuple[OtherNodes, Part]:
    """Return the other nodes, and the part that asks and answers while the node runs."""
    node = settings.node.id
    asking = NodeAsking(redis=redis, node=node, prefix=settings.redis.prefix)
    holders = CallHolders(engine, node=node, is_live=is_live)
    return OtherNodes(asking, holders), Part("other nodes", asking.start, asking.close)
