"""A bare socket that says what a test tells it to, and a user who writes everything down."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiosipua import SipRequest, SipResponse

from telephony.endpoint import IncomingRequest
from telephony.sip.message import FINAL, make_response, parse_message
from telephony.sip.via import Address
from tests.support.waiting import PATIENCE


class Peer:
    """A UDP socket of the other side."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self.address: Address = bound.getsockname()[:2]
        self._taken: set[tuple[str, str]] = set()  # method and branch

    @property
    def via(self) -> str:
        """A Via with the socket's own address, a fixed branch and rport."""
        return f"SIP/2.0/UDP 127.0.0.1:{self.address[1]};rport;branch=z9hG4bKpeer"

    def send(self, data: bytes | SipRequest | SipResponse, destination: Address) -> None:
        """Send a datagram."""
        self._socket.sendto(bytes(data), destination)

    async def datagram(self, seconds: float = PATIENCE) -> bytes:
        """Return the next datagram."""
        async with asyncio.timeout(seconds):
            return await asyncio.get_running_loop().sock_recv(self._socket, 65535)

    async def receive(self, seconds: float = PATIENCE) -> SipRequest | SipResponse:
        """Return the next message."""
        return parse_message(await self.datagram(seconds))

    async def response(self) -> SipResponse:
        """Return the next message, a response."""
        message = await self.receive()
        assert isinstance(message, SipResponse)
        return message

    async def final(self) -> SipResponse:
        """Return the next final response, passing over provisional ones."""
        while (response := await self.response()).status_code < FINAL:
            pass
        return response

    async def request(self) -> SipRequest:
        """Return the next message, a request."""
        message = await self.receive()
        assert isinstance(message, SipRequest)
        return message

    async def fresh(self, method: str) -> SipRequest:
        """Return the next request of a method, passing over repetitions and everything else."""
        while True:
            message = await self.receive()
            if isinstance(message, SipRequest) and message.method == method:
                transaction = method, message.headers.get("Via")[0]
                if transaction not in self._taken:
                    self._taken.add(transaction)
                    return message

    def pending(self) -> bool:
        """Tell whether something has arrived that was not received yet."""
        try:
            return bool(self._socket.recv(65535, socket.MSG_PEEK))
        except BlockingIOError:
            return False


@contextmanager
def a_peer(port: int = 0, *, host: str = "127.0.0.1") -> Iterator[Peer]:
    """Open and close a peer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.settimeout(0)
        bound.bind((host, port))
        yield Peer(bound)


class User:
    """Writes down each request; answers it by ``answer``."""

    def __init__(self, answer: Callable[[IncomingRequest], None] | None = None) -> None:
        self.requests: list[IncomingRequest] = []
        self._answer = answer

    def __call__(self, incoming: IncomingRequest) -> None:
        self.requests.append(incoming)
        if self._answer is not None and incoming.request.method != "ACK":
            self._answer(incoming)

    @property
    def methods(self) -> list[str]:
        """The methods of what came, in order."""
        return [incoming.request.method for incoming in self.requests]


def answering(*statuses: int) -> Callable[[IncomingRequest], None]:
    """Return an ``answer`` that gives these responses at once."""

    def answer(incoming: IncomingRequest) -> None:
        for status in statuses:
            incoming.respond(make_response(incoming.request, status, to_tag="user"))

    return answer
