"""The recording's file: growing, always playable, and what happens when the disk fails."""

import asyncio
import os
import resource
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import pytest

from telephony.media import g711, recorder
from telephony.media.recorder import Recorder
from telephony.media.rtp import RtpPacket
from tests.support.tones import read_stereo, sine, tone_level
from tests.support.waiting import until

TONE = g711.encode("PCMU", sine(700, 0.02 * 4))


@pytest.fixture
def disk() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def hear(to: Recorder, channel: int, number: int, payload: bytes = TONE) -> None:
    packet = RtpPacket(
        0, marker=False, sequence=number, timestamp=number * len(payload), ssrc=1, payload=payload
    )
    to.hear(channel, packet, codec="PCMU", run="run", now=monotonic())


async def test_a_recording_is_complete_after_stop(tmp_path: Path, disk: ThreadPoolExecutor) -> None:
    path = tmp_path / "2024" / "05" / "call.wav"
    taken = Recorder(path, executor=disk, on_failed=pytest.fail)
    hear(taken, 1, 0)
    hear(taken, 1, 1)
    await taken.open()
    written = await taken.stop()
    left, right = read_stereo(path)
    assert written.path == path
    assert written.bytes == path.stat().st_size
    assert written.seconds == pytest.approx(len(left) / 8000)
    assert not left.any()
    loud = right[right.nonzero()[0][0] :][:1280]
    assert tone_level(loud, 700) == pytest.approx(-12.2, abs=0.5)


async def test_the_file_is_playable_while_it_grows(
    tmp_path: Path, disk: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "FLUSH_SECONDS", 0.02)
    path = tmp_path / "call.wav"
    taken = Recorder(path, executor=disk, on_failed=pytest.fail)
    await taken.open()
    lengths: set[int] = set()

    def grew() -> bool:
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
    tmp_path: Path, disk: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "FLUSH_SECONDS", 0.02)
    reasons: list[str] = []
    # A limit on the size of files fails like a full disk: in the middle of a write.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = tmp_path / "call.wav"
    taken = Recorder(path, executor=disk, on_failed=reasons.append)
    await taken.open()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        await until(lambda: reasons)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert reasons == [os.strerror(27)]
    hear(taken, 0, 1)
    with pytest.raises(OSError, match="File too large"):
        await taken.stop()
    assert len(reasons) == 1
    read_stereo(path)


async def test_a_disk_that_hangs_ends_the_recording_not_the_memory(
    tmp_path: Path, disk: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MAX_PENDING", 10)
    reasons: list[str] = []
    fifo = tmp_path / "stuck"
    os.mkfifo(fifo)
    stuck = asyncio.get_running_loop().run_in_executor(disk, fifo.read_bytes)
    taken = Recorder(tmp_path / "call.wav", executor=disk, on_failed=reasons.append)
    for number in range(12):
        hear(taken, 0, number)
    assert reasons == ["the disk is too slow"]
    fifo.write_bytes(b"")  # the thread comes back
    await stuck
    await taken.stop()
