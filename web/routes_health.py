"""How the node is: for load balancers, container health checks and people."""

import asyncio
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from web.auth import identify, shown_token
from web.routes_metrics import may_scrape
from web.schemas_records import HealthOut
from web.services import Served, Services

_WHO_SECONDS: Final = 1.0
"""How the node is must be told even if the database does not tell who asks."""

router = APIRouter(prefix="/health", tags=["health"])


@router.get(
    "",
    summary="How the node is",
    response_model_exclude_unset=True,
    responses={
        HTTPStatus.SERVICE_UNAVAILABLE: {
            "model": HealthOut,
            "description": "The node cannot take calls.",
        }
    },
)
async def health(request: Request, response: Response, served: Served) -> HealthOut:
    """Answer 200 while the node can take calls, even if a part of it is away; else 503. Public.

    `parts`, which name trunks, `counts` and `version` are for supervisors, administrators and the
    networks that may scrape `/metrics`.
    """
    report = await served.health()
    if report["status"] == "down":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    if await _may_know(request, served):
        return HealthOut.model_validate({"version": served.version, **report})
    return HealthOut(status=report["status"])


async def _may_know(request: Request, served: Services) -> bool:
    """Tell whether the details are shown to whoever asks; asking is no use of his session.

    They are not if it cannot be found out who asks.
    """
    if may_scrape(request, served):
        return True
    try:
        async with asyncio.timeout(_WHO_SECONDS):
            who = await identify(served, shown_token(request), attended=False)
    except (SQLAlchemyError, OSError, TimeoutError):
        return False
    return who is not None and who.leads
