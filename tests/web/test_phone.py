"""A page's phone at the web server: its pass, and its line, which carries and reads nothing."""

import asyncio
from http import HTTPStatus

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.support.waiting import PATIENCE, until
from tests.web.fake_phones import FakeLine
from tests.web.house import House
from web.routes_phone import PATH

SIP = Subprotocol("sip")


async def opened(
    house: House, served: tuple[str, int], *, close_timeout: float = PATIENCE
) -> tuple[ClientConnection, FakeLine]:
    headers = {"Authorization": f"Bearer {await house.token('1001')}"}
    page = await connect(
        f"ws://{served[0]}:{served[1]}{PATH}",
        additional_headers=headers,
        subprotocols=[SIP],
        close_timeout=close_timeout,
    )
    await until(lambda: bool(house.phones.lines))
    return page, house.phones.lines[-1]


async def test_a_pass_is_for_whoever_asks(house: House) -> None:
    async with await house.signed_in("1001") as client:
        answer = await client.post("/api/v1/me/phone")
    assert answer.status_code == HTTPStatus.OK
    assert answer.json() == {
        "user": "1001",
        "username": "1001~2000000000",
        "password": "pass-word",
        "expires_at": 2e9,
        "path": PATH,
        "echo": "*43",
    }
    assert answer.headers["Cache-Control"] == "no-store"


async def test_messages_are_carried_both_ways_as_they_are(
    house: House, served: tuple[str, int]
) -> None:
    page, line = await opened(house, served)
    assert page.subprotocol == SIP
    assert line.peer[0] == "127.0.0.1"
    assert not line.secure
    big = "INVITE " + "x" * 60_000
    for message in ("REGISTER …", big, b"\xff\xfe"):
        await page.send(message)
    await until(lambda: len(line.messages) == 3)
    assert line.messages == ["REGISTER …".encode(), big.encode(), b"\xff\xfe"]
    line.carrier.send("SIP/2.0 200 好".encode())
    line.carrier.send(b"\xff\xfe")
    assert [await page.recv(), await page.recv()] == ["SIP/2.0 200 好", b"\xff\xfe"]
    await page.close()
    await until(lambda: line.over)


async def test_the_gateway_closes_a_line(house: House, served: tuple[str, int]) -> None:
    page, line = await opened(house, served)
    line.carrier.close()
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(10):
            await page.recv()
    await until(lambda: line.over)


async def test_signing_out_closes_the_line(house: House, served: tuple[str, int]) -> None:
    page, line = await opened(house, served)
    token = page.request.headers["Authorization"].removeprefix("Bearer ") if page.request else ""
    async with house.visitor() as client:
        client.headers["Authorization"] = f"Bearer {token}"
        await client.post("/api/v1/me/phone")
        assert await house.sessions.lasts(house.phones.sessions[-1])
        await client.delete("/api/v1/session")
    assert not await house.sessions.lasts(house.phones.sessions[-1])
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(10):  # the session is looked at every 15 s only
            await page.recv()
    await until(lambda: line.over)


async def test_a_page_that_does_not_read_is_cut_off(house: House, served: tuple[str, int]) -> None:
    page, line = await opened(house, served, close_timeout=0)  # it would not read the answer
    for _ in range(1000):
        line.carrier.send(b"OPTIONS")
    await until(lambda: line.over)
    await page.close()


async def test_another_sites_page_gets_no_line(house: House, served: tuple[str, int]) -> None:
    headers = {
        "Cookie": f"hotline_session={await house.token('1001')}",
        "Origin": "https://elsewhere.test",
    }
    with pytest.raises(InvalidStatus) as denied:
        async with connect(f"ws://{served[0]}:{served[1]}{PATH}", additional_headers=headers):
            pass
    assert denied.value.response.status_code == HTTPStatus.FORBIDDEN
    assert not house.phones.lines
