"""How many media processes there are, which ports and cores they get, and how they are."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.media import MediaSettings
from config.settings import load
from hotline.media import MediaHealth, commands, port_ranges, process_count
from tests.support.media_process import end, start_media
from tests.support.waiting import until


def settings(**changes: object) -> MediaSettings:
    usual = load(None, {}).media.model_dump()
    return MediaSettings.model_validate(usual | changes)


@pytest.mark.parametrize("cores, processes", [(1, 1), (2, 1), (3, 1), (4, 2), (16, 8)])
def test_one_process_for_each_two_cores(cores: int, processes: int) -> None:
    assert process_count(settings(), cores) == processes


def test_so_many_as_are_asked_for() -> None:
    assert process_count(settings(processes=3), 2) == 3


def test_no_process_without_ports_for_a_call() -> None:
    assert process_count(settings(port_first=20000, port_last=20007), 64) == 2
    assert process_count(settings(port_first=20001, port_last=20004), 64) == 1
    with pytest.raises(ValueError, match="two pairs of ports for each"):
        settings(port_first=20000, port_last=20007, processes=3)


@given(st.integers(1, 60000), st.integers(4, 5000), st.integers(1, 64))
def test_ports_are_divided_without_loss(first: int, count: int, parts: int) -> None:
    parts = min(parts, count // 4)
    ranges = port_ranges(first, first + count - 1, parts)
    assert len(ranges) == parts
    assert ranges[0][0] == first + first % 2
    assert ranges[-1][1] in {first + count - 1, first + count - 2}
    for (_, before), (begin, _) in pairwise(ranges):
        assert begin == before + 1
    sizes = [last + 1 - begin for begin, last in ranges]
    assert all(begin % 2 == 0 for begin, _ in ranges)
    assert all(size % 2 == 0 and size >= 2 for size in sizes)
    assert max(sizes) - min(sizes) <= 2


def test_command_lines() -> None:
    sockets = [Path("/run/media.sock"), Path("/run/media-2.sock")]
    first, second = commands(settings(engine="python", realtime=False), sockets, [0, 1])
    assert " ".join(first[1:]) == (
        "-m telephony.media --socket /run/media.sock --host 127.0.0.1 --ports 20000-24999"
        " --engine python"
    )
    assert second[8:10] == ["25000-29999", "--engine"]
    assert "--realtime" not in second
    (urgent,) = commands(settings(realtime=True), sockets[:1], [0, 1])
    assert urgent[-2:] == ["--realtime", "always"]
    (usual,) = commands(settings(), sockets[:1], [0, 1])
    assert usual[-2:] == ["--realtime", "auto"]


def test_pinned_processes_share_cores_only_when_there_are_too_few() -> None:
    sockets = [Path(f"/run/{number}.sock") for number in range(3)]
    pinned = settings(pin_cores=True, realtime=False)
    assert [argv[-1] for argv in commands(pinned, sockets, [0, 1, 2, 3])] == ["3", "2", "1"]
    assert [argv[-1] for argv in commands(pinned, sockets, [4, 6])] == ["6", "4", "6"]


def test_health_names_who_is_away() -> None:
    said: list[tuple[str, str | None]] = []
    health = MediaHealth(2, lambda status, detail: said.append((status, detail)))
    health.state("media", "running")
    health.state("media-2", "running")
    health.state("media-2", "restarting")
    health.state("media", "restarting")
    health.state("media-2", "running")
    health.recording_failed("No space left on device")
    health.state("media", "running")
    full = "a recording failed: No space left on device"
    assert said == [
        ("degraded", "media-2: starting"),
        ("ok", None),
        ("degraded", "media-2: restarting"),
        ("away", "media: restarting; media-2: restarting"),
        ("degraded", "media: restarting"),
        ("degraded", f"media: restarting; {full}"),
        ("degraded", full),
    ]


async def test_a_process_keeps_to_the_core_it_is_given(tmp_path: Path) -> None:

    core = max(os.sched_getaffinity(0))
    path = tmp_path / "m.sock"
    process = await start_media(path, core=core)
    try:
        await until(path.exists, 10)
        assert os.sched_getaffinity(process.pid) == {core}
    finally:
        await end(process)
