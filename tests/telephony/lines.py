"""What phones and trunks write on their connections to a gateway."""

from aiosipua import SipRequest

from telephony.gateway import SipGateway
from telephony.sip.via import Address
from telephony.transport.listener import Bound
from tests.telephony.gateways import HOST


def message(  # a request of a phone's or a trunk's on a connection
    method: str,
    at: Address,
    node: Bound,
    *,
    user: str = "1001",
    cseq: int = 1,
    to_tag: str = "",
    call_id: str = "call",
    contact: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    body: str = "",
) -> SipRequest:
    """Return a request from an address to a listener."""
    host, port = node.local
    request = SipRequest(method=method, uri=f"sip:12345@{host}:{port}")
    put = request.headers.append
    kind = node.transport
    put("Via", f"SIP/2.0/{kind} {HOST}:{at[1]};rport;branch=z9hG4bK{method}{cseq}{user}")
    put("From", f"<sip:{user}@{HOST}>;tag=peer")
    put("To", f"<sip:{user if method == 'REGISTER' else '12345'}@{host}:{port}>{to_tag}")
    put("Call-ID", call_id)
    put("CSeq", f"{cseq} {method}")
    put("Max-Forwards", "70")
    put("Contact", contact or f"<sip:{user}@{HOST}:{at[1]};transport={kind.lower()}>")
    for name, value in headers:
        put(name, value)
    if body:
        put("Content-Type", "application/sdp")
        request.text = body
    return request


def tcp(gateway: SipGateway) -> Bound:
    """Return where a gateway takes TCP."""
    return next(one for one in gateway.endpoint.listeners if one.transport == "TCP")
