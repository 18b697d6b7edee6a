"""What most of these tests begin with."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from telephony.endpoint import IncomingRequest, SipEndpoint
from telephony.gateway import SipGateway
from telephony.sip.transaction import Timers
from tests.support.redis_server import RedisServer, running_redis
from tests.telephony.endpoints import PATIENT, Open
from tests.telephony.gateways import Desk, a_gateway
from tests.telephony.peers import Peer, a_peer


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


@pytest.fixture
async def endpoint() -> AsyncIterator[Open]:
    """Open endpoints, and close them at the end."""
    opened: list[SipEndpoint] = []

    async def open_one(
        user: Callable[[IncomingRequest], None], timers: Timers = PATIENT, **more: Any
    ) -> SipEndpoint:
        one = SipEndpoint(on_request=user, timers=timers, **more)
        await one.open("127.0.0.1", 0)
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A bare socket of the other side."""
    with a_peer() as opened:
        yield opened
