"""What is said reaches transcript and ticket: a real trunk, real speech, the real engine."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.ask import ended_call, until_nothing_is_left, until_state
from tests.e2e.conftest import Desk
from tests.e2e.speech import GREETING, SPEECH, WORST_CER, said_in, seconds_of
from tests.support.baresip import Baresip
from tests.support.cer import character_error_rate
from tests.support.node import PASSWORD, ROOT, RunningNode, until
from tests.support.sipp import SippRun
from tests.support.waveforms import write_speech

pytestmark = pytest.mark.e2e

CALLER = "13862311001"


def values(ticket: dict[str, Any]) -> dict[str, Any]:
    return {name: field["value"] for name, field in ticket["fields"].items()}


@pytest.mark.parametrize(
    "speech,expected",
    [
        (
            "d04.wav",
            {"phone": "13662200044", "address": "41号", "category": {"消费维权"}, "title": "女士"},
        ),
        (
            "d03.wav",
            {"phone": CALLER, "address": "3幢401", "category": {"消防安全"}, "urgent": True},
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
    node: RunningNode,
    desk: Desk,
    tmp_path: Path,
    speech: str,
    expected: dict[str, Any],
) -> None:
    hotline = ("127.0.0.1", node.sip_port)
    async with Baresip(
        tmp_path / "agent",
        user="1001",
        password=PASSWORD,
        registrar=hotline,
        source=write_speech(tmp_path / "greeting.wav", GREETING),
        auto_answer=True,
    ) as agent:
        await agent.register()
        async with desk("1001") as api:
            async with SippRun(
                "citizen",
                directory=tmp_path / "citizen",
                remote=hotline,
                service="12345",
                calls=1,
                rows=[(CALLER, round(1000 * (seconds_of(SPEECH / speech) + 2)))],
                speech=SPEECH / speech,
            ) as citizen:
                statistics = await citizen.wait(60)
            assert statistics.successful == 1, citizen.errors()
            await until_state(api, "wrap_up")
            record = await ended_call(api)
            transcript = await api.get(f"/calls/{record['call_id']}/transcript")
            ticket = await api.get(f"/tickets/{record['ticket_id']}")
            submitted = await api.send("POST", f"/tickets/{record['ticket_id']}/submit")
            await until_state(api, "ready")

    heard = "".join(part["text"] for part in transcript if part["leg"] == "caller")
    assert character_error_rate(said_in(speech), heard) <= WORST_CER, heard
    greeting = "".join(part["text"] for part in transcript if part["leg"] == "agent")
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
    node: RunningNode, desk: Desk, tmp_path: Path
) -> None:
    """The correction is made before the words that would fill the field are said."""
    hotline = ("127.0.0.1", node.sip_port)
    async with Baresip(
        tmp_path / "agent",
        user="1001",
        password=PASSWORD,
        registrar=hotline,
        source=write_speech(tmp_path / "greeting.wav", GREETING),
        auto_answer=True,
    ) as agent:
        await agent.register()
        async with (
            desk("1001") as api,
            SippRun(
                "citizen",
                directory=tmp_path / "citizen",
                remote=hotline,
                service="12345",
                calls=1,
                rows=[("13511620004", round(1000 * (seconds_of(SPEECH / "d04.wav") + 2)))],
                speech=SPEECH / "d04.wav",
            ) as citizen,
        ):
            await until_state(api, "talking")

            async def live_ticket() -> str | None:
                calls = await api.get("/calls/live")
                return calls[0]["ticket_id"] if calls else None

            ticket_id = await until(live_ticket)
            changed = await api.send(
                "PATCH", f"/tickets/{ticket_id}", {"fields": {"phone": "051253512345"}}
            )
            assert changed["fields"]["phone"]["source"] == "agent"
            await citizen.wait(60)
            record = await ended_call(api)
            ticket = await api.get(f"/tickets/{record['ticket_id']}")
    assert values(ticket)["phone"] == "051253512345"
    assert values(ticket)["title"] == "女士"  # the rest went on filling


async def test_the_command_line_places_a_wav_as_a_call(
    node: RunningNode, desk: Desk, tmp_path: Path
) -> None:
    hotline = ("127.0.0.1", node.sip_port)
    async with Baresip(
        tmp_path / "agent",
        user="1001",
        password=PASSWORD,
        registrar=hotline,
        source=write_speech(tmp_path / "greeting.wav", GREETING),
        auto_answer=True,
    ) as agent:
        await agent.register()
        async with desk("1001") as api:
            command = (
                *(sys.executable, "-m", "hotline", "call", SPEECH / "d01.wav"),
                *("--from", "13862311001", "--to", "12345"),
                *("--server", f"127.0.0.1:{node.sip_port}"),
            )
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            output, _ = await process.communicate()
            assert process.returncode == 0, output.decode()
            record = await ended_call(api)
            transcript = await api.get(f"/calls/{record['call_id']}/transcript")
    assert (record["outcome"], record["ended_by"], record["caller"]) == (
        "answered",
        "citizen",
        "13862311001",
    )
    heard = "".join(part["text"] for part in transcript if part["leg"] == "caller")
    assert character_error_rate(said_in("d01.wav"), heard) <= WORST_CER, heard
