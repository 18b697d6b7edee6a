"""What the doctor finds, on real machines in small: sockets taken, files missing, servers away."""

import shutil
import socket
import sys
from pathlib import Path

import pytest

from config.settings import Settings, load
from hotline import doctor
from hotline.database import migrate, open_engine
from hotline.doctor import Finding, diagnose
from hotline.embedded import DataDirectory
from tests.support.ports import free_tcp_port, free_udp_port
from tests.telephony.gateways import Desk, a_gateway

MODEL = Path(__file__).parents[1] / "assets" / "models" / "vosk-model-tiny-cn-tel"


def settings(tmp_path: Path, **variables: object) -> Settings:
    defaults = {
        "node__data_dir": tmp_path / "var",
        "sip__port": free_udp_port(),
        "web__port": free_tcp_port(),
        "media__port_first": 21000,
    }
    options = {**defaults, **variables}
    return load(None, {f"HOTLINE_{key.upper()}": str(value) for key, value in options.items()})


async def findings(tmp_path: Path, **variables: object) -> dict[str, Finding]:
    return {finding.what: finding for finding in await diagnose(settings(tmp_path, **variables))}


async def test_machine_that_has_everything(tmp_path: Path) -> None:
    found = await findings(tmp_path, asr__model_path=MODEL)
    assert {finding.what for finding in found.values() if finding.level == "bad"} == set()
    assert list(found) == [
        *("Python", "packages", "data directory", "disk", "recognition model"),
        *(
            "Redis",
            "MQTT broker",
            "database",
            "SIP port",
            "SIP over TCP port",
            "web port",
            "SIP buffer",
            "RTP port",
            "trunk local",
        ),
    ]
    assert found["database"].detail.endswith("hotline.db, made at the first start")


async def test_every_finding_that_is_not_fine_has_a_remedy(tmp_path: Path) -> None:
    found = await diagnose(
        settings(
            tmp_path,
            asr__model_path=tmp_path / "nowhere",
            redis__url="redis://127.0.0.1:1",
            mqtt__url="mqtt://127.0.0.1:1",
            database__url=f"sqlite+aiosqlite:///{tmp_path}/no/such/folder.db",
            sip__host="0.0.0.0",
        )
    )
    assert {finding.what: finding.level for finding in found if finding.level != "ok"} == {
        "recognition model": "warn",
        "Redis": "bad",
        "MQTT broker": "warn",
        "database": "bad",
        "SIP address": "warn",
    } | ({"disk": "warn"} if any(f.what == "disk" and f.level == "warn" for f in found) else {})
    for finding in found:
        assert (finding.remedy is None) == (finding.level == "ok"), finding


async def test_ports_that_are_taken(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as web,
    ):
        sip.bind(("127.0.0.1", 0))
        web.bind(("127.0.0.1", 0))
        web.listen()
        found = await findings(
            tmp_path, sip__port=sip.getsockname()[1], web__port=web.getsockname()[1]
        )
    assert found["SIP port"].level == found["web port"].level == "bad"
    assert found["SIP port"].detail.endswith("Address already in use")
    assert found["SIP port"].remedy == "stop what uses it, or change sip.port"
    assert found["RTP port"].level == "ok"


async def test_running_node_is_not_taken_for_an_obstacle(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path / "var")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip:
        sip.bind(("127.0.0.1", 0))
        found = await findings(tmp_path, sip__port=sip.getsockname()[1])
    directory.close()
    assert found["ports"] == Finding("ok", "ports", "in use by the running node")
    assert found["data directory"].detail.endswith("in use by a running node")


async def test_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = await findings(tmp_path, node__data_dir=tmp_path / "file" / "var")
    assert found["data directory"].level == "bad"


async def test_database_before_and_after_migration(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/a.db"
    (tmp_path / "a.db").touch()
    assert (await findings(tmp_path, database__url=url))["database"].level == "warn"
    engine = open_engine(url)
    await migrate(engine)
    await engine.dispose()
    found = (await findings(tmp_path, database__url=url))["database"]
    assert (found.level, found.detail) == ("ok", "reachable, schema up to date")


async def test_demonstration_model_is_pointed_out(tmp_path: Path) -> None:
    found = await findings(tmp_path, asr__model_path=MODEL)
    assert found["recognition model"].level == "warn"
    assert "synthetic speech only" in found["recognition model"].detail
    assert (await findings(tmp_path, asr__enabled="false"))["recognition model"].level == "warn"


@pytest.mark.parametrize("free, level", [(100 << 20, "bad"), (2 << 30, "warn"), (9 << 30, "ok")])
async def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10 * free, 9 * free, free))
    found = (await findings(tmp_path))["disk"]
    assert found.level == level
    assert found.detail.endswith("GiB free")


async def test_package_that_is_missing_or_of_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runtime.in").write_text("pytest  # a comment\nno-such-package\nrich[x] ; a == b\n")
    (tmp_path / "runtime.txt").write_text("pytest==0.1 \\\n    --hash=sha256:00\n")
    monkeypatch.setattr(doctor, "REQUIREMENTS", tmp_path)
    found = (await findings(tmp_path))["packages"]
    assert found.level == "warn"
    assert (
        found.detail == f"pytest is {pytest.__version__}, locked is 0.1; no-such-package is missing"
    )


async def test_python_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (sys.version_info[0], sys.version_info[1] + 1))
    assert (await findings(tmp_path))["Python"].level == "bad"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_trunks_are_asked(tmp_path: Path, transport: str) -> None:
    async with a_gateway(Desk()) as exchange:
        host, port = exchange.endpoint.local
        found = await findings(
            tmp_path,
            trunks__near__address=f"{host}:{port}",
            trunks__near__transport=transport,
            trunks__gone__address=f"127.0.0.1:{free_udp_port()}",
            trunks__nowhere__address="exchange.invalid",
            trunks__secure__address="127.0.0.1",
            trunks__secure__transport="tls",
        )
    assert found["trunk near"].level == "ok"
    assert found["trunk near"].detail.endswith("answers 200")
    assert found["trunk secure"].level == "ok"
    for name in ("gone", "nowhere"):
        assert found[f"trunk {name}"].level == "warn"
        assert f"trunks.{name}.address" in (found[f"trunk {name}"].remedy or "")
