"""The packet thread goes before what is not in real time, where the system permits it."""

import os
from pathlib import Path

import numpy as np
import pytest
import structlog

from telephony.media.native.build import build, compiler
from telephony.media.native.path import NativePath
from telephony.media.scheduling import SHARE, Realtime, objection, share_of
from tests.support.waiting import until

SILENCE = np.zeros(160, np.int16)


def is_permitted() -> bool:
    """Try it on the test's own thread."""
    policy, usual = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, policy, usual)
    return True


def policy_of(thread: str) -> int | None:
    """Return how the thread of this name is scheduled, if the test's process has it."""
    for task in Path("/proc/self/task").iterdir():
        if (task / "comm").read_text().strip() == thread:
            return os.sched_getscheduler(int(task.name)) & ~os.SCHED_RESET_ON_FORK
    return None


needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C compiler")


@needs_compiler
@pytest.mark.parametrize("realtime", ["never", "auto", "always"])
async def test_it_is_scheduled_as_asked_for_or_says_that_it_is_not(realtime: Realtime) -> None:
    path = NativePath(build(), lambda _: None, realtime=realtime)
    try:
        with structlog.testing.capture_logs() as logs:
            path.start()
        # Every command waits for the thread's lock, and gets it at any priority.
        handles = [path.play([SILENCE], loop=True) for _ in range(100)]
        assert len(set(handles)) == len(handles)
        await until(lambda: policy_of("media") is not None)  # it gives itself its name
        urgent = share_of(realtime)[0] > 0 and is_permitted()
        assert policy_of("media") == (os.SCHED_FIFO if urgent else os.sched_getscheduler(0))
        assert path.in_real_time == urgent
        said = {"never": [], "auto": ["info"], "always": ["info" if urgent else "warning"]}
        assert [entry["log_level"] for entry in logs] == said[realtime]
    finally:
        path.close()


@needs_compiler
async def test_who_takes_more_than_his_share_gives_priority_up() -> None:
    if not is_permitted():
        pytest.skip("nothing may run in real time here")
    path = NativePath(build(), lambda _: None, realtime="always", share=1e-9)
    try:
        with structlog.testing.capture_logs() as logs:
            path.start()
            assert path.in_real_time
            await until(lambda: not path.in_real_time)
        assert policy_of("media") == os.sched_getscheduler(0)
        assert [entry["log_level"] for entry in logs] == ["info", "warning"]
    finally:
        path.close()


def test_nobody_goes_first_by_himself_where_that_could_do_harm(tmp_path: Path) -> None:
    assert objection(2, 950_000) is None
    assert "one core" in str(objection(1, 950_000))
    assert "keeps no time" in str(objection(8, -1))
    reserve = tmp_path / "sched_rt_runtime_us"
    assert share_of("always", reserve=reserve) == (SHARE, None)
    assert share_of("never", reserve=reserve) == (0.0, None)
    assert share_of("auto", reserve=reserve)[0] == 0.0
    reserve.write_text("-1\n")
    assert share_of("auto", reserve=reserve)[0] == 0.0
