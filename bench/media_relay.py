"""What one forwarded RTP packet costs the media process, in CPU time.

``python -m bench.media_relay [--calls 10 100] [--seconds 3] [--json]``

Real processes over loopback: phones that send 50 packets a second each way, the media process
relaying them (plain; with a fork of both legs; with fork and stereo recording), and, as the
yardstick of the same minute on the same machine, a bare uvloop relay that does nothing but receive
and send. CPU is the whole process's, threads and kernel included. About four seconds a row.
"""

import argparse
import asyncio
import json
import logging
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog
import uvloop

from telephony.media.rtp import RtpPacket, build
from telephony.media_client import MediaClient

HOST = "127.0.0.1"
PACKET_SECONDS = 0.02
WARM_UP_SECONDS = 0.5
SCENARIOS = ("bare uvloop", "relay", "relay + fork", "relay + fork + record")


@dataclass(frozen=True)
class Row:
    """One measurement."""

    scenario: str
    calls: int
    sent: int
    forwarded: int
    cpu_us_per_packet: float
    cpu_percent_of_core: float
    ratio_to_bare: float = 1.0


@dataclass(frozen=True)
class Leg:
    """One phone: its socket, and the relay's port it sends to."""

    phone: socket.socket
    relay_port: int


def udp_socket(stack: ExitStack) -> socket.socket:
    """Open a phone's socket; what comes back is not read, so it gets no room."""
    opened = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
    opened.bind((HOST, 0))
    return opened


def send_load(legs: Sequence[Leg], seconds: float, *, first: int = 0) -> int:
    """Send from every phone every 20 ms, evenly spread; return how many packets."""
    rounds = round(seconds / PACKET_SECONDS)
    start = time.monotonic()
    for number in range(first, first + rounds):
        for index, leg in enumerate(legs):
            due = start + (number - first + index / len(legs)) * PACKET_SECONDS
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            packet = RtpPacket(
                8,
                marker=False,
                sequence=number & 0xFFFF,
                timestamp=number * 160,
                ssrc=index,
                payload=b"\x55" * 160,
            )
            leg.phone.sendto(build(packet), (HOST, leg.relay_port))
    return rounds * len(legs)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of another process: its clock's number is made of its pid (Linux)."""
    return time.clock_gettime((~pid << 3) | 2)


async def measure(
    scenario: str, calls: int, pid: int, legs: Sequence[Leg], seconds: float
) -> tuple[int, float]:
    """Warm up, then load for ``seconds``; return packets sent and CPU seconds used."""
    warm_up = await asyncio.to_thread(send_load, legs, WARM_UP_SECONDS)
    before = cpu_seconds(pid)
    sent = await asyncio.to_thread(send_load, legs, seconds, first=warm_up // len(legs))
    await asyncio.sleep(0.1)  # let it empty its sockets
    used = cpu_seconds(pid) - before
    print(f"  {scenario}, {calls} calls: {used / sent * 1e6:.1f} µs a packet", file=sys.stderr)
    return sent, used


async def bare_relay(calls: int, seconds: float) -> Row:
    """Measure the yardstick."""
    with ExitStack() as stack:
        phones = [udp_socket(stack) for _ in range(2 * calls)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.media_relay", "--bare"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdin is not None  # noqa: S101 - for mypy: both are pipes
            assert process.stdout is not None  # noqa: S101
            # Each leg's packets go to the other phone of its call.
            targets = [phones[index ^ 1].getsockname()[1] for index in range(len(phones))]
            process.stdin.write(json.dumps(targets).encode() + b"\n")
            ports = json.loads(await process.stdout.readline())
            legs = [Leg(phone, port) for phone, port in zip(phones, ports, strict=True)]
            sent, used = await measure(SCENARIOS[0], calls, process.pid, legs, seconds)
            process.stdin.close()
            forwarded = json.loads(await process.stdout.readline())
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
    warm_up = 2 * calls * round(WARM_UP_SECONDS / PACKET_SECONDS)
    return row(SCENARIOS[0], calls, (sent, forwarded - warm_up), used, seconds)


class BareLeg(asyncio.DatagramProtocol):
    """Receives and sends on: nothing else."""

    forwarded = 0

    def __init__(self, target: int) -> None:
        self.target = (HOST, target)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        """Send it on."""
        BareLeg.forwarded += 1
        self.transport.sendto(data, self.target)  # type: ignore[attr-defined]


async def be_bare_relay() -> None:
    """Run as the yardstick's process: targets on stdin, ports on stdout, until stdin closes."""
    loop = asyncio.get_running_loop()
    targets = json.loads(await asyncio.to_thread(sys.stdin.readline))
    ports = []
    for target in targets:
        transport, _ = await loop.create_datagram_endpoint(
            lambda target=target: BareLeg(target),  # type: ignore[misc]
            local_addr=(HOST, 0),
        )
        ports.append(transport.get_extra_info("sockname")[1])
    print(json.dumps(ports), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(BareLeg.forwarded, flush=True)


@asynccontextmanager
async def media_process(folder: Path) -> AsyncIterator[tuple[MediaClient, int]]:
    """Start a media process and connect to it; yield also its pid."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "telephony.media", "--socket", str(folder / "media.sock")),
        *("--host", HOST, "--ports", "30000-31999", "--log-level", "error"),
    )
    client = MediaClient(socket_path=folder / "media.sock", on_lost=lambda _: None)
    await client.start()
    try:
        async with asyncio.timeout(10):
            await client.wait_connected()
        yield client, process.pid
    finally:
        await client.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def set_up(client: MediaClient, phone: socket.socket, name: str, fork_to: int | None) -> Leg:
    """Open one leg for a phone."""
    _, relay_port = await client.open(name)
    await client.set_remote(
        name,
        host=HOST,
        port=phone.getsockname()[1],
        payload_type=8,
        codec="PCMA",
        telephone_event=101,
    )
    if fork_to is not None:
        await client.fork(name, (HOST, fork_to))
    return Leg(phone, relay_port)


async def our_relay(scenario: str, calls: int, seconds: float) -> Row:
    """Measure the media process."""
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        recogniser = udp_socket(stack).getsockname()[1] if "fork" in scenario else None
        async with media_process(Path(folder)) as (client, pid):
            legs: list[Leg] = []
            for call in range(calls):
                names = (f"{call}-citizen", f"{call}-agent")
                legs += [
                    await set_up(client, udp_socket(stack), name, recogniser) for name in names
                ]
                await client.bridge(*names)
                if "record" in scenario:
                    path = Path(folder) / f"{call}.wav"
                    await client.record(str(call), path, left=names[0], right=names[1])
            sent, used = await measure(scenario, calls, pid, legs, seconds)
            forwarded = 0
            for call in range(calls):
                for side in ("citizen", "agent"):
                    forwarded += (await client.session_stats(f"{call}-{side}")).packets_out
    warm_up = len(legs) * round(WARM_UP_SECONDS / PACKET_SECONDS)
    return row(scenario, calls, (sent, forwarded - warm_up), used, seconds)


def row(scenario: str, calls: int, counts: tuple[int, int], used: float, seconds: float) -> Row:
    """Put a measurement into figures; ``counts`` are packets sent and forwarded."""
    sent, forwarded = counts
    if forwarded <= 0:
        raise SystemExit(f"{scenario}: nothing was forwarded")
    per_packet, of_core = used / forwarded * 1e6, used / seconds * 100
    return Row(scenario, calls, sent, forwarded, round(per_packet, 2), round(of_core, 2))


async def run(calls_list: Sequence[int], seconds: float) -> list[Row]:
    """Measure every scenario at every size."""
    rows = []
    for calls in calls_list:
        bare = await bare_relay(calls, seconds)
        rows.append(bare)
        for scenario in SCENARIOS[1:]:
            ours = await our_relay(scenario, calls, seconds)
            ratio = round(ours.cpu_us_per_packet / bare.cpu_us_per_packet, 2)
            rows.append(Row(**{**asdict(ours), "ratio_to_bare": ratio}))
    return rows


def print_table(rows: Sequence[Row]) -> None:
    """Print what a reader wants to see."""
    print(
        f"{'calls':>5}  {'what is done':<24}{'µs/packet':>10}{'× bare':>8}{'core %':>8}{'lost':>7}"
    )
    for entry in rows:
        print(
            f"{entry.calls:>5}  {entry.scenario:<24}{entry.cpu_us_per_packet:>10.2f}"
            f"{entry.ratio_to_bare:>8.2f}{entry.cpu_percent_of_core:>8.2f}"
            f"{entry.sent - entry.forwarded:>7}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="CPU time of one forwarded RTP packet.")
    parser.add_argument("--calls", type=int, nargs="+", default=[10, 100], metavar="N")
    parser.add_argument("--seconds", type=float, default=3.0, help="load per row, 0.5-30")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        uvloop.run(be_bare_relay())
        return
    if not (0.5 <= arguments.seconds <= 30 and all(1 <= n <= 400 for n in arguments.calls)):
        parser.error("--seconds is 0.5 to 30, --calls 1 to 400")
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    rows = uvloop.run(run(arguments.calls, arguments.seconds))
    if arguments.json:
        print(json.dumps({"bench": "media_relay", "rows": [asdict(entry) for entry in rows]}))
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
