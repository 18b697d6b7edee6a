"""Who calls (RFC 3323, 3325), and how the call got here (RFC 3326, 7044, 5806)."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

from aiosipua import SipMessage, SipRequest

from telephony.sip.dialog import header_address
from telephony.sip.name_addr import AddressError, NameAddr, parse_name_addr, user_of

ANONYMOUS: Final = '"Anonymous" <sip:anonymous@anonymous.invalid>'  # RFC 3323 §4.1.1.3
PRIVACY_ID: Final = ("Privacy", "id")  # RFC 3325 §9.3

#: More places than this a call has not been forwarded to: the rest of the list is left unread.
MOST_FORWARDINGS: Final = 10
LONGEST_NUMBER: Final = 64
"""Characters; what says that it is a longer number is none."""

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETED = re.compile(r"<([^<>]*)>")
_HIDING = frozenset({"id", "user", "header"})
_HIDING_PLACES = frozenset({"history", "header", "session"})  # RFC 7044 §10.1
_HIDING_DIVERSION = frozenset({"full", "uri"})  # RFC 5806 §4: "name" hides the display name alone
_ENTRYS_PRIVACY = re.compile(r"[?&]privacy=([^&>]*)", re.IGNORECASE)
_CAUSE = re.compile(r"(?:^|[;?&])\s*cause\s*=\s*\"?([0-9]{1,3})", re.IGNORECASE)
_REASON_TEXT = re.compile(r";\s*text\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;\s]+))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls.

    Attributes:
        number: as the network or the caller says; None when nobody says.
        withheld: the caller wants it kept from whom he calls. What the law asks for may still be
            recorded (RFC 3323 §4.2: the network knows, the user agent does not show).
    """

    number: str | None
    withheld: bool

    def written(self, rule: Callable[[str], str]) -> "Identity":
        """Return the same, with the number as a rule writes it."""
        return self if self.number is None else replace(self, number=rule(self.number))

    @property
    def shown(self) -> str | None:
        """The number that may be shown, passed on and published; None when there is none."""
        return None if self.withheld else self.number


NOBODY: Final = Identity(None, withheld=False)
UNTOLD: Final = "anonymous"


@dataclass(frozen=True, slots=True)
class Forwarding:
    """One place that the call was meant for before it came to us.

    Attributes:
        number: the user part of its URI; `UNTOLD` where who was there does not want it told.
        why: a Diversion's reason (``user-busy`` …), or a History-Info's cause (``486``); "" when
            it says neither.
    """

    number: str
    why: str = ""


def calling_identity(request: SipRequest, *, trusted: bool) -> Identity:
    """Return who calls.

    Args:
        request: an INVITE.
        trusted: the sender belongs to our trust domain (RFC 3324): a carrier's trunk. Anybody
            else's P-Asserted-Identity is passed over ("MUST NOT be trusted", RFC 3325 §5).

    Raises:
        AddressError: the From header is malformed.
    """
    sender = header_address(request, "From").uri
    user = user_of(sender)
    # RFC 3323 §4.1.1.3: anonymous@anonymous.invalid is how a user agent itself asks for privacy
    hidden = user is None or user.lower() == "anonymous" or sender.endswith("anonymous.invalid")
    wishes = _wishes(request.headers.get("Privacy"))
    number = asserted_number(request) if trusted else None
    if number is None and not hidden:
        number = user
    if number is not None and not (number.isprintable() and len(number) <= LONGEST_NUMBER):
        number = None  # nobody's number, and nothing that a call's record can hold
    return Identity(number, withheld=hidden or not _HIDING.isdisjoint(wishes))


def _wishes(values: Iterable[str]) -> set[str]:
    """Return what Privacy headers ask for (RFC 3323 §4.2)."""
    return {wish.strip().lower() for value in values for wish in value.split(";")}


def asserted_number(message: SipMessage) -> str | None:
    """Return the user part of P-Asserted-Identity (RFC 3325 §9.1), None when it names nobody."""
    for value in message.headers.get("P-Asserted-Identity"):
        # §9.1: up to two values, a sip and a tel URI, perhaps in one header
        uris = _BRACKETED.findall(_QUOTED.sub("", value)) or [value.strip()]
        user = next((user for uri in uris if (user := user_of(uri)) is not None), None)
        if user is not None and user.lower() != "anonymous":
            return user
    return None


def forwardings(message: SipMessage) -> tuple[Forwarding, ...]:
    """Return where the call was meant for before, oldest first; what cannot be read is left out.

    History-Info names every hop, oldest first and the present one last (RFC 7044 §5); Diversion
    only those that diverted, latest first (RFC 5806 §4.1). Where there are both, the first counts.
    """
    history = _entries(message, "History-Info")
    if history:
        return history[:-1]  # the last one is the request itself
    return _entries(message, "Diversion")[::-1]


def _entries(message: SipMessage, name: str) -> tuple[Forwarding, ...]:
    found = []
    private = not _HIDING_PLACES.isdisjoint(_wishes(message.headers.get("Privacy")))
    values = [part for value in message.headers.get(name) for part in split_list(value)]
    for value in values[: MOST_FORWARDINGS + 1]:
        try:
            address = parse_name_addr(value)
        except AddressError:
            continue
        if (user := user_of(address.uri)) is None:
            continue
        cause = _CAUSE.search(unquote(address.uri))
        why = address.params.get("reason") or (cause[1] if cause else "")
        hidden = private or _is_private(address)
        found.append(Forwarding(UNTOLD if hidden else user, why))
    return tuple(found)


def _is_private(place: NameAddr) -> bool:
    """Tell whether one place alone is not to be told (RFC 7044 §10.1.2, RFC 5806 §4)."""
    wishes = (unquote(value) for value in _ENTRYS_PRIVACY.findall(place.uri))
    diverted = (place.params.get("privacy") or "").lower()
    return not _HIDING_PLACES.isdisjoint(_wishes(wishes)) or diverted in _HIDING_DIVERSION


def split_list(value: str) -> list[str]:
    """Cut a header's value at its commas, but for those in quotes and brackets (§7.3.1)."""
    parts, start, depth, quoted, escaped = [], 0, 0, False, False
    for place, character in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = character == "\\", character != '"'
        elif character == '"':
            quoted = True
        elif character in "<>":
            depth += 1 if character == "<" else -1
        elif character == "," and depth <= 0:
            parts.append(value[start:place].strip())
            start = place + 1
    return [part for part in (*parts, value[start:].strip()) if part]


def reason_of(message: SipMessage) -> str | None:
    """Return the text of a Reason header (RFC 3326), else its value, else None."""
    value = message.headers.get_first("Reason")
    if value is None:
        return None
    text = _REASON_TEXT.search(value)
    return (text[1] or text[2] if text else None) or value


def isdn_cause(message: SipMessage) -> int | None:
    """Return the Q.850 cause that a Reason header names (RFC 3326 §2, RFC 6432), else None."""
    for value in message.headers.get("Reason"):
        for entry in split_list(value):
            protocol, _, rest = _REASON_TEXT.sub("", entry).partition(";")
            if protocol.strip().upper() == "Q.850" and (cause := _CAUSE.search(";" + rest)):
                return int(cause[1])
    return None


def reason_header(cause: int, text: str) -> tuple[str, str]:
    """Write ``Reason: SIP;cause=200;text="…"`` (RFC 3326 §2)."""
    printable = "".join(character for character in text if character.isprintable())
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return "Reason", f'SIP;cause={cause};text="{escaped}"'


def forwarding_headers(line: str, target: str) -> tuple[tuple[str, str], ...]:
    """Write what tells the target of a transfer which line the call came in on.

    Args:
        line: the URI of the dialled line.
        target: the URI that is called now.

    Both headers, for carriers read the one or the other. RFC 7044 §5: ``mp`` says that the target
    was changed for another user, and by which entry; RFC 5806 §4.2.1: ``deflection``, for somebody
    who had the call passed it on.
    """
    return (
        ("History-Info", f"<{line}>;index=1, <{target}>;index=1.1;mp=1"),
        ("Diversion", f"<{line}>;reason=deflection;counter=1"),
    )
