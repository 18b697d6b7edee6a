"""The packet thread goes before what is not in real time, where the system permits it."""

import os
from pathlib import Path

import numpy as np
import pytest
import structlog

from telephony.media.native.build import build, compiler
from telephony.media.native.path import NativePath
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
            return os.sched_getscheduler(int(task.name))
    return None


@pytest.mark.parametrize("realtime", [False, True])
async def test_it_is_scheduled_as_asked_for_or_says_that_it_is_not(*, realtime: bool) -> None:
    if compiler() is None:
        pytest.skip("no C compiler")
    path = NativePath(build(), lambda _: None, realtime=realtime)
    try:
        with structlog.testing.capture_logs() as logs:
            path.start()
        # Every command waits for the thread's lock, and gets it at any priority.
        handles = [path.play([SILENCE], loop=True) for _ in range(100)]
        assert len(set(handles)) == len(handles)
        await until(lambda: policy_of("media") is not None)  # it gives itself its name
        urgent = realtime and is_permitted()
        assert policy_of("media") == (os.SCHED_FIFO if urgent else os.sched_getscheduler(0))
        assert [entry["log_level"] for entry in logs] == ["warning"] * (realtime and not urgent)
    finally:
        path.close()
