"""Where our own broker is, and what is said if that is not its usual port."""

import socket
from pathlib import Path

import pytest
from redis.asyncio import Redis
from rich.console import Console
from structlog.testing import capture_logs

from config.settings import load
from hotline.banner import banner
from hotline.embedded import DataDirectory
from hotline.event_carriers import add_event_carriers
from hotline.frame import Frame
from tests.support.ports import free_tcp_port


@pytest.mark.parametrize("taken", [True, False])
async def test_a_port_that_somebody_else_has_is_said_with_the_remedy(
    tmp_path: Path, *, taken: bool
) -> None:
    directory = DataDirectory.open(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        wanted = other.getsockname()[1] if taken else free_tcp_port()
        frame = Frame(load(None, {"HOTLINE_MQTT__PORT": str(wanted)}), directory)
        with capture_logs() as logs:
            broker = add_event_carriers(frame, Redis())
    directory.close()
    console = Console(width=200)
    with console.capture() as screen:
        console.print(banner(frame.running, lines={}, demonstration_model=False))
    warnings = [entry for entry in logs if entry["event"] == "mqtt_port_taken"]
    remedy = "systemctl disable --now mosquitto"
    assert (broker.port != wanted) is taken
    assert (remedy in screen.get()) is taken
    assert [(one["wanted"], one["port"], remedy in one["remedy"]) for one in warnings] == (
        [(wanted, broker.port, True)] if taken else []
    )
