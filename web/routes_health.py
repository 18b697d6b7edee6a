"""How the node is: for load balancers, container health checks and people."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from web.schemas_records import HealthOut
from web.services import Served

router = APIRouter(prefix="/health", tags=["health"])


@router.get(
    "",
    summary="How the node is",
    responses={
        HTTPStatus.SERVICE_UNAVAILABLE: {
            "model": HealthOut,
            "description": "The node cannot take calls.",
        }
    },
)
async def health(response: Response, served: Served) -> HealthOut:
    """Answer 200 while the node can take calls, even if a part of it is away; else 503. Public."""
    report = await served.health()
    if report["status"] == "down":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return HealthOut.model_validate({"version": served.version, **report})
