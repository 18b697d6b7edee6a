"""What happens when an agent does not take the call, and when the citizen does not wait."""

import time
from pathlib import Path

import pytest

from tests.e2e.ask import ended_call, state_of, until_nothing_is_left, until_state
from tests.e2e.conftest import Desk
from tests.support.baresip import Baresip
from tests.support.node import PASSWORD, RunningNode, until
from tests.support.ports import free_udp_port
from tests.support.sipp import SippRun, register

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    return {"asr__enabled": "false", "sip__no_answer_seconds": 5}


async def test_a_refusal_goes_to_the_next_agent(
    node: RunningNode, desk: Desk, tmp_path: Path
) -> None:
    hotline = (HOST, node.sip_port)
    async with (
        Baresip(tmp_path / "1", user="1001", password=PASSWORD, registrar=hotline) as first,
        Baresip(
            tmp_path / "2", user="1002", password=PASSWORD, registrar=hotline, auto_answer=True
        ) as second,
        Baresip(tmp_path / "citizen", user="13862311001") as citizen,
    ):
        await first.register()
        await second.register()
        async with desk("1001") as one, desk("1002") as two:
            await citizen.dial(f"sip:12345@{HOST}:{node.sip_port}")
            await first.wait_event("CALL_INCOMING")
            await first.hang_up()
            await citizen.wait_event("CALL_ESTABLISHED")
            await until_state(two, "talking")
            assert await state_of(one) == "ready"
            await citizen.hang_up()
            record = await ended_call(two)
    assert [(part["agent_id"], part["outcome"]) for part in record["segments"]] == [
        ("1001", "busy"),
        ("1002", "answered"),
    ]
    await until_nothing_is_left(node)


async def test_no_answer_goes_to_the_next_agent_and_is_a_missed_call(
    node: RunningNode, desk: Desk, tmp_path: Path
) -> None:
    hotline = (HOST, node.sip_port)
    absent = free_udp_port()
    phones = {"1003": (PASSWORD, (HOST, absent))}
    await register(tmp_path, registrar=hotline, phones=phones)
    async with (
        SippRun("agent_absent", directory=tmp_path / "absent", service="1003", local_port=absent),
        Baresip(
            tmp_path / "2", user="1002", password=PASSWORD, registrar=hotline, auto_answer=True
        ) as second,
        Baresip(tmp_path / "citizen", user="13862311001") as citizen,
    ):
        await second.register()
        async with desk("1003") as one, desk("1002") as two:
            await citizen.dial(f"sip:12345@{HOST}:{node.sip_port}")
            await citizen.wait_event("CALL_ESTABLISHED")
            presence = (await one.get("/me"))["presence"]
            assert (presence["state"], presence["reason"]) == ("not_ready", "missed")
            await until_state(two, "talking")
            await citizen.hang_up()
            record = await ended_call(two)
    assert [part["outcome"] for part in record["segments"]] == ["missed", "answered"]
    await until_nothing_is_left(node)


async def test_nobody_ready_the_citizen_waits_and_is_offered_at_once(
    node: RunningNode, desk: Desk, tmp_path: Path
) -> None:
    hotline = (HOST, node.sip_port)
    async with (
        Baresip(tmp_path / "1", user="1001", password=PASSWORD, registrar=hotline) as agent,
        Baresip(tmp_path / "citizen", user="13862311001") as citizen,
    ):
        await agent.register()
        await citizen.dial(f"sip:12345@{HOST}:{node.sip_port}")
        await citizen.wait_event("CALL_RINGING")

        async def waiting() -> bool:
            return bool((await node.health())["counts"]["floor_waiting"] == 1)

        await until(waiting)
        async with desk("1001"):
            await agent.wait_event("CALL_INCOMING")
            await citizen.hang_up()
            await agent.wait_event("CALL_CLOSED")
    await until_nothing_is_left(node)


async def test_a_citizen_who_gives_up_leaves_a_record_and_a_ready_agent(
    node: RunningNode, desk: Desk, tmp_path: Path
) -> None:
    hotline, began = (HOST, node.sip_port), time.time()
    async with (
        Baresip(tmp_path / "1", user="1001", password=PASSWORD, registrar=hotline) as agent,
        Baresip(tmp_path / "citizen", user="13862311001") as citizen,
    ):
        await agent.register()
        async with desk("1001") as api, node.signed_in("8001") as leader:
            await citizen.dial(f"sip:12345@{HOST}:{node.sip_port}")
            await agent.wait_event("CALL_INCOMING")
            await citizen.hang_up()
            await agent.wait_event("CALL_CLOSED")
            await until_state(api, "ready")
            record = await ended_call(leader, since=began)
    assert (record["outcome"], record["ended_by"]) == ("abandoned", "citizen")
    assert [part["outcome"] for part in record["segments"]] == ["cancelled"]
    await until_nothing_is_left(node)


async def test_a_number_that_is_no_line_is_refused_and_recorded(
    node: RunningNode, tmp_path: Path
) -> None:
    began = time.time()
    async with Baresip(tmp_path / "citizen", user="13862311001") as citizen:
        await citizen.dial(f"sip:99999@{HOST}:{node.sip_port}")
        closed = await citizen.wait_event("CALL_CLOSED")
        assert "404" in closed["param"]
    async with node.signed_in("8001") as leader:
        assert (await ended_call(leader, since=began))["outcome"] == "rejected"
