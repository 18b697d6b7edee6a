"""Phone numbers are masked for everybody who is not on the call: 152****2668.

Numbers hide in free text as well: digits in a ticket's content, spoken digits (一五二…) in a
transcript. Both are masked by the same rule: a run of seven or more loses its middle.
"""

import re
from collections.abc import Mapping
from typing import Any

_SPOKEN = "零〇一二三四五六七八九幺两"
_RUN = re.compile(rf"[0-9０-９{_SPOKEN}](?:[ -]?[0-9０-９{_SPOKEN}]){{6,}}")
_HEAD, _TAIL = 3, 4
_LONG = 11
# Identifiers and names of fields are ours, never a citizen's words.
_PLAIN_KEYS = frozenset(
    {"id", "line", "event", "field", "source", "status", "state", "leg", "outcome"}
)


def mask_number(number: str) -> str:
    """Hide the middle: three first and four last stay of a mobile number, fewer of a short one.

    >>> mask_number("15250322668")
    '152****2668'
    >>> mask_number("53571234")
    '53****34'
    """
    short = max(0, (len(number) - _TAIL) // 2)
    head, tail = (_HEAD, _TAIL) if len(number) >= _LONG else (short, short)
    hidden = len(number) - head - tail
    return number[:head] + "*" * hidden + number[len(number) - tail :]


def mask_text(text: str) -> str:
    """Mask every number, written or spoken, of seven digits or more."""
    return _RUN.sub(lambda run: mask_number(run.group()), text)


def masked(value: Any, key: str = "") -> Any:
    """Return a JSON-like value with the numbers in all its texts masked; ids stay as they are."""
    if key in _PLAIN_KEYS or key.endswith("_id"):
        return value
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, Mapping):
        return {name: masked(part, name) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [masked(part, key) for part in value]
    return value
