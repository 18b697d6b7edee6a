"""SRTP between two of our own edges: what is hidden, what is dropped."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media.rtcp import ReceiverReport, build
from telephony.media.rtp import RtpPacket
from telephony.media.rtp import build as build_rtp
from telephony.media.srtp import KEY_OCTETS, PROFILES, Keys, SrtpEdge

HERE = ("127.0.0.1", 4000)
ONE, TWO, THREE = (bytes([number]) * 30 for number in (1, 2, 3))


def pair(suite: str = "AES_CM_128_HMAC_SHA1_80") -> tuple[SrtpEdge, SrtpEdge]:
    near, far = SrtpEdge(), SrtpEdge()
    octets = sum(KEY_OCTETS[suite])
    near.set_keys(Keys(suite, ONE[:octets], TWO[:octets]))
    far.set_keys(Keys(suite, TWO[:octets], ONE[:octets]))
    return near, far


def audio(sequence: int, payload: bytes = b"a" * 160, ssrc: int = 5) -> bytes:
    packet = RtpPacket(
        8,
        marker=False,
        sequence=sequence & 0xFFFF,
        timestamp=sequence * 160 & 0xFFFFFFFF,
        ssrc=ssrc,
        payload=payload,
    )
    return build_rtp(packet)


def sealed(edge: SrtpEdge, packet: bytes) -> bytes:
    datagram = edge.outgoing(packet, 0.0)
    assert datagram is not None
    return datagram


def opened(edge: SrtpEdge, datagram: bytes) -> Sequence[bytes]:
    return edge.incoming(datagram, HERE, 0.0)


@pytest.mark.parametrize("suite,tag", list(zip(PROFILES, (10, 4, 16), strict=True)))
def test_what_goes_in_comes_out_and_nobody_reads_it_on_the_way(suite: str, tag: int) -> None:
    near, far = pair(suite)
    datagram = sealed(near, audio(1))
    assert len(datagram) == len(audio(1)) + tag
    assert b"aaaa" not in datagram
    assert opened(far, datagram) == (audio(1),)


def test_a_packet_that_was_seen_before_is_dropped() -> None:
    near, far = pair()
    datagram = sealed(near, audio(1))
    assert opened(far, datagram)
    assert opened(far, datagram) == ()
    assert far.forged == 1


def test_a_forged_packet_is_dropped_and_the_next_is_heard() -> None:
    near, far = pair()
    datagram = bytearray(sealed(near, audio(1)))
    datagram[30] ^= 1
    assert opened(far, bytes(datagram)) == ()
    assert opened(far, audio(2)) == ()  # not secured at all
    assert opened(far, sealed(near, audio(3))) == (audio(3),)
    assert far.forged == 2


def test_the_numbers_may_wrap_and_the_ssrc_change() -> None:
    near, far = pair()
    for number in range(65500, 65600):
        assert opened(far, sealed(near, audio(number))) == (audio(number),)
    assert opened(far, sealed(near, audio(7, ssrc=99))) == (audio(7, ssrc=99),)


def test_the_same_keys_again_do_not_begin_anew() -> None:
    near, far = pair()
    datagram = sealed(near, audio(65535))
    opened(far, datagram)
    opened(far, sealed(near, audio(0)))
    for edge, keys in ((near, (ONE, TWO)), (far, (TWO, ONE))):
        edge.set_keys(Keys("AES_CM_128_HMAC_SHA1_80", *keys))
    assert opened(far, datagram) == (), "still known"
    assert opened(far, sealed(near, audio(1))) == (audio(1),), "the wrap is still counted"


def test_another_key_of_the_peer_is_used_at_once() -> None:
    near, far = pair()
    opened(far, sealed(near, audio(1)))
    near.set_keys(Keys("AES_CM_128_HMAC_SHA1_80", THREE, TWO))
    assert opened(far, sealed(near, audio(2))) == ()
    far.set_keys(Keys("AES_CM_128_HMAC_SHA1_80", TWO, THREE))
    assert opened(far, sealed(near, audio(3))) == (audio(3),)


def test_before_there_are_keys_nothing_passes() -> None:
    edge = SrtpEdge()
    assert edge.outgoing(audio(1), 0.0) is None
    assert opened(edge, audio(1)) == ()
    assert edge.protect_rtcp(build([ReceiverReport(1)])) is None
    assert edge.unprotect_rtcp(build([ReceiverReport(1)])) is None


def test_reports_are_secured_on_either_port() -> None:
    heard: list[bytes] = []
    near, _ = pair()
    far = SrtpEdge(lambda report, source, now: heard.append(report))  # noqa: ARG005 - the port's
    far.set_keys(Keys("AES_CM_128_HMAC_SHA1_80", TWO, ONE))
    report = build([ReceiverReport(1)])
    first, second = near.protect_rtcp(report), near.protect_rtcp(report)
    assert first is not None
    assert second is not None
    assert opened(far, first) == ()
    assert heard == [report]
    assert far.unprotect_rtcp(second) == report
    assert far.unprotect_rtcp(second) is None  # a replay


def test_keys_do_not_come_into_logs() -> None:
    assert "\\x01" not in repr(Keys("AES_CM_128_HMAC_SHA1_80", ONE, TWO))


@given(st.binary(max_size=300))
def test_noise_is_dropped(data: bytes) -> None:
    assert opened(pair()[1], data) == ()


@given(st.integers(0, 181), st.integers(1, 255))
def test_no_single_octet_can_be_changed(position: int, change: int) -> None:
    near, far = pair()
    datagram = bytearray(sealed(near, audio(1)))
    datagram[position] ^= change
    assert opened(far, bytes(datagram)) == ()
