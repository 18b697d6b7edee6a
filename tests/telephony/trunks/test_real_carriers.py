"""Carriers that nobody here wrote: SIPp as exchanges, one of which dies, and as a registrar."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL

import pytest

from telephony.gateway import SipGateway
from telephony.leg import LegAnswered, LegEnded
from telephony.sip.transaction import Timers
from telephony.trunks.health import HealthTimes
from telephony.trunks.model import Account, Trunk
from tests.support.ports import free_udp_port, is_taken
from tests.support.programs import Program
from tests.support.sipp import SippRun
from tests.support.waiting import until
from tests.telephony.gateways import HOST, OFFER, Owner
from tests.telephony.trunks.test_service import Changes, a_node

pytestmark = pytest.mark.e2e

# A program has to answer in time on a machine that others keep busy.
TIMES = HealthTimes(retry=0.1, answer=2.0, trial=2.0)
TIMERS = Timers(t1=0.1, t2=0.4, t4=0.5)


@asynccontextmanager
async def exchange(folder: Path, port: int) -> AsyncIterator[Program]:
    """Run SIPp's own called party (-sn uas), which also answers OPTIONS (-aa)."""
    program = Program(
        f"sipp-{port}",
        ("sipp", "-sn", "uas", "-aa", "-nostdin", "-i", HOST, "-p", str(port), "-cp", "0"),
        directory=folder,
    )
    await program.start()
    try:
        await until(lambda: is_taken(port))
        yield program
    finally:
        await program.stop(polite=SIGKILL)


async def a_call(gateway: SipGateway) -> str | None:
    """Place a call, hang it up once it is answered; return the trunk that carried it."""
    owner = Owner()
    leg = gateway.dial("110", sdp=OFFER, caller="12345", on_event=owner)
    await owner.told(LegAnswered)
    leg.hang_up()
    assert isinstance(await owner.ended(), LegEnded)
    return leg.trunk


async def test_calls_survive_the_death_of_an_exchange_and_it_comes_back(tmp_path: Path) -> None:
    first, second = free_udp_port(), free_udp_port()
    changes = Changes()
    trunks = [
        Trunk(name="first", host=HOST, port=first, probe_seconds=0.2),
        Trunk(name="second", host=HOST, port=second, priority=1, probe_seconds=0.2),
    ]
    async with (
        exchange(tmp_path / "second", second),
        exchange(tmp_path / "first", first) as dying,
        a_node(*trunks, changes=changes, times=TIMES, timers=TIMERS) as gateway,
    ):
        assert await a_call(gateway) == "first"
        dying.signal(SIGKILL)
        await dying.process.wait()
        # whether the probe has noticed yet or not, the call goes through
        assert await a_call(gateway) == "second"
        await until(lambda: changes.story == [("first", False)])
        async with exchange(tmp_path / "again", first):
            await until(lambda: changes.story == [("first", False), ("first", True)])
            assert await a_call(gateway) == "first"


@pytest.mark.parametrize("password, welcome", [("secret", True), ("wrong", False)])
async def test_registers_at_somebody_elses_registrar(
    tmp_path: Path, password: str, *, welcome: bool
) -> None:
    account = Account("51200000", password, register=True)
    keys = {"user": "51200000", "password": "secret"}
    async with SippRun("registrar", directory=tmp_path, keys=keys) as registrar:
        host, port = registrar.address
        trunk = Trunk(name="telecom", host=host, port=port, account=account)
        async with a_node(trunk, times=TIMES, timers=TIMERS) as gateway:

            def decided() -> bool:
                (status,) = gateway.trunks.statuses()
                return bool(status.registered or status.reason)

            await until(decided)
            (status,) = gateway.trunks.statuses()
            assert (status.registered, status.up) == (welcome, welcome)
            assert welcome or "403" in (status.reason or "")
