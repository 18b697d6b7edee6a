"""What networks do: loss, jitter, disorder, drift; strangers; time-outs; edges; copies."""

import socket

import numpy as np
import pytest

from telephony.media import rtcp
from telephony.media.codecs import COMFORT_NOISE, PCMA
from telephony.media.path import (
    LATCH_PATIENCE,
    Latched,
    RtcpReceived,
    RtpTimeout,
    Silence,
    Source,
    Watch,
)
from telephony.media.rtp import RtpPacket, build, parse
from telephony.media.tones import whole_frames
from tests.contracts.media.lab import Lab, Phone, one_stream, udp
from tests.support.tones import dominant, sine, tone_level


def mixed_listener(lab: Lab, **speaker: object) -> tuple[Phone, Phone]:
    """A phone with these faults, and one that hears it in a mix with a silent third."""
    one, two, silent = lab.phone(500, phase=0.004, **speaker), lab.phone(900), lab.phone(1300)
    silent.speaking = False
    lab.hear({two: {one: 1.0, silent: 1.0}})
    return one, two


HERE = "127.0.0.1"
LOSS = [0.0, 0.02, 0.05, 0.10]
JITTER = [0.0, 0.02, 0.04, 0.08]


@pytest.mark.parametrize("loss", LOSS)
@pytest.mark.parametrize("jitter", JITTER)
def test_loss_and_jitter_are_heard_as_little_as_may_be(
    lab: Lab, loss: float, jitter: float
) -> None:
    random = np.random.default_rng(1)
    one, two = mixed_listener(lab)
    one.drop = lambda _: bool(random.random() < loss)
    one.delay = lambda _: float(random.random() * jitter)  # which reorders, too
    begin = lab.run(6.0)
    heard = two.audio(begin + 2.0, lab.now)
    one_stream(heard.packets)
    assert heard.gap == 0
    assert heard.gain_of(500) == pytest.approx(0, abs=1.0 + 10 * loss)
    stats = lab.path.stats(one.session)
    lost = stats.concealed - stats.lost * 160
    assert lost < 8000 * 0.3, "more was made up than was lost"


@pytest.mark.parametrize("ppm", [-200, 200, 2000])
def test_a_clock_that_drifts_is_followed(lab: Lab, ppm: float) -> None:
    one, two = mixed_listener(lab, ppm=ppm)
    lab.run(2.0)
    before = lab.path.stats(one.session).concealed
    begin = lab.run(20.0)
    for second in range(20):
        heard = two.audio(begin + second, begin + second + 1.0)
        assert heard.gain_of(500) == pytest.approx(0, abs=1)
        assert heard.click([500]) < -26
    assert lab.path.stats(one.session).concealed - before < 20 * 8000 * 0.01


@pytest.mark.parametrize("packet", [80, 160, 240, 320, 480])
def test_peers_with_other_packet_lengths(lab: Lab, packet: int) -> None:
    one, two = mixed_listener(lab, packet=packet)
    begin = lab.run(1.6)
    heard = two.audio(begin + 0.6, lab.now)
    assert heard.gain_of(500) == pytest.approx(0, abs=1)
    assert heard.click([500]) < -31
    one_stream(heard.packets)
    one.describe(frame=packet)
    player = lab.path.play([whole_frames(sine(700, 1.0, 3000))], loop=True)
    lab.hear({one: {player: 1.0}})
    played = lab.run(1.0)
    given = one.audio(played + 0.2, lab.now)
    assert {len(item.payload) for item in given.packets} == {packet}
    assert given.gain_of(700) == pytest.approx(0, abs=1)
    assert given.gap == 0


def test_duplicates_are_heard_once(lab: Lab) -> None:
    one, two = mixed_listener(lab)
    send = one.send
    one.send = lambda datagram: (send(datagram), send(datagram))[0]  # type: ignore[method-assign]
    begin = lab.run(1.0)
    heard = two.audio(begin + 0.4, lab.now)
    assert heard.gain_of(500) == pytest.approx(0, abs=0.5)
    assert heard.click([500]) < -31
    stats = lab.path.stats(one.session)
    assert stats.duplicates == stats.packets_in


@pytest.mark.parametrize("mixed", [False, True])
def test_another_ssrc_of_the_same_source_goes_on(lab: Lab, mixed: bool) -> None:  # noqa: FBT001 - a parameter
    one, two = mixed_listener(lab)
    if not mixed:
        lab.hear({two: {one: 1.0}})
    begin = lab.run(0.5)
    one.ssrc, one.sequence, one.timestamp = 77, 40000, 123456
    lab.run(0.5)
    heard = two.audio(begin + 0.3, lab.now)
    assert heard.gain_of(500) == pytest.approx(0, abs=1)
    assert heard.gap <= 0.04
    one_stream(heard.packets)
    assert lab.path.stats(one.session).ssrc_in == 77


def test_silence_suppression_is_silence_not_loss(lab: Lab) -> None:
    one, two = mixed_listener(lab)
    accepts = {8: PCMA, 13: COMFORT_NOISE, 101: None}
    one.describe(accepts=accepts)
    for _ in range(3):
        begin = lab.run(0.6)
        assert two.audio(begin + 0.4, lab.now).gain_of(500) == pytest.approx(0, abs=1)
        one.speaking = False
        noise = RtpPacket(
            13,
            marker=False,
            sequence=one.sequence,
            timestamp=one.timestamp,
            ssrc=one.ssrc,
            payload=b"\x3c",
        )  # fmt: skip - 60 dB below overload
        one.sequence = (one.sequence + 1) & 0xFFFF
        one.send(build(noise))
        quiet = lab.run(1.0)
        pcm = two.audio(quiet + 0.3, lab.now).pcm.astype(float)
        rms = float(np.sqrt(np.mean(pcm**2)))
        assert 15 < rms < 60  # -60 dBov is 32.8
        number = one.sequence
        one.speaking = True
        one.sequence = number
    assert lab.path.stats(one.session).concealed < 3 * 8000 * 0.25


def bound_to(host: str) -> socket.socket:
    """A socket on another of the loopback's addresses: another host, as far as RTP can tell."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.settimeout(0)
    bound.bind((host, 0))
    return bound


@pytest.mark.parametrize("signalled_from", [None, "127.0.0.7"])
def test_who_sends_before_the_peer_is_not_heard_and_hears_nothing(
    lab: Lab, signalled_from: str | None
) -> None:
    one, two = lab.phone(500), lab.phone(900)
    one.describe(address=("192.0.2.1", 4000), signalled_from=signalled_from)
    lab.bridge(one, two)
    speaks = RtpPacket(8, marker=False, sequence=1, timestamp=0, ssrc=9, payload=bytes(160))
    with bound_to("127.0.0.6") as stranger, bound_to("127.0.0.7") as behind_nat:
        one.speaking = False
        lab.run(0.1)
        two.heard.clear()
        for number in range(20):
            stranger.sendto(build(speaks._replace(sequence=number)), one.target)
            lab.run(0.02)
        assert two.heard == []
        assert lab.path.stats(one.session).strangers == 20
        behind_nat.sendto(build(speaks._replace(ssrc=10)), one.target)
        lab.run(0.1)
        assert len(two.heard) == (0 if signalled_from is None else 1)
        lab.run(LATCH_PATIENCE)
        stranger.sendto(build(speaks._replace(sequence=30)), one.target)
        lab.run(0.04)
        # Nobody the peer has named has spoken: then it is behind a NAT that nobody knows of.
        latched = [event.source for event in lab.events if isinstance(event, Latched)]
        first = stranger if signalled_from is None else behind_nat
        assert first.getsockname() in latched
        assert (stranger.getsockname() in latched) is (signalled_from is None)
        assert len(two.heard) == 1
        with pytest.raises(BlockingIOError):
            (stranger if signalled_from else behind_nat).recv(2048)


def test_reports_on_the_rtp_port_are_the_peers_and_nobody_elses(lab: Lab) -> None:
    one, two = lab.phone(500), lab.phone(900)
    report = rtcp.build([rtcp.ReceiverReport(500)])
    one.speaking = False
    one.send(report)  # who only listens, and therefore has not been heard
    with udp() as stranger:
        stranger.sendto(report, one.target)
        lab.run(0.04)
        one.speaking = True
        lab.bridge(one, two)
        lab.run(0.1)
        one.send(report)
        one.send(report[:4])
        stranger.sendto(report, one.target)
        lab.run(0.1)
    told = [event for event in lab.events if isinstance(event, RtcpReceived)]
    here = one.socket.getsockname()
    assert [event.datagram for event in told] == [report, report, report[:4]]
    assert {(event.session, event.source) for event in told} == {(one.session, here)}
    stats = lab.path.stats(one.session)
    # The stranger's first came when anybody here might have been the peer, and was not RTP.
    assert (stats.unexpected, stats.malformed, stats.strangers) == (0, 1, 1)
    assert {packet.payload_type for _, packet in two.heard} == {8}
    # A number that is negotiated as RTP is RTP, whatever RTCP would have it mean (RFC 5761 §4).
    one.describe(payload_type=73, accepts={73: PCMA})
    one.send(report.ljust(12, bytes(1)))
    lab.run(0.04)
    assert sum(isinstance(event, RtcpReceived) for event in lab.events) == 3


def test_a_stranger_is_never_heard(lab: Lab) -> None:
    one, two, third = (lab.phone(hertz) for hertz in (400, 700, 1100))
    lab.hear({two: {one: 1.0}, third: {one: 1.0, two: 1.0}})
    lab.run(0.2)
    recorded: list[bytes] = []
    lab.path.record(recorded.append, left=[one.session], right=[])
    with udp() as stranger, udp() as recogniser:
        lab.path.fork(one.session, recogniser.getsockname())
        for number in range(50):
            loud = RtpPacket(
                8,
                marker=False,
                sequence=one.sequence + number,
                timestamp=one.timestamp,
                ssrc=one.ssrc,
                payload=b"\x2a" * 160,
            )
            stranger.sendto(build(loud), one.target)
            begin = lab.run(0.02)
        for phone in (two, third):
            assert all(packet.payload != b"\x2a" * 160 for _, packet in phone.heard)
            assert phone.audio(begin - 0.5, lab.now).gain_of(400) == pytest.approx(0, abs=1)
        while True:
            try:
                assert not recogniser.recv(2048).endswith(b"\x2a" * 160)
            except BlockingIOError:
                break
        with pytest.raises(BlockingIOError):
            stranger.recv(2048)
    assert lab.path.stats(one.session).strangers == 50
    assert lab.events.count(Latched(one.session, one.socket.getsockname())) == 1


def test_random_octets_disturb_nobody(lab: Lab) -> None:
    one, two, third = (lab.phone(hertz) for hertz in (400, 700, 1100))
    lab.hear({two: {one: 1.0}, third: {one: 1.0, two: 1.0}})
    lab.run(0.2)
    random = np.random.default_rng(3)
    for _ in range(500):
        octets = random.bytes(int(random.integers(0, 400)))
        one.send(octets)
        # …and RTP whose header is right up to a point, with keys and noise of any content
        number = int(random.integers(0, 0x10000))
        payload_type = int(random.choice([8, 101, 13, 0]))
        stamp = one.timestamp + int(random.integers(-5000, 5000))
        packet = RtpPacket(payload_type, bool(random.integers(2)), number, stamp & 0xFFFFFFFF,
                           int(random.choice([400, 401])), octets)  # fmt: skip
        one.send(build(packet))
        lab.run(0.005)
    one.sequence = 60000
    lab.run(0.6)
    begin = lab.run(0.4)
    for phone in (two, third):
        heard = phone.audio(begin, lab.now)
        assert heard.gain_of(400) == pytest.approx(0, abs=1)
        assert heard.gap <= 0.04


def test_silence_and_time_out_are_reported_once_and_their_end(lab: Lab) -> None:
    one = lab.phone(400)
    lab.path.watch(one.session, Watch(rtp_timeout=2.0, silence=1.0))
    lab.run(1.5)
    assert [event for event in lab.events if not isinstance(event, Latched)] == []
    one.level = 5.0
    lab.run(2.5)
    assert Silence(one.session, silent=True) in lab.events
    one.level = 3000.0
    lab.run(0.3)
    one.speaking = False
    lab.run(5.0)
    told = [event for event in lab.events if not isinstance(event, Latched)]
    assert [type(event) for event in told] == [Silence, Silence, Silence, RtpTimeout]
    assert [event.silent for event in told[:3] if isinstance(event, Silence)] == [True, False, True]
    (late,) = [event for event in told if isinstance(event, RtpTimeout)]
    assert late.seconds == pytest.approx(2.0, abs=0.15)


class Scrambled:
    """An edge that swaps all bits, and takes other datagrams for itself."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def incoming(self, datagram: bytes, source: Source, now: float) -> list[bytes]:  # noqa: ARG002 - the port's
        if not datagram.startswith(b"\x7f"):
            self.taken.append(datagram)
            return []
        return [bytes(octet ^ 0xFF for octet in datagram)]

    def outgoing(self, packet: bytes, now: float) -> bytes:  # noqa: ARG002 - the port's
        return bytes(octet ^ 0xFF for octet in packet)


@pytest.mark.parametrize("mixed", [False, True])
def test_an_edge_stands_between_the_session_and_its_socket(lab: Lab, mixed: bool) -> None:  # noqa: FBT001 - a parameter
    one, two, third = (lab.phone(hertz) for hertz in (400, 700, 1100))
    edge = Scrambled()
    lab.path.set_edge(one.session, edge)
    plain = one.send
    one.send = lambda datagram: plain(edge.outgoing(datagram, 0.0))  # type: ignore[method-assign]
    received = one.listen

    def listen(now: float) -> None:
        while True:
            try:
                data = one.socket.recv(2048)
            except BlockingIOError:
                return
            one.heard.append((now, parse(edge.outgoing(data, 0.0))))

    one.listen = listen  # type: ignore[method-assign]
    assert received is not listen
    with udp() as recogniser:
        lab.path.fork(one.session, recogniser.getsockname())
        if mixed:
            lab.hear({one: {two: 1.0, third: 1.0}, two: {one: 1.0, third: 1.0}})
        else:
            lab.bridge(one, two)
        one.socket.sendto(b"\x00\x01stun", one.target)
        begin = lab.run(0.6)
        assert parse(recogniser.recv(2048)).ssrc == one.ssrc  # in plain text
    assert one.audio(begin + 0.3, lab.now).gain_of(700) == pytest.approx(0, abs=1)
    assert two.audio(begin + 0.3, lab.now).gain_of(400) == pytest.approx(0, abs=1)
    assert edge.taken == [b"\x00\x01stun"]
    lab.path.send_datagram(one.session, b"\xffanswer", one.socket.getsockname())
    assert one.socket.recv(2048) == b"\xffanswer"


def drain(bound: socket.socket) -> list[bytes]:
    datagrams = []
    while True:
        try:
            datagrams.append(bound.recv(65536))
        except BlockingIOError:
            return datagrams


def test_a_fork_is_a_verbatim_copy(lab: Lab) -> None:
    one = lab.phone(400)
    with udp() as recogniser:
        lab.path.fork(one.session, recogniser.getsockname())
        lab.run(0.2)
        copies = [parse(datagram) for datagram in drain(recogniser)]
        assert [packet.sequence for packet in copies] == list(range(7, one.sequence))
        lab.path.fork(one.session, None)
        lab.run(0.1)
        assert drain(recogniser) == []


def test_a_fork_may_gather_packets(lab: Lab) -> None:
    one = lab.phone(400)
    with udp() as recogniser:
        lab.path.fork(one.session, recogniser.getsockname(), packets=5)
        lab.run(0.405)
        one.speaking = False
        lab.run(0.2)
        datagrams = drain(recogniser)
    sequences = []
    for datagram in datagrams:
        rest = datagram
        while rest:
            length = int.from_bytes(rest[:2])
            sequences.append(parse(rest[2 : 2 + length]).sequence)
            rest = rest[2 + length :]
    assert sequences == list(range(7, 7 + len(sequences)))
    assert len(sequences) == lab.path.stats(one.session).packets_in
    assert len(datagrams) == -(-len(sequences) // 5)


def test_a_recording_has_its_sources_on_their_sides(lab: Lab) -> None:
    one, two, third = (lab.phone(hertz, phase=0.003) for hertz in (400, 700, 1100))
    lab.run(0.1)
    blocks: list[bytes] = []
    player = lab.path.play([whole_frames(sine(2000, 1.0, 3000))], loop=True)
    recording = lab.path.record(blocks.append, left=[one.session], right=[two.session, player])
    lab.run(2.0)
    assert len(blocks) >= 3
    lab.path.change_record(recording, left=[one.session], right=[third.session])
    lab.run(2.0)
    lab.path.stop_record(recording)
    frames = np.frombuffer(b"".join(blocks), "<i2").reshape(-1, 2)
    left, right = frames[:, 0].astype(np.int16), frames[:, 1].astype(np.int16)
    assert len(left) == pytest.approx(32000, abs=330)
    spoken = 20 * np.log10(3000 / 32767)
    assert dominant(left) == pytest.approx(400, abs=1)
    assert tone_level(left[800:31000], 400) == pytest.approx(spoken, abs=0.5)
    early, late = right[800:15000], right[17000:31000]
    for part, there in ((early, (700, 2000)), (late, (1100,))):
        for hertz in (700, 1100, 2000):
            level = tone_level(part, hertz) - spoken
            assert level == pytest.approx(0, abs=0.5) if hertz in there else level < -40
    lab.run(1.0)
    assert sum(map(len, blocks)) == frames.nbytes  # nothing comes after the end


def test_a_recording_waits_for_a_busy_sink_and_loses_nothing(lab: Lab) -> None:
    one = lab.phone(400, phase=0.003)
    lab.run(0.1)
    blocks: list[bytes] = []
    busy = True
    recording = lab.path.record(blocks.append, left=[one.session], right=[], is_busy=lambda: busy)
    lab.run(4.0)
    assert blocks == []
    busy = False
    lab.run(1.0)
    assert sum(map(len, blocks)) >= 4 * 8000 * 4
    lab.path.stop_record(recording)
    left = np.frombuffer(b"".join(blocks), "<i2").reshape(-1, 2)[:, 0].astype(np.int16)
    assert len(left) == pytest.approx(40000, abs=330)
    spoken = 20 * np.log10(3000 / 32767)
    for second in range(5):
        piece = left[second * 8000 + 800 : second * 8000 + 7200]
        assert tone_level(piece, 400) == pytest.approx(spoken, abs=0.5)


@pytest.mark.parametrize("behind_nat", [False, True])
def test_who_holds_is_sent_nothing_and_hears_again_at_once(
    lab: Lab,
    behind_nat: bool,  # noqa: FBT001 - a parameter
) -> None:
    one, two = mixed_listener(lab)
    lab.hear({two: {one: 1.0}, one: {two: 1.0}})
    home = ("192.0.2.9", 4000) if behind_nat else one.socket.getsockname()
    one.describe(address=home, signalled_from=HERE)
    lab.run(1.3)  # after another address has been named the former source is let in a second later
    assert one.audio(lab.now - 0.2, lab.now).packets
    one.describe(address=None, signalled_from=HERE)
    held = lab.run(0.5)
    assert not one.audio(held + 0.1, lab.now).packets  # what was under way has come by then
    assert two.audio(held + 0.1, lab.now).gap <= 0.04  # music on hold, perhaps
    one.describe(address=home, signalled_from=HERE)
    back = lab.run(0.5)
    assert one.audio(back, back + 0.1).packets
    assert two.audio(back, lab.now).gap <= 0.04
