"""The whole node, and agents at their desks."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.support.node import Api, RunningNode, running_node, until

pytestmark = pytest.mark.e2e


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningNode]:
    """A node with the usual settings."""
    async with running_node(tmp_path / "node") as node:
        yield node


Desk = Callable[[str], AbstractAsyncContextManager[Api]]


@pytest.fixture
def desk(node: RunningNode) -> Desk:
    """Sign an agent in, wait for his phone, and make him ready."""

    @asynccontextmanager
    async def at_desk(agent_id: str) -> AsyncIterator[Api]:
        async with node.signed_in(agent_id) as api:

            async def phone_is_there() -> bool:
                return bool((await api.get("/me"))["presence"]["phones"])

            await until(phone_is_there)
            await api.send("PUT", "/me/presence", {"state": "ready"})
            yield api

    return at_desk
