"""Supervised child processes, with real ones."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hotline.children import BackOff, ChildFailed, ChildProcess
from tests.support.waiting import until

SLEEPER = "import time; time.sleep(600)"


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


async def never() -> bool:
    return False


def runs(pid: int) -> bool:
    """Whether the process runs; one that has ended but has not been waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@asynccontextmanager
async def running(child: ChildProcess) -> AsyncIterator[ChildProcess]:
    await child.start()
    try:
        yield child
    finally:
        await child.stop()


def test_back_off_grows_repeats_its_last_and_begins_anew_after_a_stable_life() -> None:
    back_off = BackOff([0.0, 1.0, 5.0], stable=30.0)
    assert [back_off.after(lived) for lived in (9, 1, 1, 1, 29.9)] == [0.0, 1.0, 5.0, 5.0, 5.0]
    assert [back_off.after(lived) for lived in (30.0, 1)] == [0.0, 1.0]


async def test_killed_child_is_started_again_at_once() -> None:
    states: list[str] = []
    child = ChildProcess("c", python(SLEEPER), on_state=lambda _, state: states.append(state))
    async with running(child):
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.restarts == 1 and child.state == "running")
        second = child.pid
        assert second not in {None, first}
    assert states == ["starting", "running", "restarting", "running", "stopped"]
    assert second is not None
    assert not runs(second)


async def test_child_that_keeps_ending_is_restarted_after_each_pause() -> None:
    child = ChildProcess("c", python("import sys; sys.exit(3)"), ready=never)
    with pytest.raises(ChildFailed, match=r"c: ended with exit status 3"):
        await child.start()
    assert child.state == "stopped"
    ready = 0

    async def first_time_only() -> bool:
        nonlocal ready
        ready += 1
        return ready == 1

    child = ChildProcess(
        "c", python(SLEEPER), restart_delays=[0.0, 0.02], ready=first_time_only, ready_seconds=0.05
    )
    async with running(child):
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: child.restarts >= 3)
        assert child.state == "restarting"


async def test_first_start_that_is_not_ready_fails_with_the_last_words() -> None:
    code = f"print('no licence', flush=True); {SLEEPER}"
    child = ChildProcess("c", python(code), ready=never, ready_seconds=0.5)
    with pytest.raises(ChildFailed, match=r"c: not ready after 0.5 s; it said: no licence"):
        await child.start()
    assert child.pid is None


async def test_program_that_does_not_exist() -> None:
    child = ChildProcess("c", ["/nowhere/program"], ready_seconds=2.0, ready=never)
    with pytest.raises(ChildFailed, match="127; it said: /nowhere/program: No such file"):
        await child.start()


async def test_ready_is_asked_until_it_says_yes(tmp_path: Path) -> None:
    flag = tmp_path / "flag"

    async def flagged() -> bool:
        return flag.exists()

    code = f"open({str(flag)!r}, 'w'); {SLEEPER}"
    async with running(ChildProcess("c", python(code), ready=flagged)) as child:
        assert child.state == "running"
        assert flag.exists()


async def test_stubborn_child_is_killed() -> None:
    code = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"print('deaf', flush=True); {SLEEPER}"
    )
    child = ChildProcess("c", python(code), stop_seconds=0.2)
    with capture_logs() as entries:
        await child.start()
        await until(lambda: any(entry.get("line") == "deaf" for entry in entries))
        pid = child.pid
        await child.stop()
        await child.stop()  # idempotent
    assert pid is not None
    assert not runs(pid)
    assert [entry["event"] for entry in entries].count("child.killed") == 1


async def test_output_is_logged_by_lines_with_the_childs_name() -> None:
    code = (
        "import sys; sys.stdout.write('one\\n'); sys.stderr.write('zwei ä\\n');"
        "sys.stdout.write('x' * 20000 + '\\nlast'); sys.stdout.flush(); sys.stderr.flush();"
        f"{SLEEPER}"
    )
    with capture_logs() as entries:
        async with running(ChildProcess("talker", python(code))):
            await until(lambda: sum(len(e.get("line", "")) for e in entries) >= 20000)
    said = [e["line"] for e in entries if e["event"] == "child.output" and e["child"] == "talker"]
    assert {"one", "zwei ä"} <= set(said)
    assert "".join(line for line in said if set(line) <= {"x"}) == "x" * 20000
    assert said[-1] == "last"


async def test_stopping_ends_what_the_child_has_started_too() -> None:
    code = (
        "import subprocess, sys;"
        f"p = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); print(p.pid, flush=True);"
        "p.wait()"
    )
    with capture_logs() as entries:
        async with running(ChildProcess("c", python(code))):
            await until(lambda: any("line" in entry for entry in entries))
    (grandchild,) = (int(entry["line"]) for entry in entries if "line" in entry)
    await until(lambda: not runs(grandchild))


async def test_kill_9_of_the_parent_leaves_no_orphans() -> None:
    code = f"""
import asyncio, sys
from hotline.children import ChildProcess
async def main():
    child = ChildProcess("c", [sys.executable, "-c", {SLEEPER!r}])
    await child.start()
    print("pid", child.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    try:
        async with asyncio.timeout(10.0):
            while not (line := await parent.stdout.readline()).startswith(b"pid"):
                assert line
    finally:
        parent.kill()
        await parent.wait()
    orphan = int(line.split()[1])
    await until(lambda: not runs(orphan))
