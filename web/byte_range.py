"""Which octets of a resource a request asks for (RFC 9110 §14.2), one range at a time. Pure."""

import re
from dataclasses import dataclass
from typing import Final

_RANGE: Final = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class Unsatisfiable(Exception):
    """None of the octets asked for is there."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The octets ``first`` to ``last`` of ``length``, all counted from 0."""

    first: int
    last: int
    length: int

    @property
    def content_range(self) -> str:
        """What the header Content-Range says of it."""
        return f"bytes {self.first}-{self.last}/{self.length}"


def whole(length: int) -> ByteRange:
    """Return all octets of a resource."""
    return ByteRange(0, length - 1, length)


def read_range(header: str | None, length: int) -> ByteRange | None:
    """Return the range that a request's header Range asks for.

    None: there is no such header, or one that we do not follow (several ranges, another unit,
    something malformed): "A server MAY ignore the Range header field".

    Raises:
        Unsatisfiable: it begins behind the resource's end, or asks for its last 0 octets.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:  # the last so many
        first, last = max(length - int(found[2]), 0), length - 1
    else:
        first = int(found[1])
        last = min(int(found[2]), length - 1) if found[2] else length - 1
        if found[2] and int(found[2]) < first:
            return None
    if first >= length:
        raise Unsatisfiable(f"octet {first} of {length}")
    return ByteRange(first, last, length)
