"""The feed, over a real server and a real WebSocket client."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from eventbus.catalogue import ServiceStatus
from tests.support.waiting import until
from tests.web.house import House
from web.auth import COOKIE
from web.server import WebServer

Address = tuple[str, int]


async def read(desktop: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(20):
        message: dict[str, Any] = json.loads(await desktop.recv())
    return message


async def closing_code(connection: ClientConnection) -> int | None:
    """Read until the server closes."""
    with suppress(ConnectionClosedError):
        async with asyncio.timeout(20):
            async for _ in connection:
                pass
    return connection.close_code


@asynccontextmanager
async def desktop(
    house: House, address: Address, agent_id: str
) -> AsyncIterator[tuple[ClientConnection, dict[str, Any]]]:
    """A connected desktop and its snapshot."""
    token = await house.token(agent_id)
    url = f"ws://{address[0]}:{address[1]}/api/v1/feed"
    async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as connection:
        yield connection, await read(connection)


async def test_the_first_message_is_what_the_agent_needs_to_go_on(
    house: House, served: Address
) -> None:
    await house.floor.sign_in("1001")
    await house.floor.set_ready("1001")
    house.calls.offer("c1", "1001")
    house.calls.answer("c1")
    house.calls.say("c1", "caller", "路灯不亮了")
    async with desktop(house, served, "1001") as (_, snapshot):
        pass
    assert snapshot["event"] == "snapshot"
    assert snapshot["at"] == house.clock()
    assert snapshot["agent"]["name"] == "王芳"
    assert snapshot["presence"]["state"] == "talking"
    assert snapshot["call"]["call_id"] == "c1"
    assert snapshot["call"]["caller"] == "15250322668"
    assert snapshot["ticket"]["fields"]["phone"]["value"] == "15250322668"
    assert [said["text"] for said in snapshot["transcript"]] == ["路灯不亮了"]
    assert snapshot["services"]["recogniser"]["status"] == "ok"


async def test_during_wrap_up_the_snapshot_still_has_the_ticket(
    house: House, served: Address
) -> None:
    await house.finished_call("c1", "1001")
    missed = house.calls.miss("c1", "caller", 2.0, 5.5)
    async with desktop(house, served, "1001") as (_, snapshot):
        pass
    assert snapshot["call"] is None
    assert snapshot["gaps"] == [missed]
    assert snapshot["presence"]["state"] == "wrap_up"
    assert snapshot["ticket"]["id"] == "Tc1"
    assert len(snapshot["transcript"]) == 1


async def test_an_agent_gets_his_own_events_and_the_services_only(
    house: House, served: Address
) -> None:
    async with (
        desktop(house, served, "1001") as (mine, _),
        desktop(house, served, "1002") as (other, _),
    ):
        await house.floor.set_ready("1001")
        house.calls.offer("c1", "1001")
        house.bus.publish(ServiceStatus(at=1.0, part="recogniser", status="no_model"))
        own = [await read(mine) for _ in range(5)]
        foreign = await read(other)
    assert [event["event"] for event in own] == [
        "agent.presence",
        "agent.presence",
        "call.offered",
        "agent.presence",
        "service.status",
    ]
    assert own[2]["caller"] == "152****2668"
    assert foreign["event"] == "service.status"
    assert foreign["status"] == "no_model"


async def test_a_supervisor_gets_everything_masked(house: House, served: Address) -> None:
    await house.floor.sign_in("1001")
    await house.floor.set_ready("1001")
    async with desktop(house, served, "2001") as (connection, snapshot):
        house.calls.offer("c1", "1001")
        house.calls.answer("c1")
        house.calls.say("c1", "caller", "打我电话15250322668")
        events = [await read(connection) for _ in range(7)]
    assert snapshot["calls"] == []
    by_name = {event["event"]: event for event in events}
    assert by_name["call.arrived"]["caller"] == "152****2668"
    assert by_name["call.answered"]["call_id"] == "c1"
    assert by_name["transcript.final"]["text"] == "打我电话152****2668"


async def test_nothing_that_happens_while_connecting_is_lost(
    house: House, served: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.floor.sign_in("1001")
    report = house.health.parts
    real = type(house.health).__call__

    async def slow(health: Any) -> dict[str, Any]:
        await house.floor.set_ready("1001")
        return await real(health)

    monkeypatch.setattr(type(house.health), "__call__", slow)
    async with desktop(house, served, "1001") as (connection, snapshot):
        event = await read(connection)
    assert snapshot["presence"]["state"] == "not_ready"
    assert snapshot["services"] == report
    assert event["state"] == "ready"


async def test_the_desktop_callback_counts_the_last_one(house: House, served: Address) -> None:
    async with desktop(house, served, "1001"):
        async with desktop(house, served, "1001"):
            pass
        await until(lambda: house.app.state.services.feed.count() == 1)
        assert house.desktops == [("1001", True)]
    await until(lambda: len(house.desktops) == 2)
    assert house.desktops == [("1001", True), ("1001", False)]


async def test_signing_out_closes_the_desktop(house: House, served: Address) -> None:
    token = await house.token("1001")
    url = f"ws://{served[0]}:{served[1]}/api/v1/feed?token={token}"
    async with connect(url) as connection, house.visitor() as client:
        await read(connection)
        client.headers["Authorization"] = f"Bearer {token}"
        await client.delete("/api/v1/session")
        assert await closing_code(connection) == 4401


async def test_signing_in_at_a_second_desk_takes_over(house: House, served: Address) -> None:
    token = await house.token("1001")
    url = f"ws://{served[0]}:{served[1]}/api/v1/feed?token={token}"
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(connect(url))
        await read(old)  # it has joined
        new, _ = await stack.enter_async_context(desktop(house, served, "1001"))
        assert await closing_code(old) == 4409
        await until(lambda: house.app.state.services.feed.count() == 1)
        assert await house.sessions.touch(token) is None
        assert new.close_code is None
    assert house.desktops[0] == ("1001", True)


async def test_a_leader_may_have_several_screens(house: House, served: Address) -> None:
    async with desktop(house, served, "2001"), desktop(house, served, "2001") as (second, _):
        house.bus.publish(ServiceStatus(at=1.0, part="mqtt", status="ok"))
        assert (await read(second))["event"] == "service.status"
        assert house.app.state.services.feed.count() == 2


async def test_a_session_that_ran_out_closes_the_desktop(
    house: House, served: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.feed_route.PING_SECONDS", 0.02)
    async with desktop(house, served, "1001") as (connection, _):
        assert (await read(connection))["event"] == "ping"
        house.clock.now += 10_000
        assert await closing_code(connection) == 4401


async def test_who_waits_for_calls_stays_signed_in_and_an_open_page_alone_does_not(
    house: House, served: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.feed_route.PING_SECONDS", 0.02)
    async with desktop(house, served, "1001") as (connection, _):
        await house.floor.set_ready("1001")
        for _ in range(3):  # idle time is 600 s
            house.clock.now += 500
            at = house.clock.now
            while (message := await read(connection))["event"] != "ping" or message["at"] < at:
                pass
        await house.floor.set_not_ready("1001", "meal")
        house.clock.now += 601
        assert await closing_code(connection) == 4401


async def test_who_leads_no_more_is_shown_no_more(
    house: House, served: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.feed_route.PING_SECONDS", 0.02)
    async with desktop(house, served, "2001") as (connection, _):
        assert (await read(connection))["event"] == "ping"
        await house.accounts.change("2001", role="agent")
        assert await closing_code(connection) == 4401


async def test_the_token_may_come_as_a_subprotocol(house: House, served: Address) -> None:
    token = await house.token("1001")
    url = f"ws://{served[0]}:{served[1]}/api/v1/feed"
    async with connect(url, subprotocols=["bearer", token]) as connection:  # type: ignore[list-item]
        assert connection.subprotocol == "bearer"
        assert (await read(connection))["event"] == "snapshot"


@pytest.mark.parametrize(
    "origin, status",
    [(None, 403), ("http://evil.test", 403), ("http://[", 403), ("own", 101)],
)
async def test_a_cookie_counts_only_from_a_page_of_ours(
    house: House, served: Address, origin: str | None, status: int
) -> None:
    host = f"{served[0]}:{served[1]}"
    headers = {"Cookie": f"{COOKIE}={await house.token('1001')}"}
    if origin is not None:
        headers["Origin"] = f"http://{host}" if origin == "own" else origin
    try:
        async with connect(f"ws://{host}/api/v1/feed", additional_headers=headers) as connection:
            assert (await read(connection))["event"] == "snapshot"
            answered = 101
    except InvalidStatus as refused:
        answered = refused.response.status_code
    assert answered == status


async def test_nobody_in_particular_is_refused(served: Address) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://{served[0]}:{served[1]}/api/v1/feed?token=nonsense"):
            pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["error"]["code"] == "not_signed_in"


async def test_a_client_that_does_not_read_is_dropped_and_the_others_are_served(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, buffered_events=50)
    server = WebServer(house.app)
    address = await server.start("127.0.0.1", 0)
    feed = house.app.state.services.feed
    await house.floor.sign_in("1001")
    token = await house.token("1001")
    reader, writer = await asyncio.open_connection(*address)
    writer.write(
        f"GET /api/v1/feed?token={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n")
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    await until(lambda: feed.count() == 1)
    detail = "x" * 20_000

    async def flood() -> None:
        while feed.count() > 1:
            house.bus.publish(ServiceStatus(at=1.0, part="mqtt", status="away", detail=detail))
            await asyncio.sleep(0)

    async with asyncio.timeout(10), desktop(house, address, "1002") as (lively, _):
        flooding = asyncio.create_task(flood())
        received = 0
        while feed.count() > 1:
            received += (await read(lively))["event"] == "service.status"
        await flooding
        assert received > 50
    writer.transport.abort()
    await server.close()
