"""What desktops cost a node, and how late an event reaches them.

``python -m bench.desktops [--desktops 300] [--leaders 10] [--calls 100] [--seconds 20] [--json]``

The web server with its routes, sessions, masking and feed runs in a process of its own (what lies
behind it are the tests' fakes). So many calls are being transcribed there: of each a partial result
comes on the bus five times a second, and every four seconds a final one with two fields of the
ticket. Each of the first agents sees his own call; each leader sees all of them, with numbers
masked. An event bears the time at which it was put on the bus; that and the time at which a client
has it are of one clock. Quiet: the same desktops without calls.

What comes before the bus is not in these figures: recognition, the rules that fill the ticket, and
Redis between nodes. ``python -m bench.asr_ticket`` measures the way from the end of speech to the
ticket's field; what a desktop waits for is the sum of both.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection, connect

from eventbus.catalogue import Event, TicketField, TranscriptFinal, TranscriptPartial
from tests.web.fake_people import Clock, FakeAccount
from tests.web.house import House
from web.server import WebServer

HOST = "127.0.0.1"
PARTIAL_SECONDS = 0.2
FINAL_EVERY = 20
SAID = "我住在平江街道临顿路四十一号门口的路灯坏了三天了晚上看不见路请你们派人来修一下"
CONNECTING = 20


class _WallClock(Clock):
    def __call__(self) -> float:
        return time.time()


# -- the server's process ------------------------------------------------------------------------


def said(number: int, turn: int) -> list[Event]:
    """Return what is put on the bus of a call at its turn."""
    whose: dict[str, Any] = {
        "call_id": f"c{number}",
        "agent_id": f"{10_000 + number}",
        "at": time.time(),
    }
    if turn % FINAL_EVERY:
        part = SAID[: 2 + 2 * (turn % FINAL_EVERY)]
        return [TranscriptPartial(leg="caller", text=part, start=1.0, **whose)]
    final = TranscriptFinal(
        leg="caller", text=SAID, spoken=SAID, start=1.0, end=5.0, seq=turn, **whose
    )
    fields = [
        TicketField(
            ticket_id=f"T{number}",
            field=name,
            value="临顿路41号",
            source="heard",
            evidence=SAID,
            **whose,
        )
        for name in ("address", "content")
    ]
    return [final, *fields]


async def talk(house: House, number: int, calls: int, seconds: float) -> None:
    """Let a call be transcribed; the calls' turns are spread over the interval."""
    loop = asyncio.get_running_loop()
    begin = loop.time() + PARTIAL_SECONDS * number / calls
    for turn in range(round(seconds / PARTIAL_SECONDS)):
        await asyncio.sleep(begin + turn * PARTIAL_SECONDS - loop.time())
        for event in said(number, turn):
            house.bus.publish(event)


async def serve(desktops: int, leaders: int) -> None:
    """Print the address and tokens; then obey lines of ``calls seconds`` with the CPU they took."""
    with tempfile.TemporaryDirectory(prefix="desktops-") as folder:
        house = House(Path(folder), clock=_WallClock())
        tokens = []
        for number in range(desktops):
            role = "supervisor" if number >= desktops - leaders else "agent"
            who = FakeAccount(f"{10_000 + number}", "坐席", role)
            house.accounts.people[who.id] = who
            tokens.append(await house.sessions.create(who.id))
        server = WebServer(house.app)
        _, port = await server.start(HOST, 0)
        print(json.dumps({"port": port, "tokens": tokens}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            calls, seconds = json.loads(line)
            before = _cpu()
            talks = (talk(house, number, calls, seconds) for number in range(calls))
            await asyncio.gather(asyncio.sleep(seconds), *talks)
            print(json.dumps({"cpu": _cpu() - before}), flush=True)
        await server.close()


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# -- the desktops' process -----------------------------------------------------------------------


class Desktops:
    """Clients that note how late each event is."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.dropped = 0

    async def read(self, socket: ClientConnection) -> None:
        """Read until the connection ends."""
        async for text in socket:
            now = time.time()
            event = json.loads(text)
            if event["event"] not in {"snapshot", "ping"}:
                self.late.append(now - event["at"])
        self.dropped += 1


async def run(desktops: int, leaders: int, calls: int, seconds: float) -> list[dict[str, Any]]:
    """Return a row for the quiet floor and one for the busy one."""
    module = ("-m", "bench.desktops", "--serve")
    counts = ("--desktops", str(desktops), "--leaders", str(leaders))
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, *module, *counts), stdin=pipe, stdout=pipe, limit=1 << 20
    )
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("no pipes to the server")
    rows = []
    try:
        place = json.loads(await _json_line(child.stdout))
        async with AsyncExitStack() as stack:
            seen = Desktops()
            gate = asyncio.Semaphore(CONNECTING)

            async def one(token: str) -> ClientConnection:
                headers = {"Authorization": f"Bearer {token}"}
                url = f"ws://{HOST}:{place['port']}/api/v1/feed"
                async with gate:
                    return await connect(url, additional_headers=headers, ping_interval=None)

            sockets = await asyncio.gather(*map(one, place["tokens"]))
            for socket in sockets:
                stack.push_async_callback(socket.close)
            readers = [asyncio.create_task(seen.read(socket)) for socket in sockets]
            for talking in (0, calls):
                seen.late.clear()
                child.stdin.write(f"{json.dumps([talking, seconds])}\n".encode())
                cpu = json.loads(await _json_line(child.stdout))["cpu"]
                rows.append(row_of(desktops, talking, seconds, cpu, seen))
        await asyncio.gather(*readers)
    finally:
        child.stdin.close()
        await child.wait()
    return rows


async def _json_line(stream: asyncio.StreamReader) -> bytes:
    """Return the next line that is ours; the server logs to the same place."""
    while line := await stream.readline():
        if line.startswith(b"{"):
            return line
    raise RuntimeError("the server ended")


def row_of(desktops: int, calls: int, seconds: float, cpu: float, seen: Desktops) -> dict[str, Any]:
    """Return the figures of one stretch of time."""
    late = sorted(seen.late)

    def at(share: float) -> float | None:
        return round(1000 * late[int(share * (len(late) - 1))], 1) if late else None

    return {
        "calls": calls,
        "events_per_second": round(len(late) / seconds),
        "core_percent": round(100 * cpu / seconds, 1),
        "ms_of_cpu_per_desktop_and_second": round(1000 * cpu / seconds / desktops, 3),
        "p50_ms": at(0.5),
        "p95_ms": at(0.95),
        "max_ms": at(1.0),
        "dropped": seen.dropped,
    }


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """Return what a program like this one takes."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--desktops", type=int, default=300)
    parser.add_argument("--leaders", type=int, default=10, help="of them, who see every call")
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--goal", type=float, default=200.0, help="ms, of the 95th percentile")
    parser.add_argument("--json", action="store_true")
    return parser


def report(given: argparse.Namespace, rows: list[dict[str, Any]]) -> int:
    """Print the table; return 1 when the goal is missed or a desktop was dropped."""
    if given.json:
        print(json.dumps({"desktops": given.desktops, "leaders": given.leaders, "rows": rows}))
    else:
        print(f"{given.desktops} desktops, {given.leaders} of them leaders'; {given.seconds:g} s")
        for row in rows:
            print("   ".join(f"{name} {value}" for name, value in row.items()))
    busy = rows[-1]
    met = busy["p95_ms"] is not None and busy["p95_ms"] < given.goal
    return 0 if met and not busy["dropped"] else 1


def main() -> int:
    """Measure, and print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        uvloop.run(serve(given.desktops, given.leaders))
        return 0
    rows = uvloop.run(run(given.desktops, given.leaders, given.calls, given.seconds))
    return report(given, rows)


if __name__ == "__main__":
    sys.exit(main())
