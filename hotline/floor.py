"""The floor from the settings, and what is published of the agents on it."""

from redis.asyncio import Redis

from agents.floor import FloorTimes
from agents.node_floor import NodeFloor
from agents.presence import Presence
from agents.resilient_floor import open_floor
from calls.facilities import SEAT_MARK
from config.settings import Settings
from eventbus.catalogue import AgentPresence

#: A lease outlives the ringing by this much: what signalling may take on a bad day.
LEASE_MARGIN = 8.0


def floor_of(settings: Settings, redis: Redis) -> NodeFloor:
    """Return this node's hand on the floor."""
    agents = settings.agents
    return open_floor(
        redis=redis,
        node=settings.node.id,
        prefix=settings.redis.prefix,
        times=FloorTimes(
            offer=settings.sip.no_answer_seconds + LEASE_MARGIN,
            reoffer=agents.reoffer_seconds,
            wrap_up=agents.wrap_up_seconds,
            node=agents.node_expiry_seconds,
            alone=agents.alone_seconds,
            extension=agents.wrap_up_extension_seconds,
            ageing=agents.ageing_seconds,
        ),
    )


def presence_event(presence: Presence, *, at: float) -> AgentPresence:
    """Return what everybody is told of an agent's state; ``at`` is Unix seconds."""
    return AgentPresence(
        at=at,
        agent_id=presence.agent_id,
        # of a transferred call the floor knows each place by a name of its own
        call_id=presence.call_id.partition(SEAT_MARK)[0] if presence.call_id else None,
        state=presence.state.value,
        reason=presence.reason,
        since=presence.since,
        phones=presence.phones,
        wrap_up_until=presence.wrap_up_until,
        pending=presence.pending.value if presence.pending else None,
        talk=presence.talk,
    )
