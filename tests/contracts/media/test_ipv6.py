"""The same over IPv6: relay, mix, latch, fork and SRTP."""

import socket

import pytest

from telephony.media.path import Latched
from telephony.media.rtp import parse
from telephony.media.srtp import Keys, SrtpEdge
from tests.contracts.media.lab import Lab, Phone

LOOPBACK = "::1"


def udp6() -> socket.socket:
    bound = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    bound.settimeout(0)
    bound.bind((LOOPBACK, 0))
    return bound


@pytest.fixture(autouse=True)
def six(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        udp6().close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    monkeypatch.setattr("tests.contracts.media.lab.udp", udp6)


def phone(lab: Lab, hertz: float) -> Phone:
    made = lab.phone(hertz)
    made.describe(address=made.socket.getsockname()[:2])
    return made


def test_two_hear_each_other_and_are_latched(lab: Lab) -> None:
    one, other = phone(lab, 440), phone(lab, 1100)
    lab.bridge(one, other)
    lab.run(0.5)
    assert one.audio(1000.2, lab.now).gain_of(1100) == pytest.approx(0, abs=1)
    assert other.audio(1000.2, lab.now).gain_of(440) == pytest.approx(0, abs=1)
    latched = {event.session: event.source for event in lab.events if isinstance(event, Latched)}
    assert latched == {party.session: party.socket.getsockname() for party in (one, other)}


def test_three_are_mixed(lab: Lab) -> None:
    parties = [phone(lab, hertz) for hertz in (440, 1100, 1800)]
    lab.hear({one: {other: 1.0 for other in parties if other is not one} for one in parties})
    lab.run(0.8)
    for one in parties:
        for other in parties:
            if other is not one:
                heard = one.audio(1000.4, lab.now)
                assert heard.gain_of(other.hertz) == pytest.approx(0, abs=1)


def test_a_stranger_is_not_heard_and_a_fork_goes_out(lab: Lab) -> None:
    one, other = phone(lab, 440), phone(lab, 1100)
    lab.bridge(one, other)
    lab.run(0.2)
    stranger, ear = udp6(), udp6()
    lab.path.fork(one.session, ear.getsockname())
    stranger.sendto(b"\x80\x08" + bytes(10) + b"\xd5" * 160, one.target)
    lab.run(0.2)
    assert lab.path.stats(one.session).strangers == 1
    copies = []
    while True:
        try:
            copies.append(parse(ear.recv(2048)))
        except BlockingIOError:
            break
    stranger.close()
    ear.close()
    assert len(copies) >= 9
    assert {copy.ssrc for copy in copies} == {one.ssrc}


class SecuredSocket:
    """A phone's socket whose packets are SRTP on the wire."""

    def __init__(self, bound: socket.socket, edge: SrtpEdge) -> None:
        self.bound, self.edge = bound, edge
        self.getsockname, self.close = bound.getsockname, bound.close

    def sendto(self, datagram: bytes, target: tuple[str, int]) -> None:
        sealed = self.edge.outgoing(datagram, 0.0)
        assert sealed is not None
        self.bound.sendto(sealed, target)

    def recv(self, size: int) -> bytes:
        (opened,) = self.edge.incoming(self.bound.recv(size), self.getsockname(), 0.0)
        return opened


def test_a_secured_phone_and_a_plain_one_hear_each_other(lab: Lab) -> None:
    secured, plain = phone(lab, 440), phone(lab, 1100)
    near, far = SrtpEdge(), SrtpEdge()
    near.set_keys(Keys("AES_CM_128_HMAC_SHA1_80", b"1" * 30, b"2" * 30))
    far.set_keys(Keys("AES_CM_128_HMAC_SHA1_80", b"2" * 30, b"1" * 30))
    lab.path.set_edge(secured.session, near)
    secured.socket = SecuredSocket(secured.socket, far)  # type: ignore[assignment]
    lab.bridge(secured, plain)
    lab.run(0.5)
    assert secured.audio(1000.2, lab.now).gain_of(1100) == pytest.approx(0, abs=1)
    assert plain.audio(1000.2, lab.now).gain_of(440) == pytest.approx(0, abs=1)
    assert near.forged == far.forged == 0
