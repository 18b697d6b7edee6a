"""Calls that the node makes: to registered phones, to URIs, and to numbers through the trunks."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

import structlog

from telephony.bindings import Binding
from telephony.endpoint import SipEndpoint
from telephony.leg import Leg, LegWire
from telephony.leg_book import LegBook
from telephony.sip.dialog import OutgoingRequest
from telephony.sip.errors import SipError
from telephony.sip.hop import Destination, as_hop
from telephony.sip.hunting_leg import HuntingLeg, next_invite
from telephony.sip.initial_invite import initial_invite
from telephony.sip.invite_usage import Attempt
from telephony.sip.leg_events import LegEvent
from telephony.sip.message import MAX_FORWARDS
from telephony.sip.name_addr import number_in, parse_name_addr, sip_uri, user_of
from telephony.sip.outbound_leg import OutboundLeg
from telephony.sip.redirection import RedirectPolicy
from telephony.sip.session_timer import SessionPolicy
from telephony.sip.transaction import Timers
from telephony.sip.via import Address
from telephony.trunks.route import Route
from telephony.trunks.service import TrunkService

log = structlog.get_logger(__name__)

_ID_BYTES: Final = 8
_SEED_BITS: Final = 64


def _nobody(_number: str) -> bool:
    return False


class NoTrunk(SipError):
    """No trunk leads to this number, or all that do are at their limits."""


class CallsOut:
    """Begins legs of ours.

    Args:
        endpoint: sends what they say.
        trunks: which trunk leads to a number; told how each of them fares.
        book: where legs are found again.
        timers: the transactions' base intervals.
        session: the session timers' intervals (RFC 4028).
        wire: returns what legs work with, once the endpoint is open.
    """

    def __init__(
        self,
        *,
        endpoint: SipEndpoint,
        trunks: TrunkService,
        book: LegBook,
        timers: Timers,
        session: SessionPolicy,
        wire: Callable[[], LegWire],
    ) -> None:
        self._endpoint = endpoint
        self._trunks = trunks
        self._book = book
        self._timers = timers
        self._session = session
        self._wire = wire

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
        headers: Mapping[str, str] = MappingProxyType({}),
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
            headers: further headers of the INVITE.

        Raises:
            AddressError: not a URI.
        """
        target = parse_name_addr(f"<{uri}>").uri
        request = self._new_invite(
            uri=target,
            destination=destination,
            to=target,
            caller=caller,
            sdp=sdp,
            headers=tuple(headers.items()),
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
        elsewhere: Callable[[str], bool] = _nobody,
    ) -> Leg:
        """Call a telephone number through a trunk; the next trunk is tried when one fails.

        Where a trunk answers 3xx its Contacts are tried (RFC 3261 §8.1.3.4), if they are at the
        trunk's own addresses and name the same number, or one that may be called instead: else
        whoever can answer there could have us call, and pay for, any number of the world.

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
            elsewhere: whether a 3xx may send the call on to another number, in our own form.

        Raises:
            NoTrunk: none of them leads out, or all are at their limits.
        """
        now = asyncio.get_running_loop().time()
        routes = self._trunks.routes(number, caller=caller, now=now, names=trunks)
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
                redirects=RedirectPolicy(
                    allows=partial(self._is_at, route.trunk),
                    may_call=partial(self._may_be_sent_to, route, number, elsewhere),
                ),
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
        return self._trunks.find(host) is self._trunks.by_name[trunk]

    def _may_be_sent_to(
        self, route: Route, number: str, elsewhere: Callable[[str], bool], uri: str
    ) -> bool:
        """Tell whether a trunk may have us call this instead of the number that was dialled."""
        told = number_in(uri)
        if told is not None and told == number_in(route.uri):
            return True
        ours = self._trunks.by_name[route.trunk].inbound.apply(told or "")
        if told is not None and (ours == number or elsewhere(ours)):
            return True
        log.warning("redirection_refused", trunk=route.trunk, digits=len(told or ""))
        return False

    def _enter_trunk(self, leg: Leg, name: str) -> None:
        leg.trunk = name
        now = asyncio.get_running_loop().time()
        self._trunks.admit(self._trunks.by_name[name], leg.id, now)

    def on_attempt(self, leg: Leg, attempt: Attempt) -> None:
        """Keep the trunks' books of a call that goes out."""
        match attempt.outcome:
            case "trying":
                self._enter_trunk(leg, attempt.way)
            case "answers":
                self._trunks.answered(attempt.way)
            case "silent":
                self._trunks.failed(attempt.way, attempt.reason or "no answer")
            case "overloaded":
                self._trunks.overloaded(attempt.way, attempt.retry_after)
            case "left":
                self._trunks.release(leg.id, attempt.way)
            case "passed_over" if attempt.address is not None:
                self._trunks.passed_over(attempt.way, attempt.address, attempt.retry_after)

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
            wire=self._wire(),
        )
        self._book.note(leg)
        asyncio.get_running_loop().call_soon(leg.start)
        return leg

    def _reached_at(self, destination: Destination) -> Address:
        return self._endpoint.reached_at(destination)[1]
