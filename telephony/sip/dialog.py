"""Dialogs: what two user agents remember of each other (RFC 3261 §12)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from aiosipua import SipMessage, SipRequest, SipResponse

from telephony.sip.bodies import SDP
from telephony.sip.hop import Destination, next_hop
from telephony.sip.message import CREDENTIALS, MAX_FORWARDS, cseq_of, tag_of
from telephony.sip.name_addr import (
    AddressError,
    NameAddr,
    format_name_addr,
    parse_name_addr,
    without_headers,
)

# what makes a dialog or refreshes its target, or a subscription in it (RFC 6665 §4.1.2.2)
_REFRESHING = frozenset({"INVITE", "UPDATE", "NOTIFY"})


class DialogId(NamedTuple):
    """What tells dialogs apart (§12): Call-ID alone does not, for a call may be forked."""

    call_id: str
    local_tag: str
    remote_tag: str


class Body(NamedTuple):
    """What a request carries that is no session description."""

    content_type: str
    text: str


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """A request of ours before the transport has put its Via on: a value that can be compared.

    Attributes:
        method: INVITE, ACK, BYE …
        uri: the Request-URI.
        destination: where it goes.
        from_: the From header.
        to: the To header.
        call_id: the Call-ID header.
        cseq: the CSeq number.
        route: the Route headers, in order.
        sdp: a session description to carry, or None.
        headers: further headers, in order.
        body: another body than a session description, or None.
        max_forwards: how many more hops it may take (§8.1.1.6).
    """

    method: str
    uri: str
    destination: Destination
    from_: str
    to: str
    call_id: str
    cseq: int
    route: tuple[str, ...] = ()
    sdp: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: Body | None = None
    max_forwards: int = MAX_FORWARDS

    @property
    def names_contact(self) -> bool:
        """Whether it has a Contact: it makes or refreshes a dialog."""
        return self.method in _REFRESHING

    def to_message(self, *, contact: str | None = None) -> SipRequest:
        """Build the message; ``contact`` (a URI) goes into what makes or refreshes a dialog."""
        message = SipRequest(method=self.method, uri=self.uri)
        put = message.headers.append
        for route in self.route:
            put("Route", route)
        put("Max-Forwards", str(self.max_forwards))
        put("From", self.from_)
        put("To", self.to)
        put("Call-ID", self.call_id)
        put("CSeq", f"{self.cseq} {self.method}")
        if contact is not None and self.names_contact:
            put("Contact", f"<{contact}>")
        for name, value in self.headers:
            put(name, value)
        if self.sdp is not None:
            put("Content-Type", SDP)
            message.text = self.sdp
        elif self.body is not None:
            put("Content-Type", self.body.content_type)
            message.text = self.body.text
        return message


@dataclass(slots=True)
class Dialog:
    """One dialog. Changed only by its own methods.

    Attributes:
        call_id: the Call-ID both sides use.
        local: our From (or To) header without its tag.
        local_tag: our tag.
        remote: the peer's, without its tag.
        remote_tag: the peer's tag, "" from an RFC 2543 peer.
        remote_target: the URI of the peer's latest Contact (§12.2).
        route_set: the proxies that want to see every request (§12.1).
        fallback: how the peer was reached; used where the URI cannot tell.
        pinned: always use ``fallback``: the peer is a registered phone, perhaps behind a NAT.
        local_cseq: of our latest request.
        remote_cseq: of the peer's latest, None before the first.
        id: Call-ID and both tags; the books of the calls ask for it at every step.
    """

    call_id: str
    local: str
    local_tag: str
    remote: str
    remote_tag: str
    remote_target: str
    route_set: tuple[str, ...]
    fallback: Destination
    pinned: bool = False
    local_cseq: int = 0
    remote_cseq: int | None = None
    id: DialogId = field(init=False)

    def __post_init__(self) -> None:
        self.id = DialogId(self.call_id, self.local_tag, self.remote_tag)

    @classmethod
    def as_uas(cls, invite: SipRequest, *, local_tag: str, source: Destination) -> Self:
        """Make the dialog of an INVITE we answer (§12.1.1).

        Raises:
            AddressError: the peer's From, To or Contact is unusable.
        """
        peer = header_address(invite, "From")
        us = header_address(invite, "To")
        return cls(
            call_id=invite.headers.get("Call-ID")[0],
            local=_without_tag(invite.headers.get("To")[0]),
            local_tag=us.tag or local_tag,
            remote=_without_tag(invite.headers.get("From")[0]),
            remote_tag=peer.tag,
            remote_target=contact_uri(invite) or peer.uri,
            route_set=tuple(invite.headers.get("Record-Route")),
            fallback=source,
            remote_cseq=cseq_of(invite)[0],
        )

    @classmethod
    def as_uac(
        cls, invite: OutgoingRequest, response: SipResponse, *, pinned: bool = False
    ) -> Self:
        """Make the dialog that a response to our INVITE establishes (§12.1.2).

        A 2xx must be acknowledged whatever is wrong with it, so an unusable Contact only means that
        the ACK goes where the INVITE went, and the To is our own with the peer's tag.
        """
        return cls(
            call_id=invite.call_id,
            local=_without_tag(invite.from_),
            local_tag=parse_name_addr(invite.from_).tag,
            remote=_without_tag(invite.to),
            remote_tag=peer_tag(response),
            remote_target=_contact_or(response, invite.uri),
            # §12.1.2: "taken in reverse order and preserving all URI parameters"
            route_set=tuple(reversed(response.headers.get("Record-Route"))),
            fallback=invite.destination,
            pinned=pinned,
            local_cseq=invite.cseq,
        )

    def request(
        self, method: str, headers: Sequence[tuple[str, str]] = (), *, body: Body | None = None
    ) -> OutgoingRequest:
        """Make the next request in this dialog (§12.2.1.1)."""
        self.local_cseq += 1
        return self._build(method, self.local_cseq, headers, body)

    def renumbered(self, request: OutgoingRequest) -> OutgoingRequest:
        """Return a request that goes out once more, with the next CSeq number (§8.1.3.5)."""
        self.local_cseq += 1
        return replace(request, cseq=self.local_cseq)

    def ack(self, invite: OutgoingRequest) -> OutgoingRequest:
        """Make the ACK of a 2xx to an INVITE of ours (§13.2.2.4).

        §22.1: nobody may challenge an ACK, so it has to "duplicate all of the Authorization and
        Proxy-Authorization header field values that appeared in the INVITE".
        """
        proofs = [header for header in invite.headers if header[0] in CREDENTIALS]
        return self._build("ACK", invite.cseq, proofs)

    def confirm(self, response: SipResponse) -> None:
        """Take over the 2xx to our INVITE.

        §13.2.2.4: "the route set of the dialog MUST be recomputed … based on the 2xx response".
        """
        self.refresh_target(response)
        self.route_set = tuple(reversed(response.headers.get("Record-Route")))

    def _build(
        self, method: str, cseq: int, headers: Sequence[tuple[str, str]], body: Body | None = None
    ) -> OutgoingRequest:
        uri, route = routed(self.remote_target, self.route_set)
        return OutgoingRequest(
            method=method,
            uri=uri,
            destination=self._next_hop(route),
            from_=_with_tag(self.local, self.local_tag),
            to=_with_tag(self.remote, self.remote_tag),
            call_id=self.call_id,
            cseq=cseq,
            route=route,
            headers=tuple(headers),
            body=body,
        )

    def _next_hop(self, route: tuple[str, ...]) -> Destination:
        if route:
            return next_hop(_route_uri(self.route_set[0]), self.fallback)
        return next_hop(self.remote_target, self.fallback, pinned=self.pinned)

    def in_order(self, request: SipRequest) -> bool:
        """Note the CSeq of a request of the peer's; False when it comes too late (§12.2.2).

        "If the remote sequence number is not empty, but the sequence number of the request is lower
        than the remote sequence number, the request is out of order and MUST be rejected".
        """
        number, _ = cseq_of(request)
        if self.remote_cseq is not None and number < self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def refresh_target(self, message: SipMessage) -> None:
        """Take over the Contact of a target refresh, or of its 2xx (§12.2); no unusable one."""
        self.remote_target = _contact_or(message, self.remote_target)


def routed(target: str, route_set: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return Request-URI and Route of a request to a target through proxies (§12.2.1.1)."""
    if not route_set:
        return target, ()
    first = _route_uri(route_set[0])
    if _is_loose(first):
        return target, route_set
    # A strict router: "the UAC MUST place the first URI from the route set into the Request-URI …
    # the remainder … into the Route header … then place the remote target URI into the Route header
    # field as the last value."
    return first, (*route_set[1:], f"<{target}>")


def header_address(message: SipMessage, name: str) -> NameAddr:
    """Read the only From or To of a message.

    Raises:
        AddressError: it is missing or malformed.
    """
    return parse_name_addr(message.headers.get_first(name) or "")


def peer_tag(response: SipResponse) -> str:
    """Return the tag of the side that answers, "" where it has none; whatever the To looks like."""
    try:
        return header_address(response, "To").tag
    except AddressError:
        return tag_of(response.headers.get_first("To") or "") or ""


def contact_uri(message: SipMessage) -> str | None:
    """Return the URI of the first Contact, fit for a Request-URI; None where there is none.

    Raises:
        AddressError: it is malformed.
    """
    value = message.headers.get_first("Contact")
    return None if value is None else without_headers(parse_name_addr(value).uri)


def _contact_or(message: SipMessage, default: str) -> str:
    try:
        return contact_uri(message) or default
    except AddressError:
        return default


def dialog_id(request: SipRequest) -> DialogId:
    """Return which dialog a request of the peer's claims to be in (§12.2.2).

    Raises:
        AddressError: From or To is malformed.
    """
    return DialogId(
        call_id=request.headers.get_first("Call-ID") or "",
        local_tag=header_address(request, "To").tag,
        remote_tag=header_address(request, "From").tag,
    )


def _route_uri(route: str) -> str:
    try:
        return parse_name_addr(route).uri
    except AddressError:
        return route


def _is_loose(route_uri: str) -> bool:
    """Tell whether a proxy routes loosely: its URI has the ``lr`` parameter (§19.1.1)."""
    names = (part.partition("=")[0].strip().lower() for part in route_uri.split(";")[1:])
    return "lr" in names


def _without_tag(value: str) -> str:
    address = parse_name_addr(value)
    return format_name_addr(address.uri, address.display)


def _with_tag(value: str, tag: str) -> str:
    return f"{value};tag={tag}" if tag else value
