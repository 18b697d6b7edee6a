"""Phone numbers are masked for everybody who is not on the call: 152****2668.

Numbers hide in free text as well: digits in a ticket's content, spoken digits (一五二…) in a
transcript. Both are masked by the same rule: a run of seven or more loses its middle.
"""

import re

_SPOKEN = "零〇一二三四五六七八九幺两"
_RUN = re.compile(rf"[0-9０-９{_SPOKEN}](?:[ -]?[0-9０-９{_SPOKEN}]){{6,}}")
_HEAD, _TAIL = 3, 4
_LONG = 11


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
