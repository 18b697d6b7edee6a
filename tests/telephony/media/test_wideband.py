"""G.722 and Opus: what comes out is what went in, whoever wrote the other end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.media.codecs import CODECS, G722, OPUS, CodecSpec
from telephony.media.g711 import RATE
from telephony.media.plain_fork import PlainFork
from telephony.media.rtp import parse
from tests.support.tones import sine, tone_level

BOTH = pytest.mark.parametrize("codec", [G722, OPUS], ids=lambda codec: codec.name)


pytestmark = pytest.mark.skipif(len(CODECS) < 4, reason="G.722 or Opus is not installed")


@BOTH
def test_a_tone_survives_coding(codec: CodecSpec) -> None:
    said = sine(440, 1.0)
    encoder, decoder = codec.encoder(), codec.decoder()
    heard = np.concatenate(
        [
            decoder.decode(encoder.encode(said[at : at + 160]))
            for at in range(0, len(said) - 159, 160)
        ]
    )
    assert len(heard) == len(said)
    settled = heard[RATE // 2 :]
    assert tone_level(settled, 440) == pytest.approx(tone_level(said, 440), abs=1)


@BOTH
@pytest.mark.parametrize("milliseconds", [10, 20, 40, 60])
def test_packets_of_other_lengths(codec: CodecSpec, milliseconds: int) -> None:
    pcm = sine(300, milliseconds / 1000)
    assert len(codec.decoder().decode(codec.encoder().encode(pcm))) == len(pcm)


def test_an_octet_of_g722_is_a_sample_of_ours() -> None:
    assert len(G722.encoder().encode(np.zeros(160, np.int16))) == 160  # RFC 3551 §4.5.2


def test_no_opus_frame_is_thirty_milliseconds_long() -> None:
    with pytest.raises(ValueError, match="240"):
        OPUS.encoder().encode(np.zeros(240, np.int16))


@BOTH
@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_any_payload_is_audio_or_nothing(codec: CodecSpec, payload: bytes) -> None:
    assert len(codec.decoder().decode(payload)) <= 0.12 * RATE


def test_a_fork_is_a_law_with_the_time_of_its_source() -> None:
    fork, run = PlainFork(), object()
    pcm = np.zeros(160, np.int16)
    sent = [
        fork.packet(pcm, timestamp=stamp, clock=48000, run=run, ssrc=5)
        for stamp in (960, 1920, 960, 3840)  # the third came late
    ]
    packets = [parse(data) for data in sent if data is not None]
    assert sent[2] is None
    assert [packet.timestamp - packets[0].timestamp for packet in packets] == [0, 160, 480]
    assert [packet.sequence - packets[0].sequence for packet in packets] == [0, 1, 2]
    assert {(packet.payload_type, packet.ssrc) for packet in packets} == {(8, 0xFFFFFFFA)}
