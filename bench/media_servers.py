"""What bench/media.py measures: a bare relay in C, rtpengine, and the media process.

Each is started in a process of its own on one core; ``connect`` lets pairs of phones hear each
other through it and returns the ports they send to.
"""

import asyncio
import itertools
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from telephony.media.scheduling import Realtime
from telephony.media_client import MediaClient

HOST = "127.0.0.1"
SOURCES = Path(__file__).parent / "native"
PORTS = (30000, 36000)


class Server(Protocol):
    """A process that relays."""

    pid: int

    async def connect(self, phones: Sequence[int]) -> list[int]:
        """Join phones 0 and 1, 2 and 3, …; return the port that each sends to."""


async def compile_program(name: str, folder: Path) -> Path:
    """Compile one of the C programs of this folder.

    Raises:
        SystemExit: there is no compiler, or it does not like the program.
    """
    target = folder / name
    command = ("cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")
    try:
        compiler = await asyncio.create_subprocess_exec(
            *command, str(SOURCES / f"{name}.c"), "-o", str(target)
        )
    except FileNotFoundError:
        raise SystemExit("a C compiler is needed: apt-get install build-essential") from None
    if await compiler.wait():
        raise SystemExit(f"{name}.c does not compile")
    return target


@asynccontextmanager
async def process(
    core: int, *command: str, realtime: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program on one core, with pipes to and from it; ``realtime``: before all others."""
    pipe = asyncio.subprocess.PIPE
    before = ("chrt", "-f", "1") if realtime else ()
    started = await asyncio.create_subprocess_exec(
        *("taskset", "-c", str(core), *before, *command), stdin=pipe, stdout=pipe, limit=2**20
    )
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.terminate()
        await started.wait()


def pairs(phones: Sequence[int]) -> list[tuple[int, int]]:
    """Return who is joined with whom."""
    return list(zip(phones[::2], phones[1::2], strict=True))


def pipes(
    of: asyncio.subprocess.Process,
) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    """Return a process's standard input and output."""
    if of.stdin is None or of.stdout is None:
        raise ValueError("started without pipes")
    return of.stdin, of.stdout


class BareRelay:
    """The yardstick: native/bare_relay.c."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self.pid = running.pid
        self._stdin, self._stdout = pipes(running)

    async def connect(self, phones: Sequence[int]) -> list[int]:
        """See Server; once only."""
        self._stdin.write(" ".join(map(str, phones)).encode() + b"\n")
        return [int(port) for port in (await self._stdout.readline()).split()]


@asynccontextmanager
async def bare_relay(core: int, program: Path, *, realtime: bool) -> AsyncIterator[BareRelay]:
    """Start the yardstick."""
    async with process(core, str(program), HOST, realtime=realtime) as running:
        await pipes(running)[1].readline()
        yield BareRelay(running)


def bencode(value: dict[str, object] | list[object] | str | int) -> bytes:
    """Write a value as rtpengine's control protocol has it."""
    if isinstance(value, dict):
        inner = b"".join(bencode(key) + bencode(value[key]) for key in sorted(value))  # type: ignore[arg-type]
        return b"d" + inner + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"  # type: ignore[arg-type]
    if isinstance(value, int):
        return f"i{value}e".encode()
    data = value.encode()
    return str(len(data)).encode() + b":" + data


class Rtpengine:
    """rtpengine in user space, driven by its ng protocol."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self._control = control
        self._cookies = itertools.count()

    async def ask(self, **fields: str) -> bytes:
        """Send a command; return the answer, still encoded.

        Raises:
            TimeoutError: none came.
        """
        cookie = f"m{next(self._cookies)}".encode()
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._control, cookie + b" " + bencode({**fields}))
        async with asyncio.timeout(5):
            while True:
                answer = await loop.sock_recv(self._control, 65536)
                if answer.startswith(cookie + b" "):
                    return answer

    async def connect(self, phones: Sequence[int]) -> list[int]:
        """See Server."""
        ports: list[int] = []
        for call, (citizen, agent) in enumerate(pairs(phones)):
            names = {"call-id": f"call-{call}", "from-tag": "citizen"}
            offered = await self._negotiate("offer", citizen, **names)
            answered = await self._negotiate("answer", agent, **names, **{"to-tag": "agent"})
            ports += [answered, offered]
        return ports

    async def _negotiate(self, command: str, phone: int, **names: str) -> int:
        """Offer or answer a phone's description; return the port that its partner shall use."""
        sdp = (
            f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
            f"m=audio {phone} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
        )
        answer = await self.ask(command=command, sdp=sdp, ICE="remove", **names)
        _, _, media = answer.partition(b"m=audio ")
        if not media:
            raise SystemExit(f"rtpengine refused: {answer!r}")
        return int(media.split()[0])


@asynccontextmanager
async def rtpengine(core: int, *, realtime: bool) -> AsyncIterator[Rtpengine]:
    """Start rtpengine without its kernel module."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        control.setblocking(False)  # noqa: FBT003 - the socket's own signature
        control.bind((HOST, 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind((HOST, 0))
            address = free.getsockname()
        command = (
            *("rtpengine", "--foreground", "--log-stderr", "--log-level=3", "--config-file=none"),
            *("--table=-1", f"--interface={HOST}", f"--listen-ng={HOST}:{address[1]}"),
            *(f"--port-min={PORTS[0]}", f"--port-max={PORTS[1]}", "--num-threads=1"),
        )
        control.connect(address)
        async with process(core, *command, realtime=realtime) as running:
            server = Rtpengine(running.pid, control)
            await _until_answering(server, running)
            yield server


async def _until_answering(server: Rtpengine, running: asyncio.subprocess.Process) -> None:
    """Wait until it answers.

    Raises:
        SystemExit: it ended.
    """
    async with asyncio.timeout(30):
        while True:
            if running.returncode is not None:
                raise SystemExit("rtpengine ended at once; what it says stands above")
            try:
                await server.ask(command="ping")
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                return


class MediaProcess:
    """Our own, with one of its engines.

    Attributes:
        fork_to: a port where every leg is forked to, or None…
        gathered: …so many packets in one datagram.
        record: whether every call is recorded.
    """

    def __init__(self, pid: int, client: MediaClient, folder: Path) -> None:
        self.pid = pid
        self.client = client
        self.fork_to: int | None = None
        self.gathered = 1
        self.record = False
        self._folder = folder

    async def connect(self, phones: Sequence[int]) -> list[int]:
        """See Server."""
        ports: list[int] = []
        for call, sides in enumerate(pairs(phones)):
            names = (f"{call}-citizen", f"{call}-agent")
            for name, phone in zip(names, sides, strict=True):
                ports.append(await self.open(name, phone))
            await self.client.bridge(*names)
            if self.record:
                path = self._folder / f"{call}.wav"
                await self.client.record(str(call), path, left=names[0], right=names[1])
        return ports

    async def open(self, name: str, phone: int) -> int:
        """Open a session for a phone; return the port that the phone sends to."""
        _, port = await self.client.open(name)
        await self.client.set_remote(
            name, host=HOST, port=phone, payload_type=8, codec="PCMA", telephone_event=101
        )
        if self.fork_to is not None:
            await self.client.fork(name, (HOST, self.fork_to), packets=self.gathered)
        return port


@asynccontextmanager
async def media_process(
    core: int, engine: str, *, realtime: Realtime = "auto"
) -> AsyncIterator[MediaProcess]:
    """Start the media process and connect to it; ``realtime``: its own setting."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "media.sock"
        command = (
            *(sys.executable, "-m", "telephony.media", "--socket", str(path), "--host", HOST),
            *("--ports", f"{PORTS[0]}-{PORTS[1]}", "--engine", engine, "--log-level", "error"),
            *("--realtime", realtime),
        )
        async with process(core, *command) as running:
            client = MediaClient(socket_path=path, on_lost=lambda _: None)
            await client.start()
            try:
                async with asyncio.timeout(20):
                    await client.wait_connected()
                yield MediaProcess(running.pid, client, folder)
            finally:
                await client.close()


Turns = dict[str, tuple[float, float]]


def turns(pid: int) -> Turns:
    """Return how many seconds each thread of a process has run, and was ready to but not let."""
    tasks = {task.name: (task / "schedstat") for task in Path(f"/proc/{pid}/task").iterdir()}
    found: Turns = {}
    for name, path in tasks.items():
        ran, waited, _ = map(int, path.read_text().split())
        found[name] = (ran / 1e9, waited / 1e9)
    return found


def kept_waiting(before: Turns, after: Turns) -> float:
    """Return for how many seconds others ran in place of the busiest thread: that with packets."""
    spent = [
        (ran - before[name][0], waited - before[name][1])
        for name, (ran, waited) in after.items()
        if name in before
    ]
    return max(spent)[1]
