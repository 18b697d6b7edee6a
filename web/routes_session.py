"""Signing in and out."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from web.auth import COOKIE, Asker
from web.errors import ApiError, documented
from web.schemas_people import AgentOut, SessionOut, SignIn
from web.services import Served

router = APIRouter(prefix="/session", tags=["session"])


@router.post(
    "",
    summary="Sign in",
    status_code=HTTPStatus.CREATED,
    responses=documented(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
    ),
)
async def sign_in(body: SignIn, request: Request, response: Response, served: Served) -> SessionOut:
    """Open a session; an agent is put on the floor, not ready yet.

    A browser gets a cookie; an API client sends the token as `Authorization: Bearer`.
    """
    account = await served.accounts.verify(
        body.agent_id, body.password, source=request.client.host if request.client else ""
    )
    if account is None:
        raise ApiError(
            HTTPStatus.UNAUTHORIZED, "wrong_password", "no such account, or a wrong password"
        )
    token = await served.sessions.create(account.id)
    if account.role == "agent":
        await served.floor.sign_in(account.id)
    response.set_cookie(
        COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return SessionOut(token=token, agent=AgentOut.model_validate(account))


@router.delete(
    "",
    summary="Sign out",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
)
async def sign_out(who: Asker, response: Response, served: Served) -> None:
    """End this session and leave the floor; in the middle of a call, after that call."""
    await served.sessions.revoke(who.token)
    served.feed.end_session(who.id, who.token)
    if await served.floor.presence(who.id) is not None:
        await served.floor.sign_out(who.id)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
