"""Messages of one call, for the tests of dialogs and legs."""

from collections.abc import Sequence

from aiosipua import SipRequest, SipResponse

from telephony.sip.dialog import OutgoingRequest
from telephony.sip.invite_usage import LegEffect, Tell
from telephony.sip.leg_events import LegEvent
from telephony.sip.message import make_response, parse_message
from telephony.sip.transaction import Timers

TIMERS = Timers()
PEER = ("127.0.0.1", 5070)
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"
ANSWER = "v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\n"
OTHER = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\n"
CALL_ID = "one-call"
OURS = "our-tag"
THEIRS = "their-tag"


def request(
    method: str,
    *,
    cseq: int = 1,
    to_tag: str | None = OURS,
    from_tag: str = THEIRS,
    body: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> SipRequest:
    """Return a request of the peer's, by default in the dialog of `invite`."""
    to = "<sip:12345@city.example>" + (f";tag={to_tag}" if to_tag else "")
    lines = [
        f"{method} sip:12345@127.0.0.1:5060 SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-{method}-{cseq}",
        f"From: <sip:13862311001@city.example>;tag={from_tag}",
        f"To: {to}",
        f"Call-ID: {CALL_ID}",
        f"CSeq: {cseq} {method}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    if body is not None and not any(name == "Content-Type" for name, _ in headers):
        lines.append("Content-Type: application/sdp")
    text = body or ""
    lines.append(f"Content-Length: {len(text)}")
    message = parse_message(("\r\n".join(lines) + f"\r\n\r\n{text}").encode())
    assert isinstance(message, SipRequest)
    return message


def invite(
    *, body: str | None = OFFER, headers: Sequence[tuple[str, str]] = (), cseq: int = 1
) -> SipRequest:
    """Return an initial INVITE to us."""
    contact = ("Contact", "<sip:13862311001@127.0.0.1:5071>")
    return request("INVITE", to_tag=None, body=body, headers=[contact, *headers], cseq=cseq)


def our_invite(headers: tuple[tuple[str, str], ...] = ()) -> OutgoingRequest:
    """Return an initial INVITE of ours."""
    return OutgoingRequest(
        method="INVITE",
        uri="sip:1001@127.0.0.1:5070",
        destination=PEER,
        from_=f"<sip:13862311001@127.0.0.1:5060>;tag={OURS}",
        to="<sip:1001@127.0.0.1:5060>",
        call_id=CALL_ID,
        cseq=1,
        sdp=OFFER,
        headers=headers,
    )


def response(
    to: OutgoingRequest,
    status: int,
    *,
    tag: str = THEIRS,
    sdp: str | None = None,
    contact: str | None = "<sip:1001@127.0.0.1:5072>",
    headers: Sequence[tuple[str, str]] = (),
) -> SipResponse:
    """Return a response of the peer's to a request of ours."""
    sent = to.to_message(contact="sip:hotline@127.0.0.1:5060")
    sent.headers.append("Via", "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-ours")
    extra = list(headers)
    if contact and to.method == "INVITE":
        extra.append(("Contact", contact))
    if sdp is not None:
        extra.append(("Content-Type", "application/sdp"))
    built = make_response(sent, status, to_tag=tag, headers=extra)
    if sdp is not None:
        built.text = sdp
    parsed = parse_message(bytes(built))
    assert isinstance(parsed, SipResponse)
    return parsed


def told(effects: Sequence[LegEffect]) -> list[LegEvent]:
    """Return what the owner is told by these effects."""
    return [effect.event for effect in effects if isinstance(effect, Tell)]
