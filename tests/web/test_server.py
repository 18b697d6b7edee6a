import asyncio
import json
import signal
import socket
import urllib.request

import httpx
import pytest

from tests.web.house import House
from web.server import WebServer


async def test_it_serves_on_the_port_it_tells_and_leaves_signals_alone(house: House) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    server = WebServer(house.app)
    host, port = await server.start("127.0.0.1", 0)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before

    def ask() -> dict[str, object]:
        with urllib.request.urlopen(f"http://{host}:{port}/api/v1/health", timeout=20) as answer:
            report: dict[str, object] = json.load(answer)
            return report

    report = await asyncio.to_thread(ask)
    assert report["status"] == "ok"
    await server.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)


@pytest.mark.parametrize(
    "forwarded, public",
    [
        ("203.0.113.5:5566", True),
        ("[2001:db8::5]:5566", True),
        ("127.0.0.2:5566", False),
    ],
)
async def test_a_port_in_x_forwarded_for_is_no_part_of_the_address(
    house: House, forwarded: str, *, public: bool
) -> None:
    server = WebServer(house.app)
    host, port = await server.start("127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client:
        report = await client.get("/api/v1/health", headers={"X-Forwarded-For": forwarded})
    await server.close()
    assert ("parts" not in report.json()) is public


async def test_behind_a_proxy_of_this_machine_it_goes_by_who_asked_the_proxy(house: House) -> None:
    """So strangers see no more of /health, and who guesses passwords is braked alone."""
    server = WebServer(house.app)
    host, port = await server.start("127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client:
        direct = await client.get("/api/v1/health")
        through = await client.get("/api/v1/health", headers={"X-Forwarded-For": "203.0.113.5"})
    await server.close()
    assert "parts" in direct.json()
    assert through.json() == {"status": "ok"}


async def test_an_address_in_use_is_an_os_error(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await WebServer(house.app).start("127.0.0.1", taken.getsockname()[1])


async def test_closing_what_never_started_does_nothing(house: House) -> None:
    await WebServer(house.app).close()
