"""One shape for everything that is refused: ``{"error": {"code", "message", "field", "chinese"}}``.

``code`` is for programs, ``message`` for the person who reads the log, ``field`` (or null) names
the part of the request that was wrong, ``chinese`` (or null) is the message for the pages. Domain
errors carry no HTTP status; it is chosen here.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from agents.accounts import TooManyAttempts
from agents.presence import PresenceError
from calls.after_call import UnknownDisposition
from calls.breaks import BreakRefused
from calls.callbacks import CallBackError
from calls.errors import RecordingError, TransferError, UnknownCall
from calls.redaction import RedactionError
from calls.reporting.period import PeriodError
from telephony.media.sealed import SealError
from tickets.exchange.machine import ExchangeError
from tickets.exchange.service import UnknownHandover
from tickets.fields import TicketError
from tickets.life import LifeError
from tickets.store import AlreadySubmitted, UnknownTicket
from web.chinese import in_chinese

log = structlog.get_logger(__name__)


class ErrorDetail(BaseModel):
    """What was wrong."""

    code: str = Field(examples=["not_found"])
    message: str
    field: str | None = Field(default=None, description="The part of the request that was wrong.")
    chinese: str | None = Field(
        default=None, description="The message in Chinese, where there is one."
    )


class ErrorBody(BaseModel):
    """The body of every refused request."""

    error: ErrorDetail


class ApiError(Exception):
    """A request is refused.

    Args:
        status: HTTP status to answer with.
        code: for programs, stable.
        message: for people.
        field: the part of the request that was wrong.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.headers = headers


def not_signed_in() -> ApiError:
    """Return the refusal for who shows no session that lasts."""
    return ApiError(
        HTTPStatus.UNAUTHORIZED,
        "not_signed_in",
        "sign in first",
        headers={"WWW-Authenticate": "Bearer"},
    )


def not_found(what: str) -> ApiError:
    """Return the refusal for something that isn't there, or isn't the asker's to see."""
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", f"no such {what}")


def conflict(code: str, message: str) -> ApiError:
    """Return the refusal for something that the present state does not allow."""
    return ApiError(HTTPStatus.CONFLICT, code, message)


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route that may answer with these, for OpenAPI."""
    return {int(status): {"model": ErrorBody, "description": status.phrase} for status in statuses}


def error_response(error: ApiError) -> JSONResponse:
    """Return the answer that says it."""
    detail = ErrorDetail(
        code=error.code,
        message=error.message,
        field=error.field,
        chinese=in_chinese(error.message),
    )
    return JSONResponse(
        ErrorBody(error=detail).model_dump(), int(error.status), headers=dict(error.headers or {})
    )


def _from_validation(error: RequestValidationError) -> ApiError:
    """Name the first wrong part; malformed JSON is 400, a wrong value 422."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "")
        return ApiError(HTTPStatus.BAD_REQUEST, "malformed", f"the body is not JSON: {reason}")
    place = [str(part) for part in first["loc"]]
    if len(place) > 1 and place[0] in {"body", "query", "path", "header", "cookie"}:
        place = place[1:]
    field = ".".join(place)
    return ApiError(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", f"{field}: {first['msg']}", field=field
    )


def _from_http(error: HTTPException) -> ApiError:
    """Give the framework's own refusals (unknown path, wrong method) the common shape."""
    status = HTTPStatus(error.status_code)
    code = status.name.lower()
    return ApiError(status, code, str(error.detail), headers=error.headers)


def _from_life(error: LifeError) -> ApiError:
    """A step at the wrong time is a conflict; one that lacks something is invalid."""
    if error.code == "not_now":
        return conflict(error.code, str(error))
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, error.code, str(error), field=error.field)


def _from_exchange(error: ExchangeError) -> ApiError:
    """What lacks its reason is invalid; what cannot be now, or with him, a conflict."""
    if error.code == "required":
        return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, error.code, str(error), field="reason")
    return conflict(error.code, str(error))


def _from_transfer(error: TransferError) -> ApiError:
    """Nobody of that name is not found, nobody for this asker forbidden, the rest a conflict."""
    statuses = {
        "unknown_target": HTTPStatus.NOT_FOUND,
        "unknown_party": HTTPStatus.NOT_FOUND,
        "target_not_allowed": HTTPStatus.FORBIDDEN,
    }
    status = statuses.get(error.code, HTTPStatus.CONFLICT)
    field = "target" if "target" in error.code else None
    return ApiError(status, error.code, str(error), field=field)


def _from_call_back(error: CallBackError) -> ApiError:
    """No such entry, or one that somebody else is calling or has closed."""
    return not_found("entry") if error.code == "unknown" else conflict(error.code, str(error))


def _from_break(error: BreakRefused) -> ApiError:
    """No such reason, or no more of it today."""
    if error.code == "unknown_reason":
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return ApiError(status, error.code, str(error), field="reason")
    return conflict(error.code, str(error))


def _from_brake(error: TooManyAttempts) -> ApiError:
    """Say how long the login brake still holds, where the accounts tell."""
    seconds = max(1, math.ceil(error.retry_after))  # whoever obeys is not too early
    told = "too_many_attempts", f"too many failed sign-ins; try again in {seconds} s"
    if error.with_any:
        said = f"too many failed sign-ins from this address; try again in {seconds} s"
        told = "too_many_from_here", said
    return ApiError(HTTPStatus.TOO_MANY_REQUESTS, *told, headers={"Retry-After": str(seconds)})


_TRANSLATIONS: dict[type[Exception], Callable[[Any], ApiError]] = {
    ApiError: lambda error: error,
    RequestValidationError: _from_validation,
    TooManyAttempts: _from_brake,
    UnknownCall: lambda _: not_found("call"),
    UnknownHandover: lambda _: not_found("handover, or partner who takes part in the exchange"),
    ExchangeError: _from_exchange,
    UnknownTicket: lambda _: not_found("ticket"),
    AlreadySubmitted: lambda _: conflict("already_submitted", "the ticket has been submitted"),
    TicketError: lambda error: ApiError(
        HTTPStatus.UNPROCESSABLE_ENTITY, error.code, str(error), field=f"fields.{error.field}"
    ),
    LifeError: _from_life,
    SealError: lambda error: conflict("sealed", str(error)),
    RecordingError: lambda error: conflict("not_recording", str(error)),
    RedactionError: lambda error: ApiError(
        HTTPStatus.UNPROCESSABLE_ENTITY, "bad_span", str(error), field="start"
    ),
    PeriodError: lambda error: ApiError(HTTPStatus.NOT_FOUND, "not_found", str(error)),
    TransferError: _from_transfer,
    CallBackError: _from_call_back,
    BreakRefused: _from_break,
    UnknownDisposition: lambda error: ApiError(
        HTTPStatus.UNPROCESSABLE_ENTITY, "unknown_disposition", str(error), field="code"
    ),
    PresenceError: lambda error: conflict("presence", str(error)),
}


def _handler(
    translate: Callable[[Any], ApiError],
) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    async def handle(_request: Request, error: Exception) -> JSONResponse:
        return error_response(translate(error))

    return handle


def _allowed(app: FastAPI, path: str) -> str:
    """Return the methods of a path for ``Allow`` (RFC 9110, section 10.2.1): all of them.

    The framework lists only those of the first route that has this path.
    """
    methods = {
        method.upper()
        for template, operations in app.openapi()["paths"].items()
        if compile_path(template)[0].match(path)
        for method in operations
    }
    return ", ".join(sorted(methods))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    refusal = _from_http(cast(HTTPException, error))
    allowed = _allowed(request.app, request.url.path)
    if refusal.status is HTTPStatus.METHOD_NOT_ALLOWED and allowed:
        refusal.headers = {**(refusal.headers or {}), "Allow": allowed}
    return error_response(refusal)


async def _fault(request: Request, error: Exception) -> JSONResponse:
    """Answer for a defect of ours: logged in full, told in brief."""
    log.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return error_response(
        ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the node failed; see its log")
    )


def install(app: FastAPI) -> None:
    """Make the app answer every refusal in the one shape."""
    for kind, translate in _TRANSLATIONS.items():
        app.add_exception_handler(kind, _handler(translate))
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _fault)
