"""Session descriptions of one audio stream: reading, offering, answering (RFC 4566, RFC 3264).

aiosipua's parser is lenient: it passes over lines it does not know and fills in defaults, so that a
broken ``c=`` line reads as 0.0.0.0, the sign of hold. Here the lines that matter are checked first.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, NamedTuple, TypeVar

from aiosipua.sdp import MediaDescription, SdpMessage, parse_sdp

from telephony.sip.audio_formats import (
    CLOCK_RATE,
    NOISE,
    AudioFormat,
    answered,
    event_lines,
    events_beside,
    events_offered,
    read_events,
    read_format,
    read_noise,
)
from telephony.sip.errors import SipError
from telephony.sip.sdes import OFFERED as SUITES_OFFERED
from telephony.sip.sdes import Crypto, choose_crypto, key_for
from telephony.sip.via import HIGHEST_PORT
from telephony.sip.webrtc import (
    OFFERED,
    OFFERED_TO_PHONES,
    PROTOCOLS,
    OwnWebRtc,
    WebRtc,
    read_webrtc,
)

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
T = TypeVar("T")

PTIME = 20  # milliseconds of audio in a packet
_PROTOCOL = "RTP/AVP"
_MUX = "rtcp-mux"
_SECURED = "RTP/SAVP"  # RFC 3711, with keys as in RFC 4568
_DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")
# RFC 3264 §6.1: what an answer may say to an offer
_ANSWERED: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}
_WELL_FORMED = {
    "c": re.compile(r"IN IP[46] \S+"),
    "m": re.compile(r"[a-z]+ [0-9]{1,5}(?:/[0-9]+)? \S+(?: \S+)+"),
}
_SIGNS_OF_HOLD = ("sendonly", "inactive", " 0.0.0.0", " ::")
_PTIME = re.compile(r"[0-9]{1,3}")
# Together they bound what peers can make us remember: 512 KiB of descriptions.
_KEPT, _LONGEST_KEPT = 128, 4096
_SECRETS = ("a=crypto:", "a=ice-pwd:")


class SdpError(SipError, ValueError):
    """The peer's: a session description we cannot talk to (488)."""


@dataclass(frozen=True, slots=True)
class RemoteAudio:
    """Where and how the peer wants to hear us.

    Attributes:
        host: an IP address; 0.0.0.0 while it has us on hold the old way (RFC 3264 §8.4).
        port: 1-65535.
        formats: what it can decode, its favourite first; never empty.
        telephone_event: payload type of its key presses (RFC 4733) beside its favourite, or None.
        direction: as the peer sees it: ``sendonly`` means that it doesn't listen.
        ptime: milliseconds of audio it wants in a packet.
        protocol: of the ``m=`` line.
        attributes: every attribute of the stream as written (``crypto``, ``fingerprint`` …), then
            those of the session.
        crypto: how the stream is secured, by the peer's key; None: not that way.
        events: clock and payload type of each of its telephone-events.
        comfort_noise: payload type of RFC 3389, or None.
        webrtc: how it is secured by DTLS, and found by ICE; None: not that way.
        muxed: it takes and sends RTCP on the RTP port (RFC 5761).
    """

    host: str
    port: int
    formats: tuple[AudioFormat, ...]
    telephone_event: int | None
    direction: Direction
    ptime: int
    protocol: str = _PROTOCOL
    attributes: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)
    crypto: Crypto | None = None
    events: tuple[tuple[int, int], ...] = field(default=(), compare=False)
    comfort_noise: int | None = None
    webrtc: WebRtc | None = None
    muxed: bool = False

    @property
    def is_listening(self) -> bool:
        """Whether it wants to be sent anything: it is not holding us."""
        return self.direction in {"sendrecv", "recvonly"}


def parse_audio(sdp: str) -> RemoteAudio:
    """Read the first audio stream that we can take part in.

    Raises:
        SdpError: there is none, or the description is malformed.
    """
    return _read(sdp).audio


class _Read(NamedTuple):
    """A session description: all of it, the stream that we take part in, and what that says.

    It is read for others too, and must not be changed.
    """

    message: SdpMessage
    taken: MediaDescription
    audio: RemoteAudio


def _read(sdp: str) -> _Read:
    # Each layer of a call asks for each party's. What holds keys or passwords is not kept.
    kept = len(sdp) <= _LONGEST_KEPT and not any(secret in sdp for secret in _SECRETS)
    return _known(sdp) if kept else _read_anew(sdp)


def _read_anew(sdp: str) -> _Read:
    message = _parse(sdp)
    taken = _usable_audio(message)
    return _Read(message, taken, _read_audio(message, taken))


_known = lru_cache(_KEPT)(_read_anew)


def is_listening(sdp: str) -> bool:
    """Tell whether who describes himself so wants to hear us; also where we cannot talk to him."""
    if not any(sign in sdp for sign in _SIGNS_OF_HOLD):
        return True  # nearly always: the description need not be read
    try:
        return parse_audio(sdp).is_listening
    except SdpError:
        return True


def _parse(sdp: str) -> SdpMessage:
    lines = [line.strip() for line in sdp.splitlines()]
    if not lines or lines[0] != "v=0":
        raise SdpError("not a session description")
    for line in lines:
        form = _WELL_FORMED.get(line[:1]) if line[1:2] == "=" else None
        if form is not None and form.fullmatch(line[2:]) is None:
            raise SdpError(f"malformed {line[:2]} line")
    try:
        return parse_sdp(sdp)
    except ValueError as error:
        raise SdpError("malformed number in the session description") from error


def _usable_audio(message: SdpMessage) -> MediaDescription:
    for media in message.media:
        usable = media.media == "audio" and media.port and _formats(media)
        if usable and _can_be_secured(message, media):
            return media
    raise SdpError("no codec of ours over RTP/AVP, RTP/SAVP with keys, or WebRTC")


def _can_be_secured(message: SdpMessage, media: MediaDescription) -> bool:
    """Whether a stream is as secure as it claims, in a way that we know."""
    return (
        media.proto == _PROTOCOL
        or _crypto(media) is not None
        or _webrtc(message, media) is not None
    )


def _webrtc(message: SdpMessage, media: MediaDescription) -> WebRtc | None:
    if media.proto not in PROTOCOLS:
        return None
    return read_webrtc(media.attributes, message.attributes)


def _crypto(media: MediaDescription) -> Crypto | None:
    """Return how we secure a stream. Keys beside RTP/AVP are passed over: they secure nothing."""
    if media.proto != _SECURED:
        return None
    return choose_crypto(media.attributes.get("crypto", ()))


def _formats(media: MediaDescription) -> tuple[AudioFormat, ...]:
    read = (read_format(codec) for codec in media.codecs)
    return tuple(dict.fromkeys(format_ for format_ in read if format_ is not None))


def _read_audio(message: SdpMessage, media: MediaDescription) -> RemoteAudio:
    connection = media.connection or message.connection
    if connection is None:
        raise SdpError("no connection address")
    try:
        host = ipaddress.ip_address(connection.address)
    except ValueError as error:
        raise SdpError("the connection address is not an IP address") from error
    if host.is_multicast or not 0 < media.port <= HIGHEST_PORT:
        raise SdpError("not a unicast address and port")
    direction = _direction(message, media)
    webrtc = _webrtc(message, media)
    # a browser that has no candidate yet, or hides it, writes 0.0.0.0 and means nothing by it
    if host.is_unspecified and (webrtc is None or webrtc.ufrag is None):
        # RFC 3264 §8.4: "neither RTP nor RTCP should be sent to the peer"
        direction = "inactive" if direction in {"recvonly", "inactive"} else "sendonly"
    formats, events = _formats(media), read_events(media.codecs)
    return RemoteAudio(
        host=str(host),
        port=media.port,
        formats=formats,
        telephone_event=next((number for _, number in events_beside(formats[0], events)), None),
        direction=direction,
        ptime=_ptime(media),
        protocol=media.proto,
        attributes=tuple(
            (name, value)
            for owner in (media.attributes, message.attributes)
            for name, values in owner.items()
            for value in values
        ),
        crypto=_crypto(media),
        events=events,
        comfort_noise=read_noise(media.codecs),
        webrtc=webrtc,
        muxed=_MUX in media.attributes,
    )


def _direction(message: SdpMessage, media: MediaDescription) -> Direction:
    """Return the stream's direction, else the session's, else sendrecv (RFC 4566 §6)."""
    for attributes in (media.attributes, message.attributes):
        for direction in _DIRECTIONS:
            if direction in attributes:
                return direction
    return "sendrecv"


def _ptime(media: MediaDescription) -> int:
    value = next(iter(media.attributes.get("ptime", [])), "")
    return (int(value) if _PTIME.fullmatch(value) else 0) or PTIME


def build_offer(
    *,
    host: str,
    port: int,
    formats: Sequence[AudioFormat],
    session_id: int,
    version: int,
    telephone_event: int | None = 101,
    direction: Direction = "sendrecv",
    key: bytes | None = None,
    webrtc: OwnWebRtc | None = None,
    ice: bool = True,
) -> str:
    """Describe one audio stream of ours at host and port, our favourite format first.

    With ``key``, 30 octets, what we send is secured by it (RTP/SAVP); with ``webrtc`` by DTLS, and
    found by ICE, as browsers want it, or at host and port.
    """
    head = _head(host, session_id, version)
    secured: list[str] = []
    protocol = _PROTOCOL
    if webrtc is not None:
        protocol = OFFERED if ice else OFFERED_TO_PHONES
        head += webrtc.session_lines(None, ice=ice)
        secured = webrtc.stream_lines(None, host, port, ice=ice)
    elif key is not None:
        protocol = _SECURED
        secured = [Crypto(tag, suite, key).to_line() for tag, suite in enumerate(SUITES_OFFERED, 1)]
    events = events_offered(formats, telephone_event)
    audio = _audio(port, protocol, formats, events, direction=direction, secured=secured)
    return "\r\n".join([*head, *audio, ""])


def build_answer(
    offer_sdp: str,
    *,
    host: str,
    port: int,
    preferred: Sequence[str],
    session_id: int,
    version: int,
    key: bytes | None = None,
    webrtc: OwnWebRtc | None = None,
) -> tuple[str, AudioFormat]:
    """Answer an offer (RFC 3264 §6).

    One stream is taken, under the payload types the offer gave; every other stream is
    rejected with port 0. The answer's direction mirrors the offer's.

    Args:
        offer_sdp: the offer.
        host: our RTP address.
        port: our RTP port.
        preferred: codec names, our favourite first.
        session_id: for ``o=``.
        version: for ``o=``; see `LocalDescription`.
        key: 30 octets that secure what we send, if the offer wants that; None: we cannot.
        webrtc: our side of DTLS and ICE, if the offer wants that; None: we cannot.

    Returns:
        The answer, and the format to send.

    Raises:
        SdpError: the offer is malformed, or has nothing that we prefer.
    """
    message, taken, audio = _read(offer_sdp)
    chosen = next(
        (format_ for name in preferred for format_ in audio.formats if format_.name == name), None
    )
    if chosen is None:
        raise SdpError("no codec in common")
    head, secured = _secured_answer(audio, host, port, key, webrtc)
    lines = [*_head(host, session_id, version), *head]
    for media in message.media:
        if media is taken:
            direction = _ANSWERED[audio.direction]
            events = events_beside(chosen, audio.events)
            noise = audio.comfort_noise if chosen.clock_rate == CLOCK_RATE else None
            lines += _audio(
                port,
                media.proto,
                [answered(chosen)],
                events,
                direction=direction,
                secured=secured,
                comfort_noise=noise,
            )
        else:
            # §6: "To reject an offered stream, the port number … MUST be set to zero"
            lines.append(f"m={media.media} 0 {media.proto} {' '.join(media.formats)}")
    return "\r\n".join([*lines, ""]), chosen


def _secured_answer(
    audio: RemoteAudio, host: str, port: int, key: bytes | None, webrtc: OwnWebRtc | None
) -> tuple[list[str], list[str]]:
    """Return the lines of session and stream that secure it as the offer asks."""
    if audio.webrtc is not None:
        if webrtc is None:
            raise SdpError("secured by DTLS, and we have no certificate")
        head = webrtc.session_lines(audio.webrtc)
        return head, webrtc.stream_lines(audio.webrtc, host, port)
    # RFC 5761 §5.1.1: the answer says so, too, or each keeps its port
    muxed = [f"a={_MUX}"] if audio.muxed else []
    if audio.crypto is not None:
        if key is None:
            raise SdpError("RTP/SAVP, and we have no key")
        # RFC 4568 §5.1.2: tag and suite of the offer
        ours = replace(audio.crypto, key=key_for(audio.crypto.suite, key))
        return [], [ours.to_line(), *muxed]
    return [], muxed


def _head(host: str, session_id: int, version: int) -> list[str]:
    kind = "IP6" if ":" in host else "IP4"
    return [
        "v=0",
        f"o=- {session_id} {version} IN {kind} {host}",
        "s=-",
        f"c=IN {kind} {host}",
        "t=0 0",
    ]


def _audio(
    port: int,
    protocol: str,
    formats: Sequence[AudioFormat],
    events: Sequence[tuple[int, int]],
    *,
    direction: Direction,
    secured: Sequence[str],
    comfort_noise: int | None = None,
) -> list[str]:
    types = [str(format_.payload_type) for format_ in formats]
    maps = [line for format_ in formats for line in format_.to_lines()]
    if comfort_noise is not None:
        types.append(str(comfort_noise))
        maps.append(f"a=rtpmap:{comfort_noise} {NOISE}/{CLOCK_RATE}")
    types += [str(number) for _, number in events]
    maps += event_lines(events)
    return [
        f"m=audio {port} {protocol} {' '.join(types)}",
        *maps,
        *secured,
        f"a=ptime:{PTIME}",
        f"a={direction}",
    ]


class LocalDescription:
    """What one leg of ours has described so far.

    RFC 3264 §8: the ``o=`` line keeps its session id, "and the version in the origin field MUST
    increment by one from the previous SDP" when, and only when, something else has changed.

    Args:
        session_id: for ``o=``.
        key: 30 random octets that secure what this leg sends, where it is secured; None: it cannot.
        webrtc: our side of DTLS and ICE; None: it has none.
    """

    def __init__(
        self, session_id: int, *, key: bytes | None = None, webrtc: OwnWebRtc | None = None
    ) -> None:
        self.key = key
        self.webrtc = webrtc
        self._session_id = session_id
        self._version = 0
        self._latest: str | None = None

    def offer(
        self,
        *,
        host: str,
        port: int,
        formats: Sequence[AudioFormat],
        telephone_event: int | None = 101,
        direction: Direction = "sendrecv",
        secured: bool = False,
        dtls: bool = False,
        browser: bool = False,
    ) -> str:
        """See `build_offer`; of several kinds the last one counts."""
        return self._versioned(
            lambda version: build_offer(
                host=host,
                port=port,
                formats=formats,
                session_id=self._session_id,
                version=version,
                telephone_event=telephone_event,
                direction=direction,
                key=self.key if secured else None,
                webrtc=self.webrtc if browser or dtls else None,
                ice=browser,
            ),
            lambda sdp: sdp,
        )

    def answer(
        self, offer_sdp: str, *, host: str, port: int, preferred: Sequence[str]
    ) -> tuple[str, AudioFormat]:
        """See `build_answer`."""
        offered = parse_audio(offer_sdp).webrtc
        if offered is not None and self.webrtc is not None:
            self.webrtc.meet(offered)
        return self._versioned(
            lambda version: build_answer(
                offer_sdp,
                host=host,
                port=port,
                preferred=preferred,
                session_id=self._session_id,
                version=version,
                key=self.key,
                webrtc=self.webrtc,
            ),
            lambda built: built[0],
        )

    def _versioned(self, build: Callable[[int], T], sdp_of: Callable[[T], str]) -> T:
        built = build(self._version)
        if self._latest is not None and sdp_of(built) != self._latest:
            self._version += 1
            built = build(self._version)
        self._latest = sdp_of(built)
        return built
