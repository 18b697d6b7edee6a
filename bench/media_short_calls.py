"""What many short calls leave behind in the media process."""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.media_servers import HOST, MediaProcess
from bench.processes import resident_kb
from telephony.media.rtp import RtpPacket, build
from telephony.media_commands import MediaRefused

AT_ONCE = 20
PACKETS = 5
REPORTS = 10
RESTING_SECONDS = 0.5


@dataclass(frozen=True)
class Memory:
    """How much the process holds after so many calls, none of which is left."""

    engine: str
    calls: int
    resident_kb: int


async def opened(server: MediaProcess, leg: str, phone: int) -> int:
    """Open a session as soon as there are ports: those of the calls before rest a while."""
    while True:
        try:
            return await server.open(leg, phone)
        except MediaRefused:
            await asyncio.sleep(RESTING_SECONDS)


async def short_call(name: str, server: MediaProcess, phone: socket.socket, folder: Path) -> None:
    """Open, bridge, fork, record, speak, close."""
    client, path = server.client, folder / f"{name}.wav"
    legs = (f"{name}-citizen", f"{name}-agent")
    ports = [await opened(server, leg, phone.getsockname()[1]) for leg in legs]
    await client.bridge(*legs)
    await client.record(name, path, left=legs[0], right=legs[1])
    for number in range(PACKETS):
        packet = RtpPacket(8, number == 0, number, 160 * number, 1, b"\xd5" * 160)
        for port in ports:
            with suppress(BlockingIOError):
                phone.sendto(build(packet), (HOST, port))
    await client.stop_record(name)
    for leg in legs:
        await client.close_session(leg)
    await asyncio.to_thread(path.unlink)


async def many_short_calls(engine: str, server: MediaProcess, calls: int) -> list[Memory]:
    """Make so many calls, a few at a time; report the memory ten times."""
    found: list[Memory] = []
    with (
        TemporaryDirectory() as folder,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone,
    ):
        phone.settimeout(0)
        phone.bind((HOST, 0))
        server.fork_to = phone.getsockname()[1]
        every = max(AT_ONCE, calls // REPORTS)
        for first in range(0, calls, AT_ONCE):
            names = [str(number) for number in range(first, min(first + AT_ONCE, calls))]
            await asyncio.gather(*(short_call(name, server, phone, Path(folder)) for name in names))
            if (first + AT_ONCE) % every < AT_ONCE:
                found.append(Memory(engine, first + AT_ONCE, resident_kb(server.pid)))
    return found
