"""What Prometheus scrapes; for the networks that may."""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network, ip_address

from fastapi import APIRouter, Request, Response

from web.errors import ApiError

Network = IPv4Network | IPv6Network


def router(metrics: Callable[[], Awaitable[bytes]], allowed: Sequence[Network]) -> APIRouter:
    """Return the route: no session, but only for these networks."""
    route = APIRouter(include_in_schema=False)

    @route.get("/metrics")
    async def scrape(request: Request) -> Response:
        host = request.client.host if request.client else ""
        if not _is_in(host, allowed):
            raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", "not for this address")
        return Response(await metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return route


def _is_in(host: str, networks: Sequence[Network]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:  # a Unix socket's peer has no address
        return False
    return any(address in network for network in networks)
