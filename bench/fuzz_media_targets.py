"""What `bench.fuzz_sip` throws bytes at beside SIP: what a datagram reaches on an RTP port.

As in :mod:`bench.fuzz_targets` each target takes any bytes, and whatever leaves one is a finding.
Bytes that drive several datagrams are cut into them: an octet for the length and the sender, and
so many octets.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache

from telephony.media import rtcp, rtp, stun
from telephony.media.certificate import Certificate, make_certificate
from telephony.media.codecs import PCMA, PCMU
from telephony.media.dtls import DtlsAssociation
from telephony.media.dtmf import KeyReceiver
from telephony.media.ice import Answer, IceLite, Selected
from telephony.media.path import Description, PathStats, Source
from telephony.media.relay import OutgoingStream
from telephony.media.reporting import Reporter
from telephony.media.session import Session
from telephony.media.webrtc import Terms, WebRtcEdge

PEER: Source = ("192.0.2.7", 4000)
STRANGER: Source = ("198.51.100.9", 5000)
UFRAG, PASSWORD = "ours", "a password of twenty-two"
KEY = PASSWORD.encode()
_EVENT = 101
_NOTHING = PathStats(0, 10, 1600, 0, 0, 0, 0, 0, 0, 0.0, 0, 0, None, None, 0, 5, None, None)
_HIGHEST_SCORE = 5.0


def _promise(kept: object, what: str) -> None:
    if not kept:
        raise AssertionError(what)


def datagrams(data: bytes) -> Iterator[tuple[bytes, Source]]:
    """Cut bytes into datagrams, each with its sender."""
    at = 0
    while at < len(data):
        length, source = data[at] & 0x7F, STRANGER if data[at] > 0x7F else PEER
        yield data[at + 1 : at + 1 + length], source
        at += 1 + length


def fuzz_stun(data: bytes) -> None:
    """Read a message, check an authentic one whose attributes are the bytes, and what is said."""
    with suppress(stun.MalformedStun):
        message = stun.parse(data)
        _promise(stun.is_stun(data) == (data[0] <= 3), "RFC 7983 tells STUN from the rest")
        _promise(message.raw == data, "a message keeps its octets")
    forged = IceLite(UFRAG, PASSWORD)
    for effect in forged.handle(data, STRANGER) if stun.is_stun(data) else ():
        if not isinstance(effect, Answer):
            raise AssertionError("a stranger is selected")  # noqa: TRY004 - a broken promise
        stun.parse(effect.datagram)
    attributes = [(stun.USERNAME, f"{UFRAG}:theirs".encode())]
    at = 0
    while at + 3 <= len(data):
        size = data[at + 2] & 0x1F
        attributes.append((int.from_bytes(data[at : at + 2]), data[at + 3 : at + 3 + size]))
        at += 3 + size
    authentic = stun.build(stun.BINDING_REQUEST, bytes(12), attributes, key=KEY)
    ice = IceLite(UFRAG, PASSWORD)
    effects = ice.handle(authentic, PEER)
    for effect in effects:
        if isinstance(effect, Answer):
            stun.parse(effect.datagram)
    selected = [effect.source for effect in effects if isinstance(effect, Selected)]
    _promise(selected == ([] if ice.selected is None else [PEER]), "who is told of is selected")


def fuzz_rtcp(data: bytes) -> None:
    """Read reports, write them again, and score the call by them."""
    with suppress(rtcp.MalformedReport):
        packets = rtcp.parse(data)
        if packets:
            _promise(
                rtcp.parse(rtcp.build(packets)) == packets, "reports are written as they were read"
            )
    reporter = Reporter("cname")
    understood = reporter.handle(data, _NOTHING, 1.0, 1e9)
    quality = reporter.quality(_NOTHING, 8000)
    _promise(1.0 <= quality.mos <= _HIGHEST_SCORE, "a score is one")
    _promise(
        understood or quality == Reporter("cname").quality(_NOTHING, 8000),
        "what is no report changes nothing",
    )
    rtcp.parse(reporter.report(_NOTHING, 8000, 2.0, 1e9))


def fuzz_rtp(data: bytes) -> None:
    """Let a session take datagrams of its peer and of a stranger, who must never be heard."""
    session, keys = Session(OutgoingStream(ssrc=1, sequence=2, timestamp=3)), KeyReceiver()
    accepts = {8: PCMA, 0: PCMU, _EVENT: None}
    session.set_remote(Description((PEER[0], PEER[1]), 8, PCMA, _EVENT, accepts), 0.0)
    for number, (datagram, source) in enumerate(datagrams(data)):
        now = number * 0.001  # nobody becomes impatient
        if session.reports(datagram, source):
            _promise(source == PEER, "a stranger is not heard")
            continue
        packet = session.receive(datagram, source, now)
        if packet is None:
            continue
        _promise(source == PEER, "a stranger is not heard")
        _promise(rtp.parse(rtp.build(packet)) == packet, "a packet is written as it was read")
        codec = session.codec_of(packet)
        if session.incoming.accept(packet, now, audio=codec is not None) and codec is None:
            for press in keys.handle(packet.payload, packet.timestamp, session.incoming.run, now):
                _promise(press.seconds >= 0, "a key is pressed for a time")
    _promise(session.incoming.lost >= 0, "no less than nothing is lost")
    _promise(session.source in {None, PEER}, "nobody but the peer is latched")


@cache
def _certificates() -> tuple[Certificate, Certificate]:
    return make_certificate(), make_certificate()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def fuzz_port(data: bytes) -> None:
    """Let the port of a browser, and of a phone without ICE, take anything from anybody."""
    _loop().run_until_complete(_throw_at_port(data, ice=True))
    _loop().run_until_complete(_throw_at_port(data, ice=False))


async def _throw_at_port(data: bytes, *, ice: bool) -> None:
    sent: list[Source] = []
    selected: list[Source] = []
    edge = WebRtcEdge(
        send=lambda _, to: sent.append(to),
        on_selected=selected.append,
        on_rtcp=lambda *_: _never(),
    )
    ours, theirs = _certificates()
    credentials = (UFRAG, PASSWORD) if ice else None
    edge.describe(Terms("server", {"sha-256": theirs.fingerprint}, ours, credentials, PEER))
    try:
        for datagram, source in datagrams(data):
            _promise(edge.incoming(datagram, source, 0.0) == (), "nobody is heard without keys")
            if not stun.is_stun(datagram):
                _promise(sent[-1:] != [STRANGER], "a stranger is not answered")
            sent.clear()
        _promise(not selected, "nobody is selected without the password")
        _promise(not edge.secured, "no keys come of nonsense")
        _promise(edge.outgoing(bytes(12), 0.0) is None, "nothing goes out without keys")
    finally:
        edge.close()


def _never() -> None:
    raise AssertionError("a report was believed without keys")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "stun": fuzz_stun,
    "rtcp": fuzz_rtcp,
    "rtp": fuzz_rtp,
    "media port": fuzz_port,
}


def seeds(target: str) -> Iterator[bytes]:
    """Give a target something to begin with."""
    check = stun.build(
        stun.BINDING_REQUEST, bytes(12), [(stun.USERNAME, b"ours:x"), (stun.PRIORITY, bytes(4))]
    )
    block = rtcp.ReportBlock(5, 12, 3, 70000, 40, 0x12345678, 6000)
    report = rtcp.build([rtcp.SenderReport(9, 1 << 63, 160, 7, 1120, (block,))])
    goodbye = rtcp.build([rtcp.ReceiverReport(9), rtcp.Description(9, "x"), rtcp.Goodbye((9,))])
    audio = rtp.build(rtp.RtpPacket(8, False, 1, 160, 9, b"\xd5" * 80))  # noqa: FBT003 - the M bit
    key = rtp.build(rtp.RtpPacket(_EVENT, True, 2, 160, 9, b"\x01\x8a\x03\x20"))  # noqa: FBT003
    hello = DtlsAssociation("client", _certificates()[1], {}).start()[0]
    match target:
        case "stun":
            yield check
            yield stun.PRIORITY.to_bytes(2) + b"\x04abcd" + stun.USE_CANDIDATE.to_bytes(2) + b"\0"
        case "rtcp":
            yield report
            yield goodbye
        case _:
            pieces = [check, hello[:127], audio, key, report, goodbye]
            yield b"".join(bytes([len(piece)]) + piece for piece in pieces)
            yield b"".join(bytes([0x80 | len(piece)]) + piece for piece in pieces)
