"""The transport layer of an endpoint (RFC 3261 §18): listeners, connections, and which to use."""

import asyncio
import secrets
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Literal

import structlog

from telephony.abuse.gatekeeper import source_of
from telephony.sip.hop import Hop, Transport, first_flow
from telephony.sip.name_addr import host_port
from telephony.sip.via import Address
from telephony.transport.carried import CarriedLine, Carrier, WholeMessages
from telephony.transport.connection import Codec, Connection, ConnectionLimits
from telephony.transport.framing import SipStream
from telephony.transport.listener import Bound, Closable, Listener, advertise, only_ipv6
from telephony.transport.tls import Tls
from telephony.transport.udp import UdpSocket
from telephony.transport.websocket import SipWebSocket

CERTIFICATE_SECONDS = 2.0  # between two looks at the certificate's files

_BACKLOG = 1024
_CARRIED = 0  # in place of a listener's number
_CLOSE_SECONDS = 1.0  # for what is still to be written when the layer closes
_LIFE_BITS = 31
_TRIES = 20  # to find a port that is free for two transports

log = structlog.get_logger(__name__)


class TransportLayer:
    """Sends and receives whole messages, by whatever transport.

    Args:
        on_message: given each message and the way back to its sender.
        on_lost: told of each connection that is gone.
        limits: of connections.
        tls: for TLS and WSS; None: neither can be spoken.

    Attributes:
        bound: the listeners, in the order in which they were opened.
        refused: how many connections were beyond the limits.
        life: this run's number, which its connections' flows tell (`telephony.sip.hop.life_of`).
    """

    def __init__(
        self,
        *,
        on_message: Callable[[bytes, Hop], None],
        on_lost: Callable[[Hop], None],
        limits: ConnectionLimits,
        tls: Tls | None = None,
    ) -> None:
        self.bound: list[Bound] = []
        self.refused = 0
        self._on_message = on_message
        self._on_lost = on_lost
        self._limits = limits
        self._tls = tls
        self._closables: list[Closable] = []
        self._sockets: dict[int, UdpSocket] = {}
        self._connections: dict[int, Connection] = {}
        self._by_peer: dict[tuple[Transport, Address], Connection] = {}
        self._per_source: Counter[str] = Counter()
        self._connecting: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        # Flows outlive us in the registrations that others keep; after a restart none may be taken
        # for one of ours. Those of UDP sockets stay what they are.
        self.life = secrets.randbits(_LIFE_BITS)
        self._next_flow = first_flow(self.life)

    @property
    def connections(self) -> int:
        """How many connections there are, made or being made."""
        return len(self._connections)

    # Listening

    async def open(self, listener: Listener) -> Bound:
        """Listen.

        Raises:
            OSError: the address cannot be resolved or bound; a note says which.
            ValueError: bound to every address, and none was given to advertise.
        """
        try:
            return await self._open(listener)
        except OSError as error:
            error.add_note(f"{listener.transport} {host_port((listener.host, listener.port))}")
            raise

    async def _open(self, listener: Listener) -> Bound:
        flow = len(self.bound) + 1
        if listener.transport == "UDP":
            udp = UdpSocket(lambda data, source: self._on_message(data, Hop(*source, "UDP", flow)))
            local = await udp.open(listener.host, listener.port)
            closable: Closable = udp
            self._sockets[flow] = udp
        else:
            context = self._context("server", listener.transport)
            bound = await _bind(listener.host, listener.port)
            local = bound.getsockname()[:2]
            server = await asyncio.get_running_loop().create_server(
                lambda: self._accepted(flow),
                sock=bound,
                ssl=context,
                ssl_handshake_timeout=self._limits.message_seconds if context else None,
            )
            closable = server
        self._closables.append(closable)
        try:
            advertised = advertise(listener, local)
        except ValueError:
            closable.close()
            raise
        self.bound.append(Bound(listener.transport, flow, local, advertised))
        return self.bound[-1]

    async def open_together(
        self, transports: tuple[Transport, ...], host: str, port: int, advertised: Address | None
    ) -> list[Bound]:
        """Listen at one address and port by several transports; port 0 takes one free for all.

        Raises:
            OSError: as `open`.
            ValueError: as `open`.
        """
        for attempt in range(_TRIES):
            before, opened = len(self.bound), list[Bound]()
            try:
                for transport in transports:
                    wanted = opened[0].local[1] if opened else port
                    opened.append(await self.open(Listener(transport, host, wanted, advertised)))
            except OSError:
                if port or attempt == _TRIES - 1:
                    raise
                for closable in self._closables[before:]:
                    closable.close()
                del self._closables[before:], self.bound[before:]
            else:
                return opened
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _context(self, side: Literal["server", "client"], of: Transport) -> ssl.SSLContext | None:
        if of not in {"TLS", "WSS"}:
            return None
        if self._tls is None:
            raise OSError(f"{of} needs a certificate")
        if self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(
                self._watch_certificate(self._tls), name="tls-files"
            )
        return self._tls.server if side == "server" else self._tls.client

    async def _watch_certificate(self, tls: Tls) -> None:
        while True:
            await asyncio.sleep(CERTIFICATE_SECONDS)
            tls.reload_if_changed()

    def carry(self, peer: Address, carrier: Carrier, *, secure: bool) -> CarriedLine:
        """Take a line whose messages somebody else carries; it is a WebSocket's to its peer.

        Args:
            peer: where it comes from.
            carrier: carries what we send.
            secure: by TLS.

        Raises:
            OSError: we listen nowhere, so that there is no name for us.
        """
        if not self.bound:
            raise OSError("not listening")
        main = self.bound[0]
        self._next_flow += 1
        connection = Connection(
            flow=self._next_flow,
            bound=Bound("WSS" if secure else "WS", _CARRIED, main.local, main.advertised),
            codec=WholeMessages(),
            user=self,
            limits=self._limits,
        )
        line = CarriedLine(peer, carrier, connection)
        line.begin()
        return line

    def _accepted(self, listener: int) -> Connection:
        bound = self.bound[listener - 1]
        return self._connection(bound)

    def _connection(self, bound: Bound, peer: Address | None = None) -> Connection:
        self._next_flow += 1
        return Connection(
            flow=self._next_flow,
            bound=bound,
            codec=_codec(bound.transport),
            user=self,
            limits=self._limits,
            peer=peer,
        )

    async def close(self) -> None:
        """Stop listening; send what is still to be sent, then close every connection."""
        for closable in self._closables:
            closable.close()
        self._closables.clear()
        self._sockets.clear()
        for task in list(self._connecting):
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        for connection in list(self._connections.values()):
            connection.close()
        try:
            await asyncio.wait_for(self._empty.wait(), _CLOSE_SECONDS)
        except TimeoutError:
            for connection in list(self._connections.values()):
                connection.abort("closing")
            await asyncio.wait_for(self._empty.wait(), _CLOSE_SECONDS)

    # Sending

    def listener_for(self, hop: Hop) -> Bound | None:
        """Return the listener in whose name a message goes out on this way, None where none can."""
        if hop.flow in self._connections:
            return self._connections[hop.flow].bound
        first = None
        for bound in self.bound:
            if bound.transport == hop.transport and bound.speaks(hop.host):
                if hop.flow is None or bound.flow == hop.flow:
                    return bound
                first = first or bound
        return first

    def alive(self, hop: Hop) -> bool:
        """Tell whether the hop's flow is there."""
        return hop.flow in self._connections or hop.flow in self._sockets

    def carried(self, hop: Hop) -> bool:
        """Tell whether somebody else carries the messages of the hop's connection."""
        connection = self._connections.get(hop.flow or 0)
        return connection is not None and connection.bound.flow == _CARRIED

    def certified(self, hop: Hop) -> bool:
        """Tell whether the peer of the hop's connection showed a certificate that we trust."""
        connection = self._connections.get(hop.flow or 0)
        return connection is not None and connection.certified

    def send(self, message: bytes, hop: Hop, on_failure: Callable[[], None]) -> None:
        """Send a message, over a new connection if there is none.

        Args:
            message: a whole one.
            hop: where, with a numeric host.
            on_failure: called later, if a connection had to be made and could not.

        Raises:
            OSError: the system refuses it, or no way leads there.
        """
        bound = self.listener_for(hop)
        if bound is None:
            raise OSError(f"no {hop.transport} listener for {hop.host}")
        if hop.transport == "UDP":
            self._sockets[bound.flow].send(message, hop.address)
            return
        connection = self._connections.get(hop.flow or 0)
        if connection is None and not hop.pinned:
            connection = self._by_peer.get((hop.transport, hop.address))
            connection = connection or self._connect(hop, bound)
        if connection is None:
            raise OSError("the connection is gone")
        connection.send(message, on_failure)

    def _connect(self, hop: Hop, bound: Bound) -> Connection:
        if hop.transport in {"WS", "WSS"}:
            raise OSError("browsers cannot be connected to")
        connection = self._connection(bound, hop.address)
        self._add(connection)
        task = asyncio.get_running_loop().create_task(
            self._make(connection), name=f"connect-{hop.host}"
        )
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return connection

    async def _make(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        made = False
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                await loop.create_connection(
                    lambda: connection,
                    *connection.peer,
                    ssl=self._context("client", connection.transport),
                    local_addr=connection.bound.source,
                )
            made = True
        except (OSError, TimeoutError) as error:
            log.info("sip.connect_failed", peer=connection.peer[0], error=str(error) or "timeout")
        finally:
            if not made:
                connection.failed()

    # What connections tell

    def opened(self, connection: Connection) -> bool:
        """See `ConnectionUser`."""
        if connection.made_by_us:
            return True
        source = source_of(connection.peer[0])
        if (
            len(self._connections) >= self._limits.total
            or self._per_source[source] >= self._limits.per_source
        ):
            self.refused += 1
            log.debug("sip.connection_refused", source=source)
            return False
        self._add(connection)
        return True

    def received(self, connection: Connection, message: bytes) -> None:
        """See `ConnectionUser`."""
        self._on_message(message, connection.hop)

    def closed(self, connection: Connection) -> None:
        """See `ConnectionUser`."""
        if self._connections.pop(connection.flow, None) is None:
            return  # it was refused
        if self._by_peer.get((connection.transport, connection.peer)) is connection:
            del self._by_peer[connection.transport, connection.peer]
        if not connection.made_by_us:
            source = source_of(connection.peer[0])
            self._per_source[source] -= 1
            if not self._per_source[source]:
                del self._per_source[source]
        if not self._connections:
            self._empty.set()
        self._on_lost(connection.hop)

    def _add(self, connection: Connection) -> None:
        self._connections[connection.flow] = connection
        self._by_peer[connection.transport, connection.peer] = connection
        if not connection.made_by_us:
            self._per_source[source_of(connection.peer[0])] += 1
        self._empty.clear()


def _codec(transport: Transport) -> Codec:
    return SipWebSocket() if transport in {"WS", "WSS"} else SipStream()


async def _bind(host: str, port: int) -> socket.socket:
    """Return a bound stream socket.

    Raises:
        OSError: the name cannot be resolved or the address cannot be bound.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setblocking(False)  # noqa: FBT003 - the system's call
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        only_ipv6(bound)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound
