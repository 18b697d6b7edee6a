"""What Prometheus scrapes; for the networks that may."""

from collections.abc import Sequence
from http import HTTPStatus
from ipaddress import ip_address

from fastapi import APIRouter, Request, Response

from web.errors import ApiError
from web.services import Network, Served, Services

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def scrape(request: Request, served: Served) -> Response:
    """Return what is counted: no session, but only for the networks that may."""
    if not may_scrape(request, served):
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", "not for this address")
    scraped = await served.metrics()
    return Response(scraped, media_type="text/plain; version=0.0.4; charset=utf-8")


def may_scrape(request: Request, served: Services) -> bool:
    """Tell whether a request comes from a network that may see the figures."""
    return _is_in(request.client.host if request.client else "", served.metrics_allowed)


def _is_in(host: str, networks: Sequence[Network]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:  # a Unix socket's peer has no address
        return False
    return any(address in network for network in networks)
