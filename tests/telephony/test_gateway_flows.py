"""Phones and trunks over connections: registered, called, lost, and back again (RFC 5626)."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from aiosipua import SipRequest, SipResponse
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from telephony.bindings import MemoryBindings
from telephony.leg import LegAnswered, LegConfirmed, LegEnded
from telephony.passes import PhonePasses
from telephony.sip.message import make_response, parse_message
from telephony.sip.transaction import Timers
from telephony.sip.via import top_via
from telephony.transport.listener import Bound, Listener
from telephony.transport.tls import Tls, TlsFiles
from tests.support.certificates import Authority
from tests.support.waiting import until
from tests.telephony.gateways import (
    HOST,
    OFFER,
    QUICK,
    REALM,
    Accounts,
    Desk,
    Owner,
    a_gateway,
    answer_to,
    credentials,
    register,
    ring,
)
from tests.telephony.lines import message, tcp
from tests.telephony.peers import a_peer
from tests.telephony.transport.streams import StreamPeer, connected, listening

INSTANCE = '"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"'


async def registered(
    stream: StreamPeer, node: Bound, *, cseq: int = 1, contact: str | None = None, **more: Any
) -> SipResponse:
    """Register 1001 over a connection; return the last response."""

    def attempt(number: int, *headers: tuple[str, str]) -> SipRequest:
        also = (("Supported", "path, outbound"), *headers)
        return message(
            "REGISTER", stream.address, node, cseq=number, contact=contact, headers=also, **more
        )

    first = attempt(cseq)
    stream.send(first)
    challenge = (await stream.response()).headers.get("WWW-Authenticate")[0]
    proof = credentials(challenge, first, "1001", "pw1001")
    stream.send(attempt(cseq + 1, ("Authorization", proof)))
    return await stream.response()


async def test_a_phone_is_called_over_its_connection_and_goes_with_it() -> None:
    bindings, phones = MemoryBindings(), list[int]()
    count = lambda _aor, number: phones.append(number)  # noqa: E731 - one line
    async with a_gateway(Desk(), bindings=bindings, on_registered=count) as gateway:
        async with connected(tcp(gateway).local) as phone:
            # behind a NAT: the address in its Contact leads nowhere
            contact = "<sip:1001@192.168.1.7:5060;transport=tcp;ob>"
            assert (await registered(phone, tcp(gateway), contact=contact)).status_code == 200
            owner = Owner()
            await ring(gateway, bindings, "1001", owner)
            invite = await phone.request()
            assert invite.uri == "sip:1001@192.168.1.7:5060;transport=tcp;ob"
            assert top_via(invite).transport == "TCP"
            assert invite.headers.get("Contact")[0].endswith(";transport=tcp>")
            answer = make_response(invite, 200, to_tag="phone")
            answer.headers.append("Contact", contact)
            answer.headers.append("Content-Type", "application/sdp")
            answer.text = OFFER
            phone.send(answer)
            await owner.told(LegAnswered)
            assert (await phone.request()).method == "ACK"
            [leg] = gateway.legs.values()
            leg.hang_up()
            bye = await phone.request()
            assert bye.method == "BYE"
            phone.send(make_response(bye, 200))
            await owner.ended()
        await until(lambda: phones == [1, 0])
        assert await bindings.lookup("1001") == []


async def test_a_call_to_a_phone_whose_connection_breaks_fails_at_once() -> None:
    bindings, owner = MemoryBindings(), Owner()
    async with a_gateway(Desk(), bindings=bindings) as gateway:
        async with connected(tcp(gateway).local) as phone:
            await registered(phone, tcp(gateway))
            [binding] = await bindings.lookup("1001")
            await ring(gateway, bindings, "1001", owner)
            invite = await phone.request()
            phone.send(make_response(invite, 180, to_tag="phone"))
        assert (await owner.ended()).by == "failure"
        late = Owner()
        gateway.invite(binding, sdp=OFFER, caller=None, display=None, called="1", on_event=late)
        assert (await late.ended()).by == "failure"


async def test_a_phone_that_comes_back_keeps_its_new_connection() -> None:
    bindings = MemoryBindings()
    contact = f"<sip:1001@192.168.1.7;transport=tcp>;+sip.instance={INSTANCE}"
    async with (
        a_gateway(Desk(), bindings=bindings) as gateway,
        connected(tcp(gateway).local) as new,
    ):
        async with connected(tcp(gateway).local) as old:
            await registered(old, tcp(gateway), contact=contact)
            [first] = await bindings.lookup("1001")
            answer = await registered(new, tcp(gateway), cseq=3, contact=contact)
            assert answer.status_code == 200
        await until(lambda: gateway.endpoint.connections == 1)
        [binding] = await bindings.lookup("1001")
        assert binding.flow != first.flow
        assert gateway.endpoint.is_alive(binding.hop)


async def test_a_phone_with_two_flows_has_two_bindings() -> None:
    bindings = MemoryBindings()
    async with (
        a_gateway(Desk(), bindings=bindings) as gateway,
        connected(tcp(gateway).local) as one,
        connected(tcp(gateway).local) as two,
    ):
        for number, stream in enumerate((one, two), 1):
            uri = f"sip:1001@192.168.1.7:{5060 + number};transport=tcp;ob"
            contact = f"<{uri}>;reg-id={number};+sip.instance={INSTANCE}"
            answer = await registered(
                stream, tcp(gateway), contact=contact, call_id=f"flow-{number}"
            )
            assert answer.status_code == 200
            assert answer.headers.get("Require") == ["outbound"]
        assert sorted(b.reg_id or 0 for b in await bindings.lookup("1001")) == [1, 2]


async def test_a_trunk_that_restarts_in_mid_dialog_hears_the_end_of_its_call() -> None:
    desk = Desk()
    async with a_gateway(desk) as gateway, listening() as trunk:
        address = trunk.address
        async with connected(tcp(gateway).local) as line:
            contact = f"<sip:trunk@{HOST}:{address[1]};transport=tcp>"
            line.send(message("INVITE", address, tcp(gateway), contact=contact, body=OFFER))
            leg, owner = await desk.call()
            leg.answer(answer_to(leg))
            answer = await line.final()
            tag = answer.headers.get("To")[0].partition(";")[2]
            line.send(message("ACK", address, tcp(gateway), to_tag=f";{tag}"))
            await owner.told(LegConfirmed)
        await until(lambda: gateway.endpoint.connections == 0)
        await trunk.stop()
        await trunk.start(address[1])
        leg.hang_up()
        again = await trunk.peer()
        bye = await again.request()
        assert (bye.method, bye.uri) == ("BYE", f"sip:trunk@{HOST}:{address[1]};transport=tcp")
        again.send(make_response(bye, 200))
        assert (await owner.ended()).by == "local"


async def test_a_trunk_without_the_certificate_that_is_wanted_is_refused(tmp_path: Path) -> None:
    authority, desk = Authority(tmp_path), Desk()
    pair, theirs = authority.sign("hotline"), authority.sign("carrier")
    tls = Tls(TlsFiles(pair.certificate, pair.key, authority.pair.certificate))
    further = [Listener("TLS", HOST, 0)]
    async with a_gateway(desk, tls=tls, further=further, certified_trunks=True) as gateway:
        secure = gateway.endpoint.listeners[-1]
        trust = ssl.create_default_context(cafile=str(authority.pair.certificate))
        statuses = []
        for bound, context in ((tcp(gateway), None), (secure, trust)):
            async with connected(bound.local, context=context) as line:
                line.send(message("INVITE", line.address, bound, body=OFFER))
                statuses.append((await line.response()).status_code)
        assert statuses == [403, 403]
        trust.load_cert_chain(theirs.certificate, theirs.key)
        async with connected(secure.local, context=trust) as line:
            line.send(message("INVITE", line.address, secure, cseq=2, body=OFFER))
            leg, _ = await desk.call()
            leg.refuse(486)
            answer = await line.final()
            assert answer.status_code == 486


async def test_a_browser_registers_and_is_called() -> None:
    bindings, owner = MemoryBindings(), Owner()
    further = [Listener("WS", HOST, 0)]
    async with a_gateway(Desk(), bindings=bindings, further=further) as gateway:
        node = gateway.endpoint.listeners[-1]
        url = f"ws://{HOST}:{node.local[1]}/"
        async with connect(url, subprotocols=[Subprotocol("sip")], proxy=None) as browser:
            contact = "<sip:1001@df7jal23ls0d.invalid;transport=ws>"
            first = message("REGISTER", (HOST, 9), node, contact=contact)
            await browser.send(bytes(first))
            challenged = parse_message(_bytes(await browser.recv()))
            assert isinstance(challenged, SipResponse)
            challenge = challenged.headers.get("WWW-Authenticate")[0]
            proof = ("Authorization", credentials(challenge, first, "1001", "pw1001"))
            again = message("REGISTER", (HOST, 9), node, cseq=2, contact=contact, headers=(proof,))
            await browser.send(bytes(again))
            accepted = parse_message(_bytes(await browser.recv()))
            assert isinstance(accepted, SipResponse)
            assert accepted.status_code == 200
            await ring(gateway, bindings, "1001", owner)
            invite = parse_message(_bytes(await browser.recv()))
            assert isinstance(invite, SipRequest)
            assert invite.uri == "sip:1001@df7jal23ls0d.invalid;transport=ws"
            await browser.send(bytes(make_response(invite, 486, to_tag="browser")))
            assert (await owner.told(LegEnded)).status == 486


async def test_a_page_is_no_trunk_wherever_it_comes_from() -> None:
    further = [Listener("WS", HOST, 0)]
    async with a_gateway(Desk(), further=further) as gateway:
        node = gateway.endpoint.listeners[-1]
        url = f"ws://{HOST}:{node.local[1]}/"
        async with connect(url, subprotocols=[Subprotocol("sip")], proxy=None) as browser:
            await browser.send(bytes(message("INVITE", (HOST, 9), node, body=OFFER)))
            answer = parse_message(_bytes(await browser.recv()))
            while isinstance(answer, SipResponse) and answer.status_code < 200:
                answer = parse_message(_bytes(await browser.recv()))
            assert isinstance(answer, SipResponse)
            assert answer.status_code == 403


class _Carried(list[SipResponse]):
    """Keeps what is sent to a page."""

    def send(self, message: bytes) -> None:
        response = parse_message(message)
        assert isinstance(response, SipResponse)
        self.append(response)

    def close(self) -> None:
        """Nobody closes it."""


async def test_a_pages_pass_is_good_on_the_pages_own_line_alone() -> None:
    async def lasts(_session: str) -> bool:
        return True

    passes = PhonePasses(Accounts(), realm=REALM, secret=b"of all nodes", lasts=lasts)
    issued, page = passes.issue("1001", "session"), _Carried()
    further = [Listener("WS", HOST, 0)]
    async with a_gateway(Desk(), credentials=passes, further=further) as gateway:
        node = gateway.endpoint.listeners[-1]
        first = message("REGISTER", (HOST, 9), node, contact="<sip:1001@a.invalid;transport=ws>")

        def proven(challenged: SipResponse) -> bytes:
            challenge = challenged.headers.get("WWW-Authenticate")[0]
            proof = credentials(challenge, first, issued.username, issued.password)
            again = message(
                "REGISTER",
                (HOST, 9),
                node,
                cseq=2,
                contact="<sip:1001@a.invalid;transport=ws>",
                headers=(("Authorization", proof),),
            )
            return bytes(again)

        line = gateway.endpoint.carry((HOST, 50000), page, secure=False)
        line.received(bytes(first))
        await until(lambda: page)
        line.received(proven(page[0]))
        await until(lambda: len(page) == 2)
        assert [response.status_code for response in page] == [401, 200]
        url = f"ws://{HOST}:{node.local[1]}/"
        async with connect(url, subprotocols=[Subprotocol("sip")], proxy=None) as browser:
            await browser.send(bytes(first))
            challenged = parse_message(_bytes(await browser.recv()))
            assert isinstance(challenged, SipResponse)
            await browser.send(proven(challenged))
            refused = parse_message(_bytes(await browser.recv()))
            assert isinstance(refused, SipResponse)
            assert refused.status_code == 401


def _bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


# OPTIONS to phones


async def test_phones_are_asked_whether_they_are_there() -> None:
    bindings = MemoryBindings()
    async with a_gateway(Desk(), bindings=bindings, timers=QUICK, qualify_seconds=0.05) as gateway:
        with a_peer() as phone:
            assert await register(phone, gateway, "1001") == 200
            for _ in range(3):
                asked = await phone.request()
                assert asked.method == "OPTIONS"
                assert asked.uri == f"sip:1001@{HOST}:{phone.address[1]}"
                phone.send(make_response(asked, 405), gateway.endpoint.local)
        assert len(await bindings.lookup("1001")) == 1


@pytest.mark.parametrize("answers", [True, False])
async def test_only_a_phone_that_used_to_answer_is_given_up(*, answers: bool) -> None:
    bindings, phones = MemoryBindings(), list[int]()
    count = lambda _aor, number: phones.append(number)  # noqa: E731 - one line
    timers = Timers(t1=0.002, t2=0.01, t4=0.01)
    async with a_gateway(
        Desk(), bindings=bindings, on_registered=count, timers=timers, qualify_seconds=0.02
    ) as gateway:
        with a_peer() as phone:
            assert await register(phone, gateway, "1001") == 200
            asked = await phone.request()
            if answers:
                phone.send(make_response(asked, 200), gateway.endpoint.local)
                await until(lambda: phones == [1, 0])
            else:
                calls = {asked.headers.get("Call-ID")[0]}
                while len(calls) < 4:
                    calls.add((await phone.request()).headers.get("Call-ID")[0])
        assert len(await bindings.lookup("1001")) == (0 if answers else 1)
