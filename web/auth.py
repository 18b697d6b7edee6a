"""Who asks: the session cookie of a browser, or the bearer token of an API client.

A browser sends its cookie along with requests that other sites provoke, so a state-changing
request that shows nothing but the cookie must also show ``X-Requested-With: hotline`` (which
another site cannot set without our leave) or an ``Origin`` of ours.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from web.access import CALLERS, LEADERS, READERS
from web.errors import ApiError, not_signed_in
from web.ports_people import Account
from web.services import Services, services_of

COOKIE = "hotline_session"
CSRF_HEADER = "X-Requested-With"
CSRF_VALUE = "hotline"
UNATTENDED_HEADER = "X-Unattended"
"""A page adds it to what it asks for by itself, by a timer: that is no use of the session."""
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_bearer = HTTPBearer(auto_error=False, description="The token that POST /api/v1/session returned.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="Set by POST /api/v1/session.")


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person who asks, and with which token."""

    account: Account
    token: str

    @property
    def id(self) -> str:
        """His own number."""
        return self.account.id

    @property
    def leads(self) -> bool:
        """Whether others' live calls and states are his matter."""
        return self.account.role in LEADERS

    @property
    def reads_all(self) -> bool:
        """Whether others' past calls and their tickets are shown to him (masked)."""
        return self.account.role in READERS

    def may_lead(self, agent_id: str | None) -> bool:
        """Whether he may act on something live of that agent's."""
        return self.leads or agent_id == self.id

    def may_read(self, agent_id: str | None) -> bool:
        """Whether something of that agent's may be shown to him at all."""
        return self.reads_all or agent_id == self.id


def own_origin(connection: HTTPConnection) -> bool:
    """Whether the ``Origin`` header is there and names the host that was asked."""
    origin = connection.headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc == connection.headers.get("host")
    except ValueError:  # "http://[": no address
        return False


def shown_token(connection: HTTPConnection) -> str | None:
    """Return the token that a request shows, as bearer or as cookie; None: it shows none."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else connection.cookies.get(COOKIE)


async def is_signed_in(connection: HTTPConnection) -> bool:
    """Whether a request shows a session that lasts; its idle time goes on."""
    token = shown_token(connection)
    return token is not None and await services_of(connection).sessions.peek(token) is not None


async def identify(
    services: Services, token: str | None, *, attended: bool = True
) -> Viewer | None:
    """Return whose token it is, or None; an account that is gone takes its sessions along.

    Args:
        services: of the app.
        token: what was shown.
        attended: somebody does something: the session's idle time starts anew.
    """
    if not token:
        return None
    look = services.sessions.touch if attended else services.sessions.peek
    agent_id = await look(token)
    account = await services.accounts.get(agent_id) if agent_id is not None else None
    return Viewer(account, token) if account is not None else None


async def viewer(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> Viewer:
    """Return who asks; 401 when nobody, 403 when another site might be behind the request."""
    token = bearer.credentials if bearer else cookie
    found = await identify(services, token, attended=UNATTENDED_HEADER not in request.headers)
    if found is None:
        raise not_signed_in()
    if bearer is None and request.method not in _SAFE_METHODS:
        deliberate = request.headers.get(CSRF_HEADER) == CSRF_VALUE or own_origin(request)
        if not deliberate:
            raise ApiError(
                HTTPStatus.FORBIDDEN,
                "csrf",
                f"a request by cookie needs the header {CSRF_HEADER}: {CSRF_VALUE}",
            )
    return found


def _supervisor(who: Annotated[Viewer, Depends(viewer)]) -> Viewer:
    if not who.leads:
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", "for supervisors and administrators")
    return who


def _inspector(who: Annotated[Viewer, Depends(viewer)]) -> Viewer:
    if not who.reads_all:
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", "not for agents")
    return who


def _caller(who: Annotated[Viewer, Depends(viewer)]) -> Viewer:
    if who.account.role not in CALLERS:
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", "for those who talk with citizens")
    return who


def _admin(who: Annotated[Viewer, Depends(viewer)]) -> Viewer:
    if who.account.role != "admin":
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", "for administrators")
    return who


Asker = Annotated[Viewer, Depends(viewer)]
Inspector = Annotated[Viewer, Depends(_inspector)]
Supervisor = Annotated[Viewer, Depends(_supervisor)]
Admin = Annotated[Viewer, Depends(_admin)]
Caller = Annotated[Viewer, Depends(_caller)]
