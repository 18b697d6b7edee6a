"""A UDP socket on the event loop.

asyncio's datagram transport reports a refused ``sendto`` later and without its destination; SIP
wants to know at once which transaction it hit (RFC 3261 §18.4). So the socket is ours.
"""

import asyncio
import socket
from collections.abc import Callable

import structlog

from telephony.sip.via import Address
from telephony.transport.listener import only_ipv6

_LARGEST = 65535
# A burst of calls, or a flood beside them, arrives faster than one turn of the loop: 10,000
# datagrams a second fill 4 MiB in most of a second. The system may allow less (rmem_max).
BUFFER = 4 << 20
_AT_ONCE = 64  # datagrams read before other callbacks of the loop get their turn

_log = structlog.get_logger(__name__)


class UdpSocket:
    """A bound, non-blocking socket.

    Args:
        on_datagram: called for each datagram with its bytes and source.
    """

    name = "UDP"

    def __init__(self, on_datagram: Callable[[bytes, Address], None]) -> None:
        self._on_datagram = on_datagram
        self._socket: socket.socket | None = None

    async def open(self, host: str, port: int) -> Address:
        """Bind and start reading; return the bound address.

        Raises:
            OSError: the name cannot be resolved or the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.settimeout(0)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            only_ipv6(bound)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
        self._socket = bound
        loop.add_reader(bound.fileno(), self._read)
        name: tuple[str, int] = bound.getsockname()[:2]
        return name

    def send(self, data: bytes, destination: Address) -> None:
        """Send one datagram; lost, like any datagram may be, when the system's buffer is full.

        Raises:
            OSError: the system refuses it (no route, too long, not permitted), or we are closed.
        """
        if self._socket is None:
            raise OSError("socket is closed")
        try:
            self._socket.sendto(data, destination)
        except BlockingIOError:
            _log.warning("udp.buffer_full", bytes=len(data))

    def close(self) -> None:
        """Stop reading and release the port."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        """Take what has arrived."""
        for _ in range(_AT_ONCE):
            if self._socket is None:
                return
            try:
                data, source = self._socket.recvfrom(_LARGEST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # An ICMP error of an earlier datagram, on systems that report it here.
                _log.debug("udp.receive_failed", error=str(error))
                continue
            self._on_datagram(data, source[:2])
