"""The command line, run as people run it."""

import asyncio
import os
import sys
from pathlib import Path

from tests.support.ports import free_rtp_port, free_tcp_port, free_udp_port

ROOT = Path(__file__).parents[2]


async def doctor(tmp_path: Path, **variables: object) -> tuple[int, str]:
    """Run the doctor without a terminal; return its exit status and what it printed."""
    rtp = free_rtp_port(2)  # the usual one may be in use by a node of another test
    options = {
        "media__port_first": rtp,
        "media__port_last": rtp + 3,
        "node__data_dir": tmp_path / "var",
        "sip__port": free_udp_port(),
        "web__port": free_tcp_port(),
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hotline", "doctor"),
        cwd=ROOT,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("HOTLINE_")},
            **{f"HOTLINE_{key.upper()}": str(value) for key, value in options.items()},
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_the_doctor_names_the_missing_model_and_a_node_would_start(tmp_path: Path) -> None:
    empty = tmp_path / "models [none]"
    empty.mkdir()
    status, output = await doctor(tmp_path, asr__model_path=empty)
    assert status == 0, output
    [found] = [line for line in output.splitlines() if "recognition model" in line]
    assert found.startswith("warn")
    assert "python -m asr.model" in found
    whole = "".join("".join(column(output, "found")).split())
    assert f"themodelat{empty}lacksam/final.mdl,".replace(" ", "") in whole
    assert "https://alphacephei.com/vosk/models/vosk-model-small-cn-0.22.zip" in whole


def column(table: str, name: str) -> list[str]:
    """Return one column of the doctor's table, a string for each line."""
    head, *lines = table.splitlines()
    start = head.index(name)
    end = head.index("to mend it")
    return [line[start:end] for line in lines]


async def test_the_doctor_fails_where_a_node_would_not_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, output = await doctor(tmp_path, node__data_dir=tmp_path / "file" / "var")
    assert status == 1
    assert any(line.startswith("bad") for line in output.splitlines())


async def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    status, output = await doctor(tmp_path, sip__port="often")
    assert status == 2
    assert "sip.port" in output
    assert "often" in output
