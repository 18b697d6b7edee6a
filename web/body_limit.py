"""How long a request's body may be: what a route reads, it reads whole into the node's memory.

The framework reads a body before the route's checks are asked, so without a limit whoever reaches
the port could fill the memory of the process that carries the calls. Long bodies (recordings,
documents) are taken from those who are signed in only.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.errors import ApiError, error_response, not_signed_in

ORDINARY: Final = 512 * 1024
"""Octets: more than a ticket with every field at its longest and each character ``\\uXXXX``."""
LONG: Final = 25_000_000
"""Octets: ten minutes of audio, whose own limit is 20 MB; the longest document (4,000,000
characters), in UTF-8 or with each character written ``\\uXXXX``, though not as pairs of those."""
_LONG_PATHS: Final = (
    "/api/v1/documents/",
    "/api/v1/knowledge/",
    "/api/v1/prompts/",
    "/api/v1/routing",
)


class BodyLimit:
    """ASGI middleware: a body that is too long is answered 413, and no more of it is read.

    Who would have to be signed in to send so much is answered 401, so that his page asks him to.

    Args:
        app: answers the requests.
        signed_in: whether a request shows a session that lasts.
    """

    def __init__(
        self, app: ASGIApp, signed_in: Callable[[HTTPConnection], Awaitable[bool]]
    ) -> None:
        self._app = app
        self._signed_in = signed_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_long = scope["path"].startswith(_LONG_PATHS)
        known = is_long and await self._signed_in(HTTPConnection(scope))
        limit = LONG if known else ORDINARY
        taken = 0
        too_long = _announced(scope) > limit

        async def receive_within() -> Message:
            nonlocal taken, too_long
            message = await receive()
            taken += len(message.get("body", b""))
            too_long = taken > limit
            # Whoever reads believes that the client has gone, and stops.
            return {"type": "http.disconnect"} if too_long else message

        async def send_unless_too_long(message: Message) -> None:
            if not too_long:
                await send(message)

        if not too_long:
            with suppress(ClientDisconnect):
                await self._app(scope, receive_within, send_unless_too_long)
        if too_long:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            error = ApiError(status, "too_long", "the body is too long")
            if is_long and not known and _announced(scope) <= LONG:
                error = not_signed_in()
            await error_response(error)(scope, receive, send)


def _announced(scope: Scope) -> int:
    """Return what Content-Length says; 0 where there is none: then what comes is counted."""
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0
