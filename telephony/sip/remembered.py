"""Reading the same header value once.

Within a call each message carries the same From, To and Via, and each layer reads them again.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")

_VALUES = 1024
_LONGEST = 256  # characters; together they bound what strangers can make us remember


def remembered(read: Callable[[str], T]) -> Callable[[str], T]:
    """Let a reader remember its latest results; they must not be changed, and errors are not kept.

    Longer values than a header usually has are read anew each time.
    """
    known = lru_cache(_VALUES)(read)

    @wraps(read)
    def recall(value: str) -> T:
        return known(value) if len(value) <= _LONGEST else read(value)

    return recall
