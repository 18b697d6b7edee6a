"""The SIP side of a node: its port, who is registered, and every live leg."""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import structlog
from aiosipua import SipRequest

from eventbus.precedence import Precedence
from eventbus.tasks import end
from telephony.abuse.door import GuardedDoor
from telephony.abuse.gatekeeper import AbusePolicy, Gatekeeper
from telephony.admission import Admission
from telephony.authentication import Authenticator, CredentialStore
from telephony.bindings import BindingStore
from telephony.calls_out import CallsOut, NoTrunk
from telephony.endpoint import MAIN_TRANSPORTS, RFC_TIMERS, IncomingRequest, SipEndpoint
from telephony.leg import Address, Leg, LegWire
from telephony.leg_book import LegBook
from telephony.lives import Lives, LostConnections
from telephony.overload import Overload
from telephony.qualify import Qualifier
from telephony.registration import RegistrationService
from telephony.sip.bodies import READ
from telephony.sip.dialog import dialog_id
from telephony.sip.digest import DigestGuard
from telephony.sip.hop import Destination, Transport
from telephony.sip.invite_usage import Reply, write_reply
from telephony.sip.name_addr import (
    AddressError,
    host_port,
)
from telephony.sip.register_client import Patience
from telephony.sip.registrar import Limits
from telephony.sip.screening import has_looped, hops_left, objection
from telephony.sip.session_timer import SessionPolicy
from telephony.sip.transaction import Timers
from telephony.transport.connection import ConnectionLimits
from telephony.transport.listener import Listener
from telephony.transport.tls import Tls
from telephony.trunks.health import HealthTimes
from telephony.trunks.model import Trunk
from telephony.trunks.service import TrunkService, TrunkStatus
from telephony.witness import PeerNames, Wire

__all__ = ["CredentialStore", "NoTrunk", "SipGateway"]

CLOSE_SECONDS = 2.0
_ID_BYTES = 8
_MEASURE_SECONDS = 0.1
_SEED_BITS = 64
_CROWDED_SECONDS = 5  # after which a phone may try again

log = structlog.get_logger(__name__)


class SipGateway:
    """Trunk calls in, registrations, calls out to phones.

    Args:
        trunks: whose INVITEs are citizens' calls, and where calls go out. ValueError when two have
            one name.
        realm: the digest realm.
        credentials: the phones' secrets.
        bindings: the registered phones; an AOR is the user part alone ("1001").
        on_call: a citizen's call came in, or one from an agent's phone (``leg.account``); the owner
            sets ``leg.on_event`` before returning.
        on_coming: told (caller, trunk) of a citizen's call before it is let in, if it is; unless he
            withholds his number.
        precedence: lets citizens' calls go before what can wait.
        advertised: what goes into Via and Contact; default the bound address.
        on_registered: (aor, number of phones) after each registration, un-registration and expiry.
        on_trunk: told when a trunk goes down or comes up.
        trunk_times: how often trunks are asked, and how many failures count.
        patience: how long a trunk that refuses to register us is left alone.
        timers: the transactions' base intervals.
        limits: expiry and number of bindings.
        user_agent: for the Server and User-Agent headers.
        nonce_secret: shared by the nodes of a cluster; default a random one.
        session: the session timers' intervals (RFC 4028).
        abuse: what strangers, users and trunks may send, and when a source is banned.
        connections: limits of TCP, TLS and WebSocket connections.
        tls: our certificate, for TLS and WSS listeners.
        certified_trunks: a trunk's calls are taken over TLS only, from whoever shows a certificate
            that we trust.
        overload_seconds: how late the node may stand before new calls are refused; 0: any.
        qualify_seconds: how often registered phones are asked by OPTIONS whether they are there;
            None: never.
        lives: where all nodes' runs beat; None: there is one node.
        life_seconds: without a beat for so long another node is dead.
        drop: asked for each datagram; True loses it. For tests.

    Attributes:
        invite: calls a registered phone; see `CallsOut.invite`, as of the next two.
        call: calls any SIP URI at an address.
        dial: calls a number through a trunk.
        wire: the newest messages, and how many of each kind there were.
        endpoint: the port; ``endpoint.local`` is the bound address, ``endpoint.counters`` counts.
        legs: every live leg, by its id.
        overload: what share of new calls is taken.
        trunks: how each of them is, and where a number can be called.
    """

    def __init__(
        self,
        *,
        trunks: Sequence[Trunk],
        realm: str,
        credentials: CredentialStore,
        bindings: BindingStore,
        on_call: Callable[[Leg], None],
        on_coming: Callable[[str, str], None] = lambda _caller, _trunk: None,
        precedence: Precedence | None = None,
        advertised: Address | None = None,
        on_registered: Callable[[str, int], None] | None = None,
        on_trunk: Callable[[TrunkStatus], None] = lambda _status: None,
        trunk_times: HealthTimes = HealthTimes(),  # noqa: B008 - frozen
        patience: Patience = Patience(),  # noqa: B008 - frozen
        timers: Timers = RFC_TIMERS,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        user_agent: str = "hotline12345",
        nonce_secret: bytes | None = None,
        session: SessionPolicy = SessionPolicy(),  # noqa: B008 - frozen
        abuse: AbusePolicy = AbusePolicy(),  # noqa: B008 - frozen
        drop: Callable[[], bool] | None = None,
        connections: ConnectionLimits = ConnectionLimits(),  # noqa: B008 - frozen
        tls: Tls | None = None,
        certified_trunks: bool = False,
        overload_seconds: float = 0.0,
        qualify_seconds: float | None = None,
        lives: Lives | None = None,
        life_seconds: float = 7.0,
    ) -> None:
        self.trunks = TrunkService(trunks, on_change=on_trunk, times=trunk_times, patience=patience)
        self.wire = Wire(peer_of=PeerNames(self.trunks.find))
        self._bindings = bindings
        self._on_call = on_call
        self._user_agent = user_agent
        guard = DigestGuard(realm=realm, secret=nonce_secret or secrets.token_bytes(32))
        self._gatekeeper = Gatekeeper(
            abuse, is_trunk=lambda host: self.trunks.find(host) is not None
        )
        self._authenticator = Authenticator(guard, credentials, on_proof=self._on_proof)
        self._registration = RegistrationService(
            authenticator=self._authenticator,
            bindings=bindings,
            limits=limits,
            on_registered=on_registered or (lambda _aor, _count: None),
            is_alive=lambda hop: self.endpoint.is_alive(hop),  # noqa: PLW0108 - it is made below
            is_page=lambda hop: self.endpoint.is_carried(hop),  # noqa: PLW0108 - as above
            lost=LostConnections(
                bindings, lives, life=lambda: self.endpoint.life, expiry_seconds=life_seconds
            )
            if lives
            else None,
        )
        self.endpoint = SipEndpoint(
            on_request=self._on_request,
            advertised=advertised,
            timers=timers,
            drop=drop,
            door=GuardedDoor(
                self._gatekeeper,
                in_call=self._is_in_call,
                answers_challenge=self._authenticator.answers_challenge,
            ),
            limits=connections,
            on_flow_lost=self._registration.flow_lost,
            tls=tls,
            witness=self.wire,
        )
        self.overload = Overload(overload_seconds)
        self._qualify_seconds = qualify_seconds
        self._book = LegBook()
        self._out = CallsOut(
            endpoint=self.endpoint,
            trunks=self.trunks,
            book=self._book,
            timers=timers,
            session=session,
            wire=lambda: self._wire,
        )
        self.invite, self.call, self.dial = self._out.invite, self._out.call, self._out.dial
        self._admission = Admission(
            authenticator=self._authenticator,
            bindings=bindings,
            trunks=self.trunks,
            book=self._book,
            overload=self.overload,
            abuse=abuse,
            timers=timers,
            session=session,
            certified_trunks=certified_trunks,
            is_page=self.endpoint.is_carried,
            wire=lambda: self._wire,
            reply=self._reply,
            precedence=precedence or Precedence(),
            on_coming=on_coming,
            hand_up=self._hand_up,
        )
        self.legs: Mapping[str, Leg] = MappingProxyType(self._book.legs)
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._closing = False

    async def open(
        self,
        host: str,
        port: int,
        *,
        transports: tuple[Transport, ...] = MAIN_TRANSPORTS,
        further: Sequence[Listener] = (),
    ) -> None:
        """Bind the port (0: any) for each of the transports, and the further listeners.

        Raises:
            OSError: one cannot be bound.
            ValueError: every address is bound and none is advertised.
        """
        await self.endpoint.open(host, port, transports=transports, further=further)
        self._wire = LegWire(
            endpoint=self.endpoint,
            contact=self._contact,
            product=self._user_agent,
            on_change=self._note,
            on_attempt=self._out.on_attempt,
        )
        if self._qualify_seconds is not None:
            self._registration.qualifier = Qualifier(
                self.endpoint,
                every=self._qualify_seconds,
                product=self._user_agent,
                on_gone=self._registration.drop,
            )
        await self._registration.resume()
        await self._trust_registered()
        await self.trunks.open(self.endpoint, product=self._user_agent)
        self._watch = asyncio.create_task(self._watch_delay(), name="loop-delay")
        for bound in self.endpoint.listeners:
            log.info("sip_open", transport=bound.transport, local=host_port(bound.local))

    async def close(self) -> None:
        """Hang up every leg, wait (bounded) for the answers, close the port."""
        self._closing = True
        for leg in list(self.legs.values()):
            leg.hang_up("closing")
        try:
            await asyncio.wait_for(self._book.empty.wait(), CLOSE_SECONDS)
        except TimeoutError:
            log.warning("legs_abandoned", count=len(self.legs))
        for leg in list(self.legs.values()):
            leg.abandon()
        await end(*self._tasks, self._watch)
        await self._registration.close()
        await self.trunks.close()
        await self.endpoint.close()

    async def _watch_delay(self) -> None:
        """Measure how late the loop comes to what is due."""
        while True:
            due = time.monotonic() + _MEASURE_SECONDS
            await asyncio.sleep(_MEASURE_SECONDS)
            now, before = time.monotonic(), self.overload.share
            self.overload.measured(max(0.0, now - due), now)
            if self.overload.share < before == 1.0:
                log.warning("overloaded", share=self.overload.share)
            elif before < self.overload.share == 1.0:
                log.info("no_longer_overloaded", refused=self.overload.refused)

    async def _trust_registered(self) -> None:
        """Know the phones of an earlier life by the addresses they are registered from."""
        now = asyncio.get_running_loop().time()
        for aor in await self._bindings.aors():
            for binding in await self._bindings.lookup(aor):
                self._gatekeeper.succeeded(binding.hop.host, now)

    def counts(self) -> dict[str, int]:
        """Return how many ``legs``, ``dialogs`` and ``transactions`` are alive."""
        return {
            "legs": len(self.legs),
            "dialogs": self._book.dialogs,
            "transactions": self.endpoint.transactions,
        }

    def strangers(self) -> dict[str, int]:
        """Return how many sources are banned or suspected, and what was turned away, by reason."""
        return {
            "banned_sources": self._gatekeeper.bans,
            "suspected_sources": self._gatekeeper.suspects,
            "overload_refused": self.overload.refused,
            **self._gatekeeper.counters,
        }

    def set_up(self, leg: Leg) -> None:
        """Take note that an inbound leg's call waits for an agent: how long it took counts."""
        self.overload.set_up(leg.id, time.monotonic())

    def _note(self, leg: Leg) -> None:
        self._book.note(leg)
        if leg.over:
            self.trunks.release(leg.id)
            self.overload.over(leg.id)

    # Requests in

    @property
    def _us(self) -> set[Address]:
        return {bound.advertised for bound in self.endpoint.listeners}

    def _is_in_call(self, request: SipRequest) -> bool:
        try:
            return self._book.find(dialog_id(request)) is not None
        except AddressError:
            return False

    def _on_proof(self, client: str, *, proved: bool) -> None:
        now = asyncio.get_running_loop().time()
        if proved:
            self._gatekeeper.succeeded(client, now)
        elif self._gatekeeper.failed(client, now):
            log.warning("source_banned", source=client)

    def _on_request(self, incoming: IncomingRequest) -> None:
        request = incoming.request
        try:
            dialog = dialog_id(request)
        except AddressError:
            if request.method != "ACK":
                self._reply(incoming, Reply(request, 400, "Malformed From or To"))
            return
        leg = self._book.find(dialog)
        if request.method == "ACK":
            if leg is not None:
                leg.receive(incoming)
        elif (problem := objection(request)) is not None:
            self._reply(incoming, problem)
        elif leg is not None:
            leg.receive(incoming)
        elif dialog.local_tag:
            self._reply(incoming, Reply(request, 481))
        elif has_looped(request, self._us):
            self._reply(incoming, Reply(request, 482))
        elif request.method == "INVITE" and hops_left(request) < 0:
            self._reply(incoming, Reply(request, 483))
        else:
            self._on_initial(incoming)

    def _on_initial(self, incoming: IncomingRequest) -> None:
        """Take a request outside any dialog."""
        request = incoming.request
        match request.method:
            case "INVITE" if self._closing:
                self._reply(incoming, Reply(request, 503))
            case "INVITE" if (wait := self.overload.refuses()) is not None:
                again = (("Retry-After", str(wait)),)
                self._reply(incoming, Reply(request, 503, headers=again))
            case "INVITE":
                self._start(self._admission.decide(incoming), incoming)
            case "REGISTER":
                self._start(self._on_register(incoming), incoming)
            case "OPTIONS":
                self._reply(incoming, Reply(request, 200, headers=(READ,)))
            case "REFER":
                # outside a call there is nobody to transfer, and nobody who may make us call
                self._reply(incoming, Reply(request, 403))
            case _:
                self._reply(incoming, Reply(request, 481))

    def _start(self, work: Coroutine[Any, Any, None], incoming: IncomingRequest) -> None:
        """Do what has to ask a store, without keeping the port waiting."""
        task = asyncio.get_running_loop().create_task(
            self._guarded(work, incoming), name=f"sip-{incoming.request.method.lower()}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None], incoming: IncomingRequest) -> None:
        try:
            await work
        except Exception:
            # The outermost boundary of this task: the peer is told, the port goes on.
            log.exception("sip_request_failed", method=incoming.request.method)
            self._reply(incoming, Reply(incoming.request, 500))

    async def _on_register(self, incoming: IncomingRequest) -> None:
        reply = await self._registration.answer(incoming.request, incoming.hop)
        self._reply(incoming, reply)

    def _hand_up(self, leg: Leg, incoming: IncomingRequest) -> None:
        """Give a leg to its owner."""
        self._book.note(leg)
        leg.receive(incoming)
        try:
            self._on_call(leg)
        except Exception:
            # The owner's mistake: his caller is told, the others never notice.
            log.exception("call_owner_failed", leg=leg.id)
            leg.refuse(500)

    def _contact(self, destination: Destination, like: str) -> str:
        return self.endpoint.contact("hotline", destination, like=like)

    def _reply(self, incoming: IncomingRequest, reply: Reply) -> None:
        contact = self._contact(incoming.hop, incoming.request.uri) if reply.names_contact else None
        incoming.respond(
            write_reply(
                reply,
                # §8.2.7: "generate the same tag … for the same request": by the request itself
                local_tag="",
                contact=contact,
                headers=(("Server", self._user_agent),),
            )
        )
