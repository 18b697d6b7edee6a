"""Reading the same header value once.

Within a call each message carries the same From, To and Via, and each layer reads them again.
"""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_VALUES = 1024
_LONGEST = 256  # characters; together they bound what strangers can make us remember


class _Known(dict[str, T]):
    """What was read, by value. A dictionary: nothing of ours runs where the value is known."""

    def __init__(self, read: Callable[[str], T]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, value: str) -> T:
        """Read a value, and remember it unless it is longer than a header usually is."""
        result = self._read(value)
        if len(value) <= _LONGEST:
            if len(self) >= _VALUES:
                self.clear()
            self[value] = result
        return result


def remembered(read: Callable[[str], T]) -> Callable[[str], T]:
    """Let a reader remember its latest results; they must not be changed, and errors are not kept.

    Longer values than a header usually has are read anew each time.
    """
    return _Known(read).__getitem__
