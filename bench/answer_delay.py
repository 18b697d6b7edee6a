"""How soon an agent's phone is called.

    python -m bench.answer_delay [--rate 20] [--seconds 30] [--agents 60] [--waiting 200] [--json]

A real node with its Redis, broker, media process and database. Citizens and agents' phones are two
SIP ports of this program. The time runs from before a port makes its message until the other has
read one; what this program does with that message then is not counted, and garbage, for which it
would stop for a tenth of a second and more, is not looked for meanwhile.

*call*: from a citizen's INVITE until the INVITE at the phone of an agent; agents are ready, and
calls come at a steady rate. *hand-over*: every agent talks and citizens wait; one agent after the
other is hung up by his phone, wraps up, and is called for the next who waits. Told is the time from
his BYE until that INVITE, less the wrap-up: what the BYE itself takes is in it. (Asterisk's
app_queue needs 250 to 500 ms for the second, since its callers ask once a second.)
"""

import argparse
import asyncio
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.sip_servers import PHONES, TRUNK, WRAP_UP_SECONDS, Server, node
from telephony.authentication import Algorithm
from telephony.bindings import MemoryBindings
from telephony.gateway import SipGateway
from telephony.leg import Leg, LegEnded, LegEvent
from telephony.trunks.model import Trunk
from tests.support.node import until
from tests.support.ports import free_sip_port

CALL_GOAL_MS, HAND_OVER_GOAL_MS = 20.0, 50.0
TALK_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
SPEECH = "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 8\r\n"


@dataclass(frozen=True, slots=True)
class Delays:
    """One row: how many were measured, and their percentiles in milliseconds."""

    what: str
    number: int
    p50_ms: float
    p99_ms: float
    goal_p99_ms: float

    @classmethod
    def of(cls, what: str, seconds: Sequence[float], goal_p99_ms: float) -> "Delays":
        """Work the percentiles out."""
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        return cls(what, len(seconds), 1e3 * cuts[49], 1e3 * cuts[98], goal_p99_ms)


class NoSecrets:
    """Nobody has to prove anything here."""

    async def ha1(self, username: str, algorithm: Algorithm) -> str | None:
        """Return None: nobody is known."""
        del username, algorithm
        return None


def port(on_call: Callable[[Leg], None]) -> SipGateway:
    """Return a SIP port that takes whatever the node sends."""
    return SipGateway(
        trunks=[Trunk.allowing(f"{TRUNK}/32")],
        realm="bench",
        credentials=NoSecrets(),
        bindings=MemoryBindings(),
        on_call=on_call,
    )


class Phones:
    """All agents' phones: each answers at once.

    Attributes:
        called: when a phone's INVITE for a citizen was read, by his number; and which phone's.
        talking: each phone's leg, by its agent.
    """

    def __init__(self) -> None:
        self.called: dict[str, tuple[float, str]] = {}
        self.talking: dict[str, Leg] = {}
        self.gateway = port(self._on_call)

    def _on_call(self, leg: Leg) -> None:
        agent, (invite, *_) = leg.called, self.gateway.wire.of([leg.sip_call_id])
        self.called.setdefault(leg.caller or "", (invite.at, agent))
        self.talking[agent] = leg
        leg.on_event = lambda event: self._on_event(agent, leg, event)
        leg.answer(SPEECH.format(PHONES, 40_000))

    def _on_event(self, agent: str, leg: Leg, event: LegEvent) -> None:
        if isinstance(event, LegEnded) and self.talking.get(agent) is leg:
            del self.talking[agent]


class Citizens:
    """Whoever calls the node.

    Attributes:
        began: when each called, by his number (Unix seconds, as of the ports' ladders).
        legs: those that are not over.
    """

    def __init__(self, server: Server) -> None:
        self.began: dict[str, float] = {}
        self.legs: dict[str, Leg] = {}
        self._server = server
        self.gateway = port(lambda leg: leg.refuse(404))

    def call(self) -> str:
        """Call, and return the number."""
        number = f"138{len(self.began):08}"
        host, sip_port = self._server.address
        self.began[number] = time.time()
        self.legs[number] = self.gateway.call(
            f"sip:12345@{host}:{sip_port}",
            (host, sip_port),
            sdp=SPEECH.format(TRUNK, 40_002),
            caller=number,
            on_event=lambda event: self._on_event(number, event),
        )
        return number

    def _on_event(self, number: str, event: LegEvent) -> None:
        if isinstance(event, LegEnded):
            del self.legs[number]


async def calls(phones: Phones, citizens: Citizens, *, rate: int, seconds: float) -> Delays:
    """Call at a steady rate; each call is hung up a second later."""
    loop = asyncio.get_running_loop()
    begin, numbers = loop.time(), []
    for count in range(round(rate * seconds)):
        await asyncio.sleep(begin + count / rate - loop.time())
        number = citizens.call()
        numbers.append(number)
        loop.call_later(TALK_SECONDS, citizens.legs[number].hang_up)
    await met(lambda: not citizens.legs)
    delays = [phones.called[n][0] - citizens.began[n] for n in numbers if n in phones.called]
    if len(delays) < len(numbers):
        print(f"{len(numbers) - len(delays)} of {len(numbers)} calls reached no phone")
    return Delays.of("call", delays, CALL_GOAL_MS)


async def hand_overs(phones: Phones, citizens: Citizens, *, agents: int, waiting: int) -> Delays:
    """Let callers wait for agents who all talk, and free one agent after the other."""
    for _ in range(agents + waiting):
        citizens.call()
        await asyncio.sleep(0.02)
    await met(lambda: len(phones.talking) == agents)
    delays = []
    for _ in range(waiting):
        agent = next(iter(phones.talking))
        before = set(phones.called)
        freed = time.time()
        phones.talking[agent].hang_up()
        await met(lambda known=before: len(phones.called) > len(known))
        ((at, who),) = (phones.called[number] for number in set(phones.called) - before)
        if who == agent:
            delays.append(at - freed - WRAP_UP_SECONDS)
    for leg in list(citizens.legs.values()):
        leg.hang_up()
    return Delays.of("hand-over", delays, HAND_OVER_GOAL_MS)


async def met(condition: Callable[[], bool]) -> None:
    """Wait for something to be so."""

    async def holds() -> bool:
        return condition()

    wait: Awaitable[bool] = until(holds, seconds=PATIENCE_SECONDS, every=0.01)
    await wait


async def measure(arguments: argparse.Namespace) -> list[Delays]:
    """Run both parts on one node each."""
    rows = []
    for agents in (arguments.agents, arguments.busy):
        with tempfile.TemporaryDirectory() as folder:
            address = (PHONES, free_sip_port())
            async with node(Path(folder), address, agents=agents, asr=False) as server:
                phones, citizens = Phones(), Citizens(server)
                gc.collect()
                gc.disable()
                await phones.gateway.open(*address)
                await citizens.gateway.open(TRUNK, free_sip_port())
                try:
                    if not rows:
                        await calls(phones, citizens, rate=arguments.rate, seconds=2)  # warm up
                        rows.append(
                            await calls(
                                phones, citizens, rate=arguments.rate, seconds=arguments.seconds
                            )
                        )
                    else:
                        rows.append(
                            await hand_overs(
                                phones, citizens, agents=agents, waiting=arguments.waiting
                            )
                        )
                finally:
                    gc.enable()
                    await citizens.gateway.close()
                    await phones.gateway.close()
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how soon an agent's phone is called.")
    parser.add_argument("--rate", type=int, default=20, help="calls a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--agents", type=int, default=60, help="who are ready for these calls")
    parser.add_argument("--busy", type=int, default=10, help="agents who all talk")
    parser.add_argument("--waiting", type=int, default=200, help="citizens who wait for them")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = asyncio.run(measure(arguments))
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    print(f"{'':<12}{'number':>8}{'p50 ms':>10}{'p99 ms':>10}{'goal p99':>10}")
    for row in rows:
        print(
            f"{row.what:<12}{row.number:>8}{row.p50_ms:>10.1f}{row.p99_ms:>10.1f}"
            f"{row.goal_p99_ms:>10.0f}"
        )


if __name__ == "__main__":
    main()
