"""One node for all of these tests, whose log must be clean in the end; agents on duty."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.e2e.ask import until_nothing_is_left
from tests.e2e.sip.raw import HOST, Address, RawSip, Registration
from tests.support.kamailio import HOST as EDGE
from tests.support.node import PASSWORD, Api, RunningNode, running_node, until
from tests.support.ports import free_sip_port

AGENTS = [str(number) for number in range(1001, 1017)]
NO_ANSWER_SECONDS = 5
#: Seconds that a registration lives which asks for none, the least and the most there is.
GRANTED, SHORTEST, LONGEST = 240, 50, 3000
GENEROUS = [f"abuse__{rate}_rate" for rate in ("stranger", "strangers", "answer", "answers")]
#: What the log never holds, whatever is sent to us.
TROUBLE = ("Traceback", "call_step_failed", "exception")
#: The trunk that calls come by, beside a proxy in front; 127.0.0.2 and the like are strangers.
TRUNK = HOST
#: Where calls to partners go.
EXCHANGE = ("127.0.0.4", free_sip_port())


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningNode]:
    """A node that does not recognise speech; nothing of it is left, and nothing went wrong."""
    settings = {
        "agents__seed": ",".join(AGENTS),
        "asr__enabled": "false",
        "sip__no_answer_seconds": NO_ANSWER_SECONDS,
        "sip__default_expires": GRANTED,
        "sip__min_expires": SHORTEST,
        "sip__max_expires": LONGEST,
        "trunks__local__networks": f"{TRUNK}/32",
        "trunks__edge__networks": f"{EDGE}/32",
        "trunks__exchange__address": "{}:{}".format(*EXCHANGE),
        "trunks__exchange__options_seconds": 0,
        # All these citizens have one number, and would be sent to who served the last one.
        "routing__preferred_days": 0,
        # Everything that these tests' strangers send is to be read; test_abuse.py has the limits.
        **dict.fromkeys(GENEROUS, 100_000),
    }
    async with running_node(tmp_path_factory.mktemp("sip") / "node", settings) as node:
        yield node
        # An INVITE to a phone that is not there is given up after 64 × T1 (RFC 3261 §17.1.1.2).
        await until_nothing_is_left(node, seconds=40)
    log = node.log.read_text(errors="replace").splitlines()
    # The broker is a program of somebody else's; what it says of itself is not ours to answer for.
    ours = [line for line in log if '"child": "broker"' not in line]
    trouble = [line for line in ours if any(word in line for word in TROUBLE)]
    assert not trouble, "\n".join(trouble)


@pytest.fixture
def sip(node: RunningNode) -> Address:
    """Where the node takes SIP."""
    return HOST, node.sip_port


@pytest.fixture
async def trunk(node: RunningNode) -> AsyncIterator[RawSip]:
    """The trunk; a failed test's call is ended, so that the next test's is the only one."""
    async with RawSip(TRUNK) as trunk:
        yield trunk
    if (await node.health())["counts"]["calls_calls"]:
        async with node.signed_in("8001") as leader:
            for call in await leader.get("/calls/live"):
                await leader.client.post(f"/calls/{call['call_id']}/hang-up")


@dataclass(frozen=True, slots=True)
class OnDuty:
    """An agent, ready, with his phones."""

    agent_id: str
    api: Api
    phones: tuple[RawSip, ...]

    @property
    def phone(self) -> RawSip:
        """His only phone."""
        (phone,) = self.phones
        return phone


Duty = Callable[..., AbstractAsyncContextManager[OnDuty]]


@pytest.fixture
def duty(node: RunningNode, sip: Address) -> Duty:
    """Register phones (their hosts are given), sign the agent in, make him ready."""

    @asynccontextmanager
    async def on_duty(agent_id: str, *hosts: str, ready: bool = True) -> AsyncIterator[OnDuty]:
        async with AsyncExitStack() as stack:
            phones = []
            for host in hosts or (HOST,):
                phone = await stack.enter_async_context(RawSip(host))
                registered = await Registration(phone, sip, agent_id, PASSWORD).register()
                assert registered.status_code == 200
                phone.forget()
                phones.append(phone)
            api = await stack.enter_async_context(node.signed_in(agent_id))

            async def phones_are_there() -> bool:
                return bool((await api.get("/me"))["presence"]["phones"] == len(phones))

            await until(phones_are_there)
            if ready:
                await api.send("PUT", "/me/presence", {"state": "ready"})
            try:
                yield OnDuty(agent_id, api, tuple(phones))
            finally:
                # The next test's call is not his.
                await api.send("PUT", "/me/presence", {"state": "not_ready"})
                await api.send("DELETE", "/session")
                async with RawSip((hosts or (HOST,))[0]) as anywhere:
                    everything = Registration(anywhere, sip, agent_id, PASSWORD)
                    await everything.register(("Expires", "0"), contact="*")

    return on_duty
