"""Whose call is taken: a citizen's through a trunk, an agent's from his own phone; no other."""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Final

import structlog
from aiosipua import SipRequest

from eventbus.precedence import Precedence
from telephony.abuse.gatekeeper import AbusePolicy
from telephony.authentication import Authenticator
from telephony.bindings import BindingStore
from telephony.leg import Leg, LegWire
from telephony.leg_book import LegBook
from telephony.overload import Overload
from telephony.requests import IncomingRequest
from telephony.sip.bodies import sdp_of
from telephony.sip.dialog import header_address
from telephony.sip.hop import Hop
from telephony.sip.identity import Identity, calling_identity, forwardings
from telephony.sip.inbound_leg import InboundLeg
from telephony.sip.invite_usage import Reply
from telephony.sip.message import make_response
from telephony.sip.name_addr import AddressError, user_of
from telephony.sip.refer import ReferError, replaces_of
from telephony.sip.reference import reference_of
from telephony.sip.screening import called_number, hops_left
from telephony.sip.session_timer import SessionPolicy
from telephony.sip.transaction import Timers
from telephony.trunks.model import Trunk
from telephony.trunks.service import TrunkService

log = structlog.get_logger(__name__)

_ID_BYTES: Final = 8
_SEED_BITS: Final = 64
_CROWDED_SECONDS: Final = 5  # after which a phone may try again
#: No trunk speaks over a WebSocket: from a trunk's address (a reverse proxy that stands beside it)
#: only a page does.
_BROWSERS: Final = frozenset({"WS", "WSS"})


class Admission:
    """Decides on each INVITE outside a dialog.

    Args:
        authenticator: asks phones for their passwords.
        bindings: the registered phones.
        trunks: who sends citizens' calls, and how many at once.
        book: where legs are found again.
        overload: told when a citizen's call begins.
        abuse: how many calls an address may have that is no trunk's.
        timers: the transactions' base intervals.
        session: the session timers' intervals (RFC 4028).
        certified_trunks: a trunk's calls are taken over TLS only, from whoever shows a certificate
            that we trust.
        is_page: tells whether a request came over a page's line.
        wire: returns what legs work with, once the endpoint is open.
        reply: sends an answer outside of any leg.
        precedence: lets citizens' calls go before what can wait.
        on_coming: told (caller, trunk) of a citizen's call before it is decided on.
        hand_up: gives a leg that was let in to its owner.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        bindings: BindingStore,
        trunks: TrunkService,
        book: LegBook,
        overload: Overload,
        abuse: AbusePolicy,
        timers: Timers,
        session: SessionPolicy,
        certified_trunks: bool,
        is_page: Callable[[Hop], bool],
        wire: Callable[[], LegWire],
        reply: Callable[[IncomingRequest, Reply], None],
        precedence: Precedence,
        on_coming: Callable[[str, str], None],
        hand_up: Callable[[Leg, IncomingRequest], None],
    ) -> None:
        self._authenticator = authenticator
        self._bindings = bindings
        self._trunks = trunks
        self._book = book
        self._overload = overload
        self._abuse = abuse
        self._timers = timers
        self._session = session
        self._certified_trunks = certified_trunks
        self._is_page = is_page
        self._wire = wire
        self._reply = reply
        self._precedence = precedence
        self._on_coming = on_coming
        self._hand_up = hand_up

    async def decide(self, incoming: IncomingRequest) -> None:
        """Let in a citizen's call, and an agent's from his phone; send everybody else away."""
        trunk = None
        # (a page may come through a reverse proxy that stands beside a trunk)
        if incoming.hop.transport not in _BROWSERS:
            trunk = self._trunks.find(incoming.source[0])
        if trunk is None:
            await self._decide(incoming, None)
            return
        # (that From can be read is known: it is the dialog's)
        identity = calling_identity(incoming.request, trusted=True).written(trunk.inbound.apply)
        with self._precedence.first():
            if identity.shown is not None:
                self._on_coming(identity.shown, trunk.name)
            await self._decide(incoming, (trunk, identity))

    async def _decide(
        self, incoming: IncomingRequest, by_trunk: tuple[Trunk, Identity] | None
    ) -> None:
        """Decide; ``by_trunk``: the trunk at whose address it came from, and who calls by it.

        At a trunk's address may be phones too: then it is no citizen's call.
        """
        request = incoming.request
        waiting = _Cancellable(incoming)
        account = user_of(header_address(request, "From").uri) or ""
        refusal: Reply | None = None
        is_phone = await self._is_phone(account, incoming)
        citizen = None if is_phone else by_trunk
        if is_phone:
            proven = await self._authenticator.username(
                request,
                client=incoming.hop.host,
                as_proxy=True,
                from_page=self._is_page(incoming.hop),
            )
            if proven != account:
                refusal = proven if isinstance(proven, Reply) else Reply(request, 403)
        elif citizen is None:
            log.info("invite_from_stranger", source=incoming.source[0])
            refusal = Reply(request, 403)
        elif self._certified_trunks and not incoming.certified:
            trunk = citizen[0].name
            log.warning("trunk_without_certificate", trunk=trunk, source=incoming.source[0])
            refusal = Reply(request, 403)
        if refusal is None and self._book.is_merged(request):
            refusal = Reply(request, 482)
        if waiting.cancelled:
            return
        if refusal is not None:
            self._reply(incoming, refusal)
        elif citizen is not None:
            self._accept(incoming, *citizen)
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
        return self._trunks.find(host) is None and self._book.calls_from(host) >= self._abuse.calls

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
            wire=self._wire(),
        )
        self._hand_up(leg, incoming)

    def _accept(self, incoming: IncomingRequest, trunk: Trunk, identity: Identity) -> None:
        request = incoming.request
        leg_id, now = secrets.token_hex(_ID_BYTES), asyncio.get_running_loop().time()
        try:
            machine = self._inbound(incoming, now)
            called = called_number(request, trunk.user)
        except AddressError:
            self._reply(incoming, Reply(request, 400, "Malformed address"))
            return
        if machine.objection is not None:
            self._reply(incoming, machine.objection)
            return
        if (wait := self._trunks.admit(trunk, leg_id, now)) is not None:
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
            wire=self._wire(),
        )
        self._overload.began(leg_id, time.monotonic())
        self._hand_up(leg, incoming)


class _Cancellable:
    """Answers the CANCEL of an INVITE that has no leg yet."""

    def __init__(self, incoming: IncomingRequest) -> None:
        self.cancelled = False
        self._incoming = incoming
        incoming.on_cancel = self._on_cancel

    def _on_cancel(self, _cancel: SipRequest) -> None:
        self.cancelled = True
        self._incoming.respond(make_response(self._incoming.request, 487))
