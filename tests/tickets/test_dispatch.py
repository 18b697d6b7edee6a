"""Deliveries to a real HTTP server on loopback."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.node import until as until_true
from tests.support.waiting import until
from tickets.dispatch import GIVE_UP_SECONDS, WebhookDispatcher, pause_after, secret_key, signature
from tickets.draft import TicketDraft
from tickets.handling import TicketDesk
from tickets.life import Deadlines, Step
from tickets.store import TicketStore, deliveries_table
from tickets.working_days import Calendar

KEY = b"0123456789abcdef01234567"


@dataclass
class Platform:
    """Another city's ticket platform."""

    url: str = ""
    status: int = 200
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@asynccontextmanager
async def platform() -> AsyncIterator[Platform]:
    here, app = Platform(), FastAPI()

    @app.post("/hook")
    async def hook(request: Request) -> Response:
        here.taken.append((dict(request.headers), await request.body()))
        return Response(status_code=here.status)

    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    here.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/hook"
    try:
        yield here
    finally:
        server.should_exit = True
        await task


@dataclass
class Clock:
    now: float = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


async def passed(engine: AsyncEngine, clock: Clock, *ticket_ids: str) -> None:
    desk = TicketDesk(
        engine, calendar=Calendar(), deadlines=Deadlines(), dispatch=True, clock=clock
    )
    for ticket_id in ticket_ids:
        store = TicketStore(engine, clock=clock, dispatch=True)
        await store.create(TicketDraft(ticket_id, None), call_id="c", agent_id="1001")
        await store.submit(ticket_id, agent_id="1001")
        await desk.step(ticket_id, Step("pass_on", unit="城管局"), who="1001")
        await desk.step(ticket_id, Step("urge", note="再催"), who="1001")


async def settled(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        rows = await connection.execute(deliveries_table.select())
        return all(row.next_at is None for row in rows)


async def test_every_step_arrives_once_in_order_and_signed(engine: AsyncEngine) -> None:
    clock, told = Clock(), list[str]()
    async with platform() as there:
        await passed(engine, clock, "t1", "t2")
        dispatcher = WebhookDispatcher(
            engine,
            url=there.url,
            key=KEY,
            clock=clock,
            look_seconds=0.05,
            on_status=lambda status, _detail: told.append(status),
        )
        await dispatcher.start()
        await until(lambda: len(there.taken) == 6)
        await until_true(lambda: settled(engine))
        await dispatcher.close()
    actions: dict[str, list[str]] = {}
    for headers, body in there.taken:
        message: dict[str, Any] = json.loads(body)
        actions.setdefault(message["ticket_id"], []).append(message["action"])
        assert headers["webhook-signature"] == signature(
            KEY,
            message_id=headers["webhook-id"],
            timestamp=int(headers["webhook-timestamp"]),
            body=body,
        )
    assert actions == {ticket: ["submit", "pass_on", "urge"] for ticket in ("t1", "t2")}
    assert len({headers["webhook-id"] for headers, _ in there.taken}) == 6
    assert told == ["ok"]
    assert await dispatcher.counts() == {"deliveries": 0}


async def test_what_is_not_taken_is_told_again_under_the_same_id(engine: AsyncEngine) -> None:
    clock, told = Clock(), list[tuple[str, str | None]]()
    async with platform() as there:
        there.status = 503
        await passed(engine, clock, "t1")
        dispatcher = WebhookDispatcher(
            engine,
            url=there.url,
            key=KEY,
            clock=clock,
            look_seconds=0.02,
            on_status=lambda status, detail: told.append((status, detail)),
        )
        await dispatcher.start()
        await until(lambda: bool(told))
        assert told == [("away", "HTTP 503")]
        assert [json.loads(body)["action"] for _, body in there.taken] == ["submit"]
        there.status = 204
        clock.now += pause_after(1)
        await until(lambda: len(there.taken) == 4)
        await dispatcher.close()
    ids = [headers["webhook-id"] for headers, _ in there.taken]
    assert ids[0] == ids[1] != ids[2]
    assert told == [("away", "HTTP 503"), ("ok", None)]


async def test_after_three_days_it_is_given_up_and_the_next_is_tried(engine: AsyncEngine) -> None:
    clock, told = Clock(), list[str | None]()
    await passed(engine, clock, "t1")
    clock.now += GIVE_UP_SECONDS + 1
    dispatcher = WebhookDispatcher(
        engine,
        url="http://127.0.0.1:9/",  # the discard port: nobody listens
        key=KEY,
        clock=clock,
        look_seconds=0.02,
        on_status=lambda _status, detail: told.append(detail),
    )
    await dispatcher.start()
    await until_true(lambda: settled(engine))
    await dispatcher.close()
    assert told[0] is not None
    assert "Connect" in told[0]


def test_the_specifications_own_example() -> None:
    key = secret_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert (
        signature(
            key,
            message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp=1614265330,
            body=b'{"test": 2432232314}',
        )
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


@pytest.mark.parametrize("secret", ["whsec_%%%", "whsec_" + base64.b64encode(b"short").decode()])
def test_a_secret_that_is_none_is_named(secret: str) -> None:
    with pytest.raises(ValueError, match="webhook secret"):
        secret_key(secret)


def test_pauses_grow_and_then_stay() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, 12)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == pauses[-2] == 7200.0
