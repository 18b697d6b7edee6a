"""RTCP over sockets: two sessions report to each other; strangers are not believed."""

import asyncio
import socket
from dataclasses import replace
from functools import partial

import pytest

from telephony.media.path import PathStats, Source
from telephony.media.rtcp import Goodbye, ReceiverReport, ReportBlock, build, parse
from telephony.media.rtcp_channel import RtcpChannel
from tests.support.waiting import until
from tests.telephony.media.test_reporting import stats

SPEAKS = {"packets_in": 95, "lost": 5, "packets_out": 100, "octets_out": 16000, "sent_at": 0.0}


def udp(host: str = "127.0.0.1") -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    bound.settimeout(0)
    try:
        bound.bind((host, 0))
    except OSError:
        pytest.skip(f"this machine has no {host}")
    return bound


def channel(
    port: socket.socket, seen: PathStats, shared: list[tuple[bytes, Source]] | None = None
) -> RtcpChannel:
    sent: list[tuple[bytes, Source]] = [] if shared is None else shared
    return RtcpChannel(
        port,
        stats=lambda: seen,
        send_shared=lambda data, to: sent.append((data, to)),
        interval=0.02,
    )


class Backwards:
    """A protection that everybody sees through."""

    def protect_rtcp(self, report: bytes) -> bytes | None:
        return report[:1] + bytes((200,)) + report[:0:-1]

    def unprotect_rtcp(self, datagram: bytes) -> bytes | None:
        return datagram[:1] + datagram[:1:-1]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("protected", [False, True])
async def test_two_sessions_learn_how_they_are_heard(protected: bool, host: str) -> None:  # noqa: FBT001 - a parameter
    ports = [udp(host), udp(host)]
    addresses = [port.getsockname() for port in ports]
    seen = [
        stats(**SPEAKS, ssrc_out=1, ssrc_in=2, timestamp_out=1),
        stats(**SPEAKS, ssrc_out=2, ssrc_in=1, timestamp_out=1),
    ]
    channels = [channel(port, own) for port, own in zip(ports, seen, strict=True)]
    for own, other in zip(channels, reversed(addresses), strict=True):
        own.protection = Backwards() if protected else None
        own.describe((host, 9), rtcp_port=other[1], shared=False, clock=8000)
    for own, saw in zip(channels, seen, strict=True):
        await until(lambda own=own, saw=saw: own.quality(saw)["round_trip"] is not None)  # type: ignore[misc]
        assert own.heard_at is not None
        quality = own.quality(saw)
        assert quality["far_loss"] == pytest.approx(0.05)
        assert 0 <= quality["round_trip"] < 1
        assert 3 < quality["mos"] < 4.4
    for own, saw in zip(channels, seen, strict=True):
        own.close(saw)


async def test_a_stranger_is_not_believed_and_not_answered() -> None:
    seen = replace(stats(**SPEAKS), ssrc_in=2)
    port = udp()
    address = port.getsockname()
    own = channel(port, seen)
    own.describe(("127.0.0.9", 9), rtcp_port=None, shared=False, clock=8000)
    lie = build([ReceiverReport(2, (ReportBlock(1, 255, 90, 1, 0, 0, 0),))])
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(("127.0.0.9", 0))
    peer.settimeout(0)
    with udp() as stranger, peer:
        stranger.sendto(lie, address)
        peer.sendto(b"\x80\x08" + bytes(170), address)
        peer.sendto(b"\x81\xc9\xff\xff", address)
        peer.sendto(build([ReceiverReport(2)]), address)
        # Reports go to the port above the peer's RTP, until its own have shown another.
        await until(partial(_arrived, peer))
        assert own.quality(seen)["far_loss"] is None
        own.close(seen)
        with pytest.raises(BlockingIOError):
            stranger.recv(2048)
        last = b""
        await asyncio.sleep(0)
        while True:
            try:
                last = peer.recv(2048)
            except BlockingIOError:
                break
        assert parse(last)[-1] == Goodbye((1,))


def _arrived(port: socket.socket) -> bool:
    try:
        return bool(port.recv(2048))
    except BlockingIOError:
        return False


async def test_on_a_shared_port_reports_go_where_rtp_goes() -> None:
    seen = replace(stats(**SPEAKS), ssrc_in=2)
    sent: list[tuple[bytes, Source]] = []
    own = channel(udp(), seen, sent)
    own.describe(("127.0.0.1", 4000), rtcp_port=None, shared=True, clock=48000)
    await until(lambda: bool(sent))
    assert sent[0][1] == ("127.0.0.1", 4000)
    own.latched(("127.0.0.1", 4444))
    sent.clear()
    await until(lambda: bool(sent))
    assert sent[0][1] == ("127.0.0.1", 4444)
    own.take(build([ReceiverReport(2, (ReportBlock(1, 0, 50, 1, 4800, 0, 0),))]), 0.0)
    assert own.quality(seen)["far_loss"] == 0.5
    assert own.quality(seen)["far_jitter"] == pytest.approx(0.1)
    own.close(seen)
