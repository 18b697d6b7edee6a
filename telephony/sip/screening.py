"""What a request is looked at for before anybody is bothered with it (RFC 3261 §8.2)."""

from collections.abc import Collection

from aiosipua import SipRequest

from telephony.sip.bodies import READ, SDP, is_unreadable
from telephony.sip.dialog import header_address
from telephony.sip.identity import split_list
from telephony.sip.invite_usage import ALLOW, SUPPORTED, Reply
from telephony.sip.message import MAX_FORWARDS, tag_of
from telephony.sip.name_addr import user_of
from telephony.sip.via import Address, parse_via, sent_by

METHODS = f"{ALLOW}, REGISTER"
# the methods of IANA's registry that we have no use for
_RECOGNIZED = frozenset({"MESSAGE", "NOTIFY", "PUBLISH", "REFER", "SUBSCRIBE"})
OF_REGISTRATIONS = ("outbound", "path")  # RFC 5626 §11.1, RFC 3327 §5.1
_COUNT_DIGITS = 3  # of Max-Forwards
_SCHEMES = ("sip", "sips", "tel")
_EVENT_METHODS = ("SUBSCRIBE", "NOTIFY", "PUBLISH")


def objection(request: SipRequest) -> Reply | None:  # noqa: PLR0911 - one line for each clause
    """Return why a request cannot be processed at all (§8.2.1 to §8.2.3), or None."""
    if request.method in _EVENT_METHODS:
        return _event_objection(request)
    if request.method not in METHODS.split(", "):
        # §21.4.6: "understood, but not allowed"; §21.5.2: not recognized at all
        status = 405 if request.method in _RECOGNIZED else 501
        return Reply(request, status, headers=(("Allow", METHODS),))
    if request.uri.partition(":")[0].lower() not in _SCHEMES:
        return Reply(request, 416)
    required = [name for value in request.headers.get("Require") for name in split_list(value)]
    known = (*SUPPORTED, *OF_REGISTRATIONS) if request.method == "REGISTER" else SUPPORTED
    unknown = [name for name in required if name.lower() not in known]
    if unknown:
        return Reply(request, 420, headers=tuple(("Unsupported", name) for name in unknown))
    encoding = (request.headers.get_first("Content-Encoding") or "identity").lower()
    unreadable = is_unreadable(request) or (request.body and encoding != "identity")
    if request.method == "INVITE" and unreadable:
        return Reply(request, 415, headers=(READ, ("Accept-Encoding", "identity")))
    if request.method == "INVITE" and not _takes_sdp(request):
        # RFC 4475 §3.3.15: our answer could not be written in any of the types asked for
        return Reply(request, 406, headers=(READ,))
    return None


def _event_objection(request: SipRequest) -> Reply | None:
    """Return why an event request cannot be processed (RFC 6665 §4.2.1.1, §8.2.1), or None.

    The one package there is, ``refer``, is subscribed to by REFER alone; a SUBSCRIBE may prolong or
    end that within the dialog. A NOTIFY has nobody here who asked for it.
    """
    event = (request.headers.get_first("Event") or "").partition(";")[0].strip().lower()
    if event != "refer" or request.method == "PUBLISH":
        return Reply(request, 489, headers=(("Allow-Events", "refer"),))
    if request.method == "SUBSCRIBE" and tag_of(request.headers.get_first("To") or "") is not None:
        return None
    return Reply(request, 481 if request.method == "NOTIFY" else 403)


def _takes_sdp(request: SipRequest) -> bool:
    """Tell whether a session description may come back; without an Accept it may (§20.1)."""
    accepted = request.headers.get("Accept")
    ranges = {value.partition(";")[0].strip().lower() for value in accepted}
    return not accepted or not ranges.isdisjoint({SDP, "application/*", "*/*"})


def has_looped(request: SipRequest, us: Collection[Address]) -> bool:
    """Tell whether a request that we have sent has come back to us (§16.3 step 4: 482).

    Every hop puts its Via on top of those before it, so one of ours can only be in a request that
    was ours. A Via is not checked for its branch: no proxy stands between us and ourselves.
    """
    vias = (parse_via(value) for value in request.headers.get("Via"))
    return any(via is not None and sent_by(via) in us for via in vias)


def hops_left(request: SipRequest) -> int:
    """Return how many hops a call that is made for an incoming one may take; below 0: none.

    RFC 7332 §4: a B2BUA copies Max-Forwards less one into what it sends for the request, and
    refuses the request with 483 where that cannot be, "as if it were a proxy": in a loop of several
    such agents no Via and no tag survives, but this count does.
    """
    value = (request.headers.get_first("Max-Forwards") or "").strip()
    # §20.22: 0 to 255; whatever else is written there is taken for what we would write ourselves
    readable = value.isascii() and value.isdigit() and len(value) <= _COUNT_DIGITS
    return (min(int(value), MAX_FORWARDS) if readable else MAX_FORWARDS) - 1


def called_number(request: SipRequest, account: str | None = None) -> str:
    """Return which number was dialled: the user part of the Request-URI, "" where it has none.

    A carrier at which we are registered calls our Contact, that is ``account``; then the To tells
    what was dialled.

    Raises:
        AddressError: the To header is malformed.
    """
    called = user_of(request.uri) or ""
    if account is not None and called == account:
        return user_of(header_address(request, "To").uri) or called
    return called
