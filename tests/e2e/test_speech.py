"""What is said reaches transcript and ticket: a real trunk, real speech, the real engine."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.ask import ended_call, until_nothing_is_left, until_state
from tests.e2e.conftest import Desk
from tests.e2e.speech import GREETING, SPEECH, WORST_CER, said_in, seconds_of
from tests.support.baresip import Baresip
from tests.support.cer import character_error_rate
from tests.support.node import PASSWORD, ROOT, Api, RunningNode, until
from tests.support.sipp import SippRun
from tests.support.waveforms import write_speech

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


def values(ticket: dict[str, Any]) -> dict[str, Any]:
    return {name: field["value"] for name, field in ticket["fields"].items()}


@pytest_asyncio.fixture(loop_scope="module")
async def agent(node: RunningNode, desk: Desk, tmp_path: Path) -> AsyncIterator[Api]:
    """Agent 1001, ready; the phone answers and says the greeting."""
    hotline = ("127.0.0.1", node.sip_port)
    async with Baresip(
        tmp_path / "agent",
        user="1001",
        password=PASSWORD,
        registrar=hotline,
        source=write_speech(tmp_path / "greeting.wav", GREETING),
        auto_answer=True,
    ) as phone:
        await phone.register()
        async with desk("1001") as api:
            yield api


def citizen_says(node: RunningNode, folder: Path, speech: Path, *, caller: str) -> SippRun:
    """Return a SIPp citizen who calls, says it, waits two seconds and hangs up."""
    return SippRun(
        "citizen",
        directory=folder / "citizen",
        remote=("127.0.0.1", node.sip_port),
        service="12345",
        calls=1,
        rows=[(caller, round(1000 * (seconds_of(speech) + 2)))],
        speech=speech,
    )


@pytest.mark.parametrize(
    "speech,expected",
    [
        (
            "d04.wav",
            {"phone": "13662200044", "address": "41号", "category": {"消费维权"}, "title": "女士"},
        ),
        (
            "d03.wav",
            {"phone": "13862311003", "address": "3幢401", "category": {"消防安全"}, "urgent": True},
        ),
        (
            "d10.wav",
            {
                "phone": "13706220010",
                "address": "503",
                "category": {"环境保护", "社区管理", "物业管理"},
                "repeat": True,
            },
        ),
    ],
)
async def test_a_spoken_complaint_becomes_a_ticket(
    node: RunningNode, agent: Api, tmp_path: Path, speech: str, expected: dict[str, Any]
) -> None:
    caller = f"138623110{speech[1:3]}"  # each his own: who has called before is known
    async with citizen_says(node, tmp_path, SPEECH / speech, caller=caller) as citizen:
        statistics = await citizen.wait(60)
    assert statistics.successful == 1, citizen.errors()
    await until_state(agent, "wrap_up")
    record = await ended_call(agent)
    transcript = await agent.get(f"/calls/{record['call_id']}/transcript")
    ticket = await agent.get(f"/tickets/{record['ticket_id']}")
    submitted = await agent.send("POST", f"/tickets/{record['ticket_id']}/submit")
    await until_state(agent, "ready")

    heard = "".join(part["spoken"] for part in transcript if part["leg"] == "caller")
    assert character_error_rate(said_in(speech), heard) <= WORST_CER, heard
    greeting = "".join(part["spoken"] for part in transcript if part["leg"] == "agent")
    assert character_error_rate("您好一二三四五热线", greeting[:9]) <= 0.25, greeting
    times = [(part["start"], part["end"]) for part in transcript]
    assert all(0 <= start < end < seconds_of(SPEECH / speech) + 8 for start, end in times), times
    fields = values(ticket)
    assert fields["category"] in expected.pop("category"), fields
    assert expected.pop("address") in fields["address"], fields
    assert {name: fields[name] for name in expected} == expected
    assert submitted["status"] == "submitted"
    await until_nothing_is_left(node)


async def test_a_corrected_field_stays_corrected_while_the_citizen_goes_on(
    node: RunningNode, agent: Api, tmp_path: Path
) -> None:
    """The correction is made before the words that would fill the field are said."""

    async def live_ticket() -> str | None:
        calls = await agent.get("/calls/live")
        return calls[0]["ticket_id"] if calls else None

    async with citizen_says(node, tmp_path, SPEECH / "d04.wav", caller="13511620004") as citizen:
        await until_state(agent, "talking")
        ticket_id = await until(live_ticket)
        correction = {"fields": {"phone": "051253512345"}}
        changed = await agent.send("PATCH", f"/tickets/{ticket_id}", correction)
        assert changed["fields"]["phone"]["source"] == "agent"
        await citizen.wait(60)
    record = await ended_call(agent)
    ticket = await agent.get(f"/tickets/{record['ticket_id']}")
    assert values(ticket)["phone"] == "051253512345"
    assert values(ticket)["title"] == "女士"  # the rest went on filling


async def test_the_command_line_places_a_wav_as_a_call(node: RunningNode, agent: Api) -> None:
    command = (
        *(sys.executable, "-m", "hotline", "call", SPEECH / "d01.wav"),
        *("--from", "13862311001", "--to", "12345"),
        *("--server", f"127.0.0.1:{node.sip_port}"),
    )
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    record = await ended_call(agent)
    transcript = await agent.get(f"/calls/{record['call_id']}/transcript")
    assert (record["outcome"], record["ended_by"], record["caller"]) == (
        "answered",
        "citizen",
        "13862311001",
    )
    heard = "".join(part["spoken"] for part in transcript if part["leg"] == "caller")
    assert character_error_rate(said_in("d01.wav"), heard) <= WORST_CER, heard
