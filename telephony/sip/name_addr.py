"""From, To, Contact and their like: name-addr and addr-spec (RFC 3261 §20, §25.1), read strictly.

aiosipua looks for the first ``<`` even inside a quoted display name, and takes the parameters after
a bare addr-spec for the URI's, where §20 gives them to the header; hence a reader of our own.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote, unquote

from aiosipua import parse_uri

from telephony.sip.errors import SipError
from telephony.sip.remembered import remembered
from telephony.sip.via import DEFAULT_PORT, HIGHEST_PORT, Address

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_DISPLAY = re.compile(rf'{_QUOTED}|[^"<>]*')
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*:[^\s<>\"]+")
_PARAMETER = re.compile(
    rf"\s*;\s*(?P<name>[A-Za-z0-9\-.!%*_+`'~]+)(?:\s*=\s*(?P<value>{_QUOTED}|[^\s;\"<>]+))?\s*",
    re.DOTALL,
)
# RFC 3966 §3: phonedigit = DIGIT / visual-separator; a local number may hold "*" and "#" too
_VISUAL_SEPARATORS = re.compile(r"[-.()]")
_TELEPHONE = re.compile(r"\+?[0-9*#\-.()]{1,64}")
# RFC 3261 §25.1: user = unreserved / escaped / user-unreserved; ";" and "?" would be allowed too,
# but many a parser takes them for the beginning of parameters and headers.
_USER_SAFE = "-_.!~*'()&=+$,/"


class AddressError(SipError, ValueError):
    """The peer's: a header that should be an address is none."""


@dataclass(frozen=True, slots=True)
class NameAddr:
    """One address header value.

    Attributes:
        uri: as written.
        display: without quotes, or None.
        params: header parameters, names in lower case, None for those without a value.
    """

    uri: str
    display: str | None = None
    params: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def tag(self) -> str:
        """The tag, or "" where there is none (an RFC 2543 peer)."""
        return self.params.get("tag") or ""


@remembered
def parse_name_addr(value: str) -> NameAddr:
    """Read one value.

    Raises:
        AddressError: it is not an address.
    """
    value = value.strip()
    if "<" in value:
        shown = _DISPLAY.match(value)
        end = shown.end() if shown else 0
        before, opening, rest = value[end:].partition("<")
        uri, closing, rest = rest.partition(">")
        if before.strip() or not opening or not closing:
            raise AddressError("unbalanced quotes or brackets")
        display = _unquote(value[:end].strip())
    else:
        # §20: without brackets "any semicolon-delimited parameters are header-parameters, not URI
        # parameters"
        uri, semicolon, rest = value.partition(";")
        uri, rest, display = uri.strip(), semicolon + rest, None
        if "?" in uri or "," in uri:
            # §20: "If the URI contains a comma, question mark or semicolon, the URI MUST be
            # enclosed in angle brackets"
            raise AddressError("a URI that wants brackets")
    if _URI.fullmatch(uri) is None:
        raise AddressError("not a URI")
    return NameAddr(uri=uri, display=display or None, params=MappingProxyType(_parameters(rest)))


def _parameters(text: str) -> dict[str, str | None]:
    params: dict[str, str | None] = {}
    text, position = text.strip(), 0
    while position < len(text):
        parameter = _PARAMETER.match(text, position)
        if parameter is None:
            raise AddressError("malformed parameters")
        value = parameter["value"]
        params.setdefault(parameter["name"].lower(), None if value is None else _unquote(value))
        position = parameter.end()
    return params


def _unquote(text: str) -> str:
    """Take the quotes and the escapes off a quoted string; leave anything else."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text


def format_name_addr(uri: str, display: str | None = None) -> str:
    """Write ``"display" <uri>``; controls in the display name are left out."""
    if not display:
        return f"<{uri}>"
    printable = "".join(character for character in display if character.isprintable())
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{uri}>'


def user_of(uri: str) -> str | None:
    """Return the user part of a sip(s) URI, or the number of a tel URI (RFC 3966), unescaped."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "tel":
        user = rest.partition(";")[0]
    elif scheme.lower() in {"sip", "sips"} and "@" in rest:
        # a password, and the parameters of a telephone number (";phone-context="), are not the user
        user = re.split("[:;]", rest.partition("@")[0], maxsplit=1)[0]
    else:
        return None
    return unquote(user) or None


def number_in(uri: str) -> str | None:
    """Return the user part of a sip(s) URI if it is all that says who is called, else None.

    A password, or parameters of a telephone number (";phone-context="), could make another number
    of it than what is read here.
    """
    scheme, _, rest = uri.partition(":")
    user, at, _ = rest.rpartition("@")
    if scheme.lower() not in {"sip", "sips"} or not at or re.search("[:;]", user):
        return None
    return unquote(user) or None


def tel_number(uri: str) -> str | None:
    """Return the number of a tel URI without its visual separators, None for anything else.

    RFC 3966 §5.1.4: a local number "MUST" name its context; many an exchange leaves it out, and
    means its own. One that names it, or has other parameters, is not what its digits say.
    """
    scheme, _, number = uri.partition(":")
    if scheme.lower() != "tel" or _TELEPHONE.fullmatch(number) is None:
        return None
    digits = _VISUAL_SEPARATORS.sub("", number)
    return digits if digits.strip("+") else None


def at_the_same_host(uri: str, user: str) -> str:
    """Return a sip(s) URI with another user part, which is escaped."""
    scheme, _, rest = uri.partition(":")
    _, at, host = rest.rpartition("@")
    return f"{scheme}:{escaped(user)}@{host if at else rest}"


def without_headers(uri: str) -> str:
    """Return a URI as a Request-URI: without headers, which no Request-URI may hold (§19.1.1).

    They are not put into the request either: §19.1.5 warns of Route and its like, by which a
    Contact could send our requests anywhere.
    """
    # the user part may hold a "?" of its own, the headers no "@"
    head, at, rest = uri.rpartition("@")
    return head + at + rest.partition("?")[0]


def sip_uri(user: str, host: Address) -> str:
    """Write ``sip:user@host:port``, escaping what a user part may not hold (§25.1)."""
    return f"sip:{escaped(user)}@{host_port(host)}"


@remembered
def escaped(user: str) -> str:
    """Write a user part, escaping what it may not hold."""
    return quote(user, safe=_USER_SAFE)


def host_port(address: Address) -> str:
    """Write ``host:port``, IPv6 in brackets."""
    host, port = address
    return f"{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """Write a host as it stands in a URI: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def address_of(uri: str, *, default_port: int = DEFAULT_PORT) -> Address | None:
    """Return where a sip or sips URI points, if that can be told without asking a name server."""
    if uri.partition(":")[0].lower() not in {"sip", "sips"}:
        return None
    parsed = parse_uri(uri)
    port = default_port if parsed.port is None else parsed.port
    try:
        host = ipaddress.ip_address(parsed.host.strip("[]"))
    except ValueError:
        return None
    if host.is_unspecified or not 0 < port <= HIGHEST_PORT:
        return None
    return str(host), port
