"""What a message carries: a session description, alone or among other parts (RFC 5621, RFC 2046).

A carrier that keeps its ISUP signalling in SIP (RFC 3204) sends the two in one ``multipart/mixed``,
and an emergency call may have its caller's place beside the description. What we cannot read is
passed over, unless its sender insists that it be understood, or the description may be in it: our
answer would be an offer, and be taken for the answer.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aiosipua import SipMessage

SDP = "application/sdp"
READ = ("Accept", f"{SDP}, multipart/mixed")
"""What we can read, as a header."""

MOST_PARTS = 16  # what stands behind them is not looked at
_LEVELS = 2  # of parts within parts
_OTHERS_SESSION = {"early-session"}  # RFC 3959: of another than the call's
_AS_IT_IS = {"", "7bit", "8bit", "binary"}  # RFC 2045 §6

_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_HANDLING = re.compile(r";\s*handling\s*=\s*(required|optional)\b", re.IGNORECASE)
_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a body, or a body of one.

    Attributes:
        kind: its media type in lower case, without parameters.
        disposition: what it is for, likewise.
        handling: ``required``, ``optional``, or "" where its sender does not say.
        encoding: of its octets, in lower case.
        data: its octets.
    """

    kind: str
    disposition: str
    handling: str
    encoding: str
    data: bytes

    @property
    def describes(self) -> bool:
        """Whether it is the session's description, and can be read."""
        return self._is_for_session and self.encoding in _AS_IT_IS

    @property
    def may_describe(self) -> bool:
        """Whether it is the session's description, or may hold it."""
        return self._is_for_session or self.kind.startswith("multipart/")

    @property
    def _is_for_session(self) -> bool:
        return self.kind == SDP and self.disposition not in _OTHERS_SESSION


def sdp_of(message: SipMessage) -> str | None:
    """Return the session description a message carries, or None."""
    if not message.body:
        return None
    if message.headers.get_first("Content-Type") == SDP:
        return message.text  # nearly always
    described = (part for part in _parts(message) if part.describes)
    first = next(described, None)
    return None if first is None else first.data.decode("utf-8", errors="replace")


def is_unreadable(message: SipMessage) -> bool:
    """Tell whether a message has to be refused (415) for what it carries.

    RFC 3261 §20.11: a body whose handling is optional is passed over where it is not understood,
    and what says nothing "SHOULD be assumed" to be required. The latter we do for a body that
    stands alone; of a part beside a description only its sender's own word is taken: to lose a
    citizen's call for what the network put into it would serve nobody.
    """
    if not message.body or message.headers.get_first("Content-Type") == SDP:
        return False
    parts = list(_parts(message))
    unread = [part for part in parts if not part.describes and part.handling != "optional"]
    if any(part.handling == "required" for part in unread):
        return True
    if any(part.describes for part in parts):
        return False
    return any(part.may_describe or len(parts) == 1 for part in unread)


def _parts(message: SipMessage) -> Iterator[Part]:
    names = ("Content-Type", "Content-Disposition")
    headers = {name.lower(): message.headers.get_first(name) or "" for name in names}
    return _opened(headers, message.body, _LEVELS)


def _opened(headers: Mapping[str, str], data: bytes, levels: int) -> Iterator[Part]:
    """Return the parts of a body; the body itself where it has none, or lies too deep."""
    written = headers.get("content-type", "")
    boundary = _BOUNDARY.search(written) if _first(written).startswith("multipart/") else None
    pieces = _cut(data, boundary[1] or boundary[2]) if boundary and levels else []
    if not pieces:
        yield _part(headers, data)
    for piece in pieces:
        yield from _opened(*_divided(piece), levels - 1)


def _part(headers: Mapping[str, str], data: bytes) -> Part:
    disposition = headers.get("content-disposition", "")
    handling = _HANDLING.search(disposition)
    return Part(
        kind=_first(headers.get("content-type", "")),
        disposition=_first(disposition),
        handling=handling[1].lower() if handling else "",
        encoding=_first(headers.get("content-transfer-encoding", "")),
        data=data,
    )


def _first(value: str) -> str:
    """Return what a header says in lower case, without its parameters."""
    return value.partition(";")[0].strip().lower()


def _cut(body: bytes, boundary: str) -> list[bytes]:
    """Return what stands between the lines of a boundary (RFC 2046 §5.1.1), at most `MOST_PARTS`.

    Each piece begins with the line end of its boundary's line.
    """
    name = re.escape(boundary.encode())
    line = re.compile(rb"(?:\A|\r?\n)--" + name + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    pieces: list[bytes] = []
    begin: int | None = None
    for found in line.finditer(body):
        if begin is not None:
            pieces.append(body[begin : found.start()])
        if found[1] or len(pieces) == MOST_PARTS:
            return pieces
        begin = found.end()
    if begin is not None:
        pieces.append(body[begin:])  # its end was forgotten, or lost
    return pieces


def _divided(piece: bytes) -> tuple[dict[str, str], bytes]:
    """Return a piece's headers, by their names in lower case, and its octets."""
    empty = _EMPTY_LINE.search(piece)
    if empty is None:
        return {}, b""
    head = _FOLD.sub(" ", piece[: empty.start()].decode("utf-8", errors="replace"))
    lines = (line.partition(":") for line in head.splitlines())
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    return headers, piece[empty.end() :]
