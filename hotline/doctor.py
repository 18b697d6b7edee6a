"""``python -m hotline doctor``: looks at this machine as a node would need it.

Every check says what was found and, where something is missing, how to mend it. Nothing is changed.
"""

import asyncio
import importlib.util
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

import asr.model
from config.settings import Settings
from hotline.database import is_current, open_engine
from hotline.embedded import (
    BROKER_MODULE,
    DataDirectory,
    DataDirectoryBusy,
    advertised_host,
    find_mosquitto,
    find_redis_server,
)
from hotline.recordings_check import CannotCheck, altered_recordings, in_short
from hotline.trunks import trunks
from telephony.sip.name_addr import host_port
from telephony.transport.udp import BUFFER
from telephony.trunks.model import Trunk
from telephony.trunks.probe import ask

Level = Literal["ok", "warn", "bad"]

OLDEST_PYTHON = (3, 11)
REQUIREMENTS = Path(__file__).parents[1] / "requirements"
SECONDS = 3.0
GIGABYTE = 1 << 30
LITTLE_DISK = 5 * GIGABYTE
NO_DISK = GIGABYTE // 2
"""An hour of a recorded call takes 115 MB: little is a working day of ten agents."""

AGAIN = "run scripts/setup.sh again"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        level: ``ok``; ``warn``: a node starts, but something will be missing; ``bad``: it does not.
        what: what was looked at.
        detail: what was found.
        remedy: what to do about it; None when it is fine.
    """

    level: Level
    what: str
    detail: str
    remedy: str | None = None


async def diagnose(settings: Settings, *, recordings: bool = False) -> list[Finding]:
    """Look at everything that a node with these settings needs; ``recordings``: at those, too."""
    running, directory = await asyncio.to_thread(_data_directory, settings.node.data_dir)
    findings = [_python(), await asyncio.to_thread(_packages), *directory]
    findings.append(await asyncio.to_thread(_model, settings))
    findings += await asyncio.gather(_redis(settings), _broker(settings), _database(settings))
    findings += _ports(settings, running=running)
    findings += await asyncio.gather(*map(_trunk, trunks(settings)))
    if recordings:
        findings.append(await _recordings(settings))
    return findings


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return Finding("bad", "Python", version, "install Python 3.11 or later")
    return Finding("ok", "Python", version)


def _packages() -> Finding:
    """Compare what is installed with what ``requirements/runtime.in`` asks for, as locked."""
    locked = dict(_locked(REQUIREMENTS / "runtime.txt"))
    wrong = []
    for line in (REQUIREMENTS / "runtime.in").read_text(encoding="utf-8").splitlines():
        name = line.split("#")[0].split(";")[0].split("[")[0].strip().lower()
        if not name:
            continue
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
        else:
            if name in locked and installed not in locked[name]:
                wrong.append(f"{name} is {installed}, locked is {' or '.join(locked[name])}")
    if wrong:
        return Finding("warn", "packages", "; ".join(wrong), AGAIN)
    return Finding("ok", "packages", f"as locked in {REQUIREMENTS.name}/runtime.txt")


def _locked(lock: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each locked package with its versions: a lock for every platform may hold several."""
    versions: dict[str, list[str]] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if "==" in line and line[:1].isalnum():
            name, _, rest = line.partition("==")
            versions.setdefault(name.split("[")[0].lower(), []).append(rest.split()[0])
    yield from versions.items()


def _data_directory(path: Path) -> tuple[bool, list[Finding]]:
    """Return whether a node runs on it, and what is to be said of it and its disk."""
    running = False
    try:
        DataDirectory.open(path).close()
    except DataDirectoryBusy:
        running = True
    except OSError as error:
        remedy = "let node.data_dir name a folder that this user may write to"
        return False, [Finding("bad", "data directory", f"{path}: {error.strerror}", remedy)]
    state = "in use by a running node" if running else "writable"
    finding = Finding("ok", "data directory", f"{path.absolute()}: {state}")
    return running, [finding, _disk(path)]


def _disk(path: Path) -> Finding:
    free = shutil.disk_usage(path).free
    detail = f"{free / GIGABYTE:.1f} GiB free"
    remedy = "make room, or let recording.directory name another disk"
    if free < NO_DISK:
        return Finding("bad", "disk", detail, remedy)
    return Finding("warn", "disk", detail, remedy) if free < LITTLE_DISK else _ok("disk", detail)


def _model(settings: Settings) -> Finding:
    what = "recognition model"
    if not settings.asr.enabled:
        return Finding("warn", what, "recognition is switched off", "set asr.enabled to true")
    if settings.asr.engine != "vosk":
        return _ok(what, f"none needed by asr.engine {settings.asr.engine}")
    try:
        found = asr.model.find(settings.asr.model_path)
    except asr.model.ModelError as error:
        # Calls work without it, so a node starts.
        return Finding("warn", what, str(error), "python -m asr.model")
    if asr.model.is_synthetic(found):
        detail = f"{found.name} understands synthetic speech only"
        return Finding("warn", what, detail, "python -m asr.model, and empty asr.model_path")
    return _ok(what, str(found))


async def _redis(settings: Settings) -> Finding:
    if settings.redis.url is None:
        server = find_redis_server()
        if server is not None:
            return _ok("Redis", f"our own: {server}")
        return Finding("bad", "Redis", "no redis-server", f"apt install redis-server, or {AGAIN}")
    client = Redis.from_url(
        settings.redis.url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS
    )
    try:
        information = await client.info("server")
    except (RedisError, OSError) as error:
        return Finding("bad", "Redis", f"redis.url: {error}", "start it, or empty redis.url")
    finally:
        await client.aclose()
    return _ok("Redis", f"redis.url answers: version {information['redis_version']}")


async def _broker(settings: Settings) -> Finding:
    if settings.mqtt.url is None:
        if find_mosquitto():
            return _ok("MQTT broker", "our own: mosquitto")
        if importlib.util.find_spec(BROKER_MODULE.split(".", maxsplit=1)[0]):
            return _ok("MQTT broker", "our own: amqtt (MQTT 3.1.1)")
        return Finding("bad", "MQTT broker", "amqtt is not installed", AGAIN)
    url = urlsplit(settings.mqtt.url)
    host, port = url.hostname or "", url.port or (8883 if url.scheme == "mqtts" else 1883)
    try:
        async with asyncio.timeout(SECONDS):
            _reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:  # TimeoutError is one
        # Events wait in the outbox until it is there.
        reason = str(error) or "no answer"
        return Finding("warn", "MQTT broker", f"{host}:{port}: {reason}", "start it")
    writer.close()
    return _ok("MQTT broker", f"{host}:{port} answers")


async def _database(settings: Settings) -> Finding:
    url = settings.database.url
    if url is None:
        file = settings.node.data_dir.absolute() / "hotline.db"
        if not file.exists():
            return _ok("database", f"our own: {file}, made at the first start")
        url = f"sqlite+aiosqlite:///{file}"
    engine = open_engine(url)
    try:
        async with asyncio.timeout(SECONDS):
            current = await is_current(engine)
    except (SQLAlchemyError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else "no answer"
        return Finding("bad", "database", reason, "start it, or mend database.url")
    finally:
        await engine.dispose()
    if current:
        return _ok("database", "reachable, schema up to date")
    detail = "reachable, schema of another version"
    return Finding("warn", "database", detail, "python -m hotline migrate (a start does so too)")


async def _recordings(settings: Settings) -> Finding:
    """Compare every recording with the checksum in its call's record."""
    url = settings.database.url or DataDirectory.database_url_in(settings.node.data_dir)
    try:
        count, wrong = await altered_recordings(url)
    except CannotCheck as error:
        return Finding("warn", "recordings", str(error), "see database")
    if wrong:
        remedy = "find out who was at these files (audit log), restore them from a backup"
        return Finding("bad", "recordings", f"{in_short(wrong)} (of {count})", remedy)
    return _ok("recordings", f"{count} are what was recorded")


def _ports(settings: Settings, *, running: bool) -> Iterator[Finding]:
    if running:
        yield _ok("ports", "in use by the running node")
        return
    sip, web, media = settings.sip, settings.web, settings.media
    yield _port("SIP", "sip.port", sip.host, sip.port, socket.SOCK_DGRAM)
    yield _port("SIP over TCP", "sip.port", sip.host, sip.port, socket.SOCK_STREAM)
    for one in sip.listeners:
        kind = socket.SOCK_DGRAM if one.transport == "UDP" else socket.SOCK_STREAM
        name = f"SIP over {one.transport} on {one.port}"
        yield _port(name, "sip.listeners", one.host, one.port, kind)
    yield _port("web", "web.port", web.host, web.port, socket.SOCK_STREAM)
    yield _receive_buffer()
    yield _port("RTP", "media.port_first", media.host, media.port_first, socket.SOCK_DGRAM)
    host = advertised_host(sip.host, sip.advertised_host)
    if sip.host in {"0.0.0.0", "::"} and sip.advertised_host is None:
        remedy = "if trunks reach this machine at another address, set sip.advertised_host"
        yield Finding("warn", "SIP address", f"will say it is at {host}", remedy)


async def _trunk(trunk: Trunk) -> Finding:
    """Ask a trunk by OPTIONS, as a node will."""
    what = f"trunk {trunk.name}"
    if trunk.host is None:
        return _ok(what, "only brings calls")
    where = f"{trunk.transport} {host_port((trunk.host, trunk.port))}"
    if trunk.transport not in {"UDP", "TCP"}:
        return _ok(what, f"{where}: not asked, for it wants our certificate")
    try:
        answer = await ask(trunk, product="hotline12345", seconds=SECONDS)
    except OSError as error:
        answer = None
        where = f"{where}: {error.strerror or error}"
    if isinstance(answer, int):
        return _ok(what, f"{where} answers {answer}")
    detail = f"{where} does not answer" if answer else f"{where} is not to be found"
    remedy = (
        f"mend trunks.{trunk.name}.address, or ask whose it is; calls from it come in all the same"
    )
    return Finding("warn", what, detail, remedy)


def _receive_buffer() -> Finding:
    """Compare what the system allows a socket to hold with what the SIP port asks for."""
    try:
        allowed = int(Path("/proc/sys/net/core/rmem_max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return _ok("SIP buffer", "this system does not tell")
    detail = f"{allowed // 1024} KiB allowed, {BUFFER // 1024} KiB wanted"
    if allowed < BUFFER:
        remedy = f"sysctl -w net.core.rmem_max={BUFFER}, or calls get lost in a flood"
        return Finding("warn", "SIP buffer", detail, remedy)
    return _ok("SIP buffer", detail)


def _port(what: str, key: str, host: str, port: int, kind: socket.SocketKind) -> Finding:
    name = "UDP" if kind is socket.SOCK_DGRAM else "TCP"
    where = f"{name} {host}:{port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind)[0]
        with socket.socket(family, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        remedy = f"stop what uses it, or change {key}"
        return Finding("bad", f"{what} port", f"{where}: {error.strerror}", remedy)
    return _ok(f"{what} port", f"{where} is free")


def _ok(what: str, detail: str) -> Finding:
    return Finding("ok", what, detail)
