import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import g711
from asr.rtp_source import LONGEST_FILL, Audio, RtpSource, packets_in, parse_rtp
from tests.asr.speech import FRAME, rtp

LOUD, QUIET = bytes([0xAA]), bytes([0xD5])


def frame(n: int, **fields: int) -> bytes:
    """Packet n of a leg; its samples say which it is."""
    payload = bytes([n % 256]) * FRAME
    return rtp(payload, **{"sequence": 65530 + n, "timestamp": 2**32 - 320 + n * FRAME, **fields})


def heard(audio: list[Audio]) -> list[int | None]:
    """Which frames are in the audio; None for 20 ms of silence put in."""
    pcm = b"".join(piece.pcm for piece in audio)
    codes = {g711.decode(bytes([n]) * FRAME, "PCMA"): n for n in range(256)}
    codes[bytes(2 * FRAME)] = None  # type: ignore[assignment]
    return [codes[pcm[i : i + 2 * FRAME]] for i in range(0, len(pcm), 2 * FRAME)]


def source(**arguments: float) -> RtpSource:
    return RtpSource(opened_at=100.0, **arguments)  # type: ignore[arg-type]


def test_packets_in_order_come_out_at_once_and_touch() -> None:
    leg = source()
    audio = [a for n in range(20) for a in leg.handle(frame(n), 101.0 + n * 0.02)]
    assert heard(audio) == list(range(20))
    assert audio[0].at == pytest.approx(1.0)
    for before, after in itertools.pairwise(audio):
        assert after.at == pytest.approx(before.at + before.seconds)
    assert leg.deadline is None


def test_t0_is_what_the_clock_shows_at_the_opening() -> None:
    (audio,) = source(t0=30.0).handle(frame(0), 100.5)
    assert audio.at == pytest.approx(30.5)


def test_faster_than_real_time_keeps_the_senders_time() -> None:
    leg = source()
    audio = [a for n in range(250) for a in leg.handle(frame(n), 100.0 + n * 0.001)]
    assert audio[-1].at == pytest.approx(249 * 0.02)


def test_reordered_within_60_ms_is_put_right() -> None:
    leg = source()
    arrivals = [(0, 0.0), (2, 0.02), (1, 0.05), (3, 0.06)]
    audio = [a for n, at in arrivals for a in leg.handle(frame(n), 100 + at)]
    assert heard(audio) == [0, 1, 2, 3]
    assert leg.stats.lost == 0


def test_a_lost_packet_becomes_silence_after_60_ms() -> None:
    leg = source()
    leg.handle(frame(0), 100.0)
    assert leg.handle(frame(2), 100.04) == []
    assert leg.deadline is not None
    assert leg.deadline == pytest.approx(100.10)
    assert heard(leg.handle(None, leg.deadline)) == [None, 2]
    assert leg.stats.lost == 1
    assert leg.deadline is None


def test_a_packet_too_late_is_dropped() -> None:
    leg = source()
    leg.handle(frame(0), 100.0)
    leg.handle(frame(2), 100.02)
    leg.handle(None, 100.2)
    assert leg.handle(frame(1), 100.2) == []
    assert leg.stats.repeated == 1


def test_repeated_packets_are_heard_once() -> None:
    leg = source()
    audio = [a for n in (0, 0, 1, 3, 3, 2, 1, 4) for a in leg.handle(frame(n), 100.0)]
    assert heard(audio) == [0, 1, 2, 3, 4]
    assert leg.stats.repeated == 3


def test_a_long_hole_moves_the_clock_and_is_not_filled() -> None:
    leg = source()
    leg.handle(frame(0), 100.0)
    n = round((LONGEST_FILL + 0.5) / 0.02)
    leg.handle(frame(n), 100.0 + n * 0.02)
    audio = leg.handle(None, 103.0)
    assert heard(audio) == [n]
    assert audio[0].at == pytest.approx(n * 0.02)


def test_telephone_event_takes_its_place_and_is_silence() -> None:
    leg = source()
    packets = [frame(0), frame(1, payload_type=101), frame(2, payload_type=101), frame(3)]
    audio = [a for packet in packets for a in leg.handle(packet, 100.0)]
    assert heard(audio) == [0, None, None, 3]
    assert (leg.stats.lost, leg.stats.ignored) == (0, 2)


def test_mu_law_and_a_type_named_at_the_opening() -> None:
    leg = RtpSource(opened_at=0.0, payload_types={97: "PCMU"})
    audio = leg.handle(frame(0x8F, payload_type=0, sequence=1), 0.0)
    audio += leg.handle(frame(0x8F, payload_type=97, sequence=2), 0.0)
    assert [set(np.frombuffer(a.pcm, "<i2").tolist()) - {0} for a in audio] == [{16764}, {16764}]


def test_a_new_ssrc_begins_anew_at_the_time_of_arrival() -> None:
    leg = source()
    leg.handle(frame(0), 100.0)
    audio = leg.handle(frame(7, ssrc=9, sequence=3, timestamp=1_000_000), 104.0)
    assert heard(audio) == [7]
    assert audio[0].at == pytest.approx(4.0)


def test_a_sender_who_stopped_counting_on_hold_is_anchored_anew() -> None:
    leg = source()
    leg.handle(frame(0), 100.0)
    (audio,) = leg.handle(frame(1), 160.0)
    assert audio.at == pytest.approx(60.0)


def test_two_packets_in_a_row_far_off_are_a_restart() -> None:
    leg = source()
    leg.handle(frame(0), 100.0)
    assert leg.handle(frame(5, sequence=30000), 100.02) == []
    assert heard(leg.handle(frame(6, sequence=30001), 100.04)) == [6]


def test_drain_gives_what_was_held_back() -> None:
    leg = source()
    leg.handle(frame(0), 100.0)
    leg.handle(frame(2), 100.0)
    leg.handle(frame(4), 100.0)
    assert heard(leg.drain()) == [None, 2, None, 4]


def test_header_extension_csrc_and_padding_are_not_audio() -> None:
    plain = rtp(b"abc\x00\x02", sequence=5, timestamp=6)
    extra = b"CSRC" + b"\xbe\xde\x00\x01" + b"EXTN"
    packet = parse_rtp(bytes([0x80 | 0x20 | 0x10 | 1]) + plain[1:12] + extra + plain[12:])
    assert packet is not None
    assert (packet.payload, packet.sequence, packet.timestamp) == (b"abc", 5, 6)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x80" * 11,
        b"\x40" + bytes(20),  # version 1
        b"\x8f\x08" + bytes(20),  # fifteen CSRCs that aren't there
        b"\x90\x08" + bytes(10),  # an extension that isn't there
        b"\xa0\x08" + bytes(18) + b"\xff",  # more padding than packet
        b"\xa0\x08" + bytes(20),  # padding of nothing
    ],
)
def test_what_is_not_rtp_is_counted_and_dropped(datagram: bytes) -> None:
    leg = source()
    assert leg.handle(datagram, 100.0) == []
    assert leg.stats.malformed == 1


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.floats(0, 0.05)), max_size=120),
    st.randoms(use_true_random=False),
)
def test_any_shuffling_and_loss_gives_ordered_audio(
    arrivals: list[tuple[int, float]], chance: random.Random
) -> None:
    leg, now, audio = source(), 100.0, []
    for n, wait in arrivals:
        now += wait
        if leg.deadline is not None and leg.deadline <= now:
            audio += leg.handle(None, leg.deadline)
        audio += leg.handle(frame(n), now)
        if chance.random() < 0.1:
            audio += leg.handle(chance.randbytes(chance.randrange(40)), now)
    audio += leg.drain()
    clock = 0.0
    for piece in audio:
        assert piece.at >= clock - 1e-6
        clock = piece.at + piece.seconds
    played = [n for n in heard([a for a in audio if len(a.pcm) == 2 * FRAME]) if n is not None]
    assert len(played) == len(set(played)) or leg.stats.ignored


def gathered(*packets: bytes) -> bytes:
    return b"".join(len(packet).to_bytes(2) + packet for packet in packets)


def test_several_packets_may_come_in_one_datagram() -> None:
    leg = source()
    audio = []
    for n in range(0, 20, 5):
        audio += leg.handle(gathered(*(frame(n + k) for k in range(5))), 101.0 + n * 0.02)
    assert heard(audio) == list(range(20))
    assert (leg.stats.packets, leg.stats.malformed) == (20, 0)


@given(st.lists(st.binary(min_size=12, max_size=60), min_size=1, max_size=8), st.integers(0, 30))
def test_a_gathered_datagram_comes_apart_and_a_cut_one_loses_its_last(
    packets: list[bytes], cut: int
) -> None:
    whole = gathered(*packets)
    assert packets_in(whole) == packets
    apart = packets_in(whole[: len(whole) - min(cut, len(packets[-1]))])
    assert apart[: len(packets) - 1] == packets[:-1]
    assert packets[-1].startswith(b"".join(apart[len(packets) - 1 :]))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=64), max_size=60))
def test_noise_never_raises_and_never_goes_back_in_time(datagrams: list[bytes]) -> None:
    leg, clock = source(), 0.0
    for n, datagram in enumerate(datagrams):
        # Half of them with a header that passes.
        data = b"\x80\x08" + datagram if n % 2 else datagram
        for piece in leg.handle(data, 100.0 + n * 0.03):
            assert piece.at >= clock - 1e-6
            clock = piece.at + piece.seconds
        assert leg.deadline is None or leg.deadline > 100.0 + n * 0.03
    assert leg.drain() is not None
