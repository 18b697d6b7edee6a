"""The other side's reference of a matter, carried in an INVITE: User-to-User (RFC 7433).

Written in hexadecimal, behind the protocol discriminator of IA5 characters (ITU-T Q.931 §4.5.30),
so that it also survives a way through ISDN (RFC 7434). Exchanges that know no User-to-User say it
in ``X-Ticket-Reference``, in plain text.
"""

import re
from typing import Final

from aiosipua import SipMessage

from telephony.sip.identity import split_list

UUI: Final = "User-to-User"
PLAIN: Final = "X-Ticket-Reference"
LONGEST: Final = 64
"""Characters of a reference; longer ones are cut. ISDN carries 128 octets."""

_IA5: Final = 0x04
_FIRST_PRINTABLE: Final = 0x20
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_ENCODING = re.compile(r";\s*encoding\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)


def reference_of(message: SipMessage) -> str | None:
    """Return the reference that an INVITE names, None when it names none that can be read."""
    values = [part for value in message.headers.get(UUI) for part in split_list(value)]
    plain = [value.strip().strip('"') for value in message.headers.get(PLAIN)]
    for found in (*map(_read, values), *plain):
        text = "".join(character for character in found if character.isprintable()).strip()
        if text:
            return text[:LONGEST]
    return None


def _read(value: str) -> str:
    """Return the text of one User-to-User value, "" when there is none in it."""
    data = value.partition(";")[0].strip()
    encoding = _ENCODING.search(value)
    # RFC 7434 §7: without a purpose it is ISDN's, and ISDN's is hexadecimal
    if (encoding and encoding[1].lower() != "hex") or data.startswith('"'):
        return data.strip('"')
    if _HEX.fullmatch(data) is None:
        return ""
    octets = bytes.fromhex(data)
    if octets[0] < _FIRST_PRINTABLE:  # the protocol discriminator
        octets = octets[1:]
    return octets.decode("utf-8", errors="ignore")


def reference_header(reference: str) -> tuple[str, str]:
    """Write a reference; what is not printable is left out."""
    text = "".join(character for character in reference if character.isprintable())[:LONGEST]
    return UUI, f"{bytes((_IA5, *text.encode())).hex()};encoding=hex"
