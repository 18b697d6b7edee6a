"""The registrar's decisions (RFC 3261 §10.3): pure; reading and writing bindings is the caller's.

An address-of-record is the user part of the To URI alone: phones name the server by whatever
address they reach it at, and there is one realm.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from aiosipua import SipRequest, parse_uri

from telephony.sip.dialog import header_address
from telephony.sip.hop import Destination, Hop, Transport, as_hop, hop_of
from telephony.sip.message import cseq_of
from telephony.sip.name_addr import AddressError, NameAddr, parse_name_addr, user_of
from telephony.sip.via import DEFAULT_PORT, Address

_QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_REG_ID = re.compile(r"[1-9][0-9]{0,8}")
_OVER_WEBSOCKET = re.compile(r";transport=wss?(?:;|\?|$)", re.IGNORECASE)  # RFC 7118 §5.2
MOST_PROXIES = 8  # in a Path; each is a header of every call
_FOREVER = 2**32 - 1  # §20.19: "a decimal number … between 0 and (2**32)-1"


@dataclass(frozen=True, slots=True)
class Binding:
    """One phone of an address-of-record.

    Attributes:
        aor: user part alone ("1001").
        contact_uri: where to send requests (Request-URI).
        received: the address the REGISTER came from: reaches the phone through its NAT.
        call_id: of the REGISTER that made it.
        cseq: of that REGISTER.
        expires_at: Unix seconds.
        q: preference, 0.0 to 1.0 (RFC 3261 §20.10).
        instance: ``+sip.instance`` (RFC 5626 §4.1), or None.
        transport: by which it came.
        flow: over which it came, as the node that took it numbers them.
        reg_id: which of the phone's flows that is (RFC 5626 §4.2), or None.
        path: the proxies on the way to the phone, nearest first, as Route values (RFC 3327).
    """

    aor: str
    contact_uri: str
    received: Address
    call_id: str
    cseq: int
    expires_at: float
    q: float = 1.0
    instance: str | None = None
    transport: Transport = "UDP"
    flow: int | None = None
    reg_id: int | None = None
    path: tuple[str, ...] = ()

    @property
    def is_browser(self) -> bool:
        """Whether it speaks WebRTC and nothing else: what uses WebSocket (RFC 7118) does."""
        over_ours = self.transport in {"WS", "WSS"}
        return over_ours or _OVER_WEBSOCKET.search(self.contact_uri) is not None

    @property
    def hop(self) -> Hop:
        """The way to the phone; behind its NAT there is no other.

        A phone behind a proxy is reached at the proxy's own port, over a new connection where the
        old one is gone; but only at the host that the REGISTER came from, for a Path is nobody's
        signed word.
        """
        came = Hop(*self.received, self.transport, self.flow, pinned=True)
        proxy = (
            hop_of(parse_name_addr(self.path[0]).uri, usual=came.transport) if self.path else None
        )
        if proxy is None or proxy.host != came.host:
            return came
        flow = came.flow if proxy.transport == came.transport else None
        return proxy._replace(flow=flow)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long bindings live, in seconds, and how many one address-of-record may have."""

    shortest: int = 60
    default: int = 300
    longest: int = 3600
    bindings: int = 10


@dataclass(frozen=True, slots=True)
class Decision:
    """What to answer, and what to change first.

    Attributes:
        status: of the response.
        reason: its phrase, None for the usual one.
        headers: Contact with every binding, Min-Expires …
        save: bindings to add or renew.
        remove: Contact URIs of bindings to remove.
    """

    status: int
    reason: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    save: tuple[Binding, ...] = ()
    remove: tuple[str, ...] = ()


class _Refused(Exception):
    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.status)
        self.decision = decision


def aor_of(request: SipRequest) -> str | None:
    """Return the address-of-record of a REGISTER (§10.3 step 5), None when it has no user.

    Raises:
        AddressError: To or a Contact is malformed, or To is no SIP URI (§10.2: "The address-of-
            record MUST be a SIP URI or SIPS URI").
    """
    for value in request.headers.get("Contact"):
        if value.strip() != "*":
            parse_name_addr(value)
    uri = header_address(request, "To").uri
    if uri.partition(":")[0].lower() not in {"sip", "sips"}:
        raise AddressError("the address-of-record is no SIP URI")
    return user_of(uri)


def register(
    request: SipRequest,
    *,
    aor: str,
    bindings: Sequence[Binding],
    received: Destination,
    now: float,
    limits: Limits,
) -> Decision:
    """Decide on a REGISTER whose sender is who he says he is (§10.3 steps 6 to 8).

    Args:
        request: the REGISTER.
        aor: from `aor_of`.
        bindings: the live ones of that address-of-record.
        received: how the request came.
        now: Unix seconds.
        limits: what is allowed.
    """
    values = request.headers.get("Contact")
    try:
        if any(value.strip() == "*" for value in values):
            return _remove_all(request, bindings)
        path = _path(request)
        asked = [
            replace(
                _read(value, request, aor=aor, received=received, now=now, limits=limits), path=path
            )
            for value in values
        ]
        return _apply(request, asked, bindings, now, limits)
    except _Refused as refused:
        return refused.decision
    except AddressError as error:
        return Decision(400, str(error))


def _path(request: SipRequest) -> tuple[str, ...]:
    """Return the proxies that a REGISTER came through: the Route to the phone (RFC 3327 §5.3).

    Raises:
        AddressError: one is no SIP URI, or there are more than `MOST_PROXIES`.
    """
    path = tuple(request.headers.get("Path"))
    if len(path) > MOST_PROXIES:
        raise AddressError("Too long a Path")
    for value in path:
        if parse_name_addr(value).uri.partition(":")[0].lower() not in {"sip", "sips"}:
            raise AddressError("Malformed Path")
    return path


def _remove_all(request: SipRequest, bindings: Sequence[Binding]) -> Decision:
    """Obey ``Contact: *`` (§10.2.2)."""
    if len(request.headers.get("Contact")) > 1 or _seconds(_expires_header(request)) != 0:
        # §10.3 step 6: "if the request has additional Contact fields or an expiration time other
        # than zero, the request is invalid, and the server MUST return a 400"
        return Decision(400, "Contact * needs Expires 0 and stands alone")
    for binding in bindings:
        _check_order(request, binding)
    return Decision(200, remove=tuple(binding.contact_uri for binding in bindings))


def _read(
    value: str, request: SipRequest, *, aor: str, received: Destination, now: float, limits: Limits
) -> Binding:
    """Return the binding that one Contact asks for; one that expires now asks for removal."""
    contact = parse_name_addr(value)
    came = as_hop(received)
    scheme = contact.uri.partition(":")[0].lower()
    if scheme != "sip" and not (scheme == "sips" and came.transport in {"TLS", "WSS"}):
        raise AddressError("not a sip contact, or a sips contact over an open line")
    asked = _seconds(contact.params.get("expires") or _expires_header(request))
    seconds = limits.default if asked is None else min(asked, limits.longest)
    if 0 < seconds < limits.shortest:
        minimum = ("Min-Expires", str(limits.shortest))
        raise _Refused(Decision(423, headers=(minimum,)))
    return Binding(
        aor=aor,
        contact_uri=contact.uri,
        received=came.address,
        call_id=request.headers.get("Call-ID")[0],
        cseq=cseq_of(request)[0],
        expires_at=now + seconds,
        q=_preference(contact),
        instance=contact.params.get("+sip.instance"),
        transport=came.transport,
        flow=came.flow,
        reg_id=_reg_id(contact),
    )


def _apply(
    request: SipRequest,
    asked: Iterable[Binding],
    bindings: Sequence[Binding],
    now: float,
    limits: Limits,
) -> Decision:
    """Change all or nothing (§10.3 step 7)."""
    kept = {_key(binding.contact_uri): binding for binding in bindings}
    saved: dict[tuple[str | None, ...], Binding] = {}
    removed: dict[str, None] = {}
    for binding in asked:
        key = _key(binding.contact_uri)
        # A phone that came back from another port says so by its instance: its old binding is dead,
        # and an offer sent there would wait in vain.
        replaced = [old for at, old in kept.items() if at == key or is_same_phone(old, binding)]
        for old in replaced:
            _check_order(request, old)
            kept.pop(_key(old.contact_uri))
            if old.contact_uri != binding.contact_uri:
                removed[old.contact_uri] = None
        saved.pop(key, None)
        if binding.expires_at > now:
            saved[key] = binding
        else:
            removed[binding.contact_uri] = None
    current = [*kept.values(), *saved.values()]
    if len(current) > limits.bindings:
        return Decision(503, "Too Many Bindings")
    contacts = tuple(("Contact", _write(binding, now)) for binding in current)
    # RFC 5626 §6: the registrar says so when it will use the flows
    flows = any(binding.reg_id is not None for binding in saved.values())
    outbound = (("Require", "outbound"),) if flows and _lists(request, "outbound") else ()
    # RFC 3327 §5.3: "the registrar … MUST … copy the Path … into the … 200"; to a phone that knows
    # no Path it says nothing.
    known = _lists(request, "path")
    paths = tuple(("Path", value) for value in request.headers.get("Path")) if known else ()
    return Decision(
        200,
        headers=contacts + outbound + paths,
        save=tuple(saved.values()),
        remove=tuple(removed),
    )


def _check_order(request: SipRequest, binding: Binding) -> None:
    """Refuse a REGISTER that was overtaken by a later one of the same phone (§10.3 step 7)."""
    same = request.headers.get("Call-ID")[0] == binding.call_id
    if same and cseq_of(request)[0] <= binding.cseq:
        raise _Refused(Decision(500, "Out of Order"))


def is_same_phone(one: Binding, other: Binding) -> bool:
    """Tell whether the two are one flow of one phone, so that the later replaces the earlier."""
    # RFC 5626 §6: "a binding … with the same instance-id and reg-id" is replaced; a phone with
    # several flows at once numbers them.
    same = one.instance is not None and one.instance == other.instance
    return same and one.reg_id == other.reg_id


def _lists(request: SipRequest, option: str) -> bool:
    values = request.headers.get("Supported") + request.headers.get("Require")
    return any(option == name.strip().lower() for value in values for name in value.split(","))


def _reg_id(contact: NameAddr) -> int | None:
    """Read a reg-id (RFC 5626 §4.2: 1 to 2**31 - 1); it means nothing without an instance."""
    value = contact.params.get("reg-id") or ""
    if "+sip.instance" not in contact.params or _REG_ID.fullmatch(value) is None:
        return None
    return int(value)


def _key(uri: str) -> tuple[str | None, ...]:
    """Return what makes two Contact URIs one (§19.1.4; no parameter but the transport counts)."""
    parsed = parse_uri(uri)
    transport = (parsed.params.get("transport") or "udp").lower()
    return parsed.user, parsed.host.lower(), str(parsed.port or DEFAULT_PORT), transport


def _expires_header(request: SipRequest) -> str | None:
    return request.headers.get_first("Expires")


def _seconds(value: str | None) -> int | None:
    """Read an expiry. §10.3: "if it is malformed, it is treated as … 3600", §20.19 bounds it."""
    if value is None:
        return None
    value = value.strip()
    if not (value.isascii() and value.isdigit()):
        return 3600
    # the digits are counted first: int() of a datagram full of them would take long
    return min(int(value[:11]), _FOREVER)


def _preference(contact: NameAddr) -> float:
    value = contact.params.get("q") or ""
    return float(value) if _QVALUE.fullmatch(value) else 1.0


def _write(binding: Binding, now: float) -> str:
    value = f"<{binding.contact_uri}>;expires={max(0, round(binding.expires_at - now))}"
    if binding.q != 1.0:
        value += f";q={binding.q:.3g}"
    if binding.instance is not None:
        escaped = binding.instance.replace("\\", "\\\\").replace('"', '\\"')
        value += f';+sip.instance="{escaped}"'
    if binding.reg_id is not None:
        value += f";reg-id={binding.reg_id}"
    return value
