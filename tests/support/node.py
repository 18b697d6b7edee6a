"""A whole node as a child process, with ports and a data directory of its own, and its API."""

import asyncio
import json
import os
import signal
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from hotline.database import migrate, open_engine
from hotline.embedded import DataDirectory
from tests.support.ports import free_sip_port, free_tcp_port
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "tests" / "assets" / "models" / "vosk-model-tiny-cn-tel"
PASSWORD = "for-tests-only"

#: Without the system's authorities: to read them takes longer than to ask, and nodes speak HTTP.
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

START_SECONDS = 90.0

LOGS: list[Path] = []
"""The log of each node that this process has started, shown where a test fails."""
STOP_SECONDS = 60.0


async def until(
    condition: Callable[[], Awaitable[Any]], *, seconds: float = PATIENCE, every: float = 0.05
) -> Any:
    """Return the condition's first true value; fail naming what was seen last."""
    last: Any = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                last = await condition()
                if last:
                    return last
                await asyncio.sleep(every)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s; last seen: {last!r}") from None


class Api:
    """A signed-in client of the node's API."""

    def __init__(self, base: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.token = token
        self.client = httpx.AsyncClient(
            base_url=f"{base}/api/v1",
            headers=headers,
            timeout=PATIENCE,
            trust_env=False,
            verify=_NO_AUTHORITIES,
        )

    async def get(self, path: str, **params: Any) -> Any:
        """GET, and the JSON that comes back."""
        response = await self.client.get(path, params=params)
        assert response.status_code == 200, (path, response.status_code, response.text)
        return response.json()

    async def send(self, method: str, path: str, body: object | None = None) -> Any:
        """POST, PUT, PATCH or DELETE, and the JSON that comes back."""
        response = await self.client.request(method, path, json=body)
        assert response.status_code < 300, (path, response.status_code, response.text)
        return response.json() if response.content else None


@dataclass
class RunningNode:
    """A node under test."""

    process: asyncio.subprocess.Process
    web: str
    sip_port: int
    data_dir: Path
    log: Path

    @property
    def pid(self) -> int:
        """The node process."""
        return self.process.pid

    async def health(self) -> dict[str, Any]:
        """Return the node's report, {} while it does not answer."""
        try:
            async with httpx.AsyncClient(
                timeout=PATIENCE, trust_env=False, verify=_NO_AUTHORITIES
            ) as client:
                response = await client.get(f"{self.web}/api/v1/health")
        except httpx.TransportError:
            return {}
        report: dict[str, Any] = response.json()
        return report

    @asynccontextmanager
    async def signed_in(self, agent_id: str, password: str = PASSWORD) -> AsyncIterator[Api]:
        """Sign in for the length of the block."""
        api = Api(self.web)
        answer = await api.send("POST", "/session", {"agent_id": agent_id, "password": password})
        await api.client.aclose()
        api = Api(self.web, answer["token"])
        try:
            yield api
        finally:
            await api.client.aclose()

    def children(self) -> dict[str, int]:
        """Return the node's child processes, by what they are."""
        marks = {
            "media": "telephony.media",
            "recogniser": "-m asr",
            "redis": "redis-server",
            "broker": "/run/broker.",  # its configuration: .conf of mosquitto, .yaml of amqtt
        }
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, IndexError):
                continue
            if int(parent) == self.pid:
                for name, mark in marks.items():
                    if mark in command:
                        found[name] = int(entry.name)
        return found

    def kill_child(self, name: str) -> int:
        """Kill -9 one of the node's children; return its process id."""
        pid = self.children()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    async def stop(self) -> None:
        """Ctrl-C, and wait; kill if it does not go."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
                raise AssertionError(f"the node did not stop:\n{self.tail()}") from None

    def tail(self, lines: int = 60) -> str:
        """Return the end of the node's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@cache
def _database() -> bytes:
    """Return an SQLite database that has its tables, and nothing in them."""

    async def make(folder: Path) -> None:
        engine = open_engine(DataDirectory.database_url_in(folder))
        await migrate(engine)
        await engine.dispose()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(make(Path(folder)))
        return DataDirectory.database_in(Path(folder)).read_bytes()


def _put_database(data_dir: Path) -> None:
    """Spare a node the half second that its tables take, unless it has been there before."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = DataDirectory.database_in(data_dir)
    if not path.exists():
        path.write_bytes(_database())


@asynccontextmanager
async def running_node(
    folder: Path, settings: Mapping[str, object] | None = None, *, tables: bool = True
) -> AsyncIterator[RunningNode]:
    """Start a node on free ports; stop it at the end of the block.

    Args:
        folder: an empty folder for its data and log.
        settings: further options, ``section__key`` → value, as in the HOTLINE_ variables.
        tables: its database has them already; else the node makes them, as at a first start.
    """
    web_port, sip_port = free_tcp_port(), free_sip_port()
    options: dict[str, object] = {
        "node__data_dir": folder / "data",
        "web__port": web_port,
        "sip__port": sip_port,
        "mqtt__port": free_tcp_port(),  # not one that another node under test may want too
        "asr__model_path": MODEL,
        "agents__seed_password": PASSWORD,
        # A sign-in costs a fifth of a second of processor time where that is to keep thieves busy.
        "agents__password_passes": 1,
        "agents__password_kib": 32,
        "media__realtime": "false",  # several workers share the machine, and none goes first
        "log__level": "debug",
        "log__format": "json",
        # Who tests it says so: elsewhere callers hear ringing, and who is left by his agent goes.
        "waiting__by": "ring",
        "rating__enabled": "false",
        **(settings or {}),
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HOTLINE_")}
    for key, value in options.items():
        text = value if isinstance(value, str | int | float | Path) else json.dumps(value)
        environment[f"HOTLINE_{key.upper()}"] = str(text)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    if tables and "database__url" not in options:
        await asyncio.to_thread(_put_database, Path(str(options["node__data_dir"])))
    log = folder / "node.log"
    LOGS.append(log)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hotline", "run"),
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    node = RunningNode(
        process, f"http://127.0.0.1:{web_port}", sip_port, Path(str(options["node__data_dir"])), log
    )

    async def up() -> bool:
        assert process.returncode is None, f"the node ended:\n{node.tail()}"
        report = await node.health()
        hears = options.get("asr__enabled") == "false" or (
            bool(report) and report["parts"]["recogniser"]["status"] != "away"  # while it loads
        )
        return bool(report) and report["status"] != "down" and hears

    try:
        await until(up, seconds=START_SECONDS)
        yield node
    except BaseException:
        print(node.tail(200))  # noqa: T201 - pytest shows it with the failure
        raise
    finally:
        await node.stop()
