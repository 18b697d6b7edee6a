"""One timer for many machines, on the real loop."""

import asyncio
from typing import Any

import pytest

from telephony.alarm import Alarm
from tests.support.waiting import until


async def test_machines_are_called_in_the_order_of_their_deadlines() -> None:
    called: list[str] = []
    alarm: Alarm[str] = Alarm(called.append)
    start = alarm.now()
    alarm.set("second", start + 0.02)
    alarm.set("first", start + 0.01)
    alarm.set("never", start + 0.015)
    alarm.set("never", None)
    await until(lambda: len(called) == 2)
    assert called == ["first", "second"]
    assert alarm.now() >= start + 0.02
    alarm.close()


async def test_a_machine_may_set_its_next_deadline_while_it_is_called() -> None:
    called: list[float] = []

    def on_due(machine: str) -> None:
        called.append(alarm.now())
        if len(called) < 3:
            alarm.set(machine, alarm.now() + 0.005)

    alarm = Alarm(on_due)
    alarm.set("again", alarm.now())
    await until(lambda: len(called) == 3)
    assert called[2] - called[0] >= 0.01
    alarm.close()


async def test_a_thousand_machines_take_one_timer_of_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    armed = 0
    call_at = loop.call_at

    def counting(*args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        nonlocal armed
        armed += 1
        return call_at(*args, **kwargs)

    monkeypatch.setattr(loop, "call_at", counting)
    called: list[int] = []
    alarm: Alarm[int] = Alarm(called.append)
    soon = alarm.now() + 60
    for machine in range(1000):
        alarm.set(machine, soon + machine)
    assert armed == 1
    alarm.set(1000, soon - 1)
    assert armed == 2
    assert called == []
    alarm.close()


async def test_one_that_fails_does_not_stop_the_others() -> None:
    called: list[str] = []
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def on_due(machine: str) -> None:
        called.append(machine)
        if machine == "bad":
            raise RuntimeError(machine)

    alarm = Alarm(on_due)
    now = alarm.now()
    alarm.set("bad", now + 0.005)
    alarm.set("good", now + 0.006)
    await until(lambda: called == ["bad", "good"])
    assert len(reported) == 1
    alarm.close()


async def test_after_close_nobody_is_called() -> None:
    called: list[str] = []
    alarm: Alarm[str] = Alarm(called.append)
    alarm.set("a", alarm.now() + 0.005)
    alarm.close()
    other: Alarm[str] = Alarm(called.append)
    other.set("later", other.now() + 0.02)
    await until(lambda: called)
    assert called == ["later"]
    other.close()
