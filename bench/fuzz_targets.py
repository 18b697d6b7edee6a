"""What `bench.fuzz_sip` and the tests throw bytes at: every pure part that a stranger can reach.

Each target takes any bytes. The errors that a function's docstring names are expected; anything
else that leaves a target is a finding: an exception, or an AssertionError about a broken promise.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from aiosipua import SipRequest, SipResponse
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from telephony.sip.bodies import sdp_of
from telephony.sip.client_transaction import (
    ClientTransaction,
    InviteClientTransaction,
    client_transaction,
)
from telephony.sip.dialog import OutgoingRequest, dialog_id
from telephony.sip.digest import DigestError, DigestGuard, hash_secret, parse_credentials
from telephony.sip.errors import LocalProtocolError, MalformedMessage
from telephony.sip.identity import calling_identity, forwardings
from telephony.sip.inbound_leg import InboundLeg
from telephony.sip.invite_usage import (
    Answer,
    GotCancel,
    GotRequest,
    GotResponse,
    HangUp,
    LegEffect,
    LegInput,
    Refuse,
    Reply,
    RequestFailed,
    Ring,
    SendAck,
    SendRequest,
    Tell,
    TimePassed,
    write_reply,
)
from telephony.sip.key_press import parse_key_press
from telephony.sip.leg_events import LegEnded, LegEvent
from telephony.sip.message import make_response, parse_message
from telephony.sip.name_addr import AddressError
from telephony.sip.offer_answer import SdpError, build_answer, parse_audio
from telephony.sip.outbound_leg import OutboundLeg
from telephony.sip.redirection import RedirectPolicy
from telephony.sip.refer import ReferError, parse_refer, replaces_of
from telephony.sip.registrar import Limits, aor_of, register
from telephony.sip.screening import objection
from telephony.sip.server_transaction import (
    InviteServerTransaction,
    NonInviteServerTransaction,
    ServerTransaction,
    server_transaction,
)
from telephony.sip.transaction import (
    Cancelled,
    Deliver,
    Effect,
    Received,
    Respond,
    Send,
    Start,
    Terminated,
    Timers,
    TimeUp,
    TransactionInput,
    TransportFailed,
)
from telephony.sip.transaction_layer import TransactionLayer
from telephony.sip.via import push_via, response_destination, stamp_source, top_via
from telephony.transport.framing import Frame, Message, SipStream
from telephony.transport.websocket import SipWebSocket

TORTURE = Path(__file__).parent.parent / "tests" / "telephony" / "sip" / "torture"
SOURCE = ("192.0.2.7", 5071)
US = ("192.0.2.1", 5060)
TIMERS = Timers()
LONG = 100_000.0  # seconds after which nothing may be left
MOST_STEPS = 60
METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "REGISTER", "MESSAGE")
BRANCHES = ("z9hG4bKa", "z9hG4bKb", "z9hG4bK", "old")
STATUSES = (100, 180, 183, 200, 202, 302, 401, 407, 481, 486, 487, 491, 500, 503, 603)
SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
CREDENTIALS = (
    'Digest username="1001", realm="hotline", nonce="n", uri="sip:h", response="r", '
    'algorithm=MD5, qop=auth, nc=00000001, cnonce="c"'
)
HEADERS = (
    ("Contact", "<sip:1001@192.0.2.7:5071>"),
    ("Contact", "<tel:+86-512-110>;q=0.5"),
    ("Record-Route", "<sip:192.0.2.9;lr>"),
    ("Expires", "3"),
    ("Reason", 'Q.850;cause=16;text="done"'),
    ("WWW-Authenticate", 'Digest realm="x", nonce="y", qop="auth"'),
)
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: sip\r\n\r\n"
)
GUARD = DigestGuard(realm="hotline", secret=b"fuzz")
SECRET = hash_secret("1001", "hotline", "pw", "MD5")

T = TypeVar("T")
_Transaction = ClientTransaction | ServerTransaction


class Script:
    """Bytes read as a list of decisions; where they end, every decision is the first choice."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def goes_on(self) -> bool:
        """Tell whether decisions are left."""
        return self._at < len(self._data)

    def number(self, highest: int) -> int:
        """Take a number from 0, by two bytes where one is too small."""
        value = 0
        for _ in range(1 if highest < 256 else 2):
            value = value * 256 + (self._data[self._at] if self.goes_on() else 0)
            self._at += 1
        return value % (highest + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """Take one of a few."""
        return choices[self.number(len(choices) - 1)]

    def headers(self) -> list[tuple[str, str]]:
        """Take any of the headers."""
        chosen = self.number(2 ** len(HEADERS) - 1)
        return [header for bit, header in enumerate(HEADERS) if chosen >> bit & 1]

    def spoilt(self, data: bytes) -> SipRequest | SipResponse | None:
        """Read a message, now and then with arbitrary bytes in it; None when it is malformed."""
        if self.number(7) == 1:
            cut, gone, size = self.number(len(data)), self.number(8), self.number(8)
            new, self._at = self._data[self._at : self._at + size], self._at + size
            data = data[:cut] + new + data[cut + gone :]
        try:
            return parse_message(data)
        except MalformedMessage:
            return None

    def request(self, *, method: str | None = None, to_tags: Sequence[str]) -> SipRequest | None:
        """Take a request of the peer's; None when it is malformed."""
        method = method or self.pick(METHODS)
        lines = [
            f"{method} sip:12345@192.0.2.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 192.0.2.7:5071;branch={self.pick(BRANCHES)}",
            f"From: <sip:13862311001@192.0.2.7>;tag={self.pick(('theirs', 'other'))}",
            f"To: <sip:12345@192.0.2.1>{self.pick(to_tags)}",
            f"Call-ID: {self.pick(('one', 'two'))}",
            f"CSeq: {self.number(3)} {method}",
            *(f"{name}: {value}" for name, value in self.headers()),
            f"Content-Type: application/sdp\r\n\r\n{self.pick((SDP, ''))}",
        ]
        message = self.spoilt("\r\n".join(lines).encode())
        return message if isinstance(message, SipRequest) else None

    def response(self, to: SipRequest) -> SipResponse | None:
        """Take the peer's response to a request of ours; None when it is malformed."""
        tag = self.pick(("theirs", "other"))
        built = make_response(to, self.pick(STATUSES), to_tag=tag, headers=self.headers())
        if self.number(1):
            built.headers.set_single("Content-Type", "application/sdp")
            built.text = SDP
        message = self.spoilt(bytes(built))
        return message if isinstance(message, SipResponse) else None


# One text


def fuzz_message(data: bytes) -> None:
    """Take a datagram all its way through the pure code: read, screened, answered, made a leg."""
    try:
        message = parse_message(data)
    except MalformedMessage as error:
        if error.request is not None:
            stamp_source(error.request, SOURCE)
            response_destination(top_via(error.request))
            bytes(make_response(error.request, error.status, error.reason))
        return
    if isinstance(message, SipResponse):
        return
    stamp_source(message, SOURCE)
    response_destination(top_via(message))
    answer = parse_message(bytes(make_response(message, 486, to_tag="ours")))
    if not isinstance(answer, SipResponse) or answer.status_code != 486:
        raise AssertionError("our answer reads as something else")
    with suppress(AddressError):
        dialog_id(message)
        calling_identity(message, trusted=True)
        forwardings(message)
        objection(message)
        sdp_of(message)
        with suppress(ReferError):
            parse_refer(message)
            replaces_of(message)
        parse_key_press(message)
        InboundLeg(message, local_tag="ours", source=SOURCE, timers=TIMERS, now=0.0)
        if (aor := aor_of(message)) is not None:
            register(message, aor=aor, bindings=(), received=SOURCE, now=0.0, limits=Limits())


def fuzz_sdp(data: bytes) -> None:
    """Read a session description and answer it."""
    text = data.decode("utf-8", errors="replace")
    with suppress(SdpError):
        parse_audio(text)
        answer, _ = build_answer(
            text, host="192.0.2.1", port=4002, preferred=("PCMA", "PCMU"), session_id=1, version=1
        )
        try:
            parse_audio(answer)
        except SdpError as error:
            raise AssertionError("our answer is not one") from error


def fuzz_digest(data: bytes) -> None:
    """Read an Authorization header and judge it."""
    text = data.decode("utf-8", errors="replace")
    with suppress(DigestError):
        given = parse_credentials(text)
        verdict = GUARD.judge(given, ha1=SECRET, method="REGISTER", uri="sip:h", now=1000.0)
        if verdict == "ok":
            raise AssertionError("a guess has opened the door")


def fuzz_stream(data: bytes) -> None:
    """Read a stream whole and in pieces; whatever is a message goes on."""
    whole = SipStream().feed(data)
    script, at, reader, pieces = Script(data), 0, SipStream(), list[Frame]()
    while at < len(data):
        size = 1 + script.number(40)
        pieces += reader.feed(data[at : at + size])
        at += size
    if pieces != whole:
        raise AssertionError("the pieces say something else than the whole")
    for frame in whole:
        if isinstance(frame, Message):
            fuzz_message(frame.data)


def fuzz_websocket(data: bytes) -> None:
    """Read a WebSocket connection, from its first byte and after a good handshake."""
    SipWebSocket().feed(data)
    codec = SipWebSocket()
    codec.feed(HANDSHAKE)
    for frame in codec.feed(data):
        if isinstance(frame, Message):
            fuzz_message(frame.data)


# Transactions


class Transactions:
    """The transactions of an endpoint, without its socket."""

    def __init__(self) -> None:
        self.now = 0.0
        self.layer = TransactionLayer()
        self.live: list[_Transaction] = []
        self._asked = 0

    def feed(self, machine: _Transaction, event: TransactionInput) -> None:
        """Give a machine an input; what is refused must be ours and change nothing."""
        before = (machine.state, machine.deadline)
        try:
            effects = machine.handle(event, self.now)
        except LocalProtocolError:
            if not isinstance(event, Respond | Cancelled):
                raise
            if (machine.state, machine.deadline) != before:
                raise AssertionError("changed by an input it refused") from None
        else:
            self._perform(effects, machine)

    def _perform(self, effects: Sequence[Effect], machine: _Transaction) -> None:
        for effect in effects:
            match effect:
                case Send(message) | Deliver(message):
                    bytes(message)
                case Terminated():
                    self.layer.remove(machine)
                    self.live.remove(machine)
                case _:
                    pass

    def receive(self, request: SipRequest) -> None:
        """Take a request as `telephony.endpoint` does."""
        stamp_source(request, SOURCE)
        found = self.layer.server_for(request)
        if found is None and request.method != "ACK":
            found = server_transaction(request, TIMERS)
            self.layer.add_server(found)
            self.live.append(found)
        if found is not None:
            self.feed(found, Received(request))
        if request.method == "CANCEL" and (invite := self.layer.cancelled_by(request)) is not None:
            self.feed(invite, Respond(make_response(invite.request, 487)))

    def ask(self, method: str) -> None:
        """Send a request of ours."""
        self._asked += 1
        request = OutgoingRequest(
            method=method,
            uri="sip:1001@192.0.2.7",
            destination=SOURCE,
            from_="<sip:12345@192.0.2.1>;tag=ours",
            to="<sip:1001@192.0.2.7>",
            call_id="one",
            cseq=self._asked,
        ).to_message()
        push_via(request, US, f"z9hG4bK{self._asked}")
        machine = client_transaction(request, TIMERS)
        self.layer.add_client(machine)
        self.live.append(machine)
        self.feed(machine, Start())

    def pass_time(self, until: float) -> None:
        """Fire every timer up to a moment, each in its time."""
        while True:
            due = [at for machine in self.live if (at := machine.deadline) is not None]
            if not due or min(due) > until:
                break
            self.now = max(self.now, min(due))
            for machine in list(self.live):
                if machine.deadline is not None and machine.deadline <= self.now:
                    self.feed(machine, TimeUp())
        self.now = max(self.now, until)


def fuzz_transactions(data: bytes) -> None:
    """Mix requests, responses, users and time in any order; in the end nothing may be left."""
    script, world = Script(data), Transactions()
    steps = 0
    while script.goes_on() and (steps := steps + 1) <= MOST_STEPS:
        _transaction_step(script, world)
    for machine in list(world.live):  # every user does his duty at last
        if isinstance(machine, InviteServerTransaction | NonInviteServerTransaction):
            world.feed(machine, Respond(make_response(machine.request, 500)))
        elif isinstance(machine, InviteClientTransaction):
            world.feed(machine, Cancelled())
    world.pass_time(world.now + LONG)
    if world.live or len(world.layer):
        raise AssertionError(f"left over: {[machine.state for machine in world.live]}")


def _transaction_step(script: Script, world: Transactions) -> None:
    kind = script.number(6)
    if kind == 0 and (request := script.request(to_tags=("", ";tag=ours"))) is not None:
        world.receive(request)
    elif kind == 1:
        world.ask(script.pick(("INVITE", "BYE")))
    elif kind == 2:
        world.pass_time(world.now + script.number(400) / 10)
    elif kind > 2 and world.live:
        machine = script.pick(world.live)
        if kind == 3:
            world.feed(machine, TransportFailed())
        elif isinstance(machine, InviteServerTransaction | NonInviteServerTransaction):
            answer = make_response(machine.request, script.pick(STATUSES), to_tag="ours")
            world.feed(machine, Respond(answer))
        elif kind == 4 and isinstance(machine, InviteClientTransaction):
            world.feed(machine, Cancelled())
        elif (response := script.response(machine.request)) is not None:
            found = world.layer.client_for(response)
            if found is not None:
                world.feed(found, Received(response))


# Legs


class Party:
    """One leg, its owner and its peer."""

    def __init__(self, leg: InboundLeg | OutboundLeg) -> None:
        self.leg = leg
        self.now = 0.0
        self.sent: list[OutgoingRequest] = []
        self.told: list[LegEvent] = []

    def feed(self, event: LegInput) -> None:
        """Give the leg an input, write what it wants written."""
        self.perform(self.leg.handle(event, self.now))

    def perform(self, effects: Sequence[LegEffect]) -> None:
        """Write messages and note the rest."""
        for effect in effects:
            match effect:
                case Reply():
                    bytes(write_reply(effect, local_tag="ours", contact="sip:12345@192.0.2.1"))
                case SendRequest(request):
                    self.sent.append(request)
                    bytes(request.to_message(contact="sip:12345@192.0.2.1"))
                case SendAck(request):
                    bytes(request.to_message())
                case Tell(event):
                    self.told.append(event)
                case _:
                    pass
        endings = [event for event in self.told if isinstance(event, LegEnded)]
        if len(endings) > 1 or (endings and self.told[-1] is not endings[0]):
            raise AssertionError(f"an end that is none: {self.told}")
        if bool(endings) != self.leg.over:
            raise AssertionError(f"over: {self.leg.over}, told: {self.told}")

    def finish(self) -> None:
        """Hang up before a peer who never answers; the leg must end, and no timer may be left."""
        self.feed(HangUp("enough"))
        for _ in range(MOST_STEPS):
            for request in tuple(self.sent):
                self.feed(RequestFailed(request, "timeout"))
            if self.leg.deadline is None:
                break
            self.now = max(self.now, self.leg.deadline)
            self.feed(TimePassed())
        if not self.leg.over or self.leg.deadline is not None:
            raise AssertionError(f"a leg without an end: {self.told}")


def fuzz_inbound_leg(data: bytes) -> None:
    """Call in, then let peer, owner and time do anything."""
    script = Script(data)
    invite = script.request(method="INVITE", to_tags=("",))
    if invite is None or invite.method != "INVITE":
        return
    try:
        leg = InboundLeg(invite, local_tag="ours", source=SOURCE, timers=TIMERS, now=0.0)
    except AddressError:
        return
    _live(script, Party(leg))


def fuzz_outbound_leg(data: bytes) -> None:
    """Call out, then let peer, owner and time do anything."""
    script = Script(data)
    invite = OutgoingRequest(
        method="INVITE",
        uri="sip:1001@192.0.2.7",
        destination=SOURCE,
        from_="<sip:12345@192.0.2.1>;tag=ours",
        to="<sip:1001@192.0.2.7>",
        call_id="one",
        cseq=1,
        sdp=SDP,
    )
    leg = OutboundLeg(
        invite,
        timers=TIMERS,
        credentials=script.pick((None, ("1001", "pw"))),
        cnonce="c",
        redirects=script.pick((None, RedirectPolicy())),
    )
    party = Party(leg)
    party.perform(leg.start())
    _live(script, party)


def _live(script: Script, party: Party) -> None:
    steps = 0
    while script.goes_on() and (steps := steps + 1) <= MOST_STEPS:
        event = _leg_input(script, party)
        if event is not None and not (isinstance(event, Ring) and party.sent):
            party.feed(event)
    party.finish()


def _has_dialog_id(request: SipRequest) -> bool:
    """Whether a leg is given this request at all: the gateway answers 400 to others."""
    try:
        dialog_id(request)
    except AddressError:
        return False
    return True


def _leg_input(script: Script, party: Party) -> LegInput | None:
    """Take what happens next; None: nothing after all."""
    kind = script.number(7)
    if kind == 0:
        request = script.request(to_tags=(";tag=ours", ""))
        return GotRequest(request) if request is not None and _has_dialog_id(request) else None
    if kind in {1, 2} and party.sent:
        sent = script.pick(party.sent)
        message = sent.to_message(contact="sip:12345@192.0.2.1")
        push_via(message, US, "z9hG4bKours")
        response = script.response(message)
        return None if response is None else GotResponse(sent, response)
    if kind == 3 and party.sent:
        return RequestFailed(script.pick(party.sent), script.pick(("timeout", "transport")))
    if kind == 4:
        party.now += script.number(400) / 10
        return TimePassed()
    if kind == 5 and isinstance(party.leg, InboundLeg):
        return GotCancel(party.leg.invite)
    wishes: tuple[LegInput, ...] = (Answer(SDP), Ring(), Refuse(486), HangUp("done"))
    return script.pick(wishes)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "message": fuzz_message,
    "stream": fuzz_stream,
    "websocket": fuzz_websocket,
    "sdp": fuzz_sdp,
    "digest": fuzz_digest,
    "transactions": fuzz_transactions,
    "inbound leg": fuzz_inbound_leg,
    "outbound leg": fuzz_outbound_leg,
}


def seeds(target: str) -> Iterator[bytes]:
    """Give a target something to begin with."""
    match target:
        case "stream":
            messages = [path.read_bytes() for path in sorted(TORTURE.glob("*.dat"))]
            yield from messages
            yield b"\r\n\r\n".join(messages)
        case "websocket":
            yield HANDSHAKE
            for path in sorted(TORTURE.glob("*.dat")):
                frame = WebSocketFrame(Opcode.BINARY, path.read_bytes())
                yield frame.serialize(mask=True)
        case "message":
            yield from (path.read_bytes() for path in sorted(TORTURE.glob("*.dat")))
        case "sdp":
            yield SDP.encode()
            for path in sorted(TORTURE.glob("*.dat")):
                yield path.read_bytes().partition(b"\r\n\r\n")[2]
        case "digest":
            yield CREDENTIALS.encode()
        case _:
            yield from (bytes((number * step) % 256 for number in range(120)) for step in (7, 31))
