"""A node with two media processes: both are counted, and one that is killed is replaced."""

from pathlib import Path

from tests.support.node import running_node, until


async def test_one_of_two_is_killed_and_replaced(tmp_path: Path) -> None:
    async with running_node(tmp_path, {"media__processes": 2, "asr__enabled": "false"}) as node:
        counts = (await node.health())["counts"]
        assert counts["media_processes"] == 2
        assert counts["media_1_sessions"] == counts["media_2_sessions"] == 0
        killed = node.kill_child("media")

        async def both_again() -> bool:
            report = await node.health()
            return (
                ": restarting" in node.log.read_text()
                and node.children()["media"] != killed
                and report["counts"].get("media_processes") == 2
                and report["parts"]["media"]["status"] == "ok"
            )

        await until(both_again)
