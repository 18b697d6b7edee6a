"""What bench/sip_rate.py measures: the node, Sippy's simple B2BUA, and Kamailio as a bare proxy.

Each takes calls at ``address`` and brings them to the phones, which are all at one address.

The node's callers hear ringing while they wait, and are not asked for a rating: the way that is
measured is queue, offer, phone, media, record. With the settings as they ship a caller who waits
for eight seconds is answered and spoken to, and one whose agent has left hears a question instead
of hanging up, so that a call would be another one here than there.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM

from argon2 import PasswordHasher
from redis.asyncio import Redis

from agents.accounts import Accounts, NewAccount
from bench.processes import cpu_seconds
from hotline.database import open_engine
from hotline.embedded import DataDirectory
from tests.support.node import PASSWORD, Api, RunningNode, running_node, until
from tests.support.ports import free_sip_port, is_taken
from tests.support.programs import Program
from tests.support.sipp import SippStatistics
from web.sessions import RedisSessions

TRUNK, PHONES = "127.0.0.1", "127.0.0.2"
SCENARIOS = Path(__file__).parent / "sipp"
SIPPY = "sippy==2.5.0"
"""The B2BUA that the node is compared with: installed from PyPI into an environment of its own."""

WRAP_UP_SECONDS = 0.1
_REGISTRATIONS_A_SECOND = 50
_LONGEST_RUN = 86_400
"""Seconds that agents' phones are registered and their sessions last: nobody renews them."""

Address = tuple[str, int]


class Unavailable(Exception):
    """A server cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        name: for the table.
        address: where it takes calls.
        main: the process that does the signalling (Kamailio: those that do).
        helpers: its other processes, by name.
        idle: returns once no call is left from an earlier run.
        counts: what it counts itself; {} where it does not tell.
    """

    name: str
    address: Address
    main: tuple[int, ...]
    helpers: dict[str, int] = field(default_factory=dict)
    idle: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)
    counts: Callable[[], Awaitable[dict[str, int]]] = lambda: asyncio.sleep(0, {})

    def cpu(self) -> dict[str, float]:
        """Return the processor seconds used so far, by process; ``main`` is the signalling."""
        helpers = {name: cpu_seconds(pid) for name, pid in self.helpers.items()}
        return {"main": sum(map(cpu_seconds, self.main)), **helpers}

    def pin(self, core: int) -> None:
        """Keep all of it on one core."""
        for pid in (*self.main, *self.helpers.values()):
            keep_on(pid, core)


def keep_on(pid: int, core: int) -> None:
    """Keep all threads of a process on one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {core})


def descendants(pid: int) -> Iterator[int]:
    """Yield a process's children, and theirs."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        yield int(child)
        yield from descendants(int(child))


@asynccontextmanager
async def phones(folder: Path, address: Address) -> AsyncIterator[int]:
    """Let SIPp answer every call there; yield its process."""
    program = Program(
        "phones",
        (
            *("sipp", "-sf", str(SCENARIOS / "phone.xml"), "-i", address[0]),
            *(
                "-p",
                str(address[1]),
                "-t",
                "u1",
                "-bind_local",
                "-nostdin",
                "-buff_size",
                "4194304",
            ),
        ),
        directory=folder,
    )
    await program.start()
    try:
        yield program.process.pid
    finally:
        await program.stop()


# Ours


@asynccontextmanager
async def node(
    folder: Path,
    phones: Address,
    *,
    agents: int,
    asr: bool,
    more: Mapping[str, object] | None = None,
) -> AsyncIterator[Server]:
    """Start a node with ready agents, whose phones are registered at ``phones``.

    Nobody may be there yet: a phone is called where its registration came from. ``more``: further
    settings.
    """
    settings: dict[str, object] = {
        "agents__seed": "1001",
        "agents__wrap_up_seconds": WRAP_UP_SECONDS,
        "asr__enabled": str(asr).lower(),
        "log__level": "info",
        "waiting__by": "ring",
        "rating__enabled": "false",
        "trunks__local__networks": f"{TRUNK}/32",
        # All agents' phones are behind one address here, and SIPp's don't answer OPTIONS.
        "abuse__phone_rate": 100_000,
        "sip__max_expires": _LONGEST_RUN,
        "web__session_idle_seconds": _LONGEST_RUN,
        "sip__qualify_seconds": 0,
        **(more or {}),
    }
    names = [str(200000 + number) for number in range(agents)]
    async with running_node(folder / "node", settings) as running:
        await _hire(running, names)
        await _register(folder / "register", (TRUNK, running.sip_port), phones, names)
        await _to_work(running, names)
        yield Server(
            "node",
            (TRUNK, running.sip_port),
            (running.pid,),
            running.children(),
            lambda: _nothing_left(running),
            lambda: _counts(running),
        )


async def _hire(running: RunningNode, names: list[str]) -> None:
    """Make accounts, behind the node's back: with the usual hashes it would take minutes."""
    engine = open_engine(DataDirectory.database_url_in(running.data_dir))
    try:
        accounts = Accounts(
            engine,
            realm="hotline",
            hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1),
        )
        await accounts.seed(
            NewAccount(id=name, name=name, password=PASSWORD, sip_secret=PASSWORD) for name in names
        )
    finally:
        await engine.dispose()


async def _to_work(running: RunningNode, names: list[str]) -> None:
    """Let every agent be ready; his session, too, is made behind the node's back."""
    redis = Redis.from_url(f"unix://{running.data_dir / 'run' / 'redis.sock'}")
    sessions = RedisSessions(redis)
    try:
        for name in names:
            api = Api(running.web, await sessions.create(name))
            await api.send("PUT", "/me/presence", {"state": "ready"})
            await api.client.aclose()
    finally:
        await redis.aclose()


async def _counts(running: RunningNode) -> dict[str, int]:
    counts: dict[str, int] = (await running.health()).get("counts", {})
    return counts


async def _nothing_left(running: RunningNode) -> None:
    async def empty() -> bool:
        counts = (await running.health()).get("counts", {})
        names = ("calls_calls", "floor_waiting", "records_unwritten", "outbox_outbox")
        return bool(counts) and not any(counts[name] for name in names)

    await until(empty, seconds=60)


async def _register(folder: Path, registrar: Address, phones: Address, names: list[str]) -> None:
    """Register a phone for each name, all of them at one address.

    The requests come from there: that is where the phones are called.
    """
    await asyncio.to_thread(folder.mkdir, parents=True)
    life = _LONGEST_RUN
    rows = (
        f"{name};[authentication username={name} password={PASSWORD}];{life};" for name in names
    )
    (folder / "names.csv").write_text("SEQUENTIAL\n" + "\n".join(rows) + "\n", encoding="utf-8")
    text = (SCENARIOS.parents[1] / "tests/support/sipp/register.xml").read_text(encoding="utf-8")
    (folder / "register.xml").write_text(text.replace("[field3]", str(phones[1])), encoding="utf-8")
    program = Program(
        "register",
        (
            *("sipp", f"{registrar[0]}:{registrar[1]}", "-sf", "register.xml"),
            *("-inf", "names.csv", "-i", phones[0], "-p", str(phones[1]), "-t", "u1"),
            *("-m", str(len(names)), "-r", str(_REGISTRATIONS_A_SECOND)),
            *("-nostdin", "-trace_stat", "-stf", "statistics.csv", "-fd", "1"),
        ),
        directory=folder,
    )
    await program.start()
    try:
        await program.wait(60 + len(names))
    finally:
        await program.stop()
    done = SippStatistics.read(folder / "statistics.csv").successful
    if done != len(names):
        raise SystemExit(f"{done} of {len(names)} phones registered:\n{program.said()[-2000:]}")


# Theirs


@asynccontextmanager
async def sippy(folder: Path, phones: Address) -> AsyncIterator[Server]:
    """Start Sippy's simple B2BUA.

    Raises:
        Unavailable: it cannot be installed, or does not start.
    """
    python = folder / "sippy" / "bin" / "python"
    for command in (
        (sys.executable, "-m", "venv", str(folder / "sippy")),
        (str(python), "-m", "pip", "install", "--quiet", SIPPY),
    ):
        installer = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await installer.communicate()
        if installer.returncode:
            raise Unavailable(f"not installed: {said.decode(errors='replace').strip()[-300:]}")
    port = free_sip_port()
    program = Program(
        "sippy",
        (
            *(str(python), "-m", "sippy.b2bua_simple", "-f", "-l", TRUNK, "-p", str(port)),
            *("-n", f"{phones[0]}:{phones[1]}"),
        ),
        directory=folder,
        env={"SIPLOG_BEND": "none"},
    )
    async with _running(program, port):
        yield Server("Sippy B2BUA", (TRUNK, port), (program.process.pid,))


@asynccontextmanager
async def kamailio(folder: Path, phones: Address) -> AsyncIterator[Server]:
    """Start Kamailio as a transaction-stateful proxy with one UDP worker.

    Raises:
        Unavailable: it is not installed, or does not start.
    """
    if shutil.which("kamailio") is None:
        raise Unavailable("apt-get install kamailio")
    port = free_sip_port()
    config = folder / "kamailio.cfg"
    config.write_text(_KAMAILIO.format(host=TRUNK, port=port, phones=phones), encoding="utf-8")
    runtime = folder / "kamailio"
    await asyncio.to_thread(runtime.mkdir)
    program = Program(
        "kamailio",
        ("kamailio", "-f", str(config), "-DD", "-E", "-Y", str(runtime), "-w", str(runtime)),
        directory=folder,
    )
    async with _running(program, port):
        pid = program.process.pid
        yield Server("Kamailio proxy", (TRUNK, port), (pid, *descendants(pid)))


_KAMAILIO = """
debug=0
log_stderror=yes
fork=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:{host}:{port}
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "siputils.so"
request_route {{
    if (has_totag()) {{
        loose_route();
    }} else {{
        record_route();
        $du = "sip:{phones[0]}:{phones[1]}";
    }}
    t_relay();
}}
"""


@asynccontextmanager
async def _running(program: Program, port: int) -> AsyncIterator[None]:
    await program.start()
    try:
        await until(lambda: _listening(program, port), seconds=20)
        if not program.running:
            raise Unavailable(f"does not start: {program.said()[-300:]}")
        yield
    finally:
        await program.stop(polite=SIGTERM)


async def _listening(program: Program, port: int) -> bool:
    return is_taken(port) or not program.running
