"""Phones whose node died: another tells how many there are left."""

from typing import cast

import pytest

from telephony.authentication import Authenticator
from telephony.bindings import Binding, MemoryBindings
from telephony.registration import RegistrationService
from telephony.sip.registrar import Limits


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Absent(MemoryBindings):
    """A store that may not be able to say who has lapsed."""

    away = False

    async def lapsed(self, since: float, until: float) -> list[str] | None:
        return None if self.away else await super().lapsed(since, until)


@pytest.mark.parametrize("away", [False, True])
async def test_a_phone_that_lapses_at_a_dead_node_is_told_by_another(*, away: bool) -> None:
    clock, told = Clock(), list[tuple[str, int]]()
    store = Absent(clock=clock)
    service = RegistrationService(
        authenticator=cast("Authenticator", None),  # nobody registers here
        bindings=store,
        limits=Limits(),
        on_registered=lambda aor, count: told.append((aor, count)),
        wall_clock=clock,
    )
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
