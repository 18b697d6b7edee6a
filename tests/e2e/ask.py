"""What end-to-end tests ask the API again and again."""

from typing import Any

from tests.support.node import Api, RunningNode, until
from tests.support.waiting import PATIENCE


async def state_of(api: Api) -> str:
    """Return the agent's state."""
    return str((await api.get("/me"))["presence"]["state"])


async def until_state(api: Api, state: str, *, seconds: float = PATIENCE) -> None:
    """Wait for the agent to be in a state."""

    async def reached() -> bool:
        return await state_of(api) == state

    await until(reached, seconds=seconds)


async def ended_call(api: Api, *, since: float = 0.0, seconds: float = PATIENCE) -> dict[str, Any]:
    """Return the newest call of the agent once its record is complete.

    Args:
        api: the agent's, or a supervisor's for everybody's calls.
        since: Unix seconds; wait for one that arrived after that.
        seconds: how long to wait.
    """

    async def ended() -> dict[str, Any] | None:
        calls = (await api.get("/calls"))["items"]
        if not calls or calls[0]["arrived_at"] < since:
            return None
        if calls[0]["ended_at"] is not None:
            record: dict[str, Any] = await api.get(f"/calls/{calls[0]['call_id']}")
            return record
        return None

    record: dict[str, Any] = await until(ended, seconds=seconds)
    return record


#: Counts that must be zero when no call is there.
EMPTY = (
    "sip_legs",
    "sip_dialogs",
    "media_sessions",
    "media_ports",
    "media_bridges",
    "media_forks",
    "media_recordings",
    "recogniser_streams",
    "floor_waiting",
    "floor_offers",
    "floor_conversations",
    "calls_calls",
)


async def until_nothing_is_left(
    node: RunningNode, *, seconds: float = PATIENCE, transactions: bool = False
) -> dict[str, int]:
    """Wait until no call, leg, port, lease or stream is alive; return the counts.

    SIP transactions live on for up to 32 s after their call (RFC 3261 §17: timers B, H, J), to
    absorb retransmissions; they are waited for only when asked.
    """
    names = (*EMPTY, "sip_transactions") if transactions else EMPTY

    counts: dict[str, int] = {}

    async def empty() -> bool:
        nonlocal counts
        counts = (await node.health()).get("counts", {})
        missing = [name for name in names if name not in counts]
        assert not missing, f"health does not count {missing}: {sorted(counts)}"
        return not any(counts[name] for name in names)

    try:
        await until(empty, seconds=seconds, every=0.2)
    except AssertionError as error:
        left = {name: counts[name] for name in names if counts.get(name)}
        raise AssertionError(f"left after {seconds:g} s: {left}") from error
    return counts
