"""A WebSocket connection to a recognition server, with errors that an operator understands."""

from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from asr.ports import RecognizerError

LONGEST_MESSAGE = 1 << 20
OPEN_WITHIN = 5.0

FAULTS = (OSError, TimeoutError, WebSocketException)
"""What goes wrong on a connection."""


class ServerError(RecognizerError):
    """The recognition server is away, or said what its protocol has not."""


async def open_connection(url: str, *, subprotocol: str | None = None) -> ClientConnection:
    """Connect. Raises ServerError."""
    protocols = [Subprotocol(subprotocol)] if subprotocol is not None else None
    try:
        return await connect(
            url,
            subprotocols=protocols,
            compression=None,  # speech does not compress, and each frame would cost time
            max_size=LONGEST_MESSAGE,
            open_timeout=OPEN_WITHIN,
            close_timeout=1.0,
            proxy=None,
        )
    except FAULTS as error:
        raise ServerError(f"cannot reach the recognition server {url}: {describe(error)}") from None


def describe(error: BaseException) -> str:
    """Say what went wrong, also where the exception itself says nothing."""
    return str(error) or type(error).__name__


def finite(value: Any) -> float:
    """Return a number out of a message. Raises ServerError: it is none, or not of this world."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:  # noqa: PLR2004 - thirty years, in s
        raise ServerError(f"the recognition server sent {value!r} where a number belongs")
    return float(value)
