"""Keys that a phone sends in INFO: application/dtmf-relay and application/dtmf.

No RFC describes these bodies. The first is Cisco's (``Signal=5`` and ``Duration=160`` on lines of
their own), the second has the key alone; between them they are what softphones and gateways send
where RFC 4733's telephone-events are off.
"""

import re
from dataclasses import dataclass

from aiosipua import SipRequest

from telephony.sip.invite_usage import LegEffect, Reply, Tell
from telephony.sip.leg_events import LegDigit

ACCEPTED = ("application/dtmf-relay", "application/dtmf")
DEFAULT_MS, LONGEST_MS = 250, 10_000

_KEYS = "0123456789*#ABCD"
_LINE = re.compile(r"\s*([A-Za-z]+)\s*[=:]\s*(\S+)\s*")
_CODES = {"10": "*", "11": "#"}  # RFC 4733's event codes, as some gateways put them into Signal


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A key: one of ``0-9*#A-D``, and how long it was held, milliseconds."""

    key: str
    milliseconds: int = DEFAULT_MS


def got_info(request: SipRequest) -> list[LegEffect]:
    """Take an INFO in a dialog."""
    if request.headers.get("Info-Package"):
        # RFC 6086 §4.2.2: "indicates an Info Package that the UA does not support … 469 (Bad Info
        # Package)", with a Recv-Info that says what we do support: nothing
        return [Reply(request, 469, headers=(("Recv-Info", ""),))]
    if not request.body:
        return [Reply(request, 200)]  # §4.2.2: the old INFO without any use
    if content_type(request) not in ACCEPTED:
        return [Reply(request, 415, headers=tuple(("Accept", name) for name in ACCEPTED))]
    press = parse_key_press(request)
    if press is None:
        return [Reply(request, 400, "No key in it")]
    return [Reply(request, 200), Tell(LegDigit(press.key, press.milliseconds))]


def content_type(request: SipRequest) -> str:
    """Return the type of a request's body in lower case, without parameters; "" for none."""
    return (request.headers.get_first("Content-Type") or "").partition(";")[0].strip().lower()


def parse_key_press(request: SipRequest) -> KeyPress | None:
    """Read the body of an INFO whose type is one of `ACCEPTED`; None when it holds no key."""
    text = request.text.strip()
    if content_type(request) == "application/dtmf" and "=" not in text:
        return _press(text)
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    fields = {line[1].lower(): line[2] for line in found if line}
    return _press(fields.get("signal", ""), fields.get("duration", ""))


def _press(signal: str, duration: str = "") -> KeyPress | None:
    key = _CODES.get(signal, signal.upper())
    if len(key) != 1 or key not in _KEYS:
        return None
    known = duration.isascii() and duration.isdigit() and len(duration) < len(str(LONGEST_MS)) + 1
    held = int(duration) if known else DEFAULT_MS
    return KeyPress(key, min(max(held, 1), LONGEST_MS))
