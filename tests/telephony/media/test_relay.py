"""One outgoing stream from changing sources: continuity, and payload types."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media import g711
from telephony.media.codecs import COMFORT_NOISE, PCMA, PCMU
from telephony.media.path import Description
from telephony.media.relay import OutgoingStream, Route, routes
from telephony.media.rtp import RtpPacket, parse, sequence_delta, timestamp_delta

PLAIN = Route(8, None)


def audio(number: int, *, ssrc: int = 7, marker: bool = False, base: int = 0) -> RtpPacket:
    stamp = (base + number * 160) & 0xFFFFFFFF
    return RtpPacket(8, marker, number & 0xFFFF, stamp, ssrc, bytes([number % 256]) * 160)


def stream(sequence: int = 500, timestamp: int = 9000) -> OutgoingStream:
    return OutgoingStream(ssrc=0xCAFE, sequence=sequence, timestamp=timestamp)


def send(out: OutgoingStream, packet: RtpPacket, run: object, now: float) -> RtpPacket:
    return parse(out.forward(packet, run, PLAIN, now))


def test_the_first_packet_starts_where_it_was_told() -> None:
    sent = send(stream(), audio(77), "run", 1.0)
    assert sent == RtpPacket(8, True, 500, 9000, 0xCAFE, audio(77).payload)  # noqa: FBT003


def test_loss_and_reordering_are_passed_on() -> None:
    out = stream()
    sent = [send(out, audio(n), "run", n * 0.02) for n in (10, 11, 14, 13)]
    assert [p.sequence for p in sent] == [500, 501, 504, 503]
    assert [p.timestamp for p in sent] == [9000, 9160, 9640, 9480]
    assert [p.marker for p in sent] == [True, False, False, False]


def test_another_source_goes_on_where_the_last_one_stopped() -> None:
    out = stream()
    send(out, audio(1), "a", 0.0)
    send(out, audio(2), "a", 0.02)
    after = send(out, audio(40000, ssrc=8, base=123456), "b", 1.02)
    assert (after.sequence, after.marker, after.ssrc) == (502, True, 0xCAFE)
    assert after.timestamp == 9160 + 8000  # a second has passed
    assert send(out, audio(40001, ssrc=8, base=123456), "b", 1.04).timestamp == 9160 + 8160


def test_a_switch_at_once_never_overlaps_what_was_sent() -> None:
    out = stream()
    send(out, audio(1), "a", 0.0)
    assert send(out, audio(900, ssrc=8), "b", 0.001).timestamp == 9160


def test_switch_leaves_no_hole_when_the_same_source_comes_back() -> None:
    out = stream()
    send(out, audio(1), "a", 0.0)
    out.switch()
    back = send(out, audio(101), "a", 2.0)  # bridged elsewhere for a hundred packets
    assert (back.sequence, back.marker) == (501, True)
    assert back.timestamp == 9000 + 16000


def test_numbers_wrap() -> None:
    out = stream(sequence=0xFFFF, timestamp=0xFFFFFFFF)
    sent = [send(out, audio(n), "run", n * 0.02) for n in (0xFFFF, 0x10000, 0x10001)]
    assert [p.sequence for p in sent] == [0xFFFF, 0, 1]
    assert [p.timestamp for p in sent] == [0xFFFFFFFF, 159, 319]


@given(
    runs=st.lists(
        st.tuples(
            st.integers(0, 0xFFFF),  # first sequence number
            st.integers(0, 0xFFFFFFFF),  # first timestamp
            st.integers(1, 20),  # packets
            st.floats(0, 5),  # pause before, seconds
        ),
        min_size=1,
        max_size=8,
    ),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
)
def test_whoever_speaks_the_receiver_sees_one_stream(
    runs: list[tuple[int, int, int, float]], sequence: int, timestamp: int
) -> None:
    out = stream(sequence, timestamp)
    now = 0.0
    sent: list[RtpPacket] = []
    times: list[float] = []
    for first_sequence, first_timestamp, count, pause in runs:
        run = object()
        now += pause
        for number in range(count):
            packet = RtpPacket(
                8,
                marker=False,
                sequence=(first_sequence + number) & 0xFFFF,
                timestamp=(first_timestamp + 160 * number) & 0xFFFFFFFF,
                ssrc=first_sequence,
                payload=bytes(160),
            )
            sent.append(send(out, packet, run, now))
            times.append(now)
            now += 0.02
    assert {p.ssrc for p in sent} == {0xCAFE}
    for (earlier, t0), (later, t1) in pairwise(zip(sent, times, strict=True)):
        assert sequence_delta(later.sequence, earlier.sequence) == 1
        moved = timestamp_delta(later.timestamp, earlier.timestamp)
        assert moved >= 160
        elapsed = round((t1 - t0) * 8000)
        assert moved == pytest.approx(elapsed if elapsed > 320 else 160, abs=1)
    assert [p.marker for p in sent].count(True) == len(runs)


def test_a_key_press_does_not_set_the_clock_back() -> None:
    out = stream()
    send(out, audio(1), "a", 0.0)
    for number in range(2, 52):  # a second of one key: its timestamp stands
        event = RtpPacket(101, number == 2, number, 320, 7, b"\x05\x0a\x00\xa0")
        out.forward(event, "a", Route(96, None), number * 0.02 - 0.02)
    after = send(out, audio(900, ssrc=8), "b", 1.02)
    assert after.timestamp == 9160 + 8000


ALAW = Description(("192.0.2.1", 4000), 8, PCMA, 101, {8: PCMA, 101: None})
ULAW = Description(("192.0.2.2", 5000), 0, PCMU, 96, {0: PCMU, 96: None})
MUTE_KEYS = Description(("192.0.2.3", 6000), 8, PCMA, None, {8: PCMA})
BOTH = Description(("192.0.2.4", 6000), 8, PCMA, None, {8: PCMA, 0: PCMU, 118: PCMA})


def test_payload_types_are_the_receivers() -> None:
    assert routes(ALAW, ULAW) == {8: Route(0, g711.ALAW_TO_ULAW), 101: Route(96, None)}
    assert routes(ULAW, ALAW) == {0: Route(8, g711.ULAW_TO_ALAW), 96: Route(101, None)}


def test_key_presses_are_dropped_where_nobody_takes_them() -> None:
    assert routes(ALAW, MUTE_KEYS) == {8: Route(8, None)}


def test_each_accepted_codec_has_its_own_table() -> None:
    assert routes(BOTH, ULAW) == {
        8: Route(0, g711.ALAW_TO_ULAW),
        0: Route(0, None),
        118: Route(0, g711.ALAW_TO_ULAW),
    }


def test_transcoding_changes_the_payload_byte_by_byte() -> None:
    packet = RtpPacket(8, False, 1, 1, 1, bytes(range(256)))  # noqa: FBT003
    sent = parse(stream().forward(packet, "run", routes(ALAW, ULAW)[8], 0.0))
    assert (sent.payload_type, sent.payload) == (0, g711.ALAW_TO_ULAW)


def test_comfort_noise_goes_where_it_is_understood() -> None:
    quiet = Description(("192.0.2.5", 7000), 8, PCMA, None, {8: PCMA, 13: COMFORT_NOISE})
    assert routes(quiet, ALAW) == {8: Route(8, None)}
    assert routes(quiet, quiet)[13] == Route(13, None)


def test_a_mix_goes_on_where_the_relay_stopped_and_back() -> None:
    out = stream()
    send(out, audio(1), "a", 0.0)
    mixed = [parse(out.emit(bytes(160), 8, 0.02, 0.013 + n * 0.02)) for n in range(3)]
    assert [(p.sequence, p.timestamp, p.marker) for p in mixed] == [
        (501, 9160, False),
        (502, 9320, False),
        (503, 9480, False),
    ]
    back = send(out, audio(77), "a", 0.06)
    assert (back.sequence, back.timestamp, back.marker) == (504, 9640, True)


def test_a_mix_that_paused_goes_on_with_the_clock_and_a_marker() -> None:
    out = stream()
    out.emit(bytes(160), 8, 0.02, 1.0)
    late = parse(out.emit(bytes(160), 8, 0.02, 1.04))  # the machine was busy: no hole
    assert (late.timestamp, late.marker) == (9160, False)
    again = parse(out.emit(bytes(160), 8, 0.02, 3.04))
    assert (again.timestamp, again.marker) == (9160 + 16000, True)


def test_our_own_keys_fit_into_a_relayed_stream() -> None:
    out = stream()
    send(out, audio(1), "a", 0.0)
    stamp = out.begin_event(0.01)
    key = parse(out.event(b"\x05\x0a\x00\xa0", 101, stamp, begins=True))
    assert (key.sequence, key.timestamp, key.marker) == (501, 9160, True)
    out.withhold()  # the audio of that time is not sent
    assert send(out, audio(3), "a", 0.04).sequence == 502


def test_timestamps_count_as_the_codec_wants() -> None:
    out = stream()
    out.set_clock(48000)
    stamps = [parse(out.emit(b"opus", 111, 0.02, n * 0.02)).timestamp for n in range(3)]
    assert [stamp - stamps[0] for stamp in stamps] == [0, 960, 1920]
