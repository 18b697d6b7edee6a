"""A node over UDP, TCP and TLS: phones that nobody here wrote register, are called, and hang up.

Calls whose audio is secured by SRTP, on one side or on both: who is heard, and by whom. Debian's
SIPp is built without TLS: where it calls over TLS, a wrapper puts that around its TCP.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio

from tests.e2e.ask import ended_call, until_nothing_is_left, until_state
from tests.support.baresip import Baresip
from tests.support.linphone import Linphone
from tests.support.node import PASSWORD, Api, RunningNode, running_node, until
from tests.support.ports import free_tcp_port
from tests.support.sipp import SippRun
from tests.support.tls_wrapper import Address, wrapped
from tests.support.tones import tone_level
from tests.support.waveforms import read_mono

pytestmark = pytest.mark.e2e

HOST = "127.0.0.1"
CITIZEN, AGENT = 500, 1300  # what they say, in Hz
Transport = Literal["udp", "tcp", "tls"]
#: The node's certificate is of its own making.
ANYBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANYBODY.check_hostname = False
ANYBODY.verify_mode = ssl.CERT_NONE


@asynccontextmanager
async def at_desk(node: RunningNode, phone: Baresip | Linphone) -> AsyncIterator[Api]:
    """Sign the phone's agent in, and make him ready for the length of the block."""
    await phone.register()
    async with node.signed_in(phone.user) as api:

        async def phone_is_there() -> bool:
            return bool((await api.get("/me"))["presence"]["phones"])

        await until(phone_is_there)
        await api.send("PUT", "/me/presence", {"state": "ready"})
        yield api


@pytest.fixture(scope="module")
def secure() -> Address:
    """Where the node takes TLS."""
    return HOST, free_tcp_port()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(
    tmp_path_factory: pytest.TempPathFactory, secure: Address
) -> AsyncIterator[RunningNode]:
    """A node that takes TLS too, and offers SRTP to phones that registered over it."""
    settings = {
        "sip__listeners": f"tls://{HOST}:{secure[1]}",
        "asr__enabled": "false",
        "media__secure_phones": "true",
        "media__dtls_phones": "1005",
        # one citizen calls again and again: nobody is to wait for whom he talked with before
        "routing__preferred_days": 0,
    }
    folder = tmp_path_factory.mktemp("transports") / "node"
    async with running_node(folder, settings) as node:
        yield node
        await until_nothing_is_left(node)


@pytest.mark.parametrize("agent, transport", [("1001", "udp"), ("1002", "tcp"), ("1003", "tls")])
async def test_a_phone_and_a_call_over_each_transport(
    node: RunningNode, secure: Address, tmp_path: Path, agent: str, transport: Transport
) -> None:
    secured = transport == "tls"
    phone = Baresip(
        tmp_path / "phone",
        user=agent,
        password=PASSWORD,
        registrar=secure if secured else (HOST, node.sip_port),
        transport=transport,
        secured=secured,
    )
    async with AsyncExitStack() as stack:
        where = (HOST, node.sip_port)
        if secured:
            where = await stack.enter_async_context(wrapped(secure, ANYBODY))
        await stack.enter_async_context(phone)
        api = await stack.enter_async_context(at_desk(node, phone))
        await sipp_calls(where, phone, api, tmp_path / "citizen")


async def sipp_calls(where: Address, phone: Baresip, api: Api, folder: Path) -> None:
    """SIPp calls over TCP, and hangs up."""
    async with SippRun(
        "citizen",
        directory=folder,
        remote=where,
        service="12345",
        rows=[("13862311001", 1000)],
        calls=1,
        transport="TCP",
    ) as citizen:
        await phone.wait_event("CALL_INCOMING")
        await phone.answer()
        statistics = await citizen.wait(20)
    assert statistics.successful == 1, citizen.errors() + citizen.messages()
    assert statistics.retransmissions == 0
    assert "Via: SIP/2.0/TCP" in citizen.messages()
    await phone.wait_event("CALL_CLOSED")
    record = await ended_call(api)
    assert (record["outcome"], record["ended_by"]) == ("answered", "citizen")


async def test_who_is_secured_and_who_is_not_hear_each_other(
    node: RunningNode, secure: Address, tmp_path: Path
) -> None:
    """By keys in the session description, and by DTLS without ICE; a phone hears itself."""

    def phone_of(agent: str, *, dtls: bool) -> Baresip:
        return Baresip(
            tmp_path / agent,
            user=agent,
            password=PASSWORD,
            registrar=secure,
            transport="tls",
            source=AGENT,
            secured=not dtls,
            dtls=dtls,
        )

    async with phone_of("1004", dtls=False) as phone, phone_of("1005", dtls=True) as other:
        for called, secured, dtls in (
            (phone, True, False),
            (other, False, False),
            (phone, False, True),
        ):
            async with (
                at_desk(node, called) as api,
                Baresip(
                    tmp_path / f"citizen-{secured}-{dtls}",
                    user="13862311002",
                    transport="tls",
                    source=CITIZEN,
                    secured=secured,
                    dtls=dtls,
                ) as citizen,
            ):
                await citizen.dial(f"sip:12345@{HOST}:{secure[1]};transport=tls")
                await called.wait_event("CALL_INCOMING")
                await called.answer()
                await citizen.wait_event("CALL_ESTABLISHED")
                await until_state(api, "talking")
                await citizen.wait_heard(1.0)
                await called.wait_heard(1.0)
                await called.hang_up()
                await citizen.wait_event("CALL_CLOSED")
                await until_state(api, "wrap_up")
                assert tone_level(read_mono(citizen.heard()), AGENT) > -30
                assert tone_level(read_mono(called.heard()), CITIZEN) > -30
                assert tone_level(read_mono(citizen.heard()), CITIZEN) < -40
        calls = phone.recordings()
        await phone.dial(f"sip:*43@{HOST}:{secure[1]};transport=tls")
        await phone.wait_event("CALL_ESTABLISHED")
        await phone.wait_heard(1.0, after=calls)
        await phone.hang_up()
        await phone.wait_event("CALL_CLOSED")
        assert tone_level(read_mono(phone.heard()), AGENT) > -30
