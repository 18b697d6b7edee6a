"""What is alive in this process: so that a test can say that calls leave nothing behind."""

import gc
from asyncio import TimerHandle
from collections import Counter

_OURS = ("agents.", "asr.", "calls.", "eventbus.", "telephony.", "tickets.", "tests.")
_OTHERS = ("_asyncio.", "asyncio.", "aiosipua.", "uvloop.")


def census() -> Counter[str]:
    """Count the objects of ours, of asyncio's and of the SIP library's, by type."""
    gc.collect()
    names = (
        f"{type(one).__module__}.{type(one).__qualname__}"
        for one in gc.get_objects()
        if not _is_cancelled(one)
    )
    return Counter(name for name in names if name.startswith((*_OURS, *_OTHERS)))


def left_of(calls: int, before: Counter[str]) -> dict[str, int]:
    """Return the types of which something is left of at least every second of so many calls."""
    left = census() - before
    return {name: many for name, many in left.items() if many >= calls / 2}


def _is_cancelled(one: object) -> bool:
    """Whether this is a timer that the loop has yet to forget: it does so when it would be due."""
    return isinstance(one, TimerHandle) and one.cancelled()
