"""The same desktops as ``bench.desktops``, on a whole node.

``python -m bench.desktops_node [--desktops 300] [--leaders 10] [--calls 100] [--seconds 20]``

A node is started as ``hotline run`` does it, without recognition; the desktops' sessions are in its
Redis. What 100 calls' transcription says comes to it as from another node: over Redis into its bus,
through its feed, masking and web server, and beside whatever else a node does (floor, statistics,
outbox to the broker). An event bears the time at which the other node publishes it; clients compare
that with their own clock, so Redis and the gathering before it are in these figures. The processor
time is the node process's, without its children.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect

from bench.desktops import CONNECTING, PARTIAL_SECONDS, Desktops, row_of, said
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
            before = _cpu(node.pid)
            talks = (_talk(bus, number, calls, seconds) for number in range(talking))
            await asyncio.gather(asyncio.sleep(seconds), *talks)
            rows.append(row_of(desktops, talking, seconds, _cpu(node.pid) - before, seen))
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


def _cpu(pid: int) -> float:
    """Return the seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Print the table; 1 when the goal is missed or a desktop was dropped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--desktops", type=int, default=300)
    parser.add_argument("--leaders", type=int, default=10, help="of them, who see every call")
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--goal", type=float, default=200.0, help="ms, of the 95th percentile")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    began = time.monotonic()
    rows = uvloop.run(run(given.desktops, given.leaders, given.calls, given.seconds))
    if given.json:
        print(json.dumps({"desktops": given.desktops, "leaders": given.leaders, "rows": rows}))
    else:
        took = time.monotonic() - began
        print(f"{given.desktops} desktops, {given.leaders} of them leaders'; {took:.0f} s in all")
        for row in rows:
            print("   ".join(f"{name} {value}" for name, value in row.items()))
    busy = rows[-1]
    met = busy["p95_ms"] is not None and busy["p95_ms"] < given.goal
    return 0 if met and not busy["dropped"] else 1


if __name__ == "__main__":
    sys.exit(main())
