"""The trunks at work: the shell of their machines.

Asks each trunk with OPTIONS, registers where that is wanted, follows what becomes of calls, and
says which trunk a call is from, whether it may come in, and where one may go out.
"""

import asyncio
import secrets
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import structlog
from aiosipua import SipResponse, parse_uri

from telephony.alarm import Alarm
from telephony.endpoint import SipEndpoint
from telephony.sip import register_client as registering
from telephony.sip.dialog import OutgoingRequest
from telephony.sip.errors import TransactionFailure
from telephony.sip.hop import Destination, Hop, default_port
from telephony.sip.message import FINAL, UNAVAILABLE, retry_after
from telephony.sip.name_addr import bracketed
from telephony.trunks import health as watching
from telephony.trunks.choice import in_order
from telephony.trunks.limits import CallLimit
from telephony.trunks.model import Trunk, TrunkDirectory
from telephony.trunks.probe import addresses, question
from telephony.trunks.route import Route, route_to

LEAVE_SECONDS = 2.0  # that stopping waits for carriers to confirm
MOST_ADDRESSES = 2  # of one trunk's, that one call tries
LOOK_UP_SECONDS = 30.0  # after which a name is looked up anew for a call
AVOID_SECONDS = 30.0  # that an address which has failed a call stands last, if it does not say
_ID_BYTES = 8

_Machine = watching.TrunkHealth | registering.RegisterClient

_chance = secrets.SystemRandom().random

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """How a trunk is.

    Attributes:
        name: whose status this is.
        up: whether calls go there.
        reason: why not.
        outbound: whether calls can be sent there at all.
        registered: whether the carrier has our Contact; None where we do not register.
        calls: live ones.
        refused: how many found it full since the start.
        max_calls: at once; None: any number.
    """

    name: str
    up: bool
    reason: str | None
    outbound: bool
    registered: bool | None
    calls: int
    refused: int
    max_calls: int | None = None


@dataclass(eq=False, slots=True)
class _Line:
    """A trunk and its machines."""

    trunk: Trunk
    health: watching.TrunkHealth
    limit: CallLimit
    addresses: tuple[Destination, ...] = ()
    question: OutgoingRequest | None = None  # the last OPTIONS, until it is answered
    register: registering.RegisterClient | None = None
    registered: bool = False
    unheard: int = 0  # REGISTERs in a row that nobody has answered
    told_up: bool | None = None
    reason: str | None = None
    left: asyncio.Event = field(default_factory=asyncio.Event)
    looked_up: float = -LOOK_UP_SECONDS
    avoided: dict[Destination, float] = field(default_factory=dict)  # by calls, until then

    def turn(self, silent: Destination) -> None:
        """Begin with the next address from now on, if it was the first that is silent."""
        if self.addresses[:1] == (silent,):
            self.addresses = (*self.addresses[1:], silent)

    def for_a_call(self, now: float) -> list[Destination]:
        """Return the addresses that a call tries, in this order."""
        self.avoided = {address: until for address, until in self.avoided.items() if until > now}
        return sorted(self.addresses, key=lambda to: self.avoided.get(to, now))[:MOST_ADDRESSES]

    @property
    def up(self) -> bool:
        return self.health.up and (self.register is None or self.registered)


class TrunkService:
    """All trunks of a node.

    Args:
        trunks: from the configuration. ValueError when two have one name.
        on_change: told when a trunk goes down or comes up.
        times: how often they are asked; a trunk's own ``probe_seconds`` stands in for the interval.
        patience: between two attempts to register.
        chance: random numbers in [0, 1).

    Attributes:
        by_name: the trunks.
    """

    def __init__(
        self,
        trunks: Sequence[Trunk],
        *,
        on_change: Callable[[TrunkStatus], None] = lambda _status: None,
        times: watching.HealthTimes = watching.HealthTimes(),  # noqa: B008 - frozen
        patience: registering.Patience = registering.Patience(),  # noqa: B008 - frozen
        chance: Callable[[], float] = _chance,
    ) -> None:
        self._directory = TrunkDirectory(trunks)
        self.by_name = self._directory.by_name
        self._reserved = frozenset(trunk.name for trunk in trunks if trunk.reserved)
        self._on_change = on_change
        self._times = times
        self._patience = patience
        self._chance = chance
        self._lines = {trunk.name: self._line(trunk) for trunk in trunks}
        self._machines: dict[_Machine, _Line] = {line.health: line for line in self._lines.values()}
        self._tasks: set[asyncio.Task[None]] = set()
        self._alarm: Alarm[_Machine] = Alarm(self._due)

    def _line(self, trunk: Trunk) -> _Line:
        interval = trunk.probe_seconds if trunk.host is not None else None
        times = watching.HealthTimes(
            interval=interval,
            retry=min(self._times.retry, interval or self._times.retry),
            answer=self._times.answer,
            trial=self._times.trial,
            failures=self._times.failures,
            successes=self._times.successes,
        )
        limit = CallLimit(trunk.max_calls, trunk.calls_per_second)
        return _Line(trunk, watching.TrunkHealth(times), limit)

    def reserve(self, names: Collection[str]) -> None:
        """Let calls go out by these only where they are named, and by all others as usual."""
        self._reserved = frozenset(names)

    async def open(self, endpoint: SipEndpoint, *, product: str) -> None:
        """Begin to ask and to register, through an open endpoint."""
        self._endpoint = endpoint
        self._product = product
        for line in self._lines.values():
            if line.trunk.host is None:
                continue
            await self._resolve(line)
            self._feed_health(line, watching.Opened())
            if line.trunk.account is not None and line.trunk.account.register:
                line.register = self._new_registration(line)
                self._machines[line.register] = line
                line.told_up = False
                self._feed_registration(line, registering.Begin())

    async def close(self) -> None:
        """Un-register where we are registered, wait (bounded) for the answers, and stop."""
        leaving = [line for line in self._lines.values() if line.registered]
        for line in leaving:
            self._feed_registration(line, registering.Leave())
        if leaving:
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await asyncio.gather(*(line.left.wait() for line in leaving))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._alarm.close()

    # Calls

    def find(self, host: str) -> Trunk | None:
        """Return the trunk that a numeric address belongs to, None for a stranger."""
        return self._directory.find(host)

    def admit(self, trunk: Trunk, leg_id: str, now: float) -> int | None:
        """Count a new call on a trunk and return None, or say after how many seconds to try again.

        The call is taken out by `release`.
        """
        return self._lines[trunk.name].limit.admit(leg_id, now)

    def release(self, leg_id: str, trunk: str | None = None) -> None:
        """Take out a call that is over, or has left one trunk."""
        for line in self._lines.values():
            if trunk in (None, line.trunk.name):
                line.limit.release(leg_id)

    def routes(
        self, number: str, *, caller: str | None, now: float, names: Sequence[str] = ()
    ) -> list[Route]:
        """Return the ways a number can be called, in the order to try them.

        RFC 3263 §4.3: of a trunk whose name has several addresses each is a way of its own.

        A trunk that is down stands last instead of being left out: that it does not answer OPTIONS
        proves nothing, and the call may be one to 110.

        Args:
            number: in our own form; the trunk's rules make it the trunk's.
            caller: the number to show, likewise; None: withheld.
            now: monotonic seconds.
            names: only these trunks; any that is not reserved when empty.
        """
        usable = [
            line
            for line in self._lines.values()
            if line.addresses
            and (line.trunk.name in names if names else line.trunk.name not in self._reserved)
            and line.limit.wait(now) is None
        ]
        for line in self._lines.values():
            self._look_up_again(line, now)
        chances = [self._chance() for _ in usable]
        trunks = in_order([line.trunk for line in usable], chances)
        trunks.sort(key=lambda trunk: not self._lines[trunk.name].up)
        return [
            route_to(trunk, address, number=number, caller=caller)
            for trunk in trunks
            for address in self._lines[trunk.name].for_a_call(now)
        ]

    def answered(self, name: str) -> None:
        """Note that a trunk has answered an INVITE."""
        self._feed_health(self._lines[name], watching.Answered())

    def failed(self, name: str, reason: str) -> None:
        """Note that an INVITE to a trunk had no answer, or could not be sent."""
        self._feed_health(self._lines[name], watching.Failed(reason))

    def overloaded(self, name: str, seconds: float | None) -> None:
        """Note that a trunk has answered an INVITE with 503."""
        self._feed_health(self._lines[name], watching.Overloaded(seconds))

    def passed_over(self, name: str, address: Destination, seconds: float | None) -> None:
        """Note that one address of a trunk has failed where its next was tried.

        RFC 3261 §21.5.4: it is to be left alone for as long as its Retry-After says. So calls try
        it last until then, or for a while where it has said nothing. Where we register the carrier
        knows us only at the address that has our Contact: there calls go on following REGISTER.
        """
        log.info("trunk_address_passed_over", trunk=name)
        line = self._lines[name]
        if line.register is None:
            length = AVOID_SECONDS if seconds is None else seconds
            line.avoided[address] = self._alarm.now() + length

    def statuses(self) -> list[TrunkStatus]:
        """Return how every trunk is."""
        return [_status(line) for line in self._lines.values()]

    # Health

    def _due(self, machine: _Machine) -> None:
        line = self._machines[machine]
        if isinstance(machine, registering.RegisterClient):
            self._feed_registration(line, registering.TimePassed())
        else:
            self._feed_health(line, watching.TimeUp())

    def _feed_health(self, line: _Line, event: watching.HealthInput) -> None:
        effects = line.health.handle(event, self._alarm.now())
        self._alarm.set(line.health, line.health.deadline)
        for effect in effects:
            if isinstance(effect, watching.Probe):
                self._spawn(self._probe(line), f"probe-{line.trunk.name}")
            else:
                self._note(line, effect.reason)

    async def _probe(self, line: _Line) -> None:
        """Ask at the first address, or at the next if nobody has answered the last question."""
        if line.question is not None:
            line.turn(line.question.destination)
            line.question = None
        await self._resolve(line)
        if not line.addresses:
            reason = f"{line.trunk.host} cannot be resolved"
            self._feed_health(line, watching.Failed(reason, probe=True))
            return
        us = self._endpoint.reached_at(line.addresses[0])[1]
        line.question = request = question(line.trunk, line.addresses[0], us)
        answered = partial(self._probed, line, request)
        self._send(request, answered, partial(self._not_probed, line, request))

    def _probed(self, line: _Line, request: OutgoingRequest, response: SipResponse) -> None:
        if response.status_code < FINAL or line.question is not request:
            return
        line.question = None
        # whatever else is answered: somebody is there (§11: OPTIONS "to 'ping'")
        if response.status_code == UNAVAILABLE:
            outcome: watching.HealthInput = watching.Overloaded(retry_after(response), probe=True)
        else:
            outcome = watching.Answered(probe=True)
        self._feed_health(line, outcome)

    def _not_probed(self, line: _Line, request: OutgoingRequest, cause: TransactionFailure) -> None:
        # Over UDP a transaction dies long after its probe's time was up, and others were sent
        if line.question is request:
            self._feed_health(line, watching.Failed(f"OPTIONS: {cause}", probe=True))

    # Registration

    def _new_registration(self, line: _Line) -> registering.RegisterClient:
        account = line.trunk.account
        assert account is not None  # noqa: S101 - the caller has looked
        home = line.addresses[0] if line.addresses else Hop("", 0, line.trunk.transport)
        us = self._endpoint.reached_at(home)[1]
        domain = bracketed(line.trunk.uri_host)
        address = f"<sip:{account.user}@{domain}>"
        request = OutgoingRequest(
            method="REGISTER",
            uri=f"sip:{domain}",
            destination=home,
            from_=f"{address};tag={secrets.token_hex(_ID_BYTES)}",
            to=address,
            call_id=f"{secrets.token_hex(_ID_BYTES * 2)}@{us[0]}",
            cseq=1,
        )
        return registering.RegisterClient(
            request,
            contact=self._endpoint.contact(account.user, home),
            user=account.user,
            password=account.password,
            expires=account.expires,
            patience=self._patience,
        )

    def _feed_registration(self, line: _Line, event: registering.RegisterInput) -> None:
        machine = line.register
        if machine is None:
            return
        effects = machine.handle(event, self._alarm.now())
        self._alarm.set(machine, machine.deadline)
        for effect in effects:
            match effect:
                case registering.SendRegister(request):
                    self._spawn(self._register(line, request), f"register-{line.trunk.name}")
                case registering.Registered():
                    line.registered = True
                    self._note(line, None)
                case registering.Unregistered(reason):
                    line.registered = False
                    self._note(line, f"not registered: {reason}")
                case registering.Left():
                    line.left.set()

    async def _register(self, line: _Line, request: OutgoingRequest) -> None:
        """Send a REGISTER to the trunk, or where a redirection has led."""
        await self._resolve(line)
        ways = line.addresses
        target = parse_uri(request.uri)
        if target.host != parse_uri(f"sip:{bracketed(line.trunk.uri_host)}").host:
            transport = line.trunk.transport
            port = target.port or default_port(transport)
            ways = await addresses(target.host.strip("[]"), port, transport)
        if not ways:
            event = registering.RequestFailed("transport", self._chance())
            self._feed_registration(line, event)
            return

        def answered(response: SipResponse) -> None:
            line.unheard = 0
            cnonce = secrets.token_hex(_ID_BYTES)
            event = registering.GotResponse(response, cnonce, self._chance())
            self._feed_registration(line, event)

        def failed(cause: TransactionFailure) -> None:
            line.unheard += 1
            # OPTIONS tell sooner, but who answers them may not be who registers.
            if line.trunk.probe_seconds is None or line.unheard > 1:
                line.turn(ways[0])
            self._feed_registration(line, registering.RequestFailed(cause, self._chance()))

        self._send(replace(request, destination=ways[0]), answered, failed)

    # Both

    def _send(
        self,
        request: OutgoingRequest,
        on_response: Callable[[SipResponse], None],
        on_failure: Callable[[TransactionFailure], None],
    ) -> None:
        message = request.to_message()
        message.headers.append("User-Agent", self._product)
        self._endpoint.send_request(
            message, request.destination, on_response=on_response, on_failure=on_failure
        )

    async def _resolve(self, line: _Line) -> None:
        """Find the trunk's addresses anew; the last ones stay when the name server is away."""
        host = line.trunk.host
        if host is None:
            return
        found = await addresses(host, line.trunk.port, line.trunk.transport)
        if found:
            if set(found) != set(line.addresses):
                line.addresses = found
            self._directory.learn(line.trunk, [address for address, *_ in found])

    def _look_up_again(self, line: _Line, now: float) -> None:
        """Look a trunk's name up for the next call, where neither OPTIONS nor REGISTER do."""
        watched = line.trunk.probe_seconds is not None or line.register is not None
        if watched or line.trunk.host is None or now - line.looked_up < LOOK_UP_SECONDS:
            return
        line.looked_up = now
        self._spawn(self._resolve(line), f"look-up-{line.trunk.name}")

    def _note(self, line: _Line, reason: str | None) -> None:
        """Tell what has changed, once."""
        line.reason = None if line.up else reason
        if line.told_up is None and line.up:
            line.told_up = True
        if line.told_up == line.up:
            return
        line.told_up = line.up
        told = log.info if line.up else log.warning
        told("trunk_up" if line.up else "trunk_down", trunk=line.trunk.name, reason=line.reason)
        self._on_change(_status(line))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _status(line: _Line) -> TrunkStatus:
    return TrunkStatus(
        name=line.trunk.name,
        up=line.up,
        reason=line.reason or line.health.reason,
        outbound=line.trunk.host is not None,
        registered=None if line.register is None else line.registered,
        calls=len(line.limit.live),
        refused=line.limit.refused,
        max_calls=line.limit.max_calls,
    )
