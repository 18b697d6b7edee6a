"""The gateway against linphone, over each transport: as an agent's phone, and as a citizen's."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from telephony.bindings import MemoryBindings
from telephony.gateway import SipGateway
from telephony.leg import (
    Leg,
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegHeld,
    LegReoffered,
    LegResumed,
    LegRinging,
)
from telephony.sip.hop import Transport
from telephony.sip.via import Address
from telephony.transport.listener import Listener
from telephony.transport.tls import Tls, TlsFiles
from tests.support.certificates import Authority
from tests.support.linphone import Linphone
from tests.support.linphone import Transport as Named
from tests.support.waiting import until
from tests.telephony.gateways import HOST, Desk, Owner, a_gateway, answer_to, ring


@dataclass
class Node:
    """A gateway with what belongs to it."""

    desk: Desk = field(default_factory=Desk)
    bindings: MemoryBindings = field(default_factory=MemoryBindings)
    gateway: SipGateway = field(init=False)

    def where(self, transport: Named) -> Address:
        """Return where it takes a transport."""
        wanted: Transport = {"udp": "UDP", "tcp": "TCP", "tls": "TLS"}[transport]  # type: ignore[assignment]
        return next(one.local for one in self.gateway.endpoint.listeners if one.transport == wanted)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    made, pair = Node(), Authority(tmp_path / "certificates").sign("hotline")
    async with a_gateway(
        made.desk,
        bindings=made.bindings,
        tls=Tls(TlsFiles(pair.certificate, pair.key, None)),
        further=[Listener("TLS", HOST, 0)],
    ) as made.gateway:
        yield made


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_linphone_is_an_agents_phone(node: Node, tmp_path: Path, transport: Named) -> None:
    async def rings() -> tuple[Leg, Owner]:
        [binding] = await node.bindings.lookup("1001")
        assert binding.transport == transport.upper()
        leg, owner = await ring(node.gateway, node.bindings, "1001")
        assert (await owner.told(LegRinging)).status == 180
        await phone.rings()
        return leg, owner

    async with Linphone(
        tmp_path / "l",
        user="1001",
        password="pw1001",
        registrar=node.where(transport),
        transport=transport,
    ) as phone:
        await phone.register()

        leg, owner = await rings()
        await phone.answer()
        assert "RTP/AVP 8" in (await owner.told(LegAnswered)).sdp
        await phone.stands()
        leg.hang_up()
        assert await owner.ended() == LegEnded("local")
        await phone.ended()

        leg, owner = await rings()
        await phone.hang_up()  # refuses
        assert (await owner.ended()).status in {486, 603}

        leg, owner = await rings()
        leg.hang_up()  # cancels
        assert (await owner.ended()).status == 487
        await phone.ended()
    assert node.gateway.counts()["legs"] == node.gateway.counts()["dialogs"] == 0


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_linphone_is_a_citizen_who_puts_us_on_hold(
    node: Node, tmp_path: Path, transport: Named
) -> None:
    host, port = node.where(transport)
    async with Linphone(tmp_path / "l", user="13862311001") as phone:
        await phone.dial(f"sip:12345@{host}:{port};transport={transport}")
        leg, owner = await node.desk.call()
        leg.ring()
        leg.answer(answer_to(leg))
        await owner.told(LegConfirmed)
        await phone.stands()
        await phone.command("pause 1")
        await owner.told(LegReoffered)
        leg.answer(answer_to(leg))
        await owner.told(LegHeld)
        await phone.until("Call 1 with .* is now paused|Media streams established")
        await phone.command("resume 1")
        await until(lambda: leg.remote_sdp and "a=sendonly" not in leg.remote_sdp)
        leg.answer(answer_to(leg))
        await owner.told(LegResumed)
        await phone.hang_up()
        assert (await owner.ended()).by == "remote"
