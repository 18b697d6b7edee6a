"""What somebody who means harm gets out of an open port, with the limits of default.toml."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.ask import until_nothing_is_left
from tests.e2e.sip.conftest import Duty
from tests.e2e.sip.raw import Address, Caller, RawSip, Registration, description
from tests.e2e.sip.talk import talking
from tests.support.flood import STRANGER
from tests.support.node import PASSWORD, ROOT, RunningNode, running_node
from tests.support.programs import Program

pytestmark = pytest.mark.e2e

TRUNK, PHONE = "127.0.0.9", "127.0.0.10"  # sipvicious always comes from 127.0.0.1
RATE = 5000
FLOOD_SECONDS = 5
CALLS = 5
HEADROOM_KB = 8 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningNode]:
    """A node with one trunk, whose port is open to everybody."""
    settings = {"asr__enabled": "false", "trunks__local__networks": f"{TRUNK}/32"}
    async with running_node(tmp_path_factory.mktemp("abuse") / "node", settings) as node:
        yield node
        await until_nothing_is_left(node, seconds=40)


@pytest.fixture
async def trunk() -> AsyncIterator[RawSip]:
    """The trunk."""
    async with RawSip(TRUNK) as trunk:
        yield trunk


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


async def rings_and_gives_up(caller: Caller) -> None:
    """Place a call and take it back as soon as it rings; nothing that gets lost matters."""
    invite = caller.invite(description(40000))
    await caller.wire.insist(invite, caller.node, "180 INVITE")
    await caller.wire.insist(caller.cancel(), caller.node, "200 CANCEL")
    await caller.refused(487)


async def _dropped(node: RunningNode) -> dict[str, int]:
    """Return the node's counts of what strangers have sent."""
    counts = (await node.health())["counts"]
    sources, dropped = ("banned", "suspected"), ("over_budget", "banned", "scanners", "unanswered")
    names = (*(f"{sort}_sources" for sort in sources), *dropped)
    return {name: counts[f"sip_{name}"] for name in names}


async def test_a_flood_disturbs_no_call_and_keeps_no_new_one_out(
    node: RunningNode, sip: Address, trunk: RawSip, duty: Duty, tmp_path: Path
) -> None:
    async with duty("1001", PHONE) as agent, talking(trunk, agent, sip) as talk:
        before, dropped = _resident_kb(node.pid), await _dropped(node)
        flood = Program(
            "flood",
            (
                *(sys.executable, "-m", "tests.support.flood", "--source", STRANGER),
                *("--target", f"{sip[0]}:{sip[1]}"),
                *("--rate", str(RATE), "--seconds", str(FLOOD_SECONDS)),
            ),
            directory=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
        )
        await flood.start()
        try:
            for number in range(CALLS):
                await talk.is_heard()
                async with RawSip(TRUNK) as line:
                    caller = Caller(line, sip, number=f"1386231100{number}")
                    await rings_and_gives_up(caller)
            assert await flood.wait(FLOOD_SECONDS + 10) == 0
        finally:
            await flood.stop()
        sent = int(flood.said())
        now = await _dropped(node)
        assert now["over_budget"] > dropped["over_budget"]
        assert sent > CALLS * 1000
        assert _resident_kb(node.pid) < before + HEADROOM_KB
        await talk.is_heard()
        await talk.citizen_hangs_up()


@pytest.mark.parametrize(
    "tool",
    [
        ("svmap", "-p{port}", "{host}"),
        ("svwar", "-p{port}", "-e1001-1020", "--force", "--maximumtime=3", "{host}"),
        ("svcrack", "-p{port}", "-u1001", "-d{passwords}", "--maximumtime=3", "{host}"),
    ],
    ids=lambda tool: tool[0],
)
async def test_sipvicious_finds_nothing(
    node: RunningNode, sip: Address, tool: tuple[str, ...], tmp_path: Path
) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text(f"{PASSWORD}\n123456\n", encoding="utf-8")  # the first one is right
    values = {"host": sip[0], "port": sip[1], "passwords": passwords}
    program = Program(
        tool[0],
        (tool[0], *(part.format(**values) for part in tool[1:])),
        directory=tmp_path,
        env={"HOME": str(tmp_path)},
    )
    before = await _dropped(node)
    await program.start()
    try:
        await program.wait(30)
    finally:
        await program.stop()
    said, after = program.said(), await _dropped(node)
    assert "1001" not in said.replace("1001-1020", "").replace("-u1001", ""), said
    assert PASSWORD not in said
    assert "hotline12345" not in said
    assert after["scanners"] + after["banned"] > before["scanners"] + before["banned"]
    assert after["suspected_sources"] >= 1


async def test_whoever_was_banned_is_not_heard_and_the_others_are(
    node: RunningNode, sip: Address
) -> None:
    async with RawSip("127.0.0.78") as cracker, RawSip("127.0.0.79") as phone:
        guesses = Registration(cracker, sip, "1002", "wrong")
        for _ in range(8):
            assert (await guesses.register()).status_code == 401
        guesses.ask("OPTIONS")
        agent = Registration(phone, sip, "1002", PASSWORD)
        assert (await agent.register()).status_code == 200
        await cracker.hears_nothing(0.3)
        assert (await _dropped(node))["banned_sources"] >= 1
        await agent.register(("Expires", "0"), contact="*")
