"""Calls that another node holds: what is asked of them is carried to it and answered by it.

An agent may be signed in at one node while the trunk delivered his call to another. Call, draft
and conversation live there; so a request for one of these, made here, is carried there over Redis,
run through that node's own application (same token, same checks, same audit), and its answer is
given here. Nobody who uses the API needs to know which node holds what.
"""

import base64
import itertools
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

import httpx
import structlog
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from calls.errors import UnknownCall
from eventbus.asking import NodeAsking, NodeSilent
from web.errors import ApiError, error_response

log = structlog.get_logger(__name__)

_HELD = re.compile(r"/api/v1/(calls|tickets)/([^/]+)(/.*)?")
_LIVE = "/api/v1/calls/live"
_TICKETS = "/api/v1/tickets/"
_WITHOUT_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
# A recording is too long to be carried; every node reads the folder that all write to.
_HERE = {"/recording"}
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length"}
CARRIED = "hotline.carried"
"""In the scope of a request that has come from another node: it goes no further."""


class Holders(Protocol):
    """Knows which node holds a call that has not ended."""

    node: str

    def holds(self, call_id: str) -> bool:
        """Say whether this node holds a call."""

    async def of_call(self, call_id: str) -> str | None:
        """Return the other node that holds this call; None: this one, or none.

        Raises:
            UnknownCall: there is no record of it, or not yet.
        """

    async def of_ticket(self, ticket_id: str) -> str | None:
        """Return the other node whose call fills this ticket; None: this one, or none."""


class OtherNodes:
    """The other nodes, as the web application sees them.

    Args:
        asking: reaches them; what they ask is answered here.
        holders: knows who holds what.

    Attributes:
        on_desk: told (agent, digest of the session) of somebody who has begun to work at another
            node.
    """

    def __init__(self, asking: NodeAsking, holders: Holders) -> None:
        self.asking = asking
        self.holders = holders
        self.on_desk: Callable[[str, str], None] = lambda _agent_id, _session: None
        self._app: ASGIApp | None = None
        asking.serve = self._serve

    def runs(self, app: ASGIApp) -> None:
        """Take the application that answers the others' requests."""
        self._app = app

    async def live_calls(self, token: str) -> list[dict[str, Any]]:
        """Return the live calls of other nodes that the owner of this token may see."""
        return list(itertools.chain.from_iterable(await self._read(_LIVE, token)))

    async def ticket(self, ticket_id: str, token: str) -> dict[str, Any] | None:
        """Return a ticket that the node which fills it may not have stored yet, or None."""
        return next(iter(await self._read(_TICKETS + ticket_id, token)), None)

    async def _read(self, path: str, token: str) -> list[Any]:
        """Return what the other nodes that have something there answer to the token's owner."""
        headers = [["authorization", f"Bearer {token}"]]
        answers = await self.asking.ask_all(
            {"method": "GET", "path": path, "query": "", "headers": headers, "body": ""}
        )
        return [
            json.loads(base64.b64decode(answer["body"]))
            for answer in answers
            if answer is not None and answer["status"] == HTTPStatus.OK
        ]

    async def at_desk(self, agent_id: str, session: str) -> None:
        """Tell the others where an agent works now."""
        await self.asking.tell_all({"desk": agent_id, "session": session})

    async def holder(self, path: str, signed_in: Callable[[], Awaitable[bool]]) -> str | None:
        """Return the other node that a request for this path belongs to.

        Args:
            path: of the request.
            signed_in: awaited before all nodes are asked: a stranger has none of them work.
        """
        found = _HELD.fullmatch(path)
        if found is None or path == _LIVE or found[3] in _HERE:
            return None
        if found[1] == "tickets":
            return await self.holders.of_ticket(found[2])
        try:
            return await self.holders.of_call(found[2])
        except UnknownCall:
            if not await signed_in():
                return None
            answers = await self.asking.ask_all({"holds": found[2]})
            return next(filter(None, answers), None)

    async def _serve(self, question: dict[str, Any]) -> dict[str, Any] | str | None:
        if "desk" in question:
            self.on_desk(str(question["desk"]), str(question["session"]))
            return None
        if "holds" in question:
            return self.holders.node if self.holders.holds(str(question["holds"])) else None
        if self._app is None:
            return None
        transport = httpx.ASGITransport(_carried(self._app), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            answer = await client.request(
                question["method"],
                question["path"] + (f"?{question['query']}" if question["query"] else ""),
                headers=[(str(name), str(value)) for name, value in question["headers"]],
                content=base64.b64decode(question["body"]),
            )
        return {
            "status": answer.status_code,
            "headers": _end_to_end(answer.headers.multi_items()),
            "body": base64.b64encode(answer.content).decode(),
        }


def _carried(app: ASGIApp) -> ASGIApp:
    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, CARRIED: True}, receive, send)

    return marked


def _end_to_end(headers: Iterable[tuple[str, str]]) -> list[list[str]]:
    return [[name, value] for name, value in headers if name.lower() not in _HOP_BY_HOP]


class CarryToHolder:
    """ASGI middleware: requests for what another node holds are answered by that node.

    Args:
        app: answers all others.
        nodes: the other nodes.
        signed_in: whether a request shows a session that lasts.
    """

    def __init__(
        self,
        app: ASGIApp,
        nodes: OtherNodes,
        signed_in: Callable[[HTTPConnection], Awaitable[bool]],
    ) -> None:
        self._app = app
        self._nodes = nodes
        self._signed_in = signed_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection."""
        node = None
        if scope["type"] == "http" and CARRIED not in scope:
            asker = partial(self._signed_in, HTTPConnection(scope))
            node = await self._nodes.holder(scope["path"], asker)
        if node is None:
            await self._app(scope, receive, send)
        else:
            response = await self._carried(node, Request(scope, receive))
            await response(scope, receive, send)

    async def _carried(self, node: str, request: Request) -> ASGIApp:
        """Return what answers: the other node's answer, or this node in its place."""
        body = await request.body()  # no longer than web.body_limit has it
        question = {
            "method": request.method,
            "path": request.url.path,
            "query": request.url.query,
            "headers": _end_to_end(request.headers.items()),
            "body": base64.b64encode(body).decode(),
        }
        try:
            answer = await self._nodes.asking.ask(node, question)
        except NodeSilent as error:
            log.warning("holder_silent", node=node, path=request.url.path)
            if request.method == "GET" or request.url.path.startswith(_TICKETS):
                return _again(self._app, body)  # as far as it is stored
            message = f"{error}; it holds the call"
            return error_response(ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "node_silent", message))
        if answer is None:
            return _again(self._app, body)
        response = Response(base64.b64decode(answer["body"]), answer["status"])
        response.raw_headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer["headers"]
        ]
        if response.status_code not in _WITHOUT_BODY:
            response.headers["content-length"] = str(len(response.body))
        return response


def _again(app: ASGIApp, body: bytes) -> ASGIApp:
    """Return the application with a request's body that has been read already."""

    async def replayed(scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def first_that() -> Message:
            return messages.pop() if messages else await receive()

        await app(scope, first_that, send)

    return replayed
