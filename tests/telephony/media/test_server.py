"""The process's end, where a real one would take too long to wait for."""

import gc
import socket
import stat
from asyncio import Transport, create_task, open_unix_connection, timeout
from collections.abc import Iterator
from pathlib import Path

import pytest

from telephony.media import server
from telephony.media.engine import Engine
from telephony.media.ports import PortPool
from telephony.media.python_path import PythonPath
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


async def test_it_ends_when_nobody_connects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECT_SECONDS", 0.05)
    path = tmp_path / "m.sock"
    await server.serve(
        socket_path=path, host="127.0.0.1", ports=PortPool(20000, 20001), make_path=PythonPath
    )
    assert not path.exists()


async def test_a_dead_processs_socket_is_replaced_by_a_private_one(tmp_path: Path) -> None:
    path = tmp_path / "m.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    path.chmod(0o755)
    serving = create_task(
        server.serve(
            socket_path=path, host="127.0.0.1", ports=PortPool(20000, 20001), make_path=PythonPath
        )
    )
    await until(lambda: stat.S_IMODE(path.stat().st_mode) == 0o700)
    _, writer = await open_unix_connection(path)
    writer.close()
    await writer.wait_closed()
    async with timeout(5):
        await serving
    assert not path.exists()


class Wire(Transport):
    """Keeps each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))


async def test_what_is_asked_in_one_moment_is_answered_in_one() -> None:
    connection, wire = server.ControlConnection(), Wire()
    connection.engine = Engine(
        host="127.0.0.1", ports=PortPool(20000, 20001), emit=connection.write, make_path=PythonPath
    )
    connection.connection_made(wire)
    connection.data_received(
        b'{"id": 1, "command": "stop_play", "player": "p"}\nnonsense\n'
        b'{"id": 2, "command": "unbridge", "session": "s"}\n{"id": 3, '
    )
    assert len(wire.written) == 1
    first, second, third = wire.written[0].splitlines()
    assert first == b'{"id": 1, "ok": {}}'
    assert b'"id": null, "error": {"code": "bad_command"' in second
    assert b'"id": 2, "error": {"code": "unknown_session"' in third
    connection.data_received(b'"command": "stop_play", "player": "p"}\n')
    assert wire.written[1:] == [b'{"id": 3, "ok": {}}\n']
    connection.data_received(b"\n")
    connection.write(b"an event\n")
    assert wire.written[2:] == [b"an event\n"]
