"""Two nodes on one Redis, one broker and one database: what agents, phones and callers notice."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiomqtt import Message
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.conftest import needs_postgres
from tests.e2e.ask import ended_call, state_of, until_nothing_is_left, until_state
from tests.eventbus.brokers import Broker
from tests.support.baresip import Baresip
from tests.support.node import PASSWORD, Api, RunningNode, running_node, until
from tests.support.postgres import PostgresServer
from tests.support.redis_server import running_redis

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), needs_postgres]

HOST = "127.0.0.1"
FIRST_PORTS = {"a": 20000, "b": 23000, "c": 26000}


@dataclass
class Hotline:
    """What all nodes share, and two of them."""

    folder: Path
    shared: dict[str, object]
    a: RunningNode
    b: RunningNode
    recogniser: dict[str, Any]
    """What the first told of its recogniser over MQTT, before anything else of it."""


@asynccontextmanager
async def node_of(folder: Path, shared: dict[str, object], name: str) -> AsyncIterator[RunningNode]:
    first = FIRST_PORTS[name]
    own = {"node__id": name, "media__port_first": first, "media__port_last": first + 2999}
    async with running_node(folder / name, {**shared, **own}) as node:
        yield node


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    folder = tmp_path_factory.mktemp("nodes")
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(running_redis())
        database = PostgresServer()
        stack.push_async_callback(database.stop)
        await database.start()
        broker = Broker("mosquitto", folder)
        await broker.start()
        stack.push_async_callback(broker.program.stop)
        shared: dict[str, object] = {
            "asr__enabled": "false",
            "agents__seed": "1001,1002,1003",
            "database__url": database.url,
            "mqtt__url": f"mqtt://{HOST}:{broker.port}",
            "redis__url": redis.url,
            "trunks__local__networks": "127.0.0.0/8",
        }
        # One after the other: the first makes the tables.
        async with broker.subscriber("hotline/service/status") as messages:
            a = await stack.enter_async_context(node_of(folder, shared, "a"))
            recogniser = await until(partial(_first_of, messages, "recogniser"))
        b = await stack.enter_async_context(node_of(folder, shared, "b"))
        yield Hotline(folder, shared, a, b, recogniser)


async def _first_of(messages: Sequence[Message], part: str) -> dict[str, Any] | None:
    """Return the first that was told of a part of a node."""
    events = (json.loads(bytes(message.payload)) for message in messages)
    return next((event for event in events if event["part"] == part), None)


def phone(folder: Path, node: RunningNode, user: str) -> Baresip:
    return Baresip(
        folder / user, user=user, password=PASSWORD, registrar=(HOST, node.sip_port), source=440
    )


def citizen(folder: Path, number: str = "13862311001") -> Baresip:
    return Baresip(folder / number, user=number, source=700)


async def at_work(stack: AsyncExitStack, device: Baresip, desk: RunningNode) -> Api:
    """Register an agent's phone; sign him in, at whichever node, and make him ready."""
    await device.register()
    api = await stack.enter_async_context(desk.signed_in(device.user))

    async def phone_is_there() -> bool:
        return bool((await api.get("/me"))["presence"]["phones"])

    await until(phone_is_there)
    await api.send("PUT", "/me/presence", {"state": "ready"})
    return api


def feed(node: RunningNode, api: Api) -> connect:
    return connect(f"{node.web.replace('http', 'ws')}/api/v1/feed?token={api.token}", proxy=None)


async def told(socket: ClientConnection, *events: str) -> dict[str, Any]:
    """Return the next of these events."""
    async with asyncio.timeout(20):
        while True:
            event: dict[str, Any] = json.loads(await socket.recv())
            if event["event"] in events:
                return event


async def live(api: Api, **wanted: Any) -> dict[str, Any]:
    """Return the one live call that is shown, once it is so."""

    async def shown() -> Any:
        calls = await api.get("/calls/live")
        fits = len(calls) == 1 and all(calls[0][key] == value for key, value in wanted.items())
        return calls[0] if fits else None

    call: dict[str, Any] = await until(shown)
    return call


async def talking(
    stack: AsyncExitStack, folder: Path, device: Baresip, api: Api, arrives_at: RunningNode
) -> tuple[Baresip, dict[str, Any]]:
    """Let a citizen call one node, and an agent answer."""
    caller = await stack.enter_async_context(citizen(folder))
    await caller.dial(f"sip:12345@{HOST}:{arrives_at.sip_port}")
    await device.wait_event("CALL_INCOMING")
    await device.answer()
    await caller.wait_event("CALL_ESTABLISHED")
    return caller, await live(api, state="talking")


async def test_a_recogniser_that_nobody_wants_is_off_and_not_away(hotline: Hotline) -> None:
    told_to_others = {name: hotline.recogniser[name] for name in ("status", "detail")}
    assert told_to_others == {"status": "off", "detail": "asr.enabled is false"}
    health = await hotline.a.health()
    assert health["parts"]["recogniser"] == told_to_others
    async with hotline.a.signed_in("8001") as api:
        (shown,) = (await api.get("/system"))["recognisers"]
    assert (shown["name"], shown["status"]) == ("usual", "off")


async def test_a_call_of_the_other_node_is_told_worked_and_passed_on(
    hotline: Hotline, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        device = await stack.enter_async_context(phone(tmp_path, hotline.a, "1001"))
        colleague = await stack.enter_async_context(phone(tmp_path, hotline.b, "1002"))
        api = await at_work(stack, device, hotline.a)
        socket = await stack.enter_async_context(feed(hotline.a, api))
        await told(socket, "snapshot")
        caller, call = await talking(stack, tmp_path, device, api, hotline.b)
        assert (await told(socket, "call.offered"))["call_id"] == call["call_id"]
        assert (await told(socket, "call.answered"))["call_id"] == call["call_id"]
        other = await at_work(stack, colleague, hotline.b)

        # A page that is opened anew sees call and ticket too, and what is written stays.
        again = await stack.enter_async_context(feed(hotline.a, api))
        shown = await told(again, "snapshot")
        assert shown["call"]["call_id"] == call["call_id"]
        ticket = f"/tickets/{shown['ticket']['id']}"

        async def written() -> bool:
            stored = await api.send("PATCH", ticket, {"fields": {"name": "陆远"}})
            return bool(stored["fields"]["name"]["value"] == "陆远")

        await until(written)

        path = f"/calls/{call['call_id']}/transfer"
        await api.send("POST", path, {"target": "agent:1002", "mode": "consult"})
        await colleague.wait_event("CALL_INCOMING")
        await colleague.answer()
        await live(api, transfer_stage="joined")
        await api.send("POST", f"{path}/complete")
        await device.wait_event("CALL_CLOSED")
        await until_state(api, "wrap_up")
        await until_state(other, "talking")
        await caller.wait_heard(3)
        await other.send("POST", f"/calls/{call['call_id']}/hang-up")
        await caller.wait_event("CALL_CLOSED")
        record = await ended_call(other)
        assert [part["agent_id"] for part in record["segments"]] == ["1001", "1002"]
        assert (await other.get(ticket))["fields"]["name"]["value"] == "陆远"
        await api.send("PUT", "/me/presence", {"state": "not_ready", "reason": "meal"})
    await until_nothing_is_left(hotline.b)


async def test_leaders_lead_calls_of_the_other_node(hotline: Hotline, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        device = await stack.enter_async_context(phone(tmp_path, hotline.a, "1003"))
        leader = await stack.enter_async_context(phone(tmp_path, hotline.a, "8001"))
        caller = await stack.enter_async_context(citizen(tmp_path))
        await leader.register()
        leads = await stack.enter_async_context(hotline.a.signed_in("8001"))
        await caller.dial(f"sip:12345@{HOST}:{hotline.b.sip_port}")
        call = await live(leads, state="waiting")
        path = f"/calls/{call['call_id']}"

        # What cannot be is refused by the node that holds the call, in the same words.
        refused = await leads.client.post(f"{path}/assign", json={"agent_id": "1003"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "target_not_ready")
        api = await at_work(stack, device, hotline.a)
        await device.wait_event("CALL_INCOMING")
        await device.answer()
        await live(leads, state="talking", agent_id="1003")

        await leads.send("PUT", f"{path}/supervision", {"mode": "listen"})
        await leader.wait_event("CALL_INCOMING")
        await leader.answer()
        await live(leads, supervisor="8001", supervision="listen")
        await leader.wait_heard(1)
        await leads.send("DELETE", f"{path}/supervision")
        await leader.wait_event("CALL_CLOSED")
        assert await state_of(api) == "talking"
        await caller.hang_up()
        await ended_call(api)
    await until_nothing_is_left(hotline.b)


async def test_signing_in_at_the_other_node_closes_the_page_here(hotline: Hotline) -> None:
    async with (
        hotline.a.signed_in("1003") as before,
        feed(hotline.a, before) as old,
        hotline.b.signed_in("1003") as after,
    ):
        await told(old, "snapshot")
        async with feed(hotline.b, after) as new:
            await told(new, "snapshot")
            with pytest.raises(ConnectionClosed) as closed:
                await told(old, "never")
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4409, "taken_over")
            assert (await before.client.get("/me")).status_code == 401
            # The same session at both nodes is one desk behind a balancer: nothing is closed.
            async with feed(hotline.a, after) as third:
                await told(third, "snapshot")
                await after.send("PUT", "/me/presence", {"state": "not_ready", "reason": "meal"})
                await told(new, "agent.presence")
                await told(third, "agent.presence")


async def test_a_killed_node_takes_only_its_own_calls_along(
    hotline: Hotline, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        c = await stack.enter_async_context(node_of(hotline.folder, hotline.shared, "c"))
        # 1001 sits at the node that lives, in a call of the one that dies; 1002 the other way.
        device = await stack.enter_async_context(phone(tmp_path, hotline.a, "1001"))
        leaving = await stack.enter_async_context(phone(tmp_path, hotline.a, "1002"))
        api = await at_work(stack, device, hotline.a)
        lost, call = await talking(stack, tmp_path, device, api, c)
        await at_work(stack, leaving, c)
        kept = await stack.enter_async_context(citizen(tmp_path, "13862311002"))
        await kept.dial(f"sip:12345@{HOST}:{hotline.a.sip_port}")
        await leaving.wait_event("CALL_INCOMING")
        await leaving.answer()
        await kept.wait_event("CALL_ESTABLISHED")

        os.kill(c.pid, signal.SIGKILL)
        await c.process.wait()

        refused = await api.client.post(f"/calls/{call['call_id']}/hang-up")
        if refused.status_code != 404:  # not yet taken for dead
            assert refused.json()["error"]["code"] == "node_silent"
            assert "node c" in refused.json()["error"]["message"]
        await until_state(api, "wrap_up")
        boss = await stack.enter_async_context(hotline.a.signed_in("8001"))

        async def on_the_list() -> bool:
            listed = (await boss.get("/callbacks", status="open"))["items"]
            return [entry["reason"] for entry in listed] == ["failed"]

        await until(on_the_list)
        assert (await boss.get(f"/calls/{call['call_id']}"))["outcome"] == "failed"
        (shown,) = await boss.get("/calls/live")
        assert (shown["agent_id"], shown["state"]) == ("1002", "talking")
        await kept.wait_heard(2)
        await kept.hang_up()
        await leaving.wait_event("CALL_CLOSED")
        await lost.hang_up()
    await until_nothing_is_left(hotline.a)
