"""Streams notice nothing of what happens to the worker processes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asr.model import ModelError
from asr.pool.recognizer import PooledRecognizer, PooledStream
from asr.pool.workers import PoolLimits, private_bytes
from asr.ports import BYTES_PER_SECOND, Final, RecognizerError
from tests.asr import speech
from tests.support.cer import character_error_rate
from tests.support.waiting import until

SPEECH = speech.pcm("d04")
SAID = speech.transcript("d04")


@asynccontextmanager
async def pool(**limits: float) -> AsyncIterator[PooledRecognizer]:
    recognizer = await PooledRecognizer.load(
        speech.MODEL,
        PoolLimits(**{"processes": 2, **limits}),  # type: ignore[arg-type]
    )
    try:
        yield recognizer
    finally:
        await recognizer.aclose()


def worker_of(stream: PooledStream) -> int:
    assert stream._worker is not None
    return stream._worker.pid


async def hear_the_rest(stream: PooledStream, pcm: bytes) -> list[Final]:
    await stream.push(pcm)
    await stream.flush()
    await stream.aclose()
    return [event async for event in stream.events() if isinstance(event, Final)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_worker_that_dies_or_hangs_costs_no_word(number: signal.Signals) -> None:
    async with pool(watchdog=0.6) as recognizer:
        stream, other = await recognizer.open(), await recognizer.open()
        await other.push(SPEECH[:BYTES_PER_SECOND])
        await stream.push(SPEECH[: 3 * BYTES_PER_SECOND])
        lost = worker_of(stream)
        assert lost != worker_of(other), "the streams are spread"
        os.kill(lost, number)
        finals = await hear_the_rest(stream, SPEECH[3 * BYTES_PER_SECOND :])
        assert character_error_rate(SAID, "".join(final.text for final in finals)) < 0.1
        assert finals[-1].end == pytest.approx(12.65, abs=0.2)  # where the voice ends
        starts = [word.start for final in finals for word in final.words]
        assert starts == sorted(starts)
        await until(lambda: len(recognizer.workers._fit()) == 2)
        assert not alive(lost)
        await other.aclose()


async def test_who_begin_to_speak_at_once_are_spread_before_they_are_heard() -> None:
    async with pool() as recognizer:
        one, other = await recognizer.open(), await recognizer.open()
        async with one.turn(), other.turn():
            assert worker_of(one) != worker_of(other)
        for stream in (one, other):
            await stream.aclose()
        assert [worker.streams for worker in recognizer.workers._workers] == [0, 0]


async def test_words_that_bring_every_worker_down_are_given_up() -> None:
    async with pool() as recognizer:
        stream = await recognizer.open()
        await stream.push(SPEECH[:BYTES_PER_SECOND])
        workers = recognizer.workers
        killing = asyncio.create_task(_kill_all(recognizer))
        with pytest.raises(RecognizerError, match="died of the same words"):
            await push_for_ever(stream)
        killing.cancel()
        await until(lambda: len(workers._fit()) == 2)
        finals = await hear_the_rest(stream, SPEECH)
        assert character_error_rate(SAID, "".join(final.text for final in finals)) < 0.1


async def push_for_ever(stream: PooledStream) -> None:
    while True:
        await stream.push(SPEECH[:BYTES_PER_SECOND])


async def _kill_all(recognizer: PooledRecognizer) -> None:
    while True:
        for pid in recognizer.workers.pids[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        await asyncio.sleep(0.002)


async def test_a_worker_that_has_grown_is_replaced_between_utterances() -> None:
    async with pool(memory_mb=1.0) as recognizer:
        streams = [await recognizer.open() for _ in range(2)]
        for stream in streams:
            await stream.push(SPEECH[: 2 * BYTES_PER_SECOND])
        workers = recognizer.workers
        assert all(private_bytes(worker_of(stream)) > 1 << 20 for stream in streams)
        for _ in range(2):
            await workers._retire_who_has_grown()
        (grown,) = [worker.pid for worker in workers._workers if worker.retiring]
        (stream,) = [s for s in streams if worker_of(s) == grown]
        assert (await workers.pick()).pid != grown, "it takes no more streams"
        assert worker_of(stream) == grown, "not in the midst of an utterance"
        await stream.flush()
        await stream.push(SPEECH[: 2 * BYTES_PER_SECOND])
        assert worker_of(stream) != grown
        await until(lambda: not alive(grown))
        figures = workers.figures()
        assert figures["workers_replaced"] >= 1
        assert figures["worker_mb"] >= 1
        assert figures["workers_lost"] == 0
        for stream in streams:
            await stream.aclose()


async def test_workers_share_the_models_memory() -> None:
    async with pool(processes=2) as recognizer:
        streams = [await recognizer.open() for _ in range(2)]
        await asyncio.gather(*(stream.push(SPEECH) for stream in streams))
        zygote, *workers = recognizer.workers.pids
        for stream in streams:
            await stream.aclose()
        for pid in workers:
            assert private_bytes(pid) < resident_bytes(zygote) / 2


def resident_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


async def test_the_models_process_is_started_again_when_it_dies() -> None:
    async with pool() as recognizer:
        stream = await recognizer.open()
        await stream.push(SPEECH[:BYTES_PER_SECOND])
        zygote = recognizer.workers.pids[0]
        os.kill(zygote, signal.SIGKILL)  # and the kernel ends its workers
        finals = await hear_the_rest(stream, SPEECH[BYTES_PER_SECOND:])
        assert character_error_rate(SAID, "".join(final.text for final in finals)) < 0.1
        assert recognizer.workers.pids[0] != zygote


async def test_nothing_is_left_over() -> None:
    async with pool() as recognizer:
        pids = list(recognizer.workers.pids)
        assert all(alive(pid) for pid in pids)
    await until(lambda: not any(alive(pid) for pid in pids))


async def test_without_a_model_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no recognition model"):
        await PooledRecognizer.load(tmp_path / "none", PoolLimits(processes=1))
