"""Calls whose audio is secured by SRTP, on one side or on both; baresip hears and is heard.

By keys in the session description, and by DTLS without ICE; a phone that dials the echo test hears
itself, as secured as it is.
"""

import contextlib
from pathlib import Path

import pytest

from tests.e2e.ask import until_nothing_is_left
from tests.e2e.sip.test_transports import HOST, at_desk
from tests.support.baresip import Baresip
from tests.support.node import PASSWORD, running_node
from tests.support.ports import free_tcp_port
from tests.support.tones import tone_level
from tests.support.waveforms import read_mono

pytestmark = pytest.mark.e2e

CITIZEN, AGENT = 500, 1300


async def test_who_is_secured_and_who_is_not_hear_each_other(tmp_path: Path) -> None:
    secure = free_tcp_port()
    settings = {
        "sip__listeners": f"tls://{HOST}:{secure}",
        "asr__enabled": "false",
        "media__secure_phones": "true",
    }
    async with running_node(tmp_path / "node", settings) as node, contextlib.AsyncExitStack() as on:
        phone = await on.enter_async_context(
            Baresip(
                tmp_path / "agent",
                user="1003",
                password=PASSWORD,
                registrar=(HOST, secure),
                transport="tls",
                source=AGENT,
                secured=True,
            )
        )
        for secured, dtls in ((True, False), (False, False), (False, True)):
            async with (
                at_desk(node, phone),
                Baresip(
                    tmp_path / f"citizen-{secured}-{dtls}",
                    user="13862311002",
                    transport="tls",
                    source=CITIZEN,
                    secured=secured,
                    dtls=dtls,
                ) as citizen,
            ):
                await citizen.dial(f"sip:12345@{HOST}:{secure};transport=tls")
                await phone.wait_event("CALL_INCOMING")
                await phone.answer()
                await citizen.wait_event("CALL_ESTABLISHED")
                await citizen.wait_heard(1.0)
                await phone.wait_heard(1.0)
                await phone.hang_up()
                await citizen.wait_event("CALL_CLOSED")
                assert tone_level(read_mono(citizen.heard()), AGENT) > -30
                assert tone_level(read_mono(phone.heard()), CITIZEN) > -30
                assert tone_level(read_mono(citizen.heard()), CITIZEN) < -40
        calls = phone.recordings()
        await phone.dial(f"sip:*43@{HOST}:{secure};transport=tls")
        await phone.wait_event("CALL_ESTABLISHED")
        await phone.wait_heard(1.0, after=calls)
        await phone.hang_up()
        await phone.wait_event("CALL_CLOSED")
        assert tone_level(read_mono(phone.heard()), AGENT) > -30
        await until_nothing_is_left(node)
