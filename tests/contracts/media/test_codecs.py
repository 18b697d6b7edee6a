"""Parties whose codecs differ: each hears the others, in its own codec and on its own clock."""

from itertools import pairwise

import numpy as np
import pytest

from telephony.media.codecs import CODECS, G722, OPUS, PCMA, PCMU, CodecSpec
from telephony.media.path import KeyPressed
from telephony.media.rtp import parse, timestamp_delta
from tests.contracts.media.lab import Lab, Phone, udp
from tests.support.tones import RATE, tone_level

WIDE = pytest.mark.parametrize("codec", [G722, OPUS], ids=lambda codec: codec.name)

pytestmark = pytest.mark.skipif(len(CODECS) < 4, reason="G.722 or Opus is not installed")


def clean_steps(phone: Phone) -> set[int]:
    """Return by how much timestamps and sequence numbers of what a phone heard move."""
    packets = [packet for _, packet in phone.heard if packet.payload_type == phone.payload_type]
    assert len({packet.ssrc for packet in packets}) == 1
    for earlier, later in pairwise(packets):
        assert (later.sequence - earlier.sequence) & 0xFFFF == 1
    return {
        timestamp_delta(later.timestamp, earlier.timestamp)
        for earlier, later in pairwise(packets)
        if not later.marker
    }


@WIDE
def test_two_of_one_codec_are_relayed_octet_by_octet(lab: Lab, codec: CodecSpec) -> None:
    one, other = lab.phone(440, codec=codec), lab.phone(600, codec=codec)
    lab.bridge(one, other)
    lab.run(1.0)
    assert clean_steps(one) == {codec.clock // 50}
    assert one.audio(1000.5, lab.now).gain_of(600) == pytest.approx(0, abs=1)
    # Nothing waits for a clock: what one said is with the other in the same step.
    first = other.heard[0][0]
    assert first - 1000.0 < 0.02


@WIDE
@pytest.mark.parametrize("plain", [PCMA, PCMU], ids=lambda codec: codec.name)
def test_who_shares_no_codec_is_transcoded(lab: Lab, codec: CodecSpec, plain: CodecSpec) -> None:
    wide, narrow = lab.phone(440, codec=codec, phase=0.003), lab.phone(1100, codec=plain)
    lab.bridge(wide, narrow)
    lab.run(1.0)
    assert clean_steps(wide) == {codec.clock // 50}
    assert clean_steps(narrow) == {160}
    assert wide.audio(1000.5, lab.now).gain_of(1100) == pytest.approx(0, abs=1)
    assert narrow.audio(1000.5, lab.now).gain_of(440) == pytest.approx(0, abs=1)


def test_three_codecs_in_one_conference(lab: Lab) -> None:
    phones = [
        lab.phone(hertz, codec=codec, phase=0.004 * number)
        for number, (hertz, codec) in enumerate([(440, PCMA), (1100, G722), (1800, OPUS)])
    ]
    lab.hear({one: {other: 1.0 for other in phones if other is not one} for one in phones})
    lab.run(1.0)
    for one in phones:
        heard = one.audio(1000.5, lab.now)
        assert heard.gain_of(one.hertz) < -25
        for other in phones:
            if other is not one:
                assert heard.gain_of(other.hertz) == pytest.approx(0, abs=1), (one, other)


def test_a_phone_that_changes_its_codec_is_heard_on(lab: Lab) -> None:
    one, other = lab.phone(440), lab.phone(1100)
    lab.bridge(one, other)
    lab.run(0.5)
    one.codec, one.encoder, one.payload_type = OPUS, OPUS.encoder(), 96
    one.describe()
    changed = lab.run(1.0)
    assert other.audio(changed + 0.5, lab.now).gain_of(440) == pytest.approx(0, abs=1)
    assert one.audio(changed + 0.5, lab.now).gain_of(1100) == pytest.approx(0, abs=1)


@WIDE
def test_a_recording_holds_every_codec(lab: Lab, codec: CodecSpec) -> None:
    citizen, agent = lab.phone(440, codec=codec), lab.phone(1100)
    lab.bridge(citizen, agent)
    lab.run(0.2)
    blocks: list[bytes] = []
    recording = lab.path.record(blocks.append, left=[citizen.session], right=[agent.session])
    lab.run(1.5)
    lab.path.stop_record(recording)
    frames = np.frombuffer(b"".join(blocks), "<i2").reshape(-1, 2)[RATE // 2 : RATE]
    said = 20 * np.log10(citizen.level / 32767)
    assert tone_level(frames[:, 0], 440) == pytest.approx(said, abs=1)
    assert tone_level(frames[:, 1], 1100) == pytest.approx(said, abs=1)


@WIDE
@pytest.mark.parametrize("packets", [1, 3])
def test_a_recogniser_gets_a_law_of_every_codec(lab: Lab, codec: CodecSpec, packets: int) -> None:
    phone, ear = lab.phone(440, codec=codec), udp()
    lab.path.fork(phone.session, ear.getsockname(), packets=packets)
    lab.run(1.0)
    lab.path.fork(phone.session, None)
    copies = []
    while True:
        try:
            datagram = ear.recv(2048)
        except BlockingIOError:
            break
        if packets == 1:
            copies.append(parse(datagram))
        while packets > 1 and datagram:
            end = 2 + int.from_bytes(datagram[:2])
            copies.append(parse(datagram[2:end]))
            datagram = datagram[end:]
    ear.close()
    assert len(copies) >= 48
    assert {copy.payload_type for copy in copies} == {8}
    assert {len(copy.payload) for copy in copies} == {160}
    moved = {
        timestamp_delta(later.timestamp, earlier.timestamp) for earlier, later in pairwise(copies)
    }
    assert moved == {160}
    pcm = PCMA.decoder().decode(b"".join(copy.payload for copy in copies))
    said = 20 * np.log10(phone.level / 32767)
    assert tone_level(pcm[RATE // 2 :], 440) == pytest.approx(said, abs=1)


def test_keys_count_by_the_clock_of_their_audio(lab: Lab) -> None:
    """RFC 4733 §2.1: a telephone-event's timestamps have the clock of the audio beside it."""
    phone = lab.phone(440, codec=OPUS)
    phone.describe(event_clock=48000)
    lab.run(0.1)
    lab.path.send_keys(phone.session, "5", seconds=0.1)
    lab.run(0.3)
    durations = [
        int.from_bytes(packet.payload[2:4])
        for _, packet in phone.heard
        if packet.payload_type == phone.keys
    ]
    assert durations == [960, 1920, 2880, 3840, 4800, 4800, 4800]
    for number in range(3):
        packet = bytes((0x80, 101)) + (500 + number).to_bytes(2) + phone.timestamp.to_bytes(4)
        phone.send(packet + phone.ssrc.to_bytes(4) + bytes((5, 0x80, 4800 >> 8, 4800 & 0xFF)))
    lab.run(0.1)
    pressed = [event for event in lab.events if isinstance(event, KeyPressed)]
    assert [(event.key, event.seconds) for event in pressed] == [("5", 0.1)]
