"""110's green channel and the exchange of tickets: a live node and the partner simulator."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from hotline.exchange import BrokerAddress
from hotline.partner import PartnerSimulator
from hotline.softphone import PhoneCall, SoftPhone
from telephony.leg import Leg
from tests.e2e.ask import until_state
from tests.support.node import PASSWORD, Api, RunningNode, running_node, until
from tests.support.ports import free_sip_port, free_tcp_port

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

POLICE = "127.0.0.110"
SECONDS = 60.0
DISPUTE = "健身房倒闭了，预付卡里的三千块钱不退给我"


@dataclass
class Place:
    node: RunningNode
    police: PartnerSimulator
    broker: BrokerAddress
    said: list[str] = field(default_factory=list)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    police_port, mqtt_port = free_sip_port(), free_tcp_port()
    settings = {
        "asr__enabled": "false",
        "mqtt__port": mqtt_port,
        "trunks__local__networks": "127.0.0.1/32",
        "trunks__police__networks": f"{POLICE}/32",
        "trunks__police__address": f"{POLICE}:{police_port}",
        "trunks__police__options_seconds": 0,
        "partners__110__trunks": "police",
        "partners__110__calls_from": "police",
    }
    async with running_node(tmp_path_factory.mktemp("exchange") / "node", settings) as node:
        broker = BrokerAddress(host="127.0.0.1", port=mqtt_port, protocol="3.1.1")
        said: list[str] = []
        police = PartnerSimulator(
            "110",
            server=("127.0.0.1", node.sip_port),
            broker=broker,
            host=POLICE,
            port=police_port,
            say=said.append,
        )
        await police.open()
        try:
            await until(lambda: _connected(police), seconds=SECONDS)
            yield Place(node, police, broker, said)
        finally:
            await police.close()


async def _connected(police: PartnerSimulator) -> bool:
    return police.link.connected


@dataclass
class Agent:
    """An agent whose phone answers every call."""

    api: Api
    phone: SoftPhone
    calls: list[PhoneCall] = field(default_factory=list)


@pytest_asyncio.fixture(loop_scope="module")
async def agent(place: Place) -> AsyncIterator[Agent]:
    tasks: list[asyncio.Task[None]] = []

    async def pick_up(leg: Leg) -> None:
        one.calls.append(await one.phone.pick_up(leg))

    def on_call(leg: Leg) -> None:
        leg.on_event = lambda _event: None
        leg.ring()
        tasks.append(asyncio.create_task(pick_up(leg)))

    phone = SoftPhone(server=("127.0.0.1", place.node.sip_port), on_call=on_call)
    await phone.open()
    await phone.register("1001", PASSWORD)
    async with place.node.signed_in("1001") as api:
        one = Agent(api, phone)

        async def phone_is_there() -> bool:
            return bool((await api.get("/me"))["presence"]["phones"])

        await until(phone_is_there, seconds=SECONDS)
        await api.send("PUT", "/me/presence", {"state": "ready"})
        yield one
        for call in one.calls:
            call.hang_up()
            await call.finished()
        await asyncio.gather(*tasks)
    await phone.register("1001", PASSWORD, expires=0)
    await phone.close()


async def test_a_call_of_110s_is_marked_and_one_to_110_carries_its_draft(
    place: Place, agent: Agent
) -> None:
    call = await place.police.call_in("JQ-2026-7")
    async with asyncio.timeout(SECONDS):
        await call.answered
    await until_state(agent.api, "talking", seconds=SECONDS)
    (live,) = await agent.api.get("/calls/live")
    assert (live["partner"], live["reference"]) == ("110", "JQ-2026-7")
    await agent.api.send(
        "PATCH", f"/tickets/{live['ticket_id']}", {"fields": {"content": "门口有人打架"}}
    )
    body = {"target": "partner:110", "mode": "consult"}
    await agent.api.send("POST", f"/calls/{live['call_id']}/transfer", body)

    async def carried() -> bool:
        return live["ticket_id"] in place.police.drafts() and bool(place.police.references)

    await until(carried, seconds=SECONDS)
    assert place.police.references == [live["ticket_id"]]
    assert place.police.drafts()[live["ticket_id"]]["content"] == "门口有人打架"
    for one in place.police.calls:
        one.hang_up()

    async def over() -> bool:
        return not await agent.api.get("/calls/live")

    await until(over, seconds=SECONDS)


async def test_tickets_go_both_ways_once_though_the_broker_is_killed(place: Place) -> None:
    number = place.police.send(DISPUTE)

    async def state() -> str | None:
        return place.police.state(number)

    async def accepted() -> bool:
        return await state() == "accepted"

    await until(accepted, seconds=SECONDS)
    place.node.kill_child("broker")

    async def is_gone() -> bool:
        return not place.police.link.connected

    await until(is_gone, seconds=SECONDS)
    other = place.police.send("健身房倒闭了，会员卡的钱不退")  # while nobody can hear it

    async def other_accepted() -> bool:
        return place.police.state(other) == "accepted"

    await until(other_accepted, seconds=SECONDS)
    async with place.node.signed_in("8001") as leader:
        inbox = (await leader.get("/exchange", direction="in", kind="ticket"))["items"]
        assert [one["number"] for one in inbox] == [other, number]
        for one in inbox:
            step = {"action": "answer", "note": "已退款"}
            await leader.send("POST", f"/tickets/{one['ticket_id']}/steps", step)

        async def finished() -> bool:
            return place.police.state(number) == place.police.state(other) == "finished"

        await until(finished, seconds=SECONDS)
        again = place.police.send(DISPUTE, reopens=number, reason="没有收到退款")

        async def taken_up_again() -> bool:
            return place.police.state(again) == "accepted"

        await until(taken_up_again, seconds=SECONDS)
        found = (await leader.get("/exchange", number=again))["items"]
        ticket = await leader.get(f"/tickets/{found[0]['ticket_id']}")
        assert ticket["reopens"] == inbox[1]["ticket_id"]
        handed = await leader.send(
            "POST", f"/tickets/{ticket['id']}/hand-over", {"partner": "110", "reason": "请协助"}
        )

        async def his() -> bool:
            return ticket["id"] in place.police.taken

        await until(his, seconds=SECONDS)
        place.police.finish(ticket["id"], "已调解")

        async def closed() -> bool:
            return bool((await leader.get(f"/exchange/{handed['id']}"))["state"] == "finished")

        await until(closed, seconds=SECONDS)
        assert place.police.taken.count(ticket["id"]) == 1
        assert (await leader.get(f"/tickets/{ticket['id']}"))["status"] == "closed"
