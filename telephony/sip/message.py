"""Reading messages strictly, building responses, writing (RFC 3261 §7, §8.2.6, §18.3).

aiosipua's grammar reads nearly anything; `parse_message` lets through only what the layers above
can work with without asking again: one From, To, Call-ID and CSeq, a CSeq method that is the
request's, a Via that can be answered, and a body as long as Content-Length says.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from aiosipua import SipMessage, SipRequest, SipResponse, parse_address
from aiosipua import headers as grammar
from aiosipua.headers import (
    MULTI_INSTANCE_HEADERS,
    CaseInsensitiveDict,
    expand_compact_header,
    prettify_header_name,
)

from telephony.sip.errors import MalformedMessage
from telephony.sip.remembered import remembered
from telephony.sip.via import is_via

MAX_FORWARDS = 70  # RFC 3261 §8.1.1.6
TRYING = 100
RINGING = 180
FINAL = 200  # the lowest final status
FAILED = 300  # the lowest that is not success
NO_ANSWER = 408
UNAVAILABLE = 503
DIALOG_METHODS = frozenset({"INVITE", "SUBSCRIBE", "REFER"})
CREDENTIALS = ("Authorization", "Proxy-Authorization")

REASONS: dict[int, str] = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    469: "Bad Info Package",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
}

LONGEST_HEAD = 32_768  # bytes; the longest of RFC 4475's torture messages has 3,000
MOST_LINES = 256  # of start line and headers, folded ones counted one by one

_WORD = r"[A-Za-z0-9\-.!%*_+`'~]+"
_REQUEST_LINE = re.compile(rf"({_WORD}) ([^\s<>\"]+) SIP/([0-9]+\.[0-9]+)", re.IGNORECASE)
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: .*)?", re.IGNORECASE)
_CSEQ = re.compile(rf"([0-9]{{1,10}})\s+({_WORD})")
_NUMBER = re.compile(r"[0-9]{1,9}")
_SINGLE = ("From", "To", "Call-ID", "CSeq")
_START_WORDS = 3  # method, URI, version; or version, status, reason
_HIGHEST_CSEQ = 2**31 - 1  # RFC 3261 §8.1.1.5
_LONGEST_RETRY = 3600  # seconds; who is taken out for longer comes back by our own asking

# aiosipua would write Rack, Rseq and Min-Se. Any case is right (§7.3.1), but what a carrier's trace
# shows, and what a careless peer compares, is the spelling of RFC 3262 and RFC 4028.
grammar._PRETTY_NAMES.update(  # noqa: SLF001 - it has no other way to learn a name
    {name.lower(): name for name in ("RAck", "RSeq", "Min-SE")}
)

M = TypeVar("M", bound=SipMessage)


def parse_message(data: bytes) -> SipRequest | SipResponse:
    """Read one datagram.

    The body is cut to Content-Length; a longer Content-Length than body is malformed (§18.3).

    Raises:
        MalformedMessage: it is not an acceptable message; see its ``status`` and ``request``.
    """
    # RFC 3261 §7.5: "Implementations processing SIP messages over stream-oriented transports MUST
    # ignore any CRLF appearing before the start-line"; harmless, and seen, over UDP too.
    data = data.lstrip(b"\r\n")
    head = data.partition(b"\r\n\r\n")[0]
    if len(head) > LONGEST_HEAD or head.count(b"\n") > MOST_LINES:
        raise MalformedMessage(REASONS[513], status=513)
    try:
        message = _read(data)
    except ValueError as error:
        raise MalformedMessage("Unreadable message") from error
    start_line = data.split(b"\n", 1)[0].decode("utf-8", errors="replace").strip()
    if isinstance(message, SipResponse):
        _check_response(message, start_line, data)
    else:
        _check_request(message, start_line, data)
    return message


def _read(data: bytes) -> SipRequest | SipResponse:
    """Read as `SipMessage.parse` does, at a fraction of its cost, what nearly every message is.

    That is: lines that end with CRLF, none of them folded, lists of plain words alone in one line,
    a body as long as Content-Length says. Anything else is left to aiosipua.
    """
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("utf-8", errors="replace").split("\r\n")
    words = lines[0].strip().split(None, 2)
    ends = len(lines) - 1
    if head.count(b"\r") != ends or head.count(b"\n") != ends or len(words) != _START_WORDS:
        return SipMessage.parse(data)
    headers = CaseInsensitiveDict()
    # Its own `append` would look for line breaks, of which there are none, in each name and value.
    known, names = headers._store, headers._original  # noqa: SLF001
    for line in lines[1:]:
        written, colon, value = line.partition(":")
        name, key, is_list = _header_name(written)
        value = value.strip()
        if not colon or line[0] in " \t" or (is_list and not value):
            return SipMessage.parse(data)
        values = [value]
        if is_list and "," in value:
            if "<" in value or '"' in value:
                return SipMessage.parse(data)
            values = [entry.strip() for entry in value.split(",")]
            if not values[-1]:
                del values[-1]
        if key in known:
            known[key] += values
        else:
            known[key], names[key] = values, name
    if headers.get_first("Content-Length") != str(len(body)):
        return SipMessage.parse(data)
    if words[0].startswith("SIP/"):
        return SipResponse(headers, body, int(words[1]), words[2])
    return SipRequest(headers, body, words[0], words[1])


@remembered
def _header_name(written: str) -> tuple[str, str, bool]:
    """Return a header's name in full, its key, and whether its value is a list."""
    name = expand_compact_header(written.strip())
    return name, name.lower(), name.lower() in MULTI_INSTANCE_HEADERS


def _check_request(request: SipRequest, start_line: str, data: bytes) -> None:
    """Raise for the first thing that is wrong with a request."""
    status = 400
    line = _REQUEST_LINE.fullmatch(start_line)
    if line is None:
        problem: str | None = "Malformed Request-Line"
    elif line[3] != "2.0":
        problem, status = REASONS[505], 505
    else:
        problem = next(_problems(request, data), None)
        if problem is None and cseq_of(request)[1] != request.method:
            problem = "CSeq method differs from the request's"
    if problem is not None:
        vias = request.headers.get("Via")
        answerable = bool(vias) and is_via(vias[0]) and request.method != "ACK"
        raise MalformedMessage(problem, status=status, request=request if answerable else None)


def _check_response(response: SipResponse, start_line: str, data: bytes) -> None:
    """Raise for the first thing that is wrong with a response; it is never answered."""
    if _STATUS_LINE.fullmatch(start_line) is None:
        raise MalformedMessage("Malformed Status-Line")
    for problem in _problems(response, data):
        raise MalformedMessage(problem)


def _problems(message: SipMessage, data: bytes) -> Iterator[str]:
    """Name what is wrong with the headers and the length that both kinds of message must have."""
    vias = message.headers.get("Via")
    if not vias or not is_via(vias[0]):
        yield "Malformed or missing Via"
    written = {name: message.headers.get(name) for name in _SINGLE}
    for name, values in written.items():
        if len(values) != 1 or not values[0]:
            yield f"Missing or repeated {name}"
            return
    for name in ("From", "To"):
        if not _is_address(written[name][0]):
            yield f"Malformed {name}"
    cseq = _CSEQ.fullmatch(written["CSeq"][0])
    if cseq is None or int(cseq[1]) > _HIGHEST_CSEQ:
        yield "Malformed CSeq"
    lengths = set(message.headers.get("Content-Length"))
    if len(lengths) > 1 or not all(_NUMBER.fullmatch(length) for length in lengths):
        yield "Malformed Content-Length"
    elif lengths and int(lengths.pop()) > _body_length(data):
        yield "Content-Length exceeds the message"


def _body_length(data: bytes) -> int:
    """Return how many bytes follow the empty line."""
    for separator in (b"\r\n\r\n", b"\n\n"):
        if separator in data:
            return len(data.partition(separator)[2])
    return 0


@remembered
def _is_address(value: str) -> bool:
    """Tell whether a From or To has closed quotes and brackets and a URI."""
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", value)
    if '"' in outside or outside.count("<") != outside.count(">") or outside.count("<") > 1:
        return False
    uri = outside.partition("<")[2].partition(">")[0] if "<" in outside else outside
    return re.match(r"\s*[A-Za-z][A-Za-z0-9+\-.]*:[^\s]", uri) is not None


def write_message(message: SipRequest | SipResponse) -> bytes:
    """Return a message as it goes over the wire, and set its Content-Length to what it is.

    That is what ``bytes`` makes of it, where each header's name is looked up anew.
    """
    message.headers.set_single("Content-Length", str(len(message.body)))
    if isinstance(message, SipRequest):
        lines = [f"{message.method} {message.uri} SIP/2.0"]
    else:
        lines = [f"SIP/2.0 {message.status_code} {message.reason_phrase}"]
    for name, values in message.headers.items():
        written = _written_name(name)
        lines += [f"{written}: {value}" for value in values]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + message.body


_written_name = remembered(prettify_header_name)


def make_response(
    request: SipRequest,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> SipResponse:
    """Build a response as RFC 3261 §8.2.6.2 says: Via, From, To, Call-ID and CSeq are copied.

    Args:
        request: what is answered.
        status: 100-699.
        reason: the phrase; the RFC's own when None.
        to_tag: our tag, for a request that has none in its To. Without one a tag is derived from
            the request, so that every copy of the request is answered alike (§8.2.7). 100 gets
            none.
        headers: further headers, in order, repeated names allowed.

    Record-Route is copied into the responses that make a dialog (§12.1.1), Timestamp into a 100
    (§8.2.6.1).
    """
    response = SipResponse(status_code=status, reason_phrase=reason or REASONS.get(status, ""))
    for name in ("Via", *_SINGLE):
        # a request that is refused for it may have none of the single ones, or several
        for value in request.headers.get(name)[: 1 if name in _SINGLE else None]:
            response.headers.append(name, value)
    if status > TRYING:
        to = request.headers.get_first("To")
        if to and tag_of(to) is None:
            response.headers.set_single("To", f"{to};tag={to_tag or stable_tag(request)}")
    copied: tuple[str, ...] = ()
    if status == TRYING:
        copied = ("Timestamp",)
    elif status < FAILED and request.method in DIALOG_METHODS:
        copied = ("Record-Route",)
    for name in copied:
        for value in request.headers.get(name):
            response.headers.append(name, value)
    for name, value in headers:
        response.headers.append(name, value)
    return response


def build_ack(invite: SipRequest, response: SipResponse) -> SipRequest:
    """Build the ACK of a non-2xx final response, hop by hop (RFC 3261 §17.1.1.3, §22.1)."""
    ack = _same_hop(invite, "ACK")
    for name in CREDENTIALS:
        for value in invite.headers.get(name):
            ack.headers.append(name, value)
    for value in response.headers.get("To"):
        ack.headers.set_single("To", value)
    return ack


def build_cancel(invite: SipRequest, headers: Iterable[tuple[str, str]] = ()) -> SipRequest:
    """Build the CANCEL of an INVITE as it was sent (RFC 3261 §9.1), with further headers."""
    cancel = _same_hop(invite, "CANCEL")
    for name, value in headers:
        cancel.headers.append(name, value)
    return cancel


def _same_hop(invite: SipRequest, method: str) -> SipRequest:
    """Copy what an ACK or CANCEL has in common with its INVITE: also the topmost Via, alone."""
    request = SipRequest(method=method, uri=invite.uri)
    request.headers.append("Via", invite.headers.get("Via")[0])
    for name in ("From", "To", "Call-ID", "Route"):
        for value in invite.headers.get(name):
            request.headers.append(name, value)
    request.headers.append("CSeq", f"{cseq_of(invite)[0]} {method}")
    request.headers.append("Max-Forwards", str(MAX_FORWARDS))
    return request


def copy_message(message: M) -> M:
    """Return a copy whose headers can be changed without changing the original."""
    copy = type(message)(**{**vars(message), "headers": message.headers.copy()})
    return copy  # noqa: RET504 - mypy wants the name


@remembered
def tag_of(address: str) -> str | None:
    """Return the tag of a From or To value."""
    return parse_address(address).tag


def cseq_of(message: SipMessage) -> tuple[int, str]:
    """Return number and method of the CSeq.

    Raises:
        ValueError: there is no readable CSeq; never for a message from `parse_message`.
    """
    found = _CSEQ.fullmatch(message.headers.get_first("CSeq") or "")
    if found is None:
        raise ValueError("message without a readable CSeq")
    return int(found[1]), found[2]


def retry_after(message: SipMessage) -> int | None:
    """Return Retry-After in seconds, an hour at most, without comment and parameters (§20.33)."""
    value = message.headers.get_first("Retry-After") or ""
    digits = value.partition("(")[0].partition(";")[0].strip()
    if not (digits.isascii() and digits.isdigit()):
        return None
    # the digits are cut first: int() of thousands of them raises
    return min(int(digits[:9]), _LONGEST_RETRY)


def stable_tag(request: SipRequest) -> str:
    """Derive a To tag from the request: the same for each retransmission (RFC 3261 §8.2.7)."""
    parts = [request.headers.get_first(name) or "" for name in ("Via", "From", "Call-ID", "CSeq")]
    return hashlib.sha256("\n".join(parts).encode("utf-8", errors="replace")).hexdigest()[:16]
