"""Four processes race for the same agents on one real Redis; nodes and Redis die meanwhile.

What is seen at any moment, and what must hold then, is told in ``tests.support.floor_race``;
``python -m bench.floor_race`` does the same for minutes.
"""

from tests.support.floor_race import running_race
from tests.support.redis_server import RedisServer

SEED = 12345


async def test_no_call_is_lost_and_no_agent_is_in_two_at_once(server: RedisServer) -> None:
    async with running_race(server, seed=SEED) as race:
        await race.go_on(60)
        race.check_undisturbed()
        await race.strike("node dies", "d")
        await race.go_on(10)
        await race.strike("Redis restarts", "a")
        await race.go_on(10)
        await race.strike("Redis is emptied", "a")
        await race.go_on(10)
        await race.end()

    assert race.findings.outcomes["served"] >= 40
    assert race.findings.without_redis >= 6
