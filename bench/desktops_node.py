"""The same desktops as ``bench.desktops``, on a whole node.

``python -m bench.desktops_node [--desktops 300] [--leaders 10] [--calls 100] [--seconds 20]``

A node is started as ``hotline run`` does it, without recognition; the desktops' sessions are in its
Redis. What 100 calls' transcription says comes to it as from another node: over Redis into its bus,
through its feed, masking and web server, and beside whatever else a node does (floor, statistics,
outbox to the broker). An event bears the time at which the other node publishes it; clients compare
that with their own clock, so Redis and the gathering before it are in these figures. The processor
time is the node process's, without its children.
"""

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect

from bench.desktops import (
    CONNECTING,
    PARTIAL_SECONDS,
    Desktops,
    arguments,
    report,
    row_of,
    said,
)
from bench.processes import cpu_seconds
from eventbus.bus import EventBus
from eventbus.fanout import RedisFanout
from tests.support.node import RunningNode, running_node, until
from tests.support.redis_server import running_redis
from web.sessions import RedisSessions

FIRST = 10_000


async def run(desktops: int, leaders: int, calls: int, seconds: float) -> list[dict[str, Any]]:
    """Return a row for the quiet node and one for the busy one."""
    ids = [str(FIRST + number) for number in range(desktops)]
    settings: dict[str, object] = {
        "asr__enabled": "false",
        "log__level": "info",
        "agents__seed": ",".join(ids[: desktops - leaders]),
        "agents__seed_supervisors": ",".join(ids[desktops - leaders :]),
    }
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="desktops-"))
        server = await enter(running_redis())
        settings["redis__url"] = server.url
        node = await enter(running_node(Path(folder) / "node", settings))
        redis = Redis.from_url(server.url)
        stack.push_async_callback(redis.aclose)
        sessions = RedisSessions(redis)
        tokens = [await sessions.create(agent_id) for agent_id in ids]
        bus = EventBus()
        other = RedisFanout(bus=bus, redis=redis, node="bench")
        await other.start()
        stack.push_async_callback(other.close)

        async def joined() -> bool:
            return other.connected

        await until(joined)
        seen, gate = Desktops(), asyncio.Semaphore(CONNECTING)
        sockets = await asyncio.gather(*(_desktop(node, token, gate) for token in tokens))
        for socket in sockets:
            stack.push_async_callback(socket.close)
        readers = [asyncio.create_task(seen.read(socket)) for socket in sockets]
        rows = []
        for talking in (0, calls):
            seen.late.clear()
            before = cpu_seconds(node.pid)
            talks = (_talk(bus, number, calls, seconds) for number in range(talking))
            await asyncio.gather(asyncio.sleep(seconds), *talks)
            rows.append(row_of(desktops, talking, seconds, cpu_seconds(node.pid) - before, seen))
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        return rows


async def _desktop(node: RunningNode, token: str, gate: asyncio.Semaphore) -> ClientConnection:
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{node.web.replace('http', 'ws', 1)}/api/v1/feed"
    async with gate:
        return await connect(url, additional_headers=headers, ping_interval=None)


async def _talk(bus: EventBus, number: int, calls: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time() + PARTIAL_SECONDS * number / calls
    for turn in range(round(seconds / PARTIAL_SECONDS)):
        await asyncio.sleep(begin + turn * PARTIAL_SECONDS - loop.time())
        for event in said(number, turn):
            bus.publish(event)


def main() -> int:
    """Measure, and print the table."""
    given = arguments(__doc__).parse_args()
    rows = uvloop.run(run(given.desktops, given.leaders, given.calls, given.seconds))
    return report(given, rows)


if __name__ == "__main__":
    sys.exit(main())
