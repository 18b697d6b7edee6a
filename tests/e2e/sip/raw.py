"""SIP by hand: a socket that sends what a test writes, and keeps whatever comes.

Nothing here uses our own protocol machines: reading a message is aiosipua's, all else is text.
"""

import asyncio
import hashlib
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiosipua import SipMessage, SipRequest, SipResponse

from tests.support.waiting import PATIENCE

Address = tuple[str, int]
Message = SipRequest | SipResponse
Headers = tuple[tuple[str, str], ...]

HOST = "127.0.0.1"
RTPMAPS = {"0": "PCMU/8000", "8": "PCMA/8000", "18": "G729/8000", "101": "telephone-event/8000"}


def name_of(message: Message) -> str:
    """Return what a message is, in short: "INVITE", "180 INVITE"."""
    method = (message.headers.get_first("CSeq") or "?").split()[-1]
    if isinstance(message, SipResponse):
        return f"{message.status_code} {method}"
    return message.method


def tag_of(value: str) -> str:
    """Return the tag of a From or To."""
    found = re.search(r";\s*tag=([^;>\s]+)", value)
    assert found, f"no tag in {value}"
    return found[1]


def header(message: SipMessage, name: str) -> str:
    """Return the first header of a name."""
    value = message.headers.get_first(name)
    assert value is not None, f"no {name} in\n{message}"
    return value


def description(
    port: int,
    *,
    formats: str = "8",
    direction: str = "sendrecv",
    host: str = HOST,
    version: int = 1,
) -> str:
    """Return a session description with one audio stream."""
    maps = [f"a=rtpmap:{number} {RTPMAPS[number]}" for number in formats.split()]
    lines = ["v=0", f"o=- 7 {version} IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
    lines += [f"m=audio {port} RTP/AVP {formats}", *maps, f"a={direction}", ""]
    return "\r\n".join(lines)


def media_of(message: Message) -> tuple[int, tuple[str, ...], str]:
    """Return port, payload types and direction of a message's audio stream."""
    stream = re.search(r"^m=audio (\d+) RTP/AVP (.+)\r$", message.text, re.MULTILINE)
    direction = re.search(r"^a=((?:send|recv)\w+|inactive)\r$", message.text, re.MULTILINE)
    assert stream, f"no audio in\n{message}"
    assert direction
    return int(stream[1]), tuple(stream[2].split()), direction[1]


def origin_of(message: Message) -> tuple[str, int]:
    """Return session id and version of the ``o=`` line."""
    found = re.search(r"^o=\S+ (\d+) (\d+) ", message.text, re.MULTILINE)
    assert found, f"no origin in\n{message}"
    return found[1], int(found[2])


class RawSip(asyncio.DatagramProtocol):
    """One UDP port of a trunk or a phone.

    Attributes:
        arrived: (loop time, datagram) of everything, in order.
    """

    def __init__(self, host: str = HOST, port: int = 0) -> None:
        self.arrived: list[tuple[float, bytes]] = []
        self._bind = (host, port)
        self._new: list[Message] = []  # not taken yet
        self._seen: set[bytes] = set()
        self._names: list[str] = []
        self._wake = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        """Open the port."""
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=self._bind
        )
        self.address: Address = self._transport.get_extra_info("sockname")[:2]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the port: nobody is there any more."""
        assert self._transport is not None
        self._transport.close()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Keep what comes; what came before in the same bytes is a retransmission."""
        del addr
        self.arrived.append((asyncio.get_running_loop().time(), data))
        if data not in self._seen:
            self._seen.add(data)
            message = SipMessage.parse(data)
            assert isinstance(message, SipRequest | SipResponse)
            if name_of(message) != "100 INVITE":  # it may always come, and never has to
                self._new.append(message)
                self._names.append(name_of(message))
        self._wake.set()

    def send(self, data: bytes, destination: Address) -> None:
        """Send a datagram."""
        assert self._transport is not None
        self._transport.sendto(data, destination)

    async def insist(self, data: bytes, destination: Address, name: str) -> SipResponse:
        """Send again and again, as RFC 3261 §17.1 wants it, until a response of this name comes."""
        for _ in range(60):
            self.send(data, destination)
            with suppress(AssertionError):
                return await self.response(name, seconds=0.5)
        raise AssertionError(f"no {name}, but {self._names}")

    async def take(self, name: str, *, seconds: float = PATIENCE) -> Message:
        """Return the first message not taken yet that a name (a pattern) fits; wait for it."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for message in self._new:
                        if re.fullmatch(name, name_of(message)):
                            self._new.remove(message)
                            return message
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            raise AssertionError(f"no {name} in {seconds:g} s, but {self._names}") from None

    async def response(self, name: str, *, seconds: float = PATIENCE) -> SipResponse:
        """Take a response: ``"200 INVITE"``."""
        message = await self.take(name, seconds=seconds)
        assert isinstance(message, SipResponse)
        return message

    async def request(self, name: str, *, seconds: float = PATIENCE) -> SipRequest:
        """Take a request: ``"BYE"``."""
        message = await self.take(name, seconds=seconds)
        assert isinstance(message, SipRequest)
        return message

    @property
    def story(self) -> list[str]:
        """What came, in order, without retransmissions and without 100 Trying."""
        return list(self._names)

    def forget(self) -> None:
        """Begin a new story."""
        self.arrived.clear()
        self._names.clear()

    def times(self, name: str) -> list[float]:
        """Return when messages of a name came, retransmissions included."""
        return [at for at, data in self.arrived if name_of(_parsed(data)) == name]

    async def repeated(
        self, name: str, times: int = 2, *, seconds: float = PATIENCE
    ) -> list[float]:
        """Wait until messages of a name have come so often; return when."""
        try:
            async with asyncio.timeout(seconds):
                while len(self.times(name)) < times:
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            raise AssertionError(f"{name} came {len(self.times(name))} times only") from None
        return self.times(name)

    async def hears_nothing(self, seconds: float) -> None:
        """Let time pass in which nothing may come, not even a retransmission."""
        before = len(self.arrived)
        await asyncio.sleep(seconds)
        assert not self.arrived[before:], self.arrived[before:]


def _parsed(data: bytes) -> Message:
    message = SipMessage.parse(data)
    assert isinstance(message, SipRequest | SipResponse)
    return message


def write(start: str, headers: Headers, body: str = "") -> bytes:
    """Return a message; Content-Type and Content-Length are put on."""
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append("Content-Type: application/sdp")
    lines += [f"Content-Length: {len(body.encode())}", "", body]
    return "\r\n".join(lines).encode()


def reply(
    request: SipRequest,
    status: int,
    *,
    tag: str = "",
    contact: Address | None = None,
    sdp: str = "",
) -> bytes:
    """Return the answer to a request."""
    headers = [(name, value) for name in ("Via", "From") for value in request.headers.get(name)]
    to = header(request, "To")
    headers.append(("To", f"{to};tag={tag}" if tag and "tag=" not in to else to))
    headers += [(name, header(request, name)) for name in ("Call-ID", "CSeq")]
    if contact is not None:
        headers.append(("Contact", f"<sip:phone@{contact[0]}:{contact[1]}>"))
    return write(f"SIP/2.0 {status} Whatever", tuple(headers), sdp)


@dataclass
class Party:
    """One end of a dialog, or of what may become one.

    Attributes:
        wire: its port.
        node: where everything is sent.
        local: its From in what it sends.
        remote: its To in what it sends.
        target: the Request-URI.
        cseq: of the last request.
    """

    wire: RawSip
    node: Address
    local: str
    remote: str
    target: str
    call_id: str = field(default_factory=lambda: secrets.token_hex(8))
    cseq: int = 0

    def write(
        self,
        method: str,
        *,
        sdp: str = "",
        cseq: int | None = None,
        branch: str | None = None,
        headers: Headers = (),
    ) -> bytes:
        """Return a request; a new CSeq and a new branch unless they are given."""
        if cseq is None:
            self.cseq += 1
        host, port = self.wire.address
        own: Headers = (
            ("Via", f"SIP/2.0/UDP {host}:{port};branch={branch or new_branch()}"),
            ("Max-Forwards", "70"),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq or self.cseq} {method}"),
            ("Contact", f"<sip:party@{host}:{port}>"),
        )
        return write(f"{method} {self.target} SIP/2.0", own + headers, sdp)

    def send(self, data: bytes) -> bytes:
        """Send to the node; return what was sent."""
        self.wire.send(data, self.node)
        return data

    def ask(self, method: str, *, sdp: str = "", headers: Headers = ()) -> bytes:
        """Send a request with a CSeq and a branch of its own; return it."""
        return self.send(self.write(method, sdp=sdp, headers=headers))

    def ack(self, *, sdp: str = "") -> bytes:
        """Acknowledge the 2xx of the last INVITE."""
        return self.send(self.write("ACK", cseq=self.cseq, sdp=sdp))

    async def reoffer(self, sdp: str, *, answer: str = "") -> SipResponse:
        """Send a re-INVITE and acknowledge its 200, which is returned."""
        self.ask("INVITE", sdp=sdp)
        accepted = await self.wire.response("200 INVITE")
        self.ack(sdp=answer)
        return accepted

    def answer(self, status: int, request: SipRequest | None = None, *, sdp: str = "") -> None:
        """Answer a request of the node's."""
        assert request is not None
        self.send(reply(request, status, contact=self.wire.address, sdp=sdp))


class Caller(Party):
    """A citizen's call as the trunk places it.

    Attributes:
        branch: of the initial INVITE.
    """

    def __init__(
        self, wire: RawSip, node: Address, *, line: str = "12345", number: str = "13862311001"
    ) -> None:
        self.branch = new_branch()
        super().__init__(
            wire,
            node,
            local=f"<sip:{number}@{wire.address[0]}>;tag={secrets.token_hex(4)}",
            remote=f"<sip:{line}@{node[0]}>",
            target=f"sip:{line}@{node[0]}:{node[1]}",
        )

    def invite(self, sdp: str = "", *, headers: Headers = ()) -> bytes:
        """Send the initial INVITE; return it."""
        self.cseq += 1
        return self.send(
            self.write("INVITE", sdp=sdp, cseq=self.cseq, branch=self.branch, headers=headers)
        )

    def cancel(self, *, branch: str | None = None) -> bytes:
        """Take back the initial INVITE (§9.1: its branch, its CSeq number); return the CANCEL."""
        return self.send(self.write("CANCEL", cseq=self.cseq, branch=branch or self.branch))

    def ack_refusal(self, refusal: SipResponse) -> None:
        """Acknowledge 300-699, hop by hop (§17.1.1.3)."""
        remote, self.remote = self.remote, header(refusal, "To")
        self.send(self.write("ACK", cseq=self.cseq, branch=self.branch))
        self.remote = remote

    async def answered(self) -> SipResponse:
        """Wait for the 200 and learn its dialog; it is not acknowledged yet."""
        answer = await self.wire.response("200 INVITE")
        self.remote = header(answer, "To")
        self.target = header(answer, "Contact").strip("<>")
        return answer

    async def refused(self, status: int) -> SipResponse:
        """Wait for a refusal and acknowledge it."""
        refusal = await self.wire.response(f"{status} INVITE")
        self.ack_refusal(refusal)
        return refusal


class Called(Party):
    """An agent's phone within the call that it was offered.

    Attributes:
        invite: the node's INVITE.
        tag: our tag.
    """

    def __init__(self, wire: RawSip, node: Address, invite: SipRequest) -> None:
        self.invite = invite
        self.tag = secrets.token_hex(4)
        super().__init__(
            wire,
            node,
            local=f"{header(invite, 'To')};tag={self.tag}",
            remote=header(invite, "From"),
            target=header(invite, "Contact").strip("<>"),
            call_id=header(invite, "Call-ID"),
            cseq=100,
        )

    def answer(self, status: int, request: SipRequest | None = None, *, sdp: str = "") -> None:
        """Answer the INVITE, or another request of the node's."""
        to = request or self.invite
        self.send(reply(to, status, tag=self.tag, contact=self.wire.address, sdp=sdp))


def new_branch() -> str:
    """Return a branch (§8.1.1.7)."""
    return f"z9hG4bK{secrets.token_hex(8)}"


def challenges(response: SipResponse, name: str = "WWW-Authenticate") -> dict[str, dict[str, str]]:
    """Return the parameters of each challenge, by its algorithm."""
    read = [
        {key: quoted or bare for key, quoted, bare in _PARAMETER.findall(value)}
        for value in response.headers.get(name)
    ]
    return {challenge["algorithm"]: challenge for challenge in read}


_PARAMETER = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


def proof(
    challenge: dict[str, str], *, method: str, uri: str, user: str, password: str, count: int = 1
) -> str:
    """Return Digest credentials (RFC 7616 §3.4.1)."""
    algorithm = challenge["algorithm"]
    hash_of = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm]

    def digest(text: str) -> str:
        return hash_of(text.encode()).hexdigest()

    cnonce, counted = secrets.token_hex(4), f"{count:08x}"
    secret = digest(f"{user}:{challenge['realm']}:{password}")
    asked = digest(f"{method}:{uri}")
    response = digest(f"{secret}:{challenge['nonce']}:{counted}:{cnonce}:auth:{asked}")
    quoted = {
        "username": user,
        "realm": challenge["realm"],
        "nonce": challenge["nonce"],
        "uri": uri,
        "cnonce": cnonce,
        "response": response,
    }
    values = [f'{key}="{value}"' for key, value in quoted.items()]
    return f"Digest {', '.join(values)}, algorithm={algorithm}, qop=auth, nc={counted}"


class Registration(Party):
    """A phone's REGISTERs: one Call-ID, rising CSeq (§10.2.4)."""

    def __init__(self, wire: RawSip, node: Address, user: str, password: str) -> None:
        self.user = user
        self.password = password
        aor = f"<sip:{user}@{node[0]}>"
        target = f"sip:{node[0]}:{node[1]}"
        super().__init__(wire, node, f"{aor};tag={secrets.token_hex(4)}", aor, target)

    @property
    def contact(self) -> str:
        """The phone's own address."""
        host, port = self.wire.address
        return f"<sip:{self.user}@{host}:{port}>"

    async def attempt(self, *headers: tuple[str, str]) -> SipResponse:
        """Send one REGISTER with these headers; return what is answered."""
        self.cseq += 1
        host, port = self.wire.address
        own: Headers = (
            ("Via", f"SIP/2.0/UDP {host}:{port};branch={new_branch()}"),
            ("Max-Forwards", "70"),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} REGISTER"),
        )
        self.send(write(f"REGISTER {self.target} SIP/2.0", own + headers))
        return await self.wire.response(r"\d+ REGISTER")

    def credentials(
        self, challenge: dict[str, str], *, count: int = 1, password: str | None = None
    ) -> tuple[str, str]:
        """Return the Authorization header for a challenge."""
        value = proof(
            challenge,
            method="REGISTER",
            uri=self.target,
            user=self.user,
            password=password or self.password,
            count=count,
        )
        return "Authorization", value

    async def register(
        self, *headers: tuple[str, str], algorithm: str = "MD5", contact: str | None = None
    ) -> SipResponse:
        """Register, answering the challenge; return the final answer."""
        asked = (("Contact", contact or self.contact), *headers)
        challenge = challenges(await self.attempt(*asked))[algorithm]
        return await self.attempt(*asked, self.credentials(challenge))
