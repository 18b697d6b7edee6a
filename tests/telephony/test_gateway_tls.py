"""TLS at a gateway: a certificate that changes under a call, and SIPp by way of a wrapper."""

import ssl
from pathlib import Path

import pytest

import telephony.transport.layer
from telephony.leg import LegAnswered, LegConfirmed, LegEnded, LegReanswered, LegRinging
from telephony.sip.hop import Hop
from telephony.sip.message import make_response
from telephony.transport.listener import Listener
from telephony.transport.tls import Tls, TlsFiles
from tests.support.certificates import Authority
from tests.support.node import until as eventually
from tests.support.ports import free_tcp_port
from tests.support.sipp import SippRun
from tests.support.tls_wrapper import unwrapped
from tests.support.waiting import PATIENCE
from tests.telephony.gateways import HOST, OFFER, Desk, Owner, a_gateway, answer_to
from tests.telephony.lines import message
from tests.telephony.transport.streams import connected

FURTHER = (Listener("TLS", HOST, 0),)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def ours(authority: Authority) -> Tls:
    """Return a gateway's certificate; it believes the authority."""
    pair = authority.sign("hotline")
    return Tls(TlsFiles(pair.certificate, pair.key, authority.pair.certificate))


async def test_a_new_certificate_is_shown_while_a_call_over_the_old_one_stands(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telephony.transport.layer, "CERTIFICATE_SECONDS", 0.02)
    desk = Desk()
    trust = ssl.create_default_context(cafile=str(authority.pair.certificate))
    async with a_gateway(desk, tls=ours(authority), further=FURTHER) as gateway:
        secure = gateway.endpoint.listeners[-1]
        async with connected(secure.local, context=trust) as trunk:
            trunk.send(message("INVITE", trunk.address, secure, body=OFFER))
            leg, owner = await desk.call()
            leg.answer(answer_to(leg))
            answer = await trunk.final()
            tag = answer.headers.get("To")[0].partition(";")[2]
            trunk.send(message("ACK", trunk.address, secure, to_tag=f";{tag}"))
            await owner.told(LegConfirmed)

            async def renewed() -> bool:
                async with connected(secure.local, context=trust) as another:
                    return another.serial != trunk.serial

            assert not await renewed()
            authority.sign("hotline")
            await eventually(renewed)
            assert gateway.counts()["legs"] == 1
            leg.hang_up()
            bye = await trunk.request()
            assert bye.method == "BYE"
            trunk.send(make_response(bye, 200))
            assert await owner.ended() == LegEnded("local")


@pytest.mark.e2e
async def test_sipp_is_a_partner_over_tls(authority: Authority, tmp_path: Path) -> None:
    """Debian builds it without TLS: a wrapper takes that off before it."""
    shown = authority.sign("partner")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    owner = Owner()
    port = free_tcp_port()
    where = f"{HOST}:{port};transport=tls"
    run = SippRun("partner", directory=tmp_path / "sipp", calls=1, transport="TCP", contact=where)
    async with (
        a_gateway(Desk(), tls=ours(authority), further=FURTHER) as gateway,
        run,
        unwrapped(run.address, context, port),
    ):
        there = Hop(HOST, port, "TLS")
        leg = gateway.call(f"sip:110@{where}", there, sdp=OFFER, caller="12345", on_event=owner)
        assert (await owner.told(LegRinging)).status == 183
        await owner.told(LegAnswered)
        leg.reoffer(OFFER.replace(" 1 1 IN", " 1 2 IN").replace("sendrecv", "sendonly"))
        await owner.told(LegReanswered)
        leg.hang_up()
        await owner.ended()
        statistics = await run.wait(PATIENCE)
    assert (statistics.successful, statistics.failed) == (1, 0), run.errors() + run.messages()
    assert "Via: SIP/2.0/TLS" in run.messages()
