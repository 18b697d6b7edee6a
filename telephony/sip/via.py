"""The Via header: who sent this, and where the answer goes (RFC 3261 §18.2, RFC 3581).

aiosipua's ``Via`` is the shape; its reader is lenient, and a transaction layer must not be: a
branch or a port that is read wrongly sends answers to strangers.
"""

import re

from aiosipua import SipMessage, SipRequest, Via, stringify_via

from telephony.sip.remembered import remembered

MAGIC_COOKIE = "z9hG4bK"
DEFAULT_PORT = 5060
HIGHEST_PORT = 65535

Address = tuple[str, int]
"""A numeric host (IPv6 without brackets) and a port."""

_WORD = r"[A-Za-z0-9\-.!%*_+`'~]+"
_HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_][A-Za-z0-9_\-.]*"
# sent-protocol LWS sent-by *( SEMI via-params ); RFC 3261 §25.1 lets white space stand around
# the slashes and the colon.
_VIA = re.compile(
    rf"({_WORD})\s*/\s*({_WORD})\s*/\s*({_WORD})\s+({_HOST})(?:\s*:\s*([0-9]{{1,5}}))?\s*(?:;(.*))?"
)
_PARAMETER = re.compile(rf'\s*({_WORD})\s*(?:=\s*({_WORD}|\[?[0-9A-Fa-f:.]+\]?|"[^"]*"))?\s*')


def parse_via(text: str) -> Via | None:
    """Read one Via value strictly; None when it breaks the grammar of RFC 3261 §25.1."""
    # Every layer asks for the same one; what it is given is its own.
    via = _read_via(text)
    if via is None:
        return None
    return Via(via.protocol, via.transport, via.host, via.port, dict(via.params))


def is_via(text: str) -> bool:
    """Tell whether one Via value can be read."""
    return _read_via(text) is not None


@remembered
def _read_via(text: str) -> Via | None:
    found = _VIA.fullmatch(text.strip())
    if found is None:
        return None
    name, version, transport, host, port, parameters = found.groups()
    if port is not None and not 0 < int(port) <= HIGHEST_PORT:
        return None
    via = Via(
        protocol=f"{name}/{version}".upper(),
        transport=transport.upper(),
        host=host,
        port=int(port) if port else None,
    )
    for part in (parameters or "").split(";"):
        if not part.strip():
            continue
        pair = _PARAMETER.fullmatch(part)
        if pair is None:
            return None
        via.params[pair[1].lower()] = pair[2]
    return via


def top_via(message: SipMessage) -> Via:
    """Return the topmost Via of a message that `parse_message` accepted, or that we built.

    Raises:
        ValueError: the message has no readable Via.
    """
    values = message.headers.get("Via")
    via = parse_via(values[0]) if values else None
    if via is None:
        raise ValueError("message without a readable Via")
    return via


def identity(message: SipMessage) -> tuple[str, Address]:
    """Return what a message's top Via says of its transaction: the branch, "" for none; sent-by.

    Raises:
        ValueError: as `top_via`.
    """
    values = message.headers.get("Via")
    via = _read_via(values[0]) if values else None  # looked at alone: no copy of it is made
    if via is None:
        raise ValueError("message without a readable Via")
    return via.branch or "", sent_by(via)


def sent_by(via: Via) -> Address:
    """Return host and port of the sent-by part, comparable: lower case, default port filled in."""
    return _plain(via.host).lower(), via.port or DEFAULT_PORT


def push_via(request: SipRequest, advertised: Address, branch: str, transport: str = "UDP") -> None:
    """Put our Via on top, asking for symmetric response routing (``rport``, RFC 3581 §3)."""
    host, port = advertised
    ours = Via(transport=transport, host=host, port=port, params={"branch": branch, "rport": None})
    below = list(request.headers.get("Via"))
    request.headers.set_single("Via", stringify_via(ours))
    for value in below:
        request.headers.append("Via", value)


def stamp_source(request: SipRequest, source: Address) -> None:
    """Write into the top Via where the request really came from.

    RFC 3261 §18.2.1: ``received`` is added when sent-by names another host than the source;
    RFC 3581 §4: ``rport`` without a value is given the source port, and then ``received`` is added
    always. A ``received`` that the sender wrote himself is thrown away: it would aim our answer.
    """
    via = top_via(request)
    via.params.pop("received", None)
    host, port = source
    if "rport" in via.params:
        via.params["rport"] = str(port)
        via.params["received"] = host
    elif _plain(via.host).lower() != host.lower():
        via.params["received"] = host
    values = request.headers.get("Via")
    values[0] = stringify_via(via)


def reopening_destination(via: Via, default_port: int) -> Address:
    """Return where a new connection for a response is made to, when the request's is gone.

    RFC 3261 §18.2.2: "the server SHOULD open a connection to the IP address in the 'received'
    parameter, if present, using the port in the 'sent-by' value, or the default port for that
    transport, if no port is specified." ``rport`` is of no use: the client connects from it, and
    listens elsewhere.
    """
    return _plain(via.received or via.host), via.port or default_port


def response_destination(via: Via) -> Address:
    """Return where a response with this top Via goes over UDP (RFC 3261 §18.2.2, RFC 3581 §4).

    ``maddr`` is not followed: it was meant for multicast and would let anyone aim our responses at
    a third party.
    """
    host = _plain(via.received or via.host)
    if via.received and via.rport:
        return host, int(via.rport)
    return host, via.port or DEFAULT_PORT


def _plain(host: str) -> str:
    """Return the host without the brackets of an IPv6 reference."""
    return host.removeprefix("[").removesuffix("]")
