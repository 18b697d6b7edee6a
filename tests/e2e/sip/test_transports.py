"""A node over UDP, TCP and TLS: phones that nobody here wrote register, are called, and hang up.

Debian's SIPp is built without TLS: where it calls over TLS, a wrapper puts that around its TCP.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest

from tests.e2e.ask import ended_call, until_nothing_is_left, until_state
from tests.support.baresip import Baresip
from tests.support.linphone import Linphone
from tests.support.node import PASSWORD, Api, RunningNode, running_node, until
from tests.support.ports import free_tcp_port
from tests.support.sipp import SippRun
from tests.support.tls_wrapper import Address, wrapped

pytestmark = pytest.mark.e2e

HOST = "127.0.0.1"
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


async def test_phones_and_calls_over_each_transport(tmp_path: Path) -> None:
    secure = free_tcp_port()
    settings = {"sip__listeners": f"tls://{HOST}:{secure}", "asr__enabled": "false"}
    ways: tuple[tuple[str, Transport], ...] = (("1001", "udp"), ("1002", "tcp"), ("1003", "tls"))
    async with running_node(tmp_path / "node", settings) as node:
        for agent, transport in ways:
            async with Baresip(
                tmp_path / agent,
                user=agent,
                password=PASSWORD,
                registrar=(HOST, secure if transport == "tls" else node.sip_port),
                transport=transport,
            ) as phone:
                folder = tmp_path / f"citizen-{agent}"
                if transport != "tls":
                    async with at_desk(node, phone) as api:
                        await sipp_calls((HOST, node.sip_port), phone, api, folder)
                    continue
                async with at_desk(node, phone) as api, wrapped((HOST, secure), ANYBODY) as way:
                    await sipp_calls(way, phone, api, folder)
                async with at_desk(node, phone) as api:
                    await baresip_calls_over_tls(secure, phone, api, tmp_path / "secure")
        await until_nothing_is_left(node)


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


async def baresip_calls_over_tls(port: int, phone: Baresip, api: Api, folder: Path) -> None:
    """baresip calls over TLS, and the agent hangs up."""
    async with Baresip(folder, user="13862311002", transport="tls") as citizen:
        await citizen.dial(f"sip:12345@{HOST}:{port};transport=tls")
        await phone.wait_event("CALL_INCOMING")
        await phone.answer()
        await citizen.wait_event("CALL_ESTABLISHED")
        await until_state(api, "talking")
        await citizen.wait_heard(0.5)
        await phone.hang_up()
        await citizen.wait_event("CALL_CLOSED")
        await until_state(api, "wrap_up")
