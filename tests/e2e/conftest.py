"""The whole node, and agents at their desks."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import httpx
import pytest
import pytest_asyncio

from tests.support.node import Api, RunningNode, running_node, until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """What a module's node has other than usual."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, object]
) -> AsyncIterator[RunningNode]:
    """A node for all tests of a module, in which nobody is sent to who served him before."""
    options = {"routing__preferred_days": 0, **settings}
    async with running_node(tmp_path_factory.mktemp("e2e") / "node", options) as node:
        yield node


Desk = Callable[[str], AbstractAsyncContextManager[Api]]


@pytest.fixture
def desk(node: RunningNode) -> Desk:
    """Sign an agent in, wait for his phone, and make him ready; sign him out in the end."""

    @asynccontextmanager
    async def at_desk(agent_id: str) -> AsyncIterator[Api]:
        async with node.signed_in(agent_id) as api:

            async def phone_is_there() -> bool:
                return bool((await api.get("/me"))["presence"]["phones"])

            await until(phone_is_there)
            await api.send("PUT", "/me/presence", {"state": "ready"})
            try:
                yield api
            finally:
                with suppress(httpx.TransportError):  # the test says why the node has gone
                    await api.client.delete("/session")

    return at_desk
