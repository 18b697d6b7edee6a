"""How the whole is, for supervisors and administrators; ``/health`` is for machines."""

from http import HTTPStatus

from fastapi import APIRouter

from web.auth import Supervisor
from web.errors import documented
from web.schemas_system import SystemOut
from web.services import Served

router = APIRouter(
    prefix="/system",
    tags=["health"],
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
)


@router.get("", summary="Nodes, trunks, phones, processes, recognisers")
async def system(_who: Supervisor, served: Served) -> SystemOut:
    """Return what this node knows of itself and the others."""
    return SystemOut.model_validate({"version": served.version, **await served.system()})
