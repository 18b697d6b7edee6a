"""``python -m hotline demo`` and the command line around a running node."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.support.node import ROOT, RunningNode, running_node

pytestmark = pytest.mark.e2e


async def hotline(node: RunningNode, *arguments: str) -> tuple[int, str]:
    """Run the command line with the node's settings; return exit status and output."""
    environment = {
        **os.environ,
        "HOTLINE_NODE__DATA_DIR": str(node.data_dir),
        "HOTLINE_WEB__PORT": node.web.rpartition(":")[2],
        "HOTLINE_SIP__PORT": str(node.sip_port),
        "COLUMNS": "200",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hotline", *arguments),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_the_demonstration_shows_words_fields_and_the_submitted_ticket(
    node: RunningNode,
) -> None:
    status, output = await hotline(node, "demo")
    assert status == 0, output
    for shown in ("边上垃圾没人清", "category = 市容管理", "name = 陆", "submitted", "/recording"):
        assert shown in output, output
    async with node.signed_in("8001") as leader:
        tickets = (await leader.get("/tickets"))["items"]
    assert [(ticket["status"], ticket["agent_id"]) for ticket in tickets] == [("submitted", "1008")]
    await the_ladder_is_drawn(node, tickets[0]["call_id"])
    await the_month_is_reported(node)


async def the_ladder_is_drawn(node: RunningNode, call_id: str) -> None:
    """Both dialogs, from the citizen's INVITE to the last BYE; and Prometheus counted them."""
    status, drawn = await hotline(node, "ladder", call_id)
    assert status == 0, drawn
    for label in (" INVITE [SDP] ", " 180 Ringing (INVITE) ", " 200 OK (INVITE) [SDP] ", " BYE "):
        assert drawn.count(label) >= 2, drawn
    async with httpx.AsyncClient(trust_env=False) as scraper:
        scrape = (await scraper.get(f"{node.web}/metrics")).text
    assert 'hotline_sip_messages_total{direction="in",method="INVITE",peer="local"' in scrape
    status, none = await hotline(node, "ladder", "no-such-call")
    assert (status, "no-such-call" in none) == (1, True), none


async def the_month_is_reported(node: RunningNode) -> None:
    """The command writes a report beside the running node."""
    month = f"{datetime.now(UTC) + timedelta(hours=8):%Y-%m}"
    target = node.data_dir / "report.json"
    status, output = await hotline(node, "report", month, "--out", str(target))
    assert status == 0, output
    report = json.loads(target.read_text(encoding="utf-8"))
    assert report["counts"]["tickets"]["count"] == 1
    assert report["counts"]["answered"]["count"] == 1


async def test_what_needs_the_node_says_so_and_what_must_not_meet_it_refuses(
    tmp_path: Path,
) -> None:
    async with running_node(tmp_path / "node", tables=False) as node:
        status, output = await hotline(node, "migrate")
        assert (status, "another node is running" in output) == (1, True), output
        status, output = await hotline(node, "run")
        assert (status, "another node is running" in output) == (1, True), output
        status, output = await hotline(node, "call", str(tmp_path / "none.wav"))
        assert (status, "none.wav" in output) == (1, True), output
        status, output = await hotline(
            node, "call", str(ROOT / "tests/assets/speech/d01.wav"), "--to", "99999"
        )
        assert (status, "404" in output) == (1, True), output
    status, output = await hotline(node, "demo")
    assert (status, "make run" in output) == (1, True), output


async def test_a_wrong_setting_is_named_and_nothing_starts() -> None:
    environment = {**os.environ, "HOTLINE_SIP__PORT": "eighty"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hotline", "run"),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 2
    assert "HOTLINE_SIP__PORT" in output.decode()
    assert "eighty" in output.decode()
