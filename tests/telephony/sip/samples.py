"""Messages for the tests of the transaction layer."""

from aiosipua import SipRequest, SipResponse

from telephony.sip.message import make_response, parse_message

BRANCH = "z9hG4bKnashds8"


def wire(
    method: str = "INVITE",
    *,
    via: str = f"SIP/2.0/UDP 127.0.0.1:5070;branch={BRANCH}",
    start: str | None = None,
    to: str = "<sip:12345@city.example>",
    cseq: str | None = None,
    more: str = "",
    body: str = "",
) -> bytes:
    """Return a request as it stands in a datagram."""
    lines = [
        start or f"{method} sip:12345@city.example SIP/2.0",
        f"Via: {via}",
        "Max-Forwards: 70",
        "From: <sip:caller@city.example>;tag=1928301774",
        f"To: {to}",
        "Call-ID: a84b4c76e66710",
        f"CSeq: {cseq or f'314159 {method}'}",
    ]
    if "Content-Length" not in more:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + f"\r\n{more}\r\n{body}").encode()


def request(
    method: str = "INVITE",
    *,
    via: str = f"SIP/2.0/UDP 127.0.0.1:5070;branch={BRANCH}",
    to: str = "<sip:12345@city.example>",
    more: str = "",
) -> SipRequest:
    """Return a request as `parse_message` gives it."""
    message = parse_message(wire(method, via=via, to=to, more=more))
    assert isinstance(message, SipRequest)
    return message


def response(status: int, to: SipRequest | None = None, *, tag: str = "server") -> SipResponse:
    """Return a response, by default to the default INVITE."""
    return make_response(to or request(), status, to_tag=tag)
