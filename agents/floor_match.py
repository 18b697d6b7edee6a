"""Which ready agent a waiting call is for, and its place among those that wait. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from agents.commands import Call
from agents.demand import LEVEL_WEIGHT, rank, read_pools, read_wants
from agents.presence import Presence


def ready_pools(
    agents: Iterable[Presence], now: float, *, home: str | None = None
) -> dict[str, list[tuple[float, str]]]:
    """Return who may be offered a call, by pool, the best first."""
    pools: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for agent in agents:
        if home not in (None, agent.desktop or agent.node):
            continue
        if agent.ready_since is not None and agent.can_take_a_call(now):
            for pool, level in read_pools(agent.pools, agent.agent_id).items():
                pools[pool].append((rank(agent.ready_since, level), agent.agent_id))
    for listed in pools.values():
        listed.sort()
    return pools


def best(call: Call, pools: Mapping[str, list[tuple[float, str]]]) -> str | None:
    """Return who shall be offered the call: by its first want that somebody meets."""
    found = [
        (want.after, *listed[0])
        for want in call.open_wants()
        if len(listed := pools.get(want.pool, [])) > want.keep
        and listed[0][0] <= rank(LEVEL_WEIGHT - 1, want.level)
    ]
    return min(found)[2] if found else None


def position(calls: Mapping[str, Call], call_id: str, ageing: float) -> int:
    """Return a call's place among those that wait for the same; 0: it does not wait."""
    call = calls.get(call_id)
    if call is None or call.state != "waiting" or not call.opened:
        return 0
    own = read_wants(call.wants)[0].queue
    return sum(
        other.state == "waiting"
        and other.place(ageing) <= call.place(ageing)
        and own in {want.queue for want in other.open_wants()}
        for other in calls.values()
    )
