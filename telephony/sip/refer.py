"""What a REFER asks for (RFC 3515 §2.1), and the dialog that a Replaces names (RFC 3891 §6.1)."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from aiosipua import SipMessage, SipRequest

from telephony.sip.dialog import DialogId
from telephony.sip.errors import SipError
from telephony.sip.name_addr import AddressError, parse_name_addr, without_headers

_SCHEMES = ("sip", "sips", "tel")
_WORD = re.compile(r"[^\s;=\"<>]+")
_TAGS = {"to-tag", "from-tag"}


class ReferError(SipError, ValueError):
    """The peer's: a REFER or a Replaces that cannot be carried out.

    Attributes:
        status: the status to answer with.
    """

    def __init__(self, problem: str, *, status: int = 400) -> None:
        super().__init__(problem)
        self.status = status


@dataclass(frozen=True, slots=True)
class Replaces:
    """A dialog named by another, from the view of whoever is asked to give it up.

    Attributes:
        call_id: its Call-ID.
        to_tag: the tag of the side that is asked (§3: "compared to the local tag").
        from_tag: the tag of that side's peer.
        early_only: only while that dialog is not answered.
    """

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @property
    def dialog(self) -> DialogId:
        """The dialog as we, who are asked, know it.

        §6.1: "a tag of zero matches both tag values of zero and null", RFC 2543's missing one.
        """
        return DialogId(self.call_id, self.to_tag, "" if self.from_tag == "0" else self.from_tag)


@dataclass(frozen=True, slots=True)
class Refer:
    """A REFER, read.

    Attributes:
        uri: whom to call, without headers.
        replaces: the dialog that the call shall take the place of, or None.
        reports: whether the peer wants to hear how it went (RFC 4488: Refer-Sub).
    """

    uri: str
    replaces: Replaces | None = None
    reports: bool = True


def parse_refer(request: SipRequest) -> Refer:
    """Read a REFER.

    Raises:
        ReferError: Refer-To is missing, repeated or malformed (400), is not to be called (416), or
            asks for another method than INVITE (603: we place calls, nothing else).
    """
    values = request.headers.get("Refer-To")
    if len(values) != 1:
        # RFC 3515 §2.4.2: "A REFER with no or more than one Refer-To … 400 (Bad Request)"
        raise ReferError("one Refer-To is needed")
    try:
        target = parse_name_addr(values[0]).uri
    except AddressError as error:
        raise ReferError("Malformed Refer-To") from error
    uri = without_headers(target)
    if uri.partition(":")[0].lower() not in _SCHEMES:
        raise ReferError("Unsupported scheme in Refer-To", status=416)
    if (_parameter(uri, "method") or "INVITE").upper() != "INVITE":
        raise ReferError("only INVITE can be referred to", status=603)
    given = _headers(target).get("replaces")
    return Refer(
        uri=uri,
        replaces=None if given is None else parse_replaces(given),
        reports=(request.headers.get_first("Refer-Sub") or "").strip().lower() != "false",
    )


def parse_replaces(value: str) -> Replaces:
    """Read a Replaces header.

    Raises:
        ReferError: it has no Call-ID, or not exactly one of each tag.
    """
    call_id, *parameters = (part.strip() for part in value.split(";"))
    tags: dict[str, str] = {}
    early_only = False
    for parameter in parameters:
        name, equals, content = (part.strip() for part in parameter.partition("="))
        if name.lower() == "early-only" and not equals:
            early_only = True
        elif name.lower() in _TAGS:
            if name.lower() in tags or not _WORD.fullmatch(content):
                raise ReferError("Malformed Replaces")
            tags[name.lower()] = content
    if not _WORD.fullmatch(call_id) or tags.keys() != _TAGS:
        raise ReferError("Malformed Replaces")
    return Replaces(call_id, tags["to-tag"], tags["from-tag"], early_only)


def replaces_of(message: SipMessage) -> Replaces | None:
    """Return the dialog that an INVITE wants to replace, or None.

    Raises:
        ReferError: the header is malformed or repeated (RFC 3891 §3: "MUST … reject with a 400").
    """
    values = message.headers.get("Replaces")
    if len(values) > 1:
        raise ReferError("Repeated Replaces")
    return parse_replaces(values[0]) if values else None


def _parameter(uri: str, name: str) -> str | None:
    for part in uri.split(";")[1:]:
        key, _, value = part.partition("=")
        if key.strip().lower() == name:
            return value
    return None


def _headers(uri: str) -> dict[str, str]:
    """Return the headers of a URI (RFC 3261 §19.1.1), unescaped, by their names in lower case."""
    _, _, text = uri.rpartition("@")[2].partition("?")
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return {unquote(name).lower(): unquote(value) for name, _, value in pairs}
