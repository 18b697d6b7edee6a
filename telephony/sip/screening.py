"""What a request is looked at for before anybody is bothered with it (RFC 3261 §8.2)."""

import re

from aiosipua import SipRequest

from telephony.sip.dialog import SDP, header_address, sdp_of
from telephony.sip.invite_usage import ALLOW, Reply
from telephony.sip.name_addr import user_of

METHODS = f"{ALLOW}, REGISTER"
# the methods of IANA's registry that we have no use for
_RECOGNIZED = frozenset({"MESSAGE", "NOTIFY", "PRACK", "PUBLISH", "REFER", "SUBSCRIBE"})
_SCHEMES = ("sip", "sips", "tel")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETED = re.compile(r"<([^<>]*)>")


def objection(request: SipRequest) -> Reply | None:
    """Return why a request cannot be processed at all (§8.2.1 to §8.2.3), or None."""
    if request.method not in METHODS.split(", "):
        # §21.4.6: "understood, but not allowed"; §21.5.2: not recognized at all
        status = 405 if request.method in _RECOGNIZED else 501
        return Reply(request, status, headers=(("Allow", METHODS),))
    if request.uri.partition(":")[0].lower() not in _SCHEMES:
        return Reply(request, 416)
    required = request.headers.get("Require")
    if required:
        # we have no extension that a peer could require
        return Reply(request, 420, headers=tuple(("Unsupported", name) for name in required))
    encoding = (request.headers.get_first("Content-Encoding") or "identity").lower()
    unreadable = sdp_of(request) is None or encoding != "identity"
    if request.method == "INVITE" and request.body and unreadable:
        return Reply(request, 415, headers=(("Accept", SDP), ("Accept-Encoding", "identity")))
    if request.method == "INVITE" and not _takes_sdp(request):
        # RFC 4475 §3.3.15: our answer could not be written in any of the types asked for
        return Reply(request, 406, headers=(("Accept", SDP),))
    return None


def _takes_sdp(request: SipRequest) -> bool:
    """Tell whether a session description may come back; without an Accept it may (§20.1)."""
    accepted = request.headers.get("Accept")
    ranges = {value.partition(";")[0].strip().lower() for value in accepted}
    return not accepted or not ranges.isdisjoint({SDP, "application/*", "*/*"})


def calling_number(request: SipRequest) -> str | None:
    """Return who calls: P-Asserted-Identity (RFC 3325 §9.1) or From; None for an anonymous caller.

    Raises:
        AddressError: the From header is malformed.
    """
    for value in request.headers.get("P-Asserted-Identity"):
        # §9.1: up to two values, a sip and a tel URI, perhaps in one header
        uris = _BRACKETED.findall(_QUOTED.sub("", value)) or [value.strip()]
        user = next((user for uri in uris if (user := user_of(uri)) is not None), None)
        if user is not None and user.lower() != "anonymous":
            return user
    sender = header_address(request, "From").uri
    user = user_of(sender)
    # RFC 3323 §4.1.1.3: anonymous@anonymous.invalid
    hidden = user is None or user.lower() == "anonymous" or sender.endswith("anonymous.invalid")
    return None if hidden else user
