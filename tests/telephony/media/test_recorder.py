"""The recording's file: growing, always playable, and what happens when the disk fails."""

import asyncio
import hashlib
import os
import resource
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media import recorder
from telephony.media.recorder import Gaps, Recorder
from tests.support.tones import read_stereo, sine, tone_level
from tests.support.waiting import until

TONE = sine(700, 0.08)


def block(number: int = 1) -> bytes:
    """``number`` times 80 ms of tone, right only."""
    right = np.tile(TONE, number)
    return np.stack((np.zeros_like(right), right), axis=1).tobytes()


@pytest.fixture
def disk() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


async def test_a_recording_is_complete_after_stop(tmp_path: Path, disk: ThreadPoolExecutor) -> None:
    path = tmp_path / "2024" / "05" / "call.wav"
    taken = Recorder(path, executor=disk, on_failed=pytest.fail)
    taken.write(block())
    taken.write(block())
    await taken.open()
    written = await taken.stop()
    left, right = read_stereo(path)
    assert written.path == path
    assert written.bytes == path.stat().st_size
    assert written.seconds == pytest.approx(len(left) / 8000)
    assert not left.any()
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (len(right), written.pauses) == (1280, ())
    assert tone_level(right, 700) == pytest.approx(-12.2, abs=0.5)


async def test_the_file_is_playable_while_it_grows(
    tmp_path: Path, disk: ThreadPoolExecutor
) -> None:
    path = tmp_path / "call.wav"
    taken = Recorder(path, executor=disk, on_failed=pytest.fail)
    await taken.open()
    lengths: set[int] = set()

    def grew() -> bool:
        taken.write(block())
        lengths.add(len(read_stereo(path)[0]))
        return len(lengths) >= 3

    await until(grew)
    await taken.stop()
    assert len(read_stereo(path)[0]) >= max(lengths)


async def test_an_existing_file_is_never_overwritten(
    tmp_path: Path, disk: ThreadPoolExecutor
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"evidence")
    taken = Recorder(path, executor=disk, on_failed=pytest.fail)
    with pytest.raises(FileExistsError):
        await taken.open()
    assert path.read_bytes() == b"evidence"


async def test_a_full_disk_is_reported_once_and_hearing_goes_on(
    tmp_path: Path, disk: ThreadPoolExecutor
) -> None:
    reasons: list[str] = []
    # A limit on the size of files fails like a full disk: in the middle of a write.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = tmp_path / "call.wav"
    taken = Recorder(path, executor=disk, on_failed=reasons.append)
    await taken.open()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        taken.write(block(4))
        await until(lambda: reasons)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert reasons == [os.strerror(27)]
    taken.write(block())
    with pytest.raises(OSError, match="File too large"):
        await taken.stop()
    assert len(reasons) == 1
    read_stereo(path)


async def test_a_disk_that_hangs_ends_the_recording_not_the_memory(
    tmp_path: Path, disk: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MAX_PENDING", 10 * len(block()))
    reasons: list[str] = []
    fifo = tmp_path / "stuck"
    os.mkfifo(fifo)
    stuck = asyncio.get_running_loop().run_in_executor(disk, fifo.read_bytes)
    taken = Recorder(tmp_path / "call.wav", executor=disk, on_failed=reasons.append)
    for _ in range(12):
        taken.write(block())
    assert reasons == ["the disk is too slow"]
    fifo.write_bytes(b"")  # the thread comes back
    await stuck
    await taken.stop()


async def test_a_disk_that_is_busy_is_asked_again_but_not_for_ever(
    tmp_path: Path, disk: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 50.0
    monkeypatch.setattr(recorder, "monotonic", lambda: now)
    reasons: list[str] = []
    fifo = tmp_path / "stuck"
    os.mkfifo(fifo)
    stuck = asyncio.get_running_loop().run_in_executor(disk, fifo.read_bytes)
    taken = Recorder(tmp_path / "call.wav", executor=disk, on_failed=reasons.append)
    now += recorder.SLOW_SECONDS
    assert taken.is_busy()
    assert reasons == []
    now += 1
    taken.is_busy()
    taken.is_busy()
    assert reasons == ["the disk is too slow"]
    fifo.write_bytes(b"")
    await stuck
    await taken.stop()


async def test_whose_block_is_on_the_disk_is_not_busy(
    tmp_path: Path, disk: ThreadPoolExecutor
) -> None:
    taken = Recorder(tmp_path / "call.wav", executor=disk, on_failed=pytest.fail)
    for _ in range(3):
        taken.write(block())
        await until(lambda: not taken.is_busy())
    await taken.stop()


async def test_a_pause_is_told_and_its_sound_not_written(
    tmp_path: Path, disk: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 50.0
    monkeypatch.setattr(recorder, "monotonic", lambda: now)
    taken = Recorder(tmp_path / "call.wav", executor=disk, on_failed=pytest.fail)
    taken.write(block(10))  # 0.8 s
    now = 50.8
    taken.pause()
    now = 51.6
    taken.resume()
    taken.write(block(20))
    written = await taken.stop()
    assert written.pauses == ((0.8, 1.6),)
    _, right = read_stereo(tmp_path / "call.wav")
    assert len(right) == 30 * len(TONE)
    assert tone_level(right[:6400], 700) == pytest.approx(tone_level(right[12800:], 700), abs=0.2)
    assert tone_level(right[6400:8000], 1400) > -40  # the beep that marks the gap
    assert tone_level(right[6400:8000], 700) < -60
    assert not right[8320:12800].any()


@given(
    gaps=st.lists(st.tuples(st.integers(0, 500), st.integers(1, 500)), max_size=4),
    cuts=st.lists(st.integers(0, 700), max_size=8),
)
def test_however_blocks_are_cut_exactly_the_gaps_are_silenced(
    gaps: list[tuple[int, int]], cuts: list[int]
) -> None:
    whole = np.full((3000, 2), 9, "<i2")
    known = Gaps()
    silent = np.zeros(3000, bool)
    at = 0
    for pause, length in gaps:
        at += pause
        known.pause(at)
        at += length
        known.resume(at)
        silent[at - length : at] = True
    pieces = np.split(whole, np.cumsum(cuts).clip(max=3000))
    out = np.frombuffer(b"".join(known.cut(piece.tobytes()) for piece in pieces), "<i2")
    heard = out.reshape(-1, 2)
    assert (heard[~silent] == 9).all()
    once = Gaps()
    once._gaps = known._gaps
    assert out.tobytes() == once.cut(whole.tobytes())
    assert [(round(a * 8000), round(b * 8000)) for a, b in known.pauses(3000)] == [
        (first, min(last, 3000)) for first, last in known._gaps if first < 3000 and last is not None
    ]
