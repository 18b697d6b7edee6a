"""Which packets belong to a stream: loss, order, breaks."""

import random

from hypothesis import given
from hypothesis import strategies as st

from telephony.media.rtp import RtpPacket
from telephony.media.source import STRAGGLER_SECONDS, IncomingStream


def packet(number: int, *, ssrc: int = 1, timestamp: int | None = None) -> RtpPacket:
    """Packet ``number`` of a stream of 20 ms packets that began at (0, 0)."""
    stamp = number * 160 if timestamp is None else timestamp
    return RtpPacket(8, False, number & 0xFFFF, stamp & 0xFFFFFFFF, ssrc, bytes(160))  # noqa: FBT003


def take(stream: IncomingStream, *numbers: int, ssrc: int = 1) -> list[bool]:
    return [
        stream.accept(packet(number, ssrc=ssrc), number * 0.02, audio=True) for number in numbers
    ]


def test_a_plain_stream_is_one_run() -> None:
    stream = IncomingStream()
    assert all(take(stream, *range(65000, 67000)))  # across the wrap
    assert (stream.received, stream.lost, stream.duplicates, stream.discarded) == (2000, 0, 0, 0)


def test_gaps_are_lost_and_late_packets_are_not() -> None:
    stream = IncomingStream()
    take(stream, 1, 2, 5, 6)
    assert stream.lost == 2
    run = stream.run
    assert take(stream, 4) == [True]
    assert stream.lost == 1
    assert stream.run is run


def test_duplicates_are_refused_once_and_again() -> None:
    stream = IncomingStream()
    assert take(stream, 1, 2, 3, 2, 3, 3) == [True, True, True, False, False, False]
    assert (stream.received, stream.duplicates, stream.lost) == (3, 3, 0)


def test_a_new_ssrc_is_a_new_run_and_leftovers_of_the_old_are_discarded() -> None:
    stream = IncomingStream()
    take(stream, 1, 2)
    first = stream.run
    assert stream.accept(packet(900, ssrc=2), 0.06, audio=True)
    second = stream.run
    assert second is not first
    assert not stream.accept(packet(3), 0.07, audio=True)
    assert stream.run is second
    assert (stream.discarded, stream.lost) == (1, 0)


def test_a_source_may_go_back_to_its_former_ssrc() -> None:
    stream = IncomingStream()
    take(stream, 1)
    stream.accept(packet(900, ssrc=2), 0.1, audio=True)
    second = stream.run
    assert stream.accept(packet(2), 0.1 + STRAGGLER_SECONDS, audio=True)
    assert stream.run is not second


def test_one_packet_far_outside_is_discarded_and_two_are_a_restart() -> None:
    stream = IncomingStream()
    take(stream, 1, 2)
    first = stream.run
    assert take(stream, 20000, 3) == [False, True]
    assert stream.run is first
    assert take(stream, 30000, 30001) == [False, True]
    assert stream.run is not first
    assert stream.lost == 0


def test_a_packet_from_before_a_restart_is_discarded() -> None:
    stream = IncomingStream()
    take(stream, 1, 30000, 30001)
    assert take(stream, 29990) == [False]
    assert stream.discarded == 2


def test_a_leaping_timestamp_starts_a_run() -> None:
    for leap in (8000 * 60, -8000 * 60, 2**31):
        stream = IncomingStream()
        take(stream, 1, 2)
        run = stream.run
        assert stream.accept(packet(3, timestamp=480 + leap), 0.06, audio=True)
        assert stream.run is not run


def test_silence_is_not_a_leap() -> None:
    stream = IncomingStream()
    stream.accept(packet(1), 0.0, audio=True)
    run = stream.run
    # A minute without packets: the sender's clock may have gone on, or stood still.
    stream.accept(packet(2, timestamp=160 + 60 * 8000), 60.0, audio=True)
    stream.accept(packet(3, timestamp=320 + 60 * 8000), 120.0, audio=True)
    assert stream.run is run


def test_the_standing_timestamp_of_a_key_press_is_not_a_leap() -> None:
    stream = IncomingStream()
    stream.accept(packet(1, timestamp=0), 0.0, audio=True)
    run = stream.run
    for number in range(2, 200):  # 4 s of one key
        assert stream.accept(packet(number, timestamp=160), number * 0.02, audio=False)
    assert stream.accept(packet(200, timestamp=200 * 160), 4.0, audio=True)
    assert stream.run is run


@given(
    start=st.integers(0, 0xFFFF),
    count=st.integers(1, 300),
    lost=st.sets(st.integers(1, 298)),
    seed=st.integers(0, 1000),
)
def test_whatever_the_order_each_packet_counts_once(
    start: int, count: int, lost: set[int], seed: int
) -> None:
    rng = random.Random(seed)
    kept = [n for n in range(count) if n not in lost or n == count - 1]
    arrivals = sorted(kept * 2, key=lambda n: n + rng.uniform(0, 8) if n else -1)
    stream = IncomingStream()
    accepted = [n for n in arrivals if stream.accept(packet(start + n), n * 0.02, audio=True)]
    assert sorted(accepted) == kept
    assert (stream.received, stream.duplicates) == (len(kept), len(kept))
    assert stream.lost == count - len(kept)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 0xFFFF),
            st.integers(0, 0xFFFFFFFF),
            st.integers(0, 2),
            st.floats(0, 100),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_arbitrary_packets_keep_the_counts_honest(
    arrivals: list[tuple[int, int, int, float, bool]],
) -> None:
    stream = IncomingStream()
    for sequence, timestamp, ssrc, now, audio in arrivals:
        arrived = RtpPacket(8, False, sequence, timestamp, ssrc, b"")  # noqa: FBT003
        stream.accept(arrived, now, audio=audio)
        assert stream.lost >= 0
    assert stream.received + stream.duplicates + stream.discarded == len(arrivals)
