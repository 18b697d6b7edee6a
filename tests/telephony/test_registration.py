"""Phones whose node died: another tells how many there are left."""

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from telephony import registration
from telephony.authentication import Authenticator
from telephony.bindings import Binding, BindingStore, MemoryBindings
from telephony.lives import LostConnections
from telephony.registration import RegistrationService
from telephony.sip.registrar import Limits
from tests.support.waiting import until


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Absent(MemoryBindings):
    """A store that may not be able to say who has lapsed."""

    away = False

    async def lapsed(self, since: float, until: float) -> list[str] | None:
        return None if self.away else await super().lapsed(since, until)


class Buries:
    """Another node's phone has gone with that node."""

    beat_seconds = 0.0

    def __init__(self, *aors: str) -> None:
        self._aors = list(aors)
        self.beats = 0
        self.due = asyncio.Event()

    async def beat(self) -> None:
        self.beats += 1
        if self._aors:
            self.due.set()

    async def take_back(self) -> list[str]:
        self.due.clear()
        lost, self._aors = self._aors, []
        return lost


def registrations(
    store: BindingStore, clock: Clock, told: list[tuple[str, int]], lost: Buries | None = None
) -> RegistrationService:
    """Return a node's, at which nobody registers."""
    return RegistrationService(
        authenticator=cast("Authenticator", None),
        bindings=store,
        limits=Limits(),
        on_registered=lambda aor, count: told.append((aor, count)),
        wall_clock=clock,
        lost=cast("LostConnections", lost),
    )


@pytest.mark.parametrize("away", [False, True])
async def test_a_phone_that_lapses_at_a_dead_node_is_told_by_another(*, away: bool) -> None:
    clock, told = Clock(), list[tuple[str, int]]()
    store = Absent(clock=clock)
    service = registrations(store, clock, told)
    phone = Binding("1001", "sip:1001@10.0.0.1", ("10.0.0.1", 5060), "c", 1, clock.now + 60)
    await store.save("1001", phone)  # by the other node
    clock.now += 30
    await service.tell_lapsed()
    assert told == []
    clock.now += 31
    store.away = away
    await service.tell_lapsed()
    store.away = False
    await service.tell_lapsed()
    await service.tell_lapsed()
    assert told == [("1001", 0)]
    await service.close()


async def test_a_phone_that_lapsed_while_there_was_no_node_is_told() -> None:
    clock, told = Clock(), list[tuple[str, int]]()
    store = MemoryBindings(clock=clock)
    await store.save("1001", Binding("1001", "sip:a@h", ("10.0.0.1", 5060), "c", 1, clock.now + 60))
    clock.now += 3600
    service = registrations(store, clock, told)
    await service.resume()
    assert told == [("1001", 0)]
    await service.close()


async def test_who_registers_at_another_node_just_then_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registration, "AGAIN_SECONDS", 0.0)
    clock, told = Clock(), list[tuple[str, int]]()
    store = MemoryBindings(clock=clock)
    phone = Binding("1001", "sip:a@h", ("10.0.0.1", 5060), "c", 1, clock.now + 60)
    await store.save("1001", phone)
    service = registrations(store, clock, told)
    clock.now += 61
    await service.tell_lapsed()
    await store.save("1001", replace(phone, cseq=2, expires_at=clock.now + 60))
    await until(lambda: told == [("1001", 0), ("1001", 1)])
    await service.close()


async def test_phones_lost_with_a_dead_node_are_told() -> None:
    clock, told = Clock(), list[tuple[str, int]]()
    service = registrations(MemoryBindings(clock=clock), clock, told)
    await service.tell_lost(["1001"])
    await service.tell_lost([])
    assert told == [("1001", 0)]
    await service.close()


async def test_a_node_that_watches_tells_what_was_lost() -> None:
    clock, told, buries = Clock(), list[tuple[str, int]](), Buries("1001")
    service = registrations(MemoryBindings(clock=clock), clock, told, buries)
    await service.resume()
    await until(lambda: bool(told))
    assert told == [("1001", 0)]
    await service.close()


class Stuck(MemoryBindings):
    """A store that is slow to say who is registered, and fails to say who has lapsed."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.failures = 0
        self.answers = asyncio.Event()

    async def lapsed(self, since: float, until: float) -> list[str] | None:
        if since == 0.0:
            return await super().lapsed(since, until)
        self.failures += 1
        raise RuntimeError

    async def lookup(self, aor: str) -> list[Binding]:
        await self.answers.wait()
        return await super().lookup(aor)


async def test_a_node_beats_whatever_else_is_slow_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "WATCH_SECONDS", 0.0)
    clock, told, buries = Clock(), list[tuple[str, int]](), Buries("1001")
    store = Stuck(clock=clock)
    service = registrations(store, clock, told, buries)
    await service.resume()
    await until(lambda: store.failures > 1)
    before = buries.beats
    await until(lambda: buries.beats > before)
    assert told == []
    store.answers.set()
    await until(lambda: told == [("1001", 0)])
    await service.close()


class Fails(Buries):
    """Redis says something that cannot be read."""

    async def beat(self) -> None:
        await super().beat()
        if self.beats > 1:
            raise RuntimeError

    async def take_back(self) -> list[str]:
        lost = await super().take_back()
        if lost == ["1001"]:
            self._aors = ["1002"]
            raise RuntimeError
        return lost


async def test_a_node_beats_and_takes_back_again_after_it_failed() -> None:
    clock, told, fails = Clock(), list[tuple[str, int]](), Fails("1001")
    service = registrations(MemoryBindings(clock=clock), clock, told, fails)
    await service.resume()
    await until(lambda: told == [("1002", 0)])
    await until(lambda: fails.beats > 3)
    await service.close()


async def test_a_node_shows_that_it_lives_before_phones_register_there() -> None:
    """Whoever has never shown that he lives would never be found dead."""
    clock, told, buries = Clock(), list[tuple[str, int]](), Buries()
    service = registrations(MemoryBindings(clock=clock), clock, told, buries)
    await service.resume()
    assert buries.beats == 1
    await service.close()
