"""The INVITE that begins a call of ours (RFC 3261 §8.1.1, §13.2.1)."""

from telephony.sip.dialog import OutgoingRequest, routed
from telephony.sip.hop import Destination
from telephony.sip.identity import ANONYMOUS, PRIVACY_ID
from telephony.sip.invite_usage import ALLOW, SUPPORTED
from telephony.sip.message import MAX_FORWARDS
from telephony.sip.name_addr import escaped, format_name_addr, sip_uri, without_headers
from telephony.sip.via import Address


def initial_invite(
    *,
    uri: str,
    destination: Destination,
    to: str,
    caller: str | None,
    display: str | None,
    us: Address,
    tag: str,
    call_id: str,
    sdp: str | None,
    domain: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    path: tuple[str, ...] = (),
    hops: int = MAX_FORWARDS,
) -> OutgoingRequest:
    """Build it.

    Args:
        uri: whom to ask for: a Contact, or any URI; its headers are left out.
        destination: where it is sent.
        to: the URI of whom we call.
        caller: the number to show; None hides it.
        display: the name to show with the number.
        us: our advertised address.
        domain: the host part of the From; ours when None.
        tag: our tag, fresh.
        call_id: unique; our host is put behind it.
        sdp: our offer; None: the peer makes it.
        headers: further headers.
        path: the proxies between us and a phone (RFC 3327), nearest first.
        hops: how many it may take: fewer, where another call's INVITE has come to us.

    Raises:
        ValueError: a header holds a line break; raised here, where the caller of the call listens.
    """
    shown = ANONYMOUS
    if caller is not None:
        sender = sip_uri(caller, us) if domain is None else f"sip:{escaped(caller)}@{domain}"
        shown = format_name_addr(sender, display)
    target, route = routed(without_headers(uri), path)
    request = OutgoingRequest(
        method="INVITE",
        uri=target,
        destination=destination,
        from_=f"{shown};tag={tag}",
        to=format_name_addr(to),
        call_id=f"{call_id}@{us[0]}",
        cseq=1,
        route=route,
        sdp=sdp,
        headers=(
            ("Allow", ALLOW),
            ("Supported", ", ".join(SUPPORTED)),
            *((PRIVACY_ID,) if caller is None else ()),
            *headers,
        ),
        max_forwards=hops,
    )
    request.to_message()  # as a trial
    return request
