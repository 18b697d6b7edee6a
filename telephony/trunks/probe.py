"""The question whether a trunk is there: OPTIONS (RFC 3261 §11), from a node or from the doctor."""

import asyncio
import ipaddress
import secrets
import socket

import structlog
from aiosipua import SipResponse

from telephony.endpoint import SipEndpoint
from telephony.sip.dialog import OutgoingRequest
from telephony.sip.errors import TransactionFailure
from telephony.sip.hop import Destination, Hop, Transport, as_hop
from telephony.sip.message import FINAL
from telephony.sip.name_addr import bracketed, sip_uri
from telephony.sip.via import Address
from telephony.trunks.model import Trunk

_ID_BYTES = 8

log = structlog.get_logger(__name__)


def question(trunk: Trunk, destination: Destination, us: Address) -> OutgoingRequest:
    """Build the OPTIONS for a trunk, as a peer at ``us``."""
    target = f"sip:{bracketed(trunk.uri_host)}"
    return OutgoingRequest(
        method="OPTIONS",
        uri=target,
        destination=destination,
        from_=f"<{sip_uri('hotline', us)}>;tag={secrets.token_hex(_ID_BYTES)}",
        to=f"<{target}>",
        call_id=f"{secrets.token_hex(_ID_BYTES * 2)}@{us[0]}",
        cseq=1,
        headers=(("Accept", "application/sdp"),),
    )


async def ask(trunk: Trunk, *, product: str, seconds: float) -> int | TransactionFailure | None:
    """Ask a trunk over UDP or TCP from a port of our own, beside a node that may be running.

    Returns:
        The status of its answer; why there is none; None when its name is unknown.

    Raises:
        ValueError: it has no address, or wants TLS.
        OSError: no port can be had.
    """
    if trunk.host is None or trunk.transport not in {"UDP", "TCP"}:
        raise ValueError(f"trunk {trunk.name} cannot be asked")
    ways = await addresses(trunk.host, trunk.port, trunk.transport)
    if not ways:
        return None
    answer: asyncio.Future[int | TransactionFailure] = asyncio.get_running_loop().create_future()

    def answered(response: SipResponse) -> None:
        if response.status_code >= FINAL and not answer.done():
            answer.set_result(response.status_code)

    def failed(cause: TransactionFailure) -> None:
        if not answer.done():
            answer.set_result(cause)

    host = await asyncio.to_thread(_our_side, as_hop(ways[0]).address)
    endpoint = SipEndpoint(on_request=lambda _request: None)
    await endpoint.open(host, 0, transports=("UDP", "TCP"))
    try:
        request = question(trunk, ways[0], endpoint.reached_at(ways[0])[1]).to_message()
        request.headers.append("User-Agent", product)
        endpoint.send_request(request, ways[0], on_response=answered, on_failure=failed)
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        return "timeout"
    finally:
        await endpoint.close()


def _our_side(peer: Address) -> str:
    """Return the address from which this machine reaches a peer; nothing is sent.

    Raises:
        OSError: no way leads there.
    """
    family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(peer)
        return str(probe.getsockname()[0])


async def addresses(host: str, port: int, transport: Transport) -> tuple[Destination, ...]:
    """Return the ways to a host, the name server's order kept; none if it is unknown."""
    try:
        found = [(str(ipaddress.ip_address(host)), port)]
    except ValueError:
        found = await _looked_up(host, port)
    if transport == "UDP":
        return tuple(found)
    return tuple(Hop(*address, transport) for address in found)


async def _looked_up(host: str, port: int) -> list[Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        log.warning("trunk_not_resolved", host=host, error=str(error))
        return []
    return list(dict.fromkeys((str(address[0]), int(address[1])) for *_, address in found))
