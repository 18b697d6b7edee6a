"""The time line of a recording, without a file."""

import wave
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media import g711
from telephony.media.codecs import PCMA, PCMU
from telephony.media.recording import (
    AHEAD_SECONDS,
    FRAME_BYTES,
    WINDOW_SECONDS,
    Heard,
    StereoAssembler,
    wav_header,
)
from tests.support.tones import Pcm, dominant, level_dbfs, sine

RUN = "run"
START = 1000.0
LEFT, RIGHT, THIRD = 0, 1, 2
ALAW, ULAW = PCMA.decoder(), PCMU.decoder()


def heard(at: float, samples: Pcm, *, stamp: int, channel: int = LEFT, run: object = RUN) -> Heard:
    """``at``: seconds after the start of the recording."""
    payload = g711.encode("PCMA", samples)
    return Heard(START + at, channel, run, stamp & 0xFFFFFFFF, 8000, ALAW, payload)


def constant(value: int, samples: int = 160) -> Pcm:
    return np.full(samples, value, np.int16)


def frames(data: bytes) -> tuple[Pcm, Pcm]:
    both = np.frombuffer(data, "<i2").reshape(-1, 2).astype(np.int16)
    return both[:, 0], both[:, 1]


def finish(assembler: StereoAssembler, at: float) -> tuple[Pcm, Pcm]:
    return frames(assembler.finish(START + at))


def spans(channel: Pcm) -> list[tuple[int, int]]:
    """Where there is sound: (first frame, length), bridging nothing."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], channel != 0, [0])).astype(int)))
    return [(int(a), int(b - a)) for a, b in edges.reshape(-1, 2)]


def test_the_first_packet_stands_where_it_arrived_the_next_where_its_timestamp_says() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    line.add(heard(1.0, constant(1000), stamp=5000))
    line.add(heard(1.035, constant(1000), stamp=5160))  # 15 ms of jitter
    left, right = finish(line, 2.0)
    assert spans(left) == [(8000, 320)]
    assert not right.any()
    assert len(left) == 16000


def test_both_sides_share_one_time_line() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    line.add(heard(0.5, constant(1000), stamp=99, channel=RIGHT))
    line.add(heard(0.25, constant(1000), stamp=77, channel=LEFT))
    left, right = finish(line, 1.0)
    assert (spans(left), spans(right)) == ([(2000, 160)], [(4000, 160)])


def test_a_gap_is_silence() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    for number in (0, 1, 3):
        line.add(heard(number * 0.02, constant(1000), stamp=number * 160))
    assert spans(finish(line, 0.5)[LEFT]) == [(0, 320), (480, 160)]


def test_several_on_one_side_are_summed() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT, THIRD])
    line.add(heard(0.0, constant(1000), stamp=0, channel=RIGHT))
    line.add(heard(0.01, constant(1000), stamp=0, channel=THIRD))
    line.add(heard(0.2, constant(32000), stamp=1600, channel=RIGHT))
    line.add(heard(0.2, constant(32000), stamp=1520, channel=THIRD))
    left, right = finish(line, 0.5)
    assert not left.any()
    assert spans(right) == [(0, 240), (1600, 160)]
    assert right[100] == 2 * right[0]
    assert right.max() == 32767  # saturated, not wrapped


def test_who_joins_later_is_heard_from_then_on_and_who_leaves_until_then() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    for number in range(100):
        at = number * 0.02
        if number == 50:
            line.change(START + at, left=[LEFT], right=[THIRD])
        for channel in (RIGHT, THIRD):
            value = 1000 if channel == RIGHT else 3000
            line.add(heard(at, constant(value), stamp=number * 160, channel=channel))
    _, right = finish(line, 2.0)
    first, second = right[:8000], right[8000:]
    assert first.min() == first.max() == right[0]
    assert second.min() == second.max() == right[-1]
    assert right[0] < right[-1]


def test_a_packet_200_ms_late_finds_its_place() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    out = []
    for number in (0, 1, *range(3, 12), 2, *range(12, 40)):
        at = 0.22 if number == 2 else number * 0.02
        out.append(line.drain(START + at))
        line.add(heard(at, constant(100 * (number + 1)), stamp=number * 160))
    left, _ = frames(b"".join(out) + line.finish(START + 0.8))
    expected = g711.decode(
        "PCMA", b"".join(g711.encode("PCMA", constant(100 * (n + 1))) for n in range(40))
    )
    np.testing.assert_array_equal(left, expected)


def test_a_packet_that_is_too_late_is_left_out() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    line.add(heard(0.0, constant(1000), stamp=0))
    line.add(heard(1.0, constant(1000), stamp=8000))
    data = line.drain(START + 1.0)
    line.add(heard(1.0, constant(2000), stamp=160))
    left, _ = frames(data + line.finish(START + 1.5))
    assert spans(left) == [(0, 160), (8000, 160)]


def test_a_duplicate_changes_nothing() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    for at in (0.0, 0.01):
        line.add(heard(at, constant(1000), stamp=0))
    assert spans(finish(line, 0.5)[LEFT]) == [(0, 160)]


def test_what_is_given_out_waits_for_the_window() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    assert line.drain(START + WINDOW_SECONDS) == b""
    assert len(line.drain(START + 1.0)) == (1.0 - WINDOW_SECONDS) * 8000 * FRAME_BYTES
    assert line.drain(START + 0.5) == b""


@pytest.mark.parametrize("leap", [8000 * 30, -8000 * 30])
def test_a_leaping_timestamp_is_laid_where_it_arrived(leap: int) -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    line.add(heard(1.0, constant(1000), stamp=0))
    out = line.drain(START + 1.5)
    line.add(heard(2.0, constant(1000), stamp=8000 + leap, run=RUN if leap > 0 else "next"))
    left, _ = frames(out + line.finish(START + 3.0))
    assert spans(left) == [(8000, 160), (16000, 160)]


def test_a_clock_that_stood_still_is_laid_near_its_arrival() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    line.add(heard(0.0, constant(1000), stamp=0))
    out = line.drain(START + 5.0)
    line.add(heard(5.0, constant(1000), stamp=160))
    left, _ = frames(out + line.finish(START + 6.0))
    first, second = spans(left)
    assert first == (0, 160)
    assert second == (round((5.0 - WINDOW_SECONDS) * 8000), 160)


def test_a_new_run_does_not_cover_the_end_of_the_old_one() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    line.add(heard(0.0, constant(1000), stamp=0))
    line.add(heard(0.001, constant(1000), stamp=160))  # a burst: 20 ms ahead of the clock
    line.add(heard(0.002, constant(2000), stamp=7, run="other"))
    left, _ = finish(line, 0.5)
    assert spans(left) == [(0, 480)]
    assert left[319] != left[320]


def test_a_late_packet_of_a_moved_stream_stands_before_its_successor() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    line.add(heard(0.0, constant(1000), stamp=0))
    out = line.drain(START + 0.8)
    line.add(heard(1.0, constant(3000), stamp=3200))  # due at 0.4 s: moved to 0.7 s
    line.add(heard(1.0, constant(2000), stamp=3040))
    left, _ = frames(out + line.finish(START + 2.0))
    assert spans(left) == [(0, 160), (5440, 320)]
    assert left[5440] < left[5600]


def test_a_late_packet_of_a_moved_stream_does_not_cover_what_stood_there() -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    line.add(heard(0.0, constant(1000), stamp=0))
    line.add(heard(0.001, constant(3000), stamp=8000 * 30))  # a leap: moved to the end of the first
    line.add(heard(0.002, constant(2000), stamp=8000 * 30 - 160))
    left, _ = finish(line, 1.0)
    assert spans(left) == [(0, 320)]
    assert left[0] == g711.decode("PCMA", g711.encode("PCMA", constant(1000)))[0]


def test_after_a_stall_the_burst_is_kept_in_order() -> None:
    tone = sine(440, 1.0)
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    out = []
    for number in range(50):
        due = number * 0.02
        at = 0.6 if 0.2 <= due < 0.6 else due  # nothing for 400 ms, then all of it at once
        out.append(line.drain(START + at))
        piece = tone[number * 160 : (number + 1) * 160]
        line.add(heard(at, piece, stamp=number * 160))
    left, _ = frames(b"".join(out) + line.finish(START + 1.0))
    assert np.count_nonzero(left) >= 0.97 * np.count_nonzero(tone)


@pytest.mark.parametrize("ppm", [-5000, 5000])
def test_a_clock_that_runs_away_is_held(ppm: int) -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    tone = sine(1000, 120.0)
    out = []
    for number in range(len(tone) // 160):
        at = number * 0.02 * (1 + ppm / 1e6)
        if number % 25 == 0:
            out.append(line.drain(START + at))
        piece = tone[number * 160 : (number + 1) * 160]
        line.add(heard(at, piece, stamp=number * 160))
    seconds = 120.0 * (1 + ppm / 1e6)
    left, _ = frames(b"".join(out) + line.finish(START + seconds))
    assert abs(len(left) / 8000 - seconds) <= AHEAD_SECONDS
    end = left[-16000:-4000]
    assert level_dbfs(end) == pytest.approx(level_dbfs(tone), abs=0.5)
    assert dominant(end) == pytest.approx(1000, abs=10)


@given(
    arrivals=st.lists(
        st.tuples(
            st.floats(-1, 20),
            st.integers(0, 1),
            st.integers(0, 2),
            st.integers(0, 0xFFFFFFFF) | st.integers(0, 200000),
            st.integers(0, 400) | st.just(9000),
        ),
        max_size=50,
    ),
    drain_every=st.integers(1, 10),
)
def test_anything_goes_in_and_the_length_is_the_clocks(
    arrivals: list[tuple[float, int, int, int, int]], drain_every: int
) -> None:
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    data = b""
    for number, (at, channel, run, stamp, size) in enumerate(arrivals):
        line.add(Heard(START + at, channel, run, stamp, 8000, ULAW, bytes(size)))
        if number % drain_every == 0:
            data += line.drain(START + at)
    end = max([0.0, *(at for at, *_ in arrivals)])
    data += line.finish(START + end)
    assert len(data) % FRAME_BYTES == 0
    assert len(data) / FRAME_BYTES <= (end + AHEAD_SECONDS) * 8000 + 1
    assert len(data) / FRAME_BYTES >= round(end * 8000)


@given(
    lost=st.sets(st.integers(1, 199)),
    delays=st.lists(st.floats(0, 0.2), min_size=200, max_size=200),
    doubled=st.sets(st.integers(0, 199)),
)
def test_jitter_loss_and_doubles_leave_each_packet_in_its_place(
    lost: set[int], delays: list[float], doubled: set[int]
) -> None:
    delays[0] = 0.0
    values = [100 + 50 * number for number in range(200)]
    arrivals = sorted(
        (number * 0.02 + delays[number] + extra, number)
        for number in range(200)
        if number not in lost
        for extra in ((0.0, 0.05) if number in doubled else (0.0,))
    )
    line = StereoAssembler(START, left=[LEFT], right=[RIGHT])
    data = b""
    for position, (at, number) in enumerate(arrivals):
        if position % 25 == 0:
            data += line.drain(START + at)
        line.add(heard(at, constant(values[number]), stamp=number * 160))
    left, _ = frames(data + line.finish(START + 5.0))
    for number, value in enumerate(values):
        wanted = 0 if number in lost else g711.decode("PCMA", g711.encode("PCMA", constant(value)))
        assert (left[number * 160 : (number + 1) * 160] == wanted).all()


def test_the_header_is_a_wav_header() -> None:
    data = sine(440, 0.5).repeat(2).tobytes()
    with wave.open(BytesIO(wav_header(len(data)) + data)) as file:
        assert file.getparams()[:4] == (2, 2, 8000, 4000)
        assert file.readframes(4000) == data


def test_a_size_beyond_32_bits_is_clamped() -> None:
    assert wav_header(2**33)[-4:] == b"\xff\xff\xff\xff"
