"""The audio of one call: a session and a description for each party, and who hears whom.

Its owner says when; here is how. Parties go by the names that ``calls/call.py`` gives their legs;
all phones that ring for one offer share a session, named by what stands before the last dot of the
legs' names. Every ``async`` method is one or more commands to the media process and may raise
``telephony.media_client.MediaError``.
"""

import asyncio
import contextlib
import ipaddress
import secrets
from base64 import b64encode
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import structlog

from calls.audio_policy import G711_ONLY, AudioPolicy
from calls.dead_legs import limit_for
from calls.hearing import CALLER, Hearing, NeedsMixer, as_pairs
from calls.recorded_parts import path_of
from calls.tune_player import TunePlayer
from calls.tunes import Tune
from eventbus.tasks import both
from telephony.media.certificate import own_certificate, own_fingerprint
from telephony.media.control import Dtls, Srtp, Watched
from telephony.media_commands import (
    MediaCommands,
    MediaError,
    MediaUnavailable,
    RecordingInfo,
)
from telephony.sip.audio_formats import CLOCK_RATE, AudioFormat, events_beside, ordered
from telephony.sip.offer_answer import (
    PTIME,
    LocalDescription,
    RemoteAudio,
    parse_audio,
)
from telephony.sip.sdes import KEY_OCTETS, key_for
from telephony.sip.via import HIGHEST_PORT
from telephony.sip.webrtc import OwnWebRtc

log = structlog.get_logger(__name__)

#: What of a session's statistics is kept in the call's record.
QUALITY = ("packets_in", "packets_out", *("loss", "jitter", "far_loss", "round_trip", "r", "mos"))

#: Lengths of packets that a mix can be sent in, milliseconds.
PACKET_TIMES = (10, 20, 30, 40, 60)

#: Where a party hears nothing, to the media process.
NOWHERE = "0.0.0.0"


def group_of(leg: str) -> str:
    """Return the session that a leg belongs to."""
    return leg if leg == CALLER else leg.rpartition(".")[0]


class CallAudio:
    """All parties' sessions.

    Args:
        call_id: part of the sessions' names, and the recording's name.
        media: the media process.
        host: the address for RTP that is given to the parties.
        recordings: where recordings go; None: calls are not recorded.
        policy: which codecs there are.
        music: what is played on hold; None: the ringing tone.

    Attributes:
        quality: of each closed session that carried audio or was hung up because it did not: what
            `QUALITY` names, and then ``dead_seconds``, for which nothing had come.
    """

    def __init__(
        self,
        call_id: str,
        *,
        media: MediaCommands,
        host: str,
        recordings: Path | None,
        policy: AudioPolicy = G711_ONLY,
        music: Path | None = None,
    ) -> None:
        self._call_id = call_id
        self._media = media
        self._host = host
        self._recordings = recordings
        self._policy = policy
        self._sessions: dict[str, str] = {}
        self._ports: dict[str, int] = {}
        self._described: dict[str, LocalDescription] = {}
        self._codecs: dict[str, str] = {}
        self._watched: dict[str, tuple[float | None, bool]] = {}
        self._inband: set[str] = set()
        self._dead: dict[str, float] = {}
        self._partners_formats: dict[str, tuple[str, ...]] = {}
        self._secured: set[str] = set()
        self._over_dtls: set[str] = set()  # without ICE
        self._browsers: set[str] = set()
        self.quality: dict[str, dict[str, float | None]] = {}
        self._signalled_from: dict[str, str] = {}
        self._ids = count(1)
        self._bridged: set[tuple[str, str]] = set()  # sessions
        self._mixed = False
        self._tunes = TunePlayer(call_id, media=media, music=music)
        self._recording: str | None = None
        self._right: list[str] = []
        self._parts = 0
        self._paused = False

    def session(self, leg: str) -> str | None:
        """Return the name of a leg's session, None when it has none."""
        return self._sessions.get(group_of(leg))

    # -- ports and descriptions --------------------------------------------------------------------

    async def open(self, *legs: str) -> None:
        """Open the sessions of these legs, as far as they are not open yet."""
        wanted = dict.fromkeys(map(group_of, legs))
        groups = [group for group in wanted if group not in self._sessions]
        match groups:
            case [first, second]:
                # (at once: an agent's phone is called only when both ports are there)
                await both(self._open(second), self._open(first))
            case _:
                for group in groups:
                    await self._open(group)

    async def _open(self, group: str) -> None:
        session = f"{self._call_id}.{group}"
        _, self._ports[group] = await self._media.open(session)
        self._sessions[group] = session
        self._described[group] = LocalDescription(
            next(self._ids),
            key=secrets.token_bytes(KEY_OCTETS),
            webrtc=OwnWebRtc(own_fingerprint(), secrets.token_bytes(KEY_OCTETS)),
        )

    def offer(
        self,
        leg: str,
        caller_sdp: str | None,
        *,
        secured: bool = False,
        dtls: bool = False,
        browser: bool = False,
    ) -> str:
        """Return the session description that a leg is called with.

        ``secured``: by SRTP alone; ``dtls``: with keys by DTLS, too; ``browser``: as WebRTC, which
        is all that a browser speaks.
        """
        group = group_of(leg)
        known = () if caller_sdp is None else parse_audio(caller_sdp).formats
        shared = self._partners_formats[group] = tuple(entry.name for entry in known)
        formats = ordered(self._policy.codecs, first=shared)
        return self._described[group].offer(
            host=self._host,
            port=self._ports[group],
            formats=formats,
            secured=secured,
            dtls=dtls,
            browser=browser,
        )

    def signalled_from(self, leg: str, host: str, trunk: str | None = None) -> None:
        """Say where a leg's SIP comes from: behind a NAT its audio comes from there, too."""
        if trunk in self._policy.inband_keys:
            self._inband.add(group_of(leg))
        with contextlib.suppress(ValueError):  # a name tells nothing about where audio comes from
            self._signalled_from[group_of(leg)] = str(ipaddress.ip_address(host))

    async def answered(self, leg: str, audio: RemoteAudio) -> None:
        """Take the answer of a leg that we called."""
        group = group_of(leg)
        own = self._described[group].webrtc if group in self._described else None
        if audio.webrtc is not None and own is not None:
            own.meet(audio.webrtc)
        shared = self._partners_formats.get(group, ())
        # RFC 3264 §7: several formats in an answer may all be sent; what needs no transcoding is
        chosen = next((entry for entry in audio.formats if entry.name in shared), audio.formats[0])
        await self._set_remote(group, audio, chosen)

    async def admit(self, leg: str, sdp: str | None, other: str) -> str:
        """Answer a leg that called us; return what to answer (or, without ``sdp``, offer) it.

        The codec of ``other``, whom it will hear, is preferred, so that nothing is transcoded if it
        can be avoided. Without an offer it gets ours now and answers in its ACK (RFC 3264 §5).

        Raises:
            MediaError: the media process is away or refused.
            telephony.sip.offer_answer.SdpError: its description cannot be answered.
        """
        group, preferred = group_of(leg), self._codecs.get(group_of(other), "PCMA")
        described, port = self._described[group], self._ports[group]
        if sdp is None:
            formats = ordered(self._preferring(preferred))
            return described.offer(host=self._host, port=port, formats=formats)
        names = self._preferring(preferred)
        answer, chosen = described.answer(sdp, host=self._host, port=port, preferred=names)
        await self._set_remote(group, parse_audio(sdp), chosen)
        return answer

    def reanswer(self, leg: str, sdp: str) -> tuple[str, AudioFormat]:
        """Answer a re-INVITE: same port and codec here, whatever address the party has now.

        Raises:
            telephony.sip.offer_answer.SdpError: it cannot be answered, or nothing is open.
        """
        group = group_of(leg)
        in_use = self._codecs.get(group, "PCMA")
        return self._described[group].answer(
            sdp,
            host=self._host,
            port=self._ports[group],
            preferred=self._preferring(in_use),
        )

    def reoffer(self, leg: str) -> str:
        """Offer all that we can do, to a party that asks for it; what is in use stands first."""
        group = group_of(leg)
        formats = ordered(self._preferring(self._codecs.get(group, "PCMA")))
        return self._described[group].offer(
            host=self._host,
            port=self._ports[group],
            formats=formats,
            secured=group in self._secured,
            dtls=group in self._over_dtls,
            browser=group in self._browsers,
        )

    async def move(self, leg: str, sdp: str, chosen: AudioFormat | None) -> None:
        """Follow a party to the address that its new session description names.

        ``chosen`` is what we answered with; None: the description is itself an answer.

        Raises:
            MediaError: the media process is away or refused.
            telephony.sip.offer_answer.SdpError: the description cannot be used.
        """
        audio = parse_audio(sdp)
        if chosen is None:
            await self.answered(leg, audio)
        else:
            await self._set_remote(group_of(leg), audio, chosen)

    async def _set_remote(self, group: str, audio: RemoteAudio, chosen: AudioFormat) -> None:
        session = self._sessions.get(group)
        if session is None:
            return
        self._codecs[group] = chosen.name
        beside = events_beside(chosen, audio.events)
        event_clock, telephone_event = beside[0] if beside else (CLOCK_RATE, None)
        limit, inband = self._watching(group, audio)
        is_new = (limit, inband) != self._watched.get(group, (None, False))
        await self._media.set_remote(
            session,
            # on hold nothing is sent to it (RFC 3264 §8.4); what it sends, music perhaps, is heard
            host=audio.host if audio.is_listening else NOWHERE,
            # a browser's address is what ICE finds, so that only the port can say it
            port=audio.port if audio.is_listening or audio.webrtc is None else 0,
            payload_type=chosen.payload_type,
            codec=chosen.name,
            telephone_event=telephone_event,
            event_clock=event_clock,
            # RFC 3264 §6.1: whoever named several formats may send any of them
            accepts={
                entry.payload_type: entry.name
                for entry in audio.formats
                if entry.name in self._policy.codecs
            },
            comfort_noise=audio.comfort_noise if chosen.clock_rate == CLOCK_RATE else None,
            ptime=audio.ptime if audio.ptime in PACKET_TIMES else PTIME,
            rtcp_port=_rtcp_port(audio),
            rtcp_mux=audio.muxed,
            signalled_from=self._signalled_from.get(group),
            srtp=self._srtp(group, audio),
            dtls=self._dtls(group, audio),
            watched=Watched(rtp_timeout=limit, inband_keys=inband) if is_new else None,
        )
        self._watched[group] = limit, inband

    def _dtls(self, group: str, audio: RemoteAudio) -> Dtls | None:
        """Return how a browser's audio is secured; `OwnWebRtc.meet` has heard of it."""
        own, peer = self._described[group].webrtc, audio.webrtc
        if peer is None or own is None or own.role is None:
            self._browsers.discard(group)
            self._over_dtls.discard(group)
            return None
        (self._over_dtls if peer.ufrag is None else self._browsers).add(group)
        shown = own_certificate()
        ufrag, password = own.credentials if peer.ufrag is not None else (None, None)
        return Dtls(
            role=own.role,
            fingerprints=dict(peer.fingerprints),
            certificate=shown.certificate,
            key=shown.key,
            ufrag=ufrag,
            password=password,
        )

    def _watching(self, group: str, audio: RemoteAudio) -> tuple[float | None, bool]:
        """Return what is to be reported: after how long that a party is silent; keys as tones."""
        return (
            limit_for(audio, self._policy.dead_leg_seconds),
            group in self._inband and audio.is_listening and not audio.events,
        )

    def mark_dead(self, session: str, seconds: float) -> str | None:
        """Note that nothing has come for so long; return whose session it is, as far as known."""
        for group, name in self._sessions.items():
            if name == session:
                self._dead[group] = seconds
                return group
        return None

    def _preferring(self, first: str) -> tuple[str, ...]:
        """Return all codecs that we take part in, this one before the others."""
        return tuple(sorted(self._policy.codecs, key=lambda name: name != first))

    def _srtp(self, group: str, audio: RemoteAudio) -> Srtp | None:
        """Return how a party's audio is secured."""
        key = self._described[group].key
        if audio.crypto is None or key is None:
            self._secured.discard(group)
            return None
        self._secured.add(group)
        suite = audio.crypto.suite
        keys = key_for(suite, key), audio.crypto.key
        local, remote = (b64encode(entry).decode() for entry in keys)
        return Srtp.model_validate({"suite": suite, "local": local, "remote": remote})

    async def hear(self, hearing: Hearing) -> None:
        """Let exactly these hear each other: relayed where that will do, mixed where it will not.

        Raises:
            MediaError: the media process is away or refused.
        """
        try:
            pairs = as_pairs(hearing)
        except NeedsMixer:
            await self._mix(hearing)
            return
        if self._mixed:
            self._mixed = False
            await self._media.matrix(self._call_id, {})
        wanted = set()
        for one, other in pairs:
            first, second = self.session(one), self.session(other)
            if first is not None and second is not None:
                wanted.add((min(first, second), max(first, second)))
        busy = {session for pair in wanted - self._bridged for session in pair}
        for pair in sorted(self._bridged - wanted):
            self._bridged.discard(pair)
            if busy.isdisjoint(pair):  # a new bridge ends the old one by itself
                await self._media.unbridge(pair[0])
        for pair in sorted(wanted - self._bridged):
            await self._media.bridge(*pair)
            self._bridged.add(pair)

    async def _mix(self, hearing: Hearing) -> None:
        rows: dict[str, dict[str, float]] = {}
        for speaker, listener in sorted(hearing):
            heard, hears = self.session(speaker), self.session(listener)
            if heard is not None and hears is not None:
                rows.setdefault(hears, {})[heard] = 1.0
                rows.setdefault(heard, {})
        await self._media.matrix(self._call_id, rows)
        self._mixed = True
        self._bridged.clear()  # who is in the matrix is in no other bridge

    async def stop_tunes(self, wanted: Mapping[str, Tune]) -> None:
        """Stop what is played to legs and not among these.

        Raises:
            MediaError: the media process is away or refused.
        """
        await self._tunes.stop(wanted)

    async def start_tunes(self, wanted: Mapping[str, Tune]) -> None:
        """Play to those legs that hear nobody else.

        Raises:
            MediaError: the media process is away or refused.
        """
        await self._tunes.start(wanted, self.session)

    async def press(self, leg: str, keys: str) -> None:
        """Press keys towards a leg, if it has a session.

        Raises:
            MediaError: the media process is away or refused.
        """
        if (session := self.session(leg)) is not None:
            await self._media.press(session, keys)

    # -- recording ---------------------------------------------------------------------------------

    async def start_recording(self, left: str, right: str) -> Path | None:
        """Record two legs from now on.

        Return where the call's first part lies, None when calls are not recorded or it cannot be. A
        call whose second party changes is recorded in parts: a recording has two channels, and a
        party each.
        """
        sides = self.session(left), self.session(right)
        if self._recordings is None or sides[0] is None or sides[1] is None:
            return None
        self._parts += 1
        day = self._call_id[:8]
        folder = self._recordings / day[:4] / day[4:6] / day[6:]
        first = folder / f"{self._call_id}{self._policy.files.suffix}"
        path = path_of(first, self._parts)
        try:
            seal = self._policy.files.new_seal()
            await self._media.record(path.stem, path, left=sides[0], right=sides[1], seal=seal)
        except MediaUnavailable as error:
            # It may have begun all the same, and is told to end: whatever lies there is the call's,
            # so that it goes when the call's recordings go.
            log.error("not_recorded", call_id=self._call_id, error=str(error))  # noqa: TRY400 - no trace
            return first
        except MediaError as error:  # the disk is full: the call goes on without
            log.error("not_recorded", call_id=self._call_id, error=str(error))  # noqa: TRY400 - no trace
            return None
        self._recording, self._right = path.stem, [sides[1]]
        self._paused = False
        return first

    async def record_right(self, *legs: str) -> None:
        """Record these legs on the right side from now on, mixed.

        Raises:
            MediaError: the media process is away or refused.
        """
        left = self.session(CALLER)
        right = [session for leg in legs if (session := self.session(leg)) is not None]
        if self._recording is None or left is None or not right or right == self._right:
            return
        self._right = right
        await self._media.change_record(self._recording, left=left, right=right)

    async def stop_recording(self) -> tuple[int, RecordingInfo] | None:
        """Complete the recording; return which part of the call it is, None when there is none."""
        name, self._recording = self._recording, None
        if name is None:
            return None
        try:
            return self._parts, await self._media.stop_record(name)
        except MediaError:
            return None  # the media process died; what it had written is on the disk

    async def pause_recording(self, *, paused: bool) -> bool:
        """Write nothing that is said, or go on; False when calls are not recorded.

        Raises:
            MediaError: the media process is away or refused.
        """
        if self._recording is None:
            return False
        if paused != self._paused:
            if paused:
                await self._media.pause_record(self._recording)
            else:
                await self._media.resume_record(self._recording)
            self._paused = paused
        return True

    # -- ends --------------------------------------------------------------------------------------

    async def close_leg(self, leg: str) -> None:
        """Close the session of a leg that is out of the call, if it is open."""
        if (group := group_of(leg)) in self._sessions:
            await self._close(group)

    async def close(self) -> None:
        """Close whatever is open."""
        await self.close_others()

    async def close_others(self, *legs: str) -> None:
        """Close all sessions but those of these legs."""
        kept = {group_of(leg) for leg in legs}
        # (at once: the media process is woken once)
        groups = [group for group in self._sessions if group not in kept]
        await asyncio.gather(*map(self._close, groups))

    async def _close(self, group: str) -> None:
        if (session := self._sessions.pop(group, None)) is None:
            return  # the media process died before this task had its turn
        self._watched.pop(group, None)
        self._bridged = {pair for pair in self._bridged if session not in pair}
        try:
            stats = await self._media.close_session(session)
        except MediaError:
            log.debug("session_gone", call_id=self._call_id, session=session)
        else:
            if stats.packets_in or stats.packets_out or group in self._dead:
                self.quality[group] = {name: getattr(stats, name) for name in QUALITY}
                if group in self._dead:
                    self.quality[group]["dead_seconds"] = self._dead[group]

    def lost(self) -> None:
        """Forget the sessions: the media process died with them."""
        self._sessions.clear()
        self._bridged.clear()
        self._mixed = False
        self._tunes.lost()


def _rtcp_port(audio: RemoteAudio) -> int | None:
    """Return the port of ``a=rtcp`` (RFC 3605); an address of its own there is passed over."""
    for name, value in audio.attributes:
        number = value.split(" ")[0]
        if name == "rtcp" and number.isdecimal() and 0 < int(number) <= HIGHEST_PORT:
            return int(number)
    return None
