"""The SIP side of a node: who may call, who is registered, and every live leg."""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import structlog
from aiosipua import SipRequest

from eventbus.tasks import end
from telephony.abuse.door import GuardedDoor
from telephony.abuse.gatekeeper import AbusePolicy, Gatekeeper
from telephony.authentication import Authenticator, CredentialStore
from telephony.bindings import Binding, BindingStore
from telephony.endpoint import MAIN_TRANSPORTS, RFC_TIMERS, IncomingRequest, SipEndpoint
from telephony.leg import Address, Leg, LegEvent, LegWire
from telephony.leg_book import LegBook
from telephony.overload import Overload
from telephony.qualify import Qualifier
from telephony.registration import RegistrationService
from telephony.sip.dialog import SDP, OutgoingRequest, dialog_id, header_address, sdp_of
from telephony.sip.digest import DigestGuard
from telephony.sip.errors import SipError
from telephony.sip.hop import Destination, Transport, as_hop
from telephony.sip.hunting_leg import HuntingLeg, next_invite
from telephony.sip.identity import calling_identity, forwardings
from telephony.sip.inbound_leg import InboundLeg
from telephony.sip.initial_invite import initial_invite
from telephony.sip.invite_usage import Attempt, Reply, write_reply
from telephony.sip.message import MAX_FORWARDS, make_response
from telephony.sip.name_addr import (
    AddressError,
    host_port,
    parse_name_addr,
    sip_uri,
    user_of,
)
from telephony.sip.outbound_leg import OutboundLeg
from telephony.sip.redirection import RedirectPolicy
from telephony.sip.refer import ReferError, replaces_of
from telephony.sip.reference import reference_of
from telephony.sip.registrar import Limits
from telephony.sip.screening import called_number, has_looped, hops_left, objection
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


class NoTrunk(SipError):
    """A call has no way out."""


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
        advertised: what goes into Via and Contact; default the bound address.
        on_registered: (aor, number of phones) after each registration, un-registration and expiry.
        on_trunk: told when a trunk goes down or comes up.
        trunk_times: how often trunks are asked, and how many failures count.
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
        drop: asked for each datagram; True loses it. For tests.

    Attributes:
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
        advertised: Address | None = None,
        on_registered: Callable[[str, int], None] | None = None,
        on_trunk: Callable[[TrunkStatus], None] = lambda _status: None,
        trunk_times: HealthTimes = HealthTimes(),  # noqa: B008 - frozen
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
    ) -> None:
        self.trunks = TrunkService(trunks, on_change=on_trunk, times=trunk_times)
        self.wire = Wire(peer_of=PeerNames(self.trunks.find))
        self._bindings = bindings
        self._on_call = on_call
        self._timers = timers
        self._user_agent = user_agent
        self._session = session
        self._abuse = abuse
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
        self._certified_trunks = certified_trunks
        self._qualify_seconds = qualify_seconds
        self._book = LegBook()
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
            on_attempt=self._on_attempt,
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
        """Return how many sources are banned, and what was turned away, by reason."""
        return {
            "banned_sources": self._gatekeeper.bans,
            "overload_refused": self.overload.refused,
            **self._gatekeeper.counters,
        }

    # Calls out

    def invite(
        self,
        binding: Binding,
        *,
        sdp: str,
        caller: str | None,
        display: str | None,
        called: str,
        on_event: Callable[[LegEvent], None],
        headers: Mapping[str, str] = MappingProxyType({}),
        hops: int = MAX_FORWARDS,
    ) -> Leg:
        """Call a registered phone. No event fires before this has returned.

        Args:
            binding: the phone; every message goes to the address it registered from, over the
                connection that it registered over, or by the proxies that it registered through.
            sdp: our offer.
            caller: the number to show, None for an anonymous caller.
            display: the name to show with it.
            called: whom we call, for the To header.
            on_event: the leg's owner.
            headers: further headers of the INVITE; ValueError when they hold line breaks.
            hops: how many it may take: ``hops_left`` of the leg that the call is made for.
        """
        request = self._new_invite(
            uri=binding.contact_uri,
            destination=binding.hop,
            to=sip_uri(called, self._reached_at(binding.hop)),
            caller=caller,
            display=display,
            sdp=sdp,
            headers=tuple(headers.items()),
            path=binding.path,
            hops=hops,
        )
        machine = OutboundLeg(
            request,
            timers=self._timers,
            pinned=binding.hop.pinned,
            session=self._session,
            seed=secrets.randbits(_SEED_BITS),
        )
        return self._launch(machine, caller=caller, called=called, on_event=on_event)

    def call(
        self,
        uri: str,
        destination: Destination,
        *,
        sdp: str | None,
        caller: str | None,
        on_event: Callable[[LegEvent], None],
        credentials: tuple[str, str] | None = None,
        follow_redirects: RedirectPolicy | None = None,
    ) -> Leg:
        """Call any SIP URI at an address.

        Args:
            uri: whom.
            destination: where the INVITE is sent.
            sdp: our offer; None: the peer makes it, see LegAnswered.
            caller: the number to show, None for an anonymous caller.
            on_event: the leg's owner.
            credentials: (user, password) to answer challenges with, each request's first one.
            follow_redirects: how far a 3xx sends the call on; None: it ends the call.

        Raises:
            AddressError: not a URI.
        """
        target = parse_name_addr(f"<{uri}>").uri
        request = self._new_invite(
            uri=target, destination=destination, to=target, caller=caller, sdp=sdp
        )
        machine = OutboundLeg(
            request,
            timers=self._timers,
            credentials=credentials,
            cnonce=secrets.token_hex(_ID_BYTES),
            session=self._session,
            redirects=follow_redirects,
            seed=secrets.randbits(_SEED_BITS),
        )
        called = user_of(target) or target
        return self._launch(machine, caller=caller, called=called, on_event=on_event)

    def dial(
        self,
        number: str,
        *,
        sdp: str,
        caller: str | None,
        on_event: Callable[[LegEvent], None],
        display: str | None = None,
        trunks: Sequence[str] = (),
        headers: Mapping[str, str] = MappingProxyType({}),
        hops: int = MAX_FORWARDS,
    ) -> Leg:
        """Call a telephone number through a trunk; the next trunk is tried when one fails.

        Where a trunk answers 3xx its Contacts are tried (RFC 3261 §8.1.3.4), if they are at the
        trunk's own addresses.

        ``leg.trunk`` is the one that is being tried. Who may call what is the caller's to decide.

        Args:
            number: whom to call, in our own form (`telephony.trunks.numbers`).
            sdp: our offer.
            caller: the number to show, None for an anonymous caller.
            on_event: the leg's owner; LegRinging may be told again after a trunk has failed.
            display: the name to show.
            trunks: only these, by name; any when empty.
            headers: further headers of the INVITE; ValueError when they hold line breaks.
            hops: how many it may take: ``hops_left`` of the leg that the call is made for.

        Raises:
            NoTrunk: none of them leads out, or all are at their limits.
        """
        now = asyncio.get_running_loop().time()
        routes = self.trunks.routes(number, caller=caller, now=now, names=trunks)
        if not routes:
            raise NoTrunk("no trunk leads out, or all are at their limits")
        tag, call_id = secrets.token_hex(_ID_BYTES), secrets.token_hex(_ID_BYTES * 2)
        ways = []
        for place, route in enumerate(routes):
            invite = initial_invite(
                uri=route.uri,
                destination=route.destination,
                to=route.uri,
                caller=route.caller,
                display=display,
                us=self._reached_at(route.destination),
                domain=route.domain,
                tag=tag,
                call_id=call_id,
                sdp=sdp,
                headers=tuple(headers.items()),
                hops=hops,
            )
            way = OutboundLeg(
                next_invite(invite, place),
                timers=self._timers,
                session=self._session,
                redirects=RedirectPolicy(allows=partial(self._is_at, route.trunk)),
                seed=secrets.randbits(_SEED_BITS),
                credentials=route.credentials,
                cnonce=secrets.token_hex(_ID_BYTES),
            )
            ways.append((route.trunk, way))
        machine = HuntingLeg(ways)
        leg = self._launch(machine, caller=caller, called=number, on_event=on_event)
        self._enter_trunk(leg, machine.first_way)
        return leg

    def _is_at(self, trunk: str, host: str) -> bool:
        """Tell whether a trunk may send a call on to a host: it is one of its own."""
        return self.trunks.find(host) is self.trunks.by_name[trunk]

    def _enter_trunk(self, leg: Leg, name: str) -> None:
        leg.trunk = name
        now = asyncio.get_running_loop().time()
        self.trunks.admit(self.trunks.by_name[name], leg.id, now)

    def _on_attempt(self, leg: Leg, attempt: Attempt) -> None:
        """Keep the trunks' books of a call that goes out."""
        match attempt.outcome:
            case "trying":
                self._enter_trunk(leg, attempt.way)
            case "answers":
                self.trunks.answered(attempt.way)
            case "silent":
                self.trunks.failed(attempt.way, attempt.reason or "no answer")
            case "overloaded":
                self.trunks.overloaded(attempt.way, attempt.retry_after)
            case "left":
                self.trunks.release(leg.id, attempt.way)

    def set_up(self, leg: Leg) -> None:
        """Take note that an inbound leg's call waits for an agent: how long it took counts."""
        self.overload.set_up(leg.id, time.monotonic())

    def _note(self, leg: Leg) -> None:
        self._book.note(leg)
        if leg.over:
            self.trunks.release(leg.id)
            self.overload.over(leg.id)

    def _new_invite(
        self,
        *,
        uri: str,
        destination: Destination,
        to: str,
        caller: str | None,
        sdp: str | None,
        display: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        path: tuple[str, ...] = (),
        hops: int = MAX_FORWARDS,
    ) -> OutgoingRequest:
        return initial_invite(
            uri=uri,
            destination=destination,
            to=to,
            caller=caller,
            display=display,
            us=self._reached_at(destination),
            tag=secrets.token_hex(_ID_BYTES),
            call_id=secrets.token_hex(_ID_BYTES * 2),
            sdp=sdp,
            headers=headers,
            path=path,
            hops=hops,
        )

    def _launch(
        self,
        machine: OutboundLeg | HuntingLeg,
        *,
        caller: str | None,
        called: str,
        on_event: Callable[[LegEvent], None],
    ) -> Leg:
        leg = Leg(
            id=secrets.token_hex(_ID_BYTES),
            direction="outbound",
            sip_call_id=machine.invite.call_id,
            caller=caller,
            called=called,
            source=as_hop(machine.invite.destination).address,
            on_event=on_event,
            machine=machine,
            wire=self._wire,
        )
        self._book.note(leg)
        asyncio.get_running_loop().call_soon(leg.start)
        return leg

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
                self._start(self._on_invite(incoming), incoming)
            case "REGISTER":
                self._start(self._on_register(incoming), incoming)
            case "OPTIONS":
                self._reply(incoming, Reply(request, 200, headers=(("Accept", SDP),)))
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

    async def _on_invite(self, incoming: IncomingRequest) -> None:
        """Let in a citizen's call, and an agent's from his phone; send everybody else away."""
        request = incoming.request
        waiting = _Cancellable(incoming)
        account = user_of(header_address(request, "From").uri) or ""
        refusal: Reply | None = None
        trunk = None
        if await self._is_phone(account, incoming):
            proven = await self._authenticator.username(
                request, client=incoming.hop.host, as_proxy=True
            )
            if proven != account:
                refusal = proven if isinstance(proven, Reply) else Reply(request, 403)
        elif (trunk := self.trunks.find(incoming.source[0])) is None:
            log.info("invite_from_stranger", source=incoming.source[0])
            refusal = Reply(request, 403)
        elif self._certified_trunks and not incoming.certified:
            log.warning("trunk_without_certificate", trunk=trunk.name, source=incoming.source[0])
            refusal = Reply(request, 403)
        if refusal is None and self._book.is_merged(request):
            refusal = Reply(request, 482)
        if waiting.cancelled:
            return
        if refusal is not None:
            self._reply(incoming, refusal)
        elif trunk is not None:
            self._accept(incoming, trunk)
        else:
            self._accept_phone(incoming, account)

    async def _is_phone(self, account: str, incoming: IncomingRequest) -> bool:
        """Tell whether an INVITE comes from where the phone of its From is registered."""
        bindings = await self._bindings.lookup(account) if account else []
        # a proxy has one port to be reached at, and sends over TCP from others
        return any(
            binding.received == incoming.source
            or (binding.path and binding.received[0] == incoming.source[0])
            for binding in bindings
        )

    def _is_crowded(self, host: str) -> bool:
        """Tell whether an address that is no trunk's has as many calls as it may have."""
        return self.trunks.find(host) is None and self._book.calls_from(host) >= self._abuse.calls

    def _inbound(self, incoming: IncomingRequest, now: float) -> InboundLeg:
        return InboundLeg(
            incoming.request,
            local_tag=secrets.token_hex(_ID_BYTES),
            source=incoming.hop,
            timers=self._timers,
            now=now,
            session=self._session,
            seed=secrets.randbits(_SEED_BITS),
        )

    def _accept_phone(self, incoming: IncomingRequest, account: str) -> None:
        """Let in a call of an agent's; whom he may call is its owner's to say."""
        request = incoming.request
        try:
            machine = self._inbound(incoming, asyncio.get_running_loop().time())
            replaces = replaces_of(request)
        except (AddressError, ReferError) as error:
            self._reply(incoming, Reply(request, 400, str(error)))
            return
        refusal = machine.objection
        if refusal is None and replaces is not None:
            refusal = self._book.objection(request, replaces)
        if refusal is None and self._is_crowded(incoming.source[0]):
            log.warning("too_many_calls", source=incoming.source[0])
            refusal = Reply(request, 503, headers=(("Retry-After", str(_CROWDED_SECONDS)),))
        if refusal is not None:
            self._reply(incoming, refusal)
            return
        leg = Leg(
            id=secrets.token_hex(_ID_BYTES),
            direction="inbound",
            sip_call_id=request.headers.get("Call-ID")[0],
            caller=account,
            hops_left=hops_left(request),
            called=user_of(request.uri) or "",
            account=account,
            replaces=self._book.find(replaces.dialog) if replaces else None,
            source=incoming.source,
            remote_sdp=sdp_of(request),
            machine=machine,
            wire=self._wire,
        )
        self._hand_up(leg, incoming)

    def _accept(self, incoming: IncomingRequest, trunk: Trunk) -> None:
        request = incoming.request
        leg_id, now = secrets.token_hex(_ID_BYTES), asyncio.get_running_loop().time()
        try:
            machine = self._inbound(incoming, now)
            identity = calling_identity(request, trusted=True).written(trunk.inbound.apply)
            called = called_number(request, trunk.user)
        except AddressError:
            self._reply(incoming, Reply(request, 400, "Malformed address"))
            return
        if machine.objection is not None:
            self._reply(incoming, machine.objection)
            return
        if (wait := self.trunks.admit(trunk, leg_id, now)) is not None:
            log.warning("trunk_full", trunk=trunk.name, retry_after=wait)
            self._reply(incoming, Reply(request, 503, headers=(("Retry-After", str(wait)),)))
            return
        leg = Leg(
            id=leg_id,
            direction="inbound",
            sip_call_id=request.headers.get("Call-ID")[0],
            caller=identity.shown,
            hops_left=hops_left(request),
            called=trunk.inbound.apply(called),
            identity=identity,
            forwardings=forwardings(request),
            reference=reference_of(request),
            source=incoming.source,
            remote_sdp=sdp_of(request),
            trunk=trunk.name,
            machine=machine,
            wire=self._wire,
        )
        self.overload.began(leg_id, time.monotonic())
        self._hand_up(leg, incoming)

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

    def _reached_at(self, destination: Destination) -> Address:
        return self.endpoint.reached_at(destination)[1]

    def _contact(self, destination: Destination, like: str) -> str:
        return self.endpoint.contact("hotline", destination, like=like)

    def _reply(self, incoming: IncomingRequest, reply: Reply) -> None:
        incoming.respond(
            write_reply(
                reply,
                # §8.2.7: "generate the same tag … for the same request": by the request itself
                local_tag="",
                contact=self._contact(incoming.hop, incoming.request.uri),
                headers=(("Server", self._user_agent),),
            )
        )


class _Cancellable:
    """Answers the CANCEL of an INVITE that has no leg yet."""

    def __init__(self, incoming: IncomingRequest) -> None:
        self.cancelled = False
        self._incoming = incoming
        incoming.on_cancel = self._on_cancel

    def _on_cancel(self, _cancel: SipRequest) -> None:
        self.cancelled = True
        self._incoming.respond(make_response(self._incoming.request, 487))
