"""A page as a phone: its pass for the registrar, and the WebSocket on which it speaks SIP.

The line goes to the registrar and the legs that desk phones use as well; here its messages are
carried and not read. Whoever opens it must be signed in, and by SIP he proves again who he is.
"""

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from web.auth import Asker
from web.errors import ApiError, documented, error_response
from web.feed_route import admit, until_first
from web.schemas_phone import PhonePassOut
from web.services import Served, services_of
from web.sessions import session_digest

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/me/phone", tags=["me"])

PATH: Final = "/api/v1/me/phone/line"
SUBPROTOCOL: Final = "sip"  # RFC 7118 §4.1

_WAITING_MESSAGES = 256
_SESSION_SECONDS = 15.0


@router.post(
    "",
    summary="A pass for this page's phone",
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
)
async def phone_pass(who: Asker, served: Served) -> PhonePassOut:
    """Return what the asker's phone in a browser registers with.

    It is good for an hour, and no longer than the session.
    """
    issued = served.phones.issue(who.id, session=session_digest(who.token))
    return PhonePassOut(
        user=who.id,
        username=issued.username,
        password=issued.password,
        expires_at=issued.expires_at,
        path=PATH,
        echo=served.phones.echo,
    )


class _Carried:
    """Takes messages for the page; a page that does not read is cut off."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self._waiting = asyncio.Queue[bytes](_WAITING_MESSAGES)

    def send(self, message: bytes) -> None:
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.close()

    def close(self) -> None:
        self.closed.set()

    async def write(self, websocket: WebSocket) -> None:
        while True:
            message = await self._waiting.get()
            # RFC 7118 §5: what is no UTF-8 text goes in a binary frame
            try:
                await websocket.send_text(message.decode())
            except UnicodeDecodeError:
                await websocket.send_bytes(message)


@router.websocket("/line")
async def line(websocket: WebSocket) -> None:
    """Carry SIP between a page and the gateway until one of them goes or the session ends."""
    served = services_of(websocket)
    try:
        who = await admit(websocket, served)
    except ApiError as error:
        await websocket.send_denial_response(error_response(error))
        return
    offered = websocket.scope["subprotocols"]
    await websocket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)
    client = websocket.client
    carried = _Carried()
    peer = (client.host, client.port) if client is not None else ("", 0)
    wire = served.phones.connect(peer, carried, secure=websocket.url.scheme == "wss")

    async def read() -> None:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            wire.received(text.encode() if text is not None else message["bytes"])

    async def keep() -> None:
        while await served.sessions.peek(who.token) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SESSION_SECONDS):
                    await carried.closed.wait()
                    return

    try:
        with served.feed.accompany(who.id, who.token, carried.close):
            await until_first(read(), carried.write(websocket), keep())
    except WebSocketDisconnect:
        return
    finally:
        wire.lost()
    with suppress(WebSocketDisconnect, RuntimeError):  # the peer may have closed it already
        await websocket.close()
