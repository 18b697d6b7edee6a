"""The gateway against programs that nobody here wrote: baresip, SIPp, pyVoIP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.bindings import MemoryBindings
from telephony.gateway import SipGateway
from telephony.leg import Leg, LegAnswered, LegConfirmed, LegEnded, LegRinging
from telephony.sip.offer_answer import parse_audio
from tests.support import sipp
from tests.support.baresip import Baresip, BaresipError
from tests.support.ports import free_udp_port
from tests.support.pyvoip import PyVoipPhone
from tests.support.sipp import SippRun
from tests.support.waiting import until
from tests.telephony.gateways import HOST, OFFER, Desk, Owner, a_gateway, answer_to

BOTH_LAWS = OFFER.replace("RTP/AVP 8 101", "RTP/AVP 8 0 101")


class Node:
    """A gateway with what belongs to it."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.bindings = MemoryBindings()
        self.phones: list[tuple[str, int]] = []
        self.gateway: SipGateway

    def count(self, aor: str, phones: int) -> None:
        self.phones.append((aor, phones))

    async def ring(self, user: str) -> tuple[Leg, Owner]:
        """Call a registered phone and wait until it rings."""
        [binding] = await self.bindings.lookup(user)
        owner = Owner()
        leg = self.gateway.invite(
            binding,
            sdp=BOTH_LAWS,
            caller="13862311001",
            display="12345",
            called=user,
            on_event=owner,
        )
        assert (await owner.told(LegRinging)).status == 180
        return leg, owner


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    made = Node()
    async with a_gateway(
        made.desk, bindings=made.bindings, on_registered=made.count
    ) as made.gateway:
        yield made


async def test_baresip_is_an_agents_phone(node: Node, tmp_path: Path) -> None:
    where = node.gateway.endpoint.local
    async with Baresip(tmp_path / "b", user="1001", password="pw1001", registrar=where) as phone:
        await phone.register()
        assert node.phones[-1] == ("1001", 1)

        leg, owner = await node.ring("1001")
        await phone.wait_event("CALL_INCOMING")
        await phone.answer()
        answer = await owner.told(LegAnswered)
        assert parse_audio(answer.sdp).formats[0].name == "PCMA"
        await phone.wait_event("CALL_ESTABLISHED")
        leg.hang_up()
        assert await owner.ended() == LegEnded("local")
        await phone.wait_event("CALL_CLOSED")

        leg, owner = await node.ring("1001")
        await phone.hang_up()  # refuses
        ended = await owner.ended()
        assert (ended.by, ended.status) == ("remote", 486)

        leg, owner = await node.ring("1001")
        leg.hang_up()  # cancels
        assert (await owner.ended()).status == 487
        await until(lambda: len([e for e in phone.events if e["type"] == "CALL_CLOSED"]) == 3)

        leg, owner = await node.ring("1001")
        await phone.answer()
        await owner.told(LegAnswered)
        await phone.hang_up()
        assert await owner.ended() == LegEnded("remote")
    # it un-registers when it is closed
    await until(lambda: node.phones[-1] == ("1001", 0))
    assert node.gateway.counts()["legs"] == node.gateway.counts()["dialogs"] == 0


async def test_baresip_with_a_wrong_password(node: Node, tmp_path: Path) -> None:
    where = node.gateway.endpoint.local
    async with Baresip(tmp_path / "b", user="1001", password="guess", registrar=where) as phone:
        with pytest.raises(BaresipError):
            await phone.register()
    assert node.phones == []


async def test_baresip_is_a_citizen_who_puts_us_on_hold(node: Node, tmp_path: Path) -> None:
    host, port = node.gateway.endpoint.local
    async with Baresip(tmp_path / "b", user="13862311001") as phone:
        await phone.dial(f"sip:12345@{host}:{port}")
        leg, owner = await node.desk.call()
        assert (leg.caller, leg.called) == ("13862311001", "12345")
        leg.ring()
        await phone.wait_event("CALL_RINGING")
        leg.answer(answer_to(leg))
        await owner.told(LegConfirmed)
        await phone.command("hold")
        await until(lambda: leg.remote_sdp and "a=sendonly" in leg.remote_sdp)
        leg.answer(answer_to(leg))
        await phone.command("resume")
        await until(lambda: leg.remote_sdp and "a=sendrecv" in leg.remote_sdp)
        leg.answer(answer_to(leg))
        await phone.hang_up()
        assert await owner.ended() == LegEnded("remote")


async def test_pyvoip_is_an_agents_phone(node: Node, tmp_path: Path) -> None:
    where = node.gateway.endpoint.local
    phone = PyVoipPhone(tmp_path / "p", user="1003", password="pw1003", registrar=where)
    async with phone:
        await phone.register()
        assert node.phones[-1] == ("1003", 1)
        leg, owner = await node.ring("1003")
        await phone.wait_event("incoming")
        await phone.answer()
        answer = await owner.told(LegAnswered)
        assert parse_audio(answer.sdp).formats[0].name == "PCMU"
        leg.hang_up()
        assert await owner.ended() == LegEnded("local")
        await phone.wait_event("ended")
        leg, owner = await node.ring("1003")
        await phone.wait_event("incoming")
        await phone.refuse()
        ended = await owner.ended()
        assert (ended.by, ended.status) == ("remote", 486)


async def test_sipp_is_an_agents_phone(node: Node, tmp_path: Path) -> None:
    where = node.gateway.endpoint.local
    address = (HOST, free_udp_port())
    await sipp.register(tmp_path, registrar=where, phones={"1002": ("pw1002", address)})
    assert node.phones == [("1002", 1)]
    [binding] = await node.bindings.lookup("1002")
    assert binding.received == address
    async with SippRun(
        "agent",
        directory=tmp_path / "agent",
        service="1002",
        rows=[(100, 60_000)],
        local_port=address[1],
    ) as phone:
        leg, owner = await node.ring("1002")
        await owner.told(LegAnswered)
        leg.hang_up()
        assert await owner.ended() == LegEnded("local")
        await until(lambda: phone.statistics.successful == 1)


async def test_sipp_is_many_citizens_with_lost_packets(tmp_path: Path) -> None:
    taken: list[Owner] = []

    def take(leg: Leg) -> None:
        owner = Owner()
        leg.on_event = owner
        taken.append(owner)
        leg.ring()
        leg.answer(answer_to(leg))

    async with (
        a_gateway(take) as gateway,
        SippRun(
            "citizen",
            directory=tmp_path / "citizens",
            remote=gateway.endpoint.local,
            calls=40,
            rate=20,
            rows=[("13862311001", 300), ("13862311002", 600)],
            service="12345",
            lost=2,
        ) as citizens,
    ):
        statistics = await citizens.wait(30)
        assert (statistics.successful, statistics.failed) == (40, 0), citizens.errors()
        await until(lambda: gateway.counts()["legs"] == 0)
    assert len(taken) == 40
    # SIPp takes a repeated 200 of its INVITE for that of its BYE: where ACK and BYE are both lost
    # it is content, and the leg is given up.
    ended = [owner.events[-1] for owner in taken]
    given_up = LegEnded("failure", 408, "no ACK")
    assert set(ended) <= {LegEnded("remote"), given_up}
    assert ended.count(given_up) <= 2
