"""Gateways on loopback with quick timers, and owners who write down what they are told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiosipua import SipDigestAuth, SipRequest, build_credentials, stringify_auth
from aiosipua.headers import parse_auth

from telephony.abuse.gatekeeper import AbusePolicy
from telephony.authentication import CredentialStore
from telephony.bindings import BindingStore, MemoryBindings
from telephony.endpoint import RFC_TIMERS
from telephony.gateway import SipGateway
from telephony.leg import Leg, LegEnded, LegEvent
from telephony.sip.audio_formats import AudioFormat
from telephony.sip.digest import Algorithm, hash_secret
from telephony.sip.message import make_response
from telephony.sip.offer_answer import build_answer, build_offer
from telephony.sip.registrar import Limits
from telephony.sip.transaction import Timers
from telephony.transport.listener import Listener
from telephony.trunks.model import Trunk
from tests.support.waiting import PATIENCE
from tests.telephony.peers import Peer

HOST = "127.0.0.1"
REALM = "hotline"
#: What a gateway counts when nobody calls.
NOTHING = {"legs": 0, "dialogs": 0, "transactions": 0}
QUICK = Timers(t1=0.02, t2=0.08, t4=0.1)
A_LAW = AudioFormat("PCMA", 8)
OFFER = build_offer(host=HOST, port=40000, formats=(A_LAW,), session_id=1, version=1)
E = TypeVar("E", bound=LegEvent)


class Accounts:
    """Phones 1001-1008, whose password is pw and their name."""

    async def ha1(self, username: str, algorithm: Algorithm) -> str | None:
        await asyncio.sleep(0)
        known = username.startswith("100") and len(username) == 4
        return hash_secret(username, REALM, f"pw{username}", algorithm) if known else None


class Owner:
    """Owns legs; what happens is decided by a test."""

    def __init__(self, do: Callable[[LegEvent], None] = lambda _event: None) -> None:
        self.events: list[LegEvent] = []
        self._do = do

    def __call__(self, event: LegEvent) -> None:
        self.events.append(event)
        self._do(event)

    async def told(self, kind: type[E], seconds: float = PATIENCE) -> E:
        """Return the first event of a kind, waiting for it."""
        async with asyncio.timeout(seconds):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        return event
                await asyncio.sleep(0.002)

    async def ended(self) -> LegEnded:
        """Wait for the end."""
        return await self.told(LegEnded)


class Desk:
    """Takes the calls of a gateway; a test looks at them."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[tuple[Leg, Owner]] = asyncio.Queue()

    def __call__(self, leg: Leg) -> None:
        leg.on_event = owner = Owner()
        self.calls.put_nowait((leg, owner))

    async def call(self) -> tuple[Leg, Owner]:
        """Return the next call."""
        async with asyncio.timeout(PATIENCE):
            return await self.calls.get()


def answer_to(leg: Leg) -> str:
    """Return an answer to a leg's offer."""
    assert leg.remote_sdp is not None
    return build_answer(
        leg.remote_sdp, host=HOST, port=40002, preferred=("PCMA", "PCMU"), session_id=2, version=1
    )[0]


@asynccontextmanager
async def a_gateway(
    on_call: Callable[[Leg], None],
    *,
    host: str = HOST,
    trunks: Sequence[Trunk] = (Trunk.allowing("127.0.0.0/8"),),
    bindings: BindingStore | None = None,
    credentials: CredentialStore | None = None,
    on_registered: Callable[[str, int], None] | None = None,
    timers: Timers = RFC_TIMERS,
    limits: Limits | None = None,
    abuse: AbusePolicy | None = None,
    drop: Callable[[], bool] | None = None,
    further: Sequence[Listener] = (),
    **more: Any,
) -> AsyncIterator[SipGateway]:
    """Open a gateway; close it at the end."""
    gateway = SipGateway(
        trunks=trunks,
        realm=REALM,
        credentials=credentials or Accounts(),
        bindings=bindings or MemoryBindings(),
        on_call=on_call,
        on_registered=on_registered,
        timers=timers,
        limits=limits or Limits(),
        abuse=abuse or AbusePolicy(),
        drop=drop,
        **more,
    )
    await gateway.open(host, 0, further=further)
    try:
        yield gateway
    finally:
        await gateway.close()


def message(  # a request of a bare peer's
    peer: Peer,
    gateway: SipGateway,
    method: str,
    *,
    user: str = "13862311001",
    to: str | None = None,
    uri: str | None = None,
    cseq: int = 1,
    branch: str = "",
    call_id: str = "peers-call",
    contact: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    body: str | None = None,
) -> SipRequest:
    """Return a request from a peer to a gateway."""
    host, port = gateway.endpoint.local
    request = SipRequest(method=method, uri=uri or f"sip:12345@{host}:{port}")
    put = request.headers.append
    unique = f"{method}-{call_id}-{cseq}{branch}"
    put("Via", f"SIP/2.0/UDP {HOST}:{peer.address[1]};rport;branch=z9hG4bK{unique}")
    put("From", f"<sip:{user}@{HOST}>;tag=peer")
    put("To", to or f"<sip:12345@{host}:{port}>")
    put("Call-ID", call_id)
    put("CSeq", f"{cseq} {method}")
    put("Max-Forwards", "70")
    if method in {"INVITE", "REGISTER"}:
        put("Contact", contact or f"<sip:{user}@{HOST}:{peer.address[1]}>")
    for name, value in headers:
        put(name, value)
    if body is not None:
        if "Content-Type" not in request.headers:
            put("Content-Type", "application/sdp")
        request.text = body
    return request


def registration(  # a REGISTER of a bare peer's
    peer: Peer,
    gateway: SipGateway,
    user: str,
    *,
    cseq: int = 1,
    headers: tuple[tuple[str, str], ...] = (),
) -> SipRequest:
    """Return a REGISTER."""
    host, port = gateway.endpoint.local
    return message(
        peer,
        gateway,
        "REGISTER",
        user=user,
        uri=f"sip:{host}:{port}",
        to=f"<sip:{user}@{host}:{port}>",
        cseq=cseq,
        call_id=f"register-{user}",
        headers=headers,
    )


def credentials(challenge: str, request: SipRequest, user: str, password: str) -> str:
    """Answer a challenge, as aiosipua's client does it."""
    built = build_credentials(
        SipDigestAuth(user, password), parse_auth(challenge), request.method, request.uri
    )
    assert built is not None
    return stringify_auth(built)


async def register(peer: Peer, gateway: SipGateway, user: str, **options: str) -> int:
    """Register a peer as a phone; return the last status."""
    extra = tuple(options.items())
    first = registration(peer, gateway, user, headers=extra)
    peer.send(first, gateway.endpoint.local)
    challenge = (await peer.response()).headers.get("WWW-Authenticate")[0]
    proof = credentials(challenge, first, user, f"pw{user}")
    again = registration(peer, gateway, user, cseq=2, headers=(*extra, ("Authorization", proof)))
    peer.send(again, gateway.endpoint.local)
    return (await peer.response()).status_code


async def hang_up_on(peer: Peer, gateway: SipGateway) -> None:
    """Wait for the gateway's BYE, passing over what came before, and answer it."""
    while (request := await peer.request()).method != "BYE":
        pass
    peer.send(make_response(request, 200), gateway.endpoint.local)


async def ring(
    gateway: SipGateway, bindings: BindingStore, user: str, owner: Owner | None = None
) -> tuple[Leg, Owner]:
    """Call the one phone that a user has registered."""
    [binding] = await bindings.lookup(user)
    owner = owner or Owner()
    leg = gateway.invite(
        binding, sdp=OFFER, caller="13862311001", display="12345", called=user, on_event=owner
    )
    return leg, owner


async def status_of(peer: Peer, gateway: SipGateway, method: str, **parts: object) -> int:
    """Send a request from a peer; return the final status."""
    peer.send(message(peer, gateway, method, **parts), gateway.endpoint.local)  # type: ignore[arg-type]
    return (await peer.final()).status_code
