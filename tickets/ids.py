"""Ticket numbers that any node can give out without asking another one.

``20261121-0V3K2M-8Z4Q1D7C``: the day in China Standard Time (UTC+8, no summer time), the
millisecond of that day, and 40 random bits, the latter two in Crockford's base 32. Numbers sort by
time; two nodes would have to draw the same 40 bits within one millisecond to collide.
"""

from datetime import UTC, datetime, timedelta

from tickets.working_days import CHINA

ENTROPY_BYTES = 5
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_ticket_id(now: float, entropy: bytes) -> str:
    """Return the number for a ticket begun at ``now`` (Unix seconds).

    Args:
        now: Unix seconds.
        entropy: exactly ``ENTROPY_BYTES`` random bytes, as from ``os.urandom``.

    Raises:
        ValueError: ``entropy`` has another length.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"entropy must be {ENTROPY_BYTES} bytes, not {len(entropy)}")
    local = datetime.fromtimestamp(now, UTC) + CHINA
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    millisecond = int((local - midnight) / timedelta(milliseconds=1))
    return f"{local:%Y%m%d}-{_base32(millisecond, 6)}-{_base32(int.from_bytes(entropy), 8)}"


def _base32(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
