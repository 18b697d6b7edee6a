"""What most of these tests begin with."""

from collections.abc import AsyncIterator

import pytest

from telephony.gateway import SipGateway
from tests.support.redis_server import RedisServer, running_redis
from tests.telephony.gateways import Desk, a_gateway


@pytest.fixture
def desk() -> Desk:
    """Takes the calls of the test's gateway."""
    return Desk()


@pytest.fixture
async def gateway(desk: Desk) -> AsyncIterator[SipGateway]:
    """A gateway whose calls come to the desk; all of loopback is its trunk."""
    async with a_gateway(desk) as opened:
        yield opened


@pytest.fixture
async def redis_server() -> AsyncIterator[RedisServer]:
    """A real redis-server, empty."""
    async with running_redis() as server:
        yield server
