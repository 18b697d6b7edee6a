"""Kamailio in front, as ``deploy/kamailio`` has it: Path, Record-Route, dispatcher."""

import ipaddress
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, cast

import pytest
from aiosipua import SipResponse

from telephony.bindings import MemoryBindings
from telephony.gateway import SipGateway
from telephony.leg import Leg, LegAnswered, LegEnded
from telephony.sip.message import make_response
from telephony.transport.listener import Listener
from telephony.transport.tls import Tls, TlsFiles
from telephony.trunks.model import Trunk
from tests.e2e.ask import ended_call, until_state
from tests.support.baresip import Baresip
from tests.support.certificates import Authority
from tests.support.kamailio import HOST as EDGE
from tests.support.kamailio import Kamailio
from tests.support.linphone import Linphone
from tests.support.node import PASSWORD, RunningNode
from tests.support.node import until as ask_until
from tests.support.ports import free_sip_port
from tests.support.sipp import SippRun
from tests.support.tones import tone_level
from tests.support.waiting import until
from tests.support.waveforms import read_mono
from tests.telephony.gateways import (
    OFFER,
    Desk,
    Owner,
    a_gateway,
    answer_to,
    credentials,
    message,
    register,
    ring,
)
from tests.telephony.peers import Peer, a_peer

pytestmark = pytest.mark.e2e

CITIZENS_TONE = 700
Transport = Literal["udp", "tcp", "tls"]


class House:
    """Two gateways that know each other's phones; their proxy's port, and a carrier's address."""

    def __init__(self) -> None:
        self.edge_port = free_sip_port()
        self.carrier = ("127.0.0.1", free_sip_port())
        self.bindings = MemoryBindings()
        self.first: SipGateway
        self.second: SipGateway

    async def ring(self, gateway: SipGateway, user: str) -> tuple[Leg, Owner]:
        """Call a phone from one of the two."""
        return await ring(gateway, self.bindings, user)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def house(desk: Desk) -> AsyncIterator[House]:
    house = House()
    edge = Trunk(
        name="edge",
        networks=(ipaddress.ip_network("127.0.0.0/8"),),
        host=EDGE,
        port=house.edge_port,
    )

    def gateway() -> AbstractAsyncContextManager[SipGateway]:
        return a_gateway(
            desk, trunks=(edge,), bindings=house.bindings, nonce_secret=b"of all nodes"
        )

    async with gateway() as house.first, gateway() as house.second:
        yield house


@pytest.fixture
async def edge(house: House, tmp_path: Path) -> AsyncIterator[Kamailio]:
    async with Kamailio(
        tmp_path / "edge",
        nodes=[gateway.endpoint.local for gateway in (house.first, house.second)],
        carrier=house.carrier,
        port=house.edge_port,
    ) as edge:
        yield edge


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_any_node_calls_a_phone_the_way_that_it_registered(
    house: House, edge: Kamailio, tmp_path: Path, transport: Transport
) -> None:
    where = edge.secure if transport == "tls" else edge.address
    async with (
        Baresip(
            tmp_path / "b", user="1001", password="pw1001", registrar=where, transport=transport
        ) as baresip,
        Linphone(
            tmp_path / "l", user="1002", password="pw1002", registrar=where, transport=transport
        ) as linphone,
    ):
        await baresip.register()
        await linphone.register()
        for gateway in (house.first, house.second):
            leg, owner = await house.ring(gateway, "1001")
            await baresip.wait_event("CALL_INCOMING")
            await baresip.answer()
            await owner.told(LegAnswered)
            await baresip.wait_event("CALL_ESTABLISHED")
            leg.hang_up()
            assert await owner.ended() == LegEnded("local")
            await baresip.wait_event("CALL_CLOSED")

            leg, owner = await house.ring(gateway, "1002")
            await linphone.rings()
            await linphone.answer()
            await owner.told(LegAnswered)
            await linphone.stands()
            await linphone.hang_up()
            assert await owner.ended() == LegEnded("remote")
        assert house.first.counts()["legs"] == house.second.counts()["legs"] == 0


async def test_a_phone_that_its_proxy_does_not_reach_is_passed_over(
    house: House, edge: Kamailio, tmp_path: Path
) -> None:
    async with Baresip(
        tmp_path / "b", user="1001", password="pw1001", registrar=edge.address, transport="tcp"
    ) as phone:
        await phone.register()
        [binding] = await house.bindings.lookup("1001")
    # it un-registers as it goes: as if it had not been able to
    await until(lambda: not house.bindings.live("1001"))
    await house.bindings.save("1001", binding)
    _, owner = await house.ring(house.first, "1001")
    ended = await owner.ended()
    assert (ended.by, (ended.status or 0) // 100) in {("remote", 4), ("remote", 5)}


async def test_a_node_that_goes_leaves_its_calls_to_the_other(
    house: House, edge: Kamailio, desk: Desk, tmp_path: Path
) -> None:
    taken = await a_citizens_call(edge, desk, tmp_path / "0")
    gone, other = house.first, house.second
    if taken == other.endpoint.local[1]:
        gone, other = other, gone
    await gone.close()
    later = [await a_citizens_call(edge, desk, tmp_path / str(number)) for number in range(1, 5)]
    assert set(later) == {other.endpoint.local[1]}
    async with Baresip(
        tmp_path / "b", user="1001", password="pw1001", registrar=edge.address
    ) as phone:
        await phone.register()


async def test_the_proxy_reaches_the_nodes_over_tls_and_shows_its_certificate(
    house: House, desk: Desk, tmp_path: Path
) -> None:
    """The gateways take a trunk's calls from whoever shows a certificate, and from nobody else."""
    authority = Authority(tmp_path / "ca")
    pair = authority.sign("hotline")
    files = TlsFiles(pair.certificate, pair.key, authority.pair.certificate)
    trunk = Trunk.allowing(f"{EDGE}/32")
    async with (
        a_gateway(
            desk,
            trunks=(trunk,),
            tls=Tls(files),
            further=[Listener("TLS", "127.0.0.1", 0)],
            certified_trunks=True,
            bindings=house.bindings,
        ) as gateway,
        Kamailio(
            tmp_path / "edge",
            nodes=[gateway.endpoint.listeners[-1].local],
            authority=authority,
        ) as edge,
        Baresip(tmp_path / "b", user="1001", password="pw1001", registrar=edge.address) as phone,
    ):
        await a_citizens_call(edge, desk, tmp_path / "citizen")
        await phone.register()
        [binding] = await house.bindings.lookup("1001")
        assert binding.transport == "TLS"
        leg, owner = await house.ring(gateway, "1001")
        await phone.wait_event("CALL_INCOMING")
        await phone.answer()
        await owner.told(LegAnswered)
        await phone.hang_up()
        assert await owner.ended() == LegEnded("remote")
        assert leg.over


async def a_citizens_call(edge: Kamailio, desk: Desk, directory: Path) -> int:
    """Let a citizen call through the proxy, and hang up; return which node had the call."""
    async with SippRun(
        "citizen",
        directory=directory,
        remote=edge.address,
        service="12345",
        rows=[("13862311001", 100)],
        calls=1,
    ) as citizen:
        leg, owner = await desk.call()
        leg.ring()
        # The proxy's processes may let the 200 overtake the 180. SIPp takes a 180 after the 200 for
        # an error, and hangs up by a BYE without the Route: it would never come here.
        await until(lambda: "180 Ringing" in citizen.messages())
        leg.answer(answer_to(leg))
        assert await owner.ended() == LegEnded("remote")
        statistics = await citizen.wait(10)
    assert statistics.successful == 1, citizen.errors() + citizen.messages()
    return leg.wire.endpoint.local[1]


async def test_a_phones_call_that_is_another_nodes_matter_is_sent_on_to_it(
    house: House, edge: Kamailio, desk: Desk, tmp_path: Path
) -> None:
    """An agent asks somebody with a second call, which its Call-ID has led to the wrong node."""
    async with Baresip(
        tmp_path / "b", user="1001", password="pw1001", registrar=edge.address
    ) as phone:
        await phone.register()
        await phone.dial(f"sip:110@{edge.address[0]}:{edge.address[1]}")
        wrong, _ = await desk.call()
        wrong.refuse(503)
        right, owner = await desk.call()
        assert right.wire.endpoint.local != wrong.wire.endpoint.local
        assert (right.account, right.called) == ("1001", "110")
        right.answer(answer_to(right))
        await phone.wait_event("CALL_ESTABLISHED")
        right.hang_up()
        assert await owner.ended() == LegEnded("local")
    assert house.first.counts()["legs"] == house.second.counts()["legs"] == 0


async def test_a_phone_takes_the_place_of_a_dialog_of_whichever_node(
    house: House, edge: Kamailio, desk: Desk
) -> None:
    """Both calls have one Call-ID, so that the proxy tries one node first for both."""
    proxy = cast("SipGateway", SimpleNamespace(endpoint=SimpleNamespace(local=edge.address)))
    with a_peer() as phone:
        assert await register(phone, proxy, "1001") == 200
        for gateway in (house.first, house.second):
            old, owner = await house.ring(gateway, "1001")
            asked = await phone.fresh("INVITE")
            contact = (("Contact", f"<sip:1001@127.0.0.1:{phone.address[1]}>"),)
            answer = make_response(asked, 200, to_tag="phone", headers=contact)
            answer.headers.append("Content-Type", "application/sdp")
            answer.text = OFFER
            phone.send(answer, edge.address)
            await owner.told(LegAnswered)
            [dialog] = old.dialog_ids
            tags = f"to-tag={dialog.local_tag};from-tag={dialog.remote_tag}"
            headers = (("Replaces", f"{dialog.call_id};{tags}"),)
            branch = str(gateway.endpoint.local[1])
            plain = message(
                phone, proxy, "INVITE", user="1001", branch=branch, headers=headers, body=OFFER
            )
            phone.send(plain, edge.address)
            challenge = (await answered(phone, 407)).headers.get("Proxy-Authenticate")[0]
            proof = ("Proxy-Authorization", credentials(challenge, plain, "1001", "pw1001"))
            proven = message(
                phone,
                proxy,
                "INVITE",
                user="1001",
                branch=f"{branch}-proven",
                cseq=gateway.endpoint.local[1],
                headers=(*headers, proof),
                body=OFFER,
            )
            phone.send(proven, edge.address)
            new, _ = await desk.call()
            assert new.replaces is old
            new.refuse(486)
            old.hang_up()
            bye = await phone.fresh("BYE")
            phone.send(make_response(bye, 200), edge.address)
            assert await owner.ended() == LegEnded("local")


async def answered(phone: Peer, status: int) -> SipResponse:
    """Return the next response of a status, passing over everything else."""
    while True:
        found = await phone.receive()
        if isinstance(found, SipResponse) and found.status_code == status:
            return found


@pytest.mark.parametrize("ends", ["node", "carrier"])
async def test_calls_go_out_through_the_proxy(
    house: House, edge: Kamailio, tmp_path: Path, ends: str
) -> None:
    del edge
    async with SippRun(
        "agent",
        directory=tmp_path / "carrier",
        calls=1,
        rows=[(50, 200 if ends == "carrier" else 60_000)],
        local_port=house.carrier[1],
    ) as carrier:
        owner = Owner()
        leg = house.first.dial("110", sdp=OFFER, caller="13862311001", on_event=owner)
        await owner.told(LegAnswered)
        # the proxy's processes may let a BYE overtake the ACK, which SIPp takes amiss
        await until(lambda: "ACK sip:" in carrier.messages())
        if ends == "node":
            leg.hang_up()
        assert (await owner.ended()).by == {"node": "local", "carrier": "remote"}[ends]
        statistics = await carrier.wait(10)
    assert statistics.successful == 1, carrier.errors() + carrier.messages()
    assert "Record-Route: <sip:127.0.0.5" in carrier.messages()


async def test_a_citizen_and_an_agent_who_both_come_through_the_proxy(
    node: RunningNode, tmp_path: Path
) -> None:
    async with (
        Kamailio(tmp_path / "edge", nodes=[("127.0.0.1", node.sip_port)]) as edge,
        Baresip(
            tmp_path / "a", user="1001", password=PASSWORD, registrar=edge.secure, transport="tls"
        ) as phone,
        Baresip(tmp_path / "c", user="13862311001", source=CITIZENS_TONE) as citizen,
        node.signed_in("1001") as api,
    ):
        await phone.register()

        async def phone_is_there() -> bool:
            return bool((await api.get("/me"))["presence"]["phones"])

        await ask_until(phone_is_there)
        for ends, by in ((citizen, "citizen"), (phone, "agent")):
            await api.send("PUT", "/me/presence", {"state": "ready"})
            await citizen.dial(f"sip:12345@{edge.address[0]}:{edge.address[1]}")
            await phone.wait_event("CALL_INCOMING")
            await phone.answer()
            await citizen.wait_event("CALL_ESTABLISHED")
            await until_state(api, "talking")
            await phone.wait_heard(0.5)
            await ends.hang_up()
            await citizen.wait_event("CALL_CLOSED")
            await phone.wait_event("CALL_CLOSED")
            assert tone_level(read_mono(phone.heard()), CITIZENS_TONE) > -20
            record = await ended_call(api)
            assert (record["outcome"], record["ended_by"]) == ("answered", by)
            await until_state(api, "wrap_up")
        await api.send("DELETE", "/session")
