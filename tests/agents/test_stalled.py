"""The watchdog's question, on a Redis whose indexes somebody has damaged."""

from redis.asyncio import Redis

from agents.floor import Stalled
from agents.resilient_floor import open_floor
from tests.support.floors import TIMES, Node


async def test_a_call_that_was_overlooked_is_found_and_offered(redis: Redis) -> None:
    node = Node(open_floor(redis=redis, node="a", times=TIMES))
    await node.floor.start()
    try:
        await node.floor.sign_in("1001")
        await node.floor.set_phones("1001", 1)
        await node.floor.enqueue("c1", arrived_at=0.0)
        # Lost between two commands: the queue forgets that somebody waits for him.
        await redis.delete("hotline:{floor}:wants:any")
        await node.floor.set_ready("1001")
        assert node.offers == []

        assert await node.floor.stalled(5.0) == [Stalled("c1", "1001")]

        assert [offer.call_id for offer in node.offers] == ["c1"]
        assert await node.floor.stalled(5.0) == []
    finally:
        await node.floor.close()
