import pytest

from hotline.node import Node, Part


def part(name: str, seen: list[str], *, fails: str | None = None) -> Part:
    async def start() -> None:
        seen.append(f"+{name}")
        if fails == "start":
            raise OSError("taken")

    async def stop() -> None:
        seen.append(f"-{name}")
        if fails == "stop":
            raise OSError("stuck")

    return Part(name, start, stop)


async def test_parts_stop_in_reverse_order() -> None:
    seen: list[str] = []
    told: list[str] = []
    node = Node([part("a", seen), part("b", seen)], on_progress=told.append)
    async with node.running():
        assert seen == ["+a", "+b"]
    assert seen == ["+a", "+b", "-b", "-a"]
    assert told == ["a", "b"]


async def test_a_part_that_does_not_start_stops_the_others_and_is_reported() -> None:
    seen: list[str] = []
    node = Node([part("a", seen), part("b", seen, fails="start"), part("c", seen)])
    with pytest.raises(OSError, match="taken") as caught:
        async with node.running():
            raise AssertionError("it runs")
    assert caught.value.__notes__ == ["b"]
    assert seen == ["+a", "+b", "-b", "-a"]


async def test_a_part_that_does_not_stop_leaves_no_other_running() -> None:
    seen: list[str] = []
    async with Node([part("a", seen), part("b", seen, fails="stop")]).running():
        pass
    assert seen[-1] == "-a"
