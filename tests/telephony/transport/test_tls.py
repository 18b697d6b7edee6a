"""The endpoint over TLS: certificates, theirs and ours, and reading them anew."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

import telephony.transport.layer
from telephony.endpoint import SipEndpoint
from telephony.sip.hop import Hop
from telephony.sip.message import make_response
from telephony.sip.via import Address, top_via
from telephony.transport.connection import ConnectionLimits
from telephony.transport.listener import Listener
from telephony.transport.self_signed import self_signed
from telephony.transport.tls import Tls, TlsFiles
from tests.support.certificates import Authority, Pair
from tests.support.node import until as eventually
from tests.support.waiting import until
from tests.telephony.peers import User, answering
from tests.telephony.sip.samples import request
from tests.telephony.transport.streams import connected, listening
from tests.telephony.transport.test_tcp import Answers, outgoing

LIMITS = ConnectionLimits()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def files(authority: Authority, *, ask: bool = False) -> TlsFiles:
    pair = authority.sign("hotline")
    return TlsFiles(pair.certificate, pair.key, authority.pair.certificate if ask else None)


def trusting(authority: Authority, pair: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.pair.certificate))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


@asynccontextmanager
async def secure(
    tls: Tls, user: User | None = None, *, limits: ConnectionLimits = LIMITS
) -> AsyncIterator[tuple[SipEndpoint, Address]]:
    ours = SipEndpoint(on_request=user or User(answering(200)), tls=tls, limits=limits)
    await ours.open("127.0.0.1", 0, further=[Listener("TLS", "127.0.0.1", 0)])
    try:
        yield ours, ours.listeners[-1].local
    finally:
        await ours.close()


def options(address: Address, branch: str = "z9hG4bKpeer") -> Any:
    return request("OPTIONS", via=f"SIP/2.0/TLS 127.0.0.1:{address[1]};rport;branch={branch}")


async def test_a_request_over_tls_and_one_back(authority: Authority) -> None:
    user = User(answering(200))
    async with (
        secure(Tls(files(authority)), user) as (ours, address),
        connected(address, context=trusting(authority)) as stream,
    ):
        assert stream.writer.get_extra_info("ssl_object").version() in {"TLSv1.2", "TLSv1.3"}
        stream.send(options(stream.address))
        assert (await stream.response()).status_code == 200
        hop = user.requests[0].hop
        assert (hop.transport, user.requests[0].certified) == ("TLS", False)
        ours.send_request(outgoing(), hop, **Answers().hooks)
        via = top_via(await stream.request())
        assert (via.transport, via.host, via.port) == ("TLS", *address)
        reached = f"{address[0]}:{address[1]}"
        assert ours.contact("hotline", hop) == f"sip:hotline@{reached};transport=tls"
        assert ours.contact("hotline", hop, like="sips:a@b") == f"sips:hotline@{reached}"


def test_the_same_on_uvloop(authority: Authority) -> None:
    """The node's loop has transports of its own for TLS, which are none of asyncio's by class."""

    async def asked_and_answered() -> None:
        async with (
            secure(Tls(files(authority))) as (_, address),
            connected(address, context=trusting(authority)) as stream,
        ):
            stream.send(options(stream.address))
            assert (await stream.response()).status_code == 200

    uvloop.run(asked_and_answered())


async def test_who_does_not_shake_hands_is_cut_off(authority: Authority) -> None:
    limits = ConnectionLimits(message_seconds=0.2)
    async with (
        secure(Tls(files(authority)), limits=limits) as (_, address),
        connected(address) as silent,
    ):
        assert await silent.closed() == b""


async def test_an_old_version_of_tls_is_refused(authority: Authority) -> None:
    context = trusting(authority)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with secure(Tls(files(authority))) as (_, address):
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await asyncio.open_connection(*address, ssl=context)


async def test_a_clients_certificate_is_asked_for_and_seen(
    authority: Authority, tmp_path: Path
) -> None:
    user = User(answering(200))
    stranger = Authority(tmp_path / "other", "Others").sign("stranger")
    async with secure(Tls(files(authority, ask=True)), user) as (_, address):
        for pair in (None, authority.sign("trunk")):
            async with connected(address, context=trusting(authority, pair)) as stream:
                stream.send(options(stream.address, f"z9hG4bK{pair is None}"))
                assert (await stream.response()).status_code == 200
        assert [one.certified for one in user.requests] == [False, True]
        async with connected(address, context=trusting(authority, stranger)) as stream:
            # with TLS 1.3 the client learns of its refusal after its own side of the handshake
            stream.send(options(stream.address, "z9hG4bKstranger"))
            with pytest.raises((ssl.SSLError, ConnectionResetError, AssertionError)):
                await stream.response()
    assert len(user.requests) == 2


async def test_we_connect_show_our_certificate_and_want_theirs(authority: Authority) -> None:
    theirs = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=str(authority.pair.certificate)
    )
    theirs.verify_mode = ssl.CERT_REQUIRED
    pair = authority.sign("carrier")
    theirs.load_cert_chain(pair.certificate, pair.key)
    async with (
        secure(Tls(files(authority, ask=True))) as (ours, _),
        listening(context=theirs) as server,
    ):
        answers = Answers()
        ours.send_request(outgoing(), Hop(*server.address, "TLS"), **answers.hooks)
        peer = await server.peer()
        peer.send(make_response(await peer.request(), 200))
        await until(lambda: answers.statuses == [200])
        shown = peer.writer.get_extra_info("peercert")
        assert shown["subject"] == ((("commonName", "hotline"),),)


async def test_a_server_that_nobody_vouches_for_is_not_talked_to(
    authority: Authority, tmp_path: Path
) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = Authority(tmp_path / "other", "Others").sign("carrier")
    theirs.load_cert_chain(pair.certificate, pair.key)
    async with (
        secure(Tls(files(authority, ask=True))) as (ours, _),
        listening(context=theirs) as server,
    ):
        answers = Answers()
        ours.send_request(outgoing("INVITE"), Hop(*server.address, "TLS"), **answers.hooks)
        await until(lambda: answers.failures == ["transport"])


async def test_a_new_certificate_is_shown_without_a_restart(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telephony.transport.layer, "CERTIFICATE_SECONDS", 0.02)
    tls = Tls(files(authority))
    async with (
        secure(tls) as (_, address),
        connected(address, context=trusting(authority)) as before,
    ):
        old = before.serial

        async def renewed() -> bool:
            async with connected(address, context=trusting(authority)) as again:
                return again.serial != old

        authority.sign("hotline")
        await eventually(renewed)
        before.send(options(before.address))  # who is connected stays connected
        assert (await before.response()).status_code == 200


def test_half_of_a_new_pair_changes_nothing(authority: Authority) -> None:
    pair = files(authority)
    tls = Tls(pair)
    assert not tls.reload_if_changed()
    old = pair.key.read_bytes()
    authority.sign("hotline")
    new = pair.key.read_bytes()
    pair.key.write_bytes(old)
    assert not tls.reload_if_changed()
    pair.key.write_bytes(new)
    assert tls.reload_if_changed()
    pair.key.unlink()
    assert not tls.reload_if_changed()


def test_files_that_do_not_fit_are_an_error_at_once(authority: Authority, tmp_path: Path) -> None:
    pair, other = authority.sign("one"), authority.sign("two")
    with pytest.raises(ssl.SSLError, match=r"(?i)mismatch"):
        Tls(TlsFiles(pair.certificate, other.key))
    with pytest.raises(FileNotFoundError):
        Tls(TlsFiles(pair.certificate, tmp_path / "nothing"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "hotline.example"])
def test_a_certificate_of_our_own_making_is_kept(tmp_path: Path, host: str) -> None:
    made = self_signed(tmp_path / "tls", host)
    first = made.certificate.read_bytes()
    assert self_signed(tmp_path / "tls", host) == made
    assert made.certificate.read_bytes() == first
    assert made.key.stat().st_mode & 0o777 == 0o600
    assert os.fspath(Tls(made).files.certificate).endswith("sip.crt")


async def test_without_a_certificate_there_is_no_tls() -> None:
    ours = SipEndpoint(on_request=User())
    with pytest.raises(OSError, match="certificate"):
        await ours.open("127.0.0.1", 0, further=[Listener("TLS", "127.0.0.1", 0)])
