"""The packet path in C behind the port of :mod:`telephony.media.path`.

Packets, timers and mixing run in a thread of the library that never takes the interpreter's lock.
What needs Python comes as reports through a file descriptor: events, blocks of recordings, and the
audio of sessions with an edge (SRTP) or a codec that C does not know; these take a detour of one
turn of the event loop, everything else none.
"""

import asyncio
import ctypes
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from ctypes import byref, c_size_t, c_uint32, c_void_p, create_string_buffer
from pathlib import Path
from socket import socket
from struct import Struct
from typing import Any, Final

import numpy as np
import structlog

from telephony.media.codecs import COMFORT_NOISE, PCMA, PCMU, CodecSpec, Decoder, Encoder
from telephony.media.dtmf import KEYS
from telephony.media.g711 import Pcm
from telephony.media.native.core import (
    CODEC_EVENT,
    CODEC_FOREIGN,
    CODEC_NOISE,
    CODEC_PCMA,
    CODEC_PCMU,
    MAX_AUDIO,
    MAX_CODECS,
    PAYLOAD_TYPES,
    Address,
    Hearing,
    Report,
    Start,
    Statistics,
    from_address,
    load,
    tables,
    to_address,
)
from telephony.media.native.core import Description as NativeDescription
from telephony.media.path import (
    FRAME_SAMPLES,
    Description,
    Edge,
    Handle,
    IsBusy,
    KeyPressed,
    Latched,
    PathEvent,
    PathStats,
    PlayEnded,
    RtcpReceived,
    RtpTimeout,
    Silence,
    Sink,
    Source,
    Watch,
    never_busy,
)
from telephony.media.scheduling import Realtime, share_of

log = structlog.get_logger(__name__)

_HEADER: Final = Struct("@IIIIQqd")
"""``struct report_header``: kind, handle, length, number, run, position, seconds."""
_REPORTS_ROOM: Final = 1 << 18
_BLOCK_ROOM: Final = 1 << 16
_ADDRESS = ctypes.sizeof(Address)


class _Audio:
    """The codecs of one session that Python has to code."""

    def __init__(self) -> None:
        self.edge: Edge | None = None
        self.codec: CodecSpec | None = None
        self.encoder: Encoder | None = None
        self.decoders: dict[int, Decoder] = {}


class NativePath:
    """See :class:`telephony.media.path.PacketPath`.

    Args:
        library: what :func:`telephony.media.native.build.build` has made.
        on_event: takes events.
        realtime: whether the thread goes before all that is not in real time, where the system
            permits it; ``auto``: and where that is harmless.
        share: of a core, up to which it does; None: as :mod:`telephony.media.scheduling` says.

    Attributes:
        in_real_time: whether it does now.

    Raises:
        OSError: the library cannot be loaded.
    """

    def __init__(
        self,
        library: Path,
        on_event: Callable[[PathEvent], None],
        *,
        realtime: Realtime = "never",
        share: float | None = None,
    ) -> None:
        self._c = load(library)
        self._core = self._c.media_new(byref(tables()), 0.0)
        if not self._core:
            raise OSError("no file descriptors are left for the packet path")
        self._on_event = on_event
        self._realtime = realtime
        self._share = share
        self.in_real_time = False
        self._started = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fd = self._c.media_report_fd(self._core)
        self._sessions: dict[Handle, _Audio] = {}
        self._clips: dict[Handle, Sequence[Pcm]] = {}
        self._sinks: dict[Handle, tuple[Sink, IsBusy]] = {}
        self._codecs: list[CodecSpec] = []
        self._reports = create_string_buffer(_REPORTS_ROOM)
        self._block = create_string_buffer(_BLOCK_ROOM)
        self._now = 0.0

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """See the port."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._on_reports)
        self._started = True
        share, objection = share_of(self._realtime)
        if share and self._share is not None:
            share = self._share
        started = Start(self._c.media_start(self._core, share))
        if started is Start.FAILED:
            raise OSError("no thread for the packet path")
        self.in_real_time = started is Start.REAL_TIME
        if share and not self.in_real_time:
            objection = "not permitted: CAP_SYS_NICE, or LimitRTPRIO=1 in the service's unit"
        if self.in_real_time:
            log.info("packets are carried in real time", share_of_core=share)
        elif objection is not None:
            say = log.warning if self._realtime == "always" else log.info
            say("packets are not carried in real time", why=objection)

    def advance(self, now: float) -> None:
        """See the port."""
        self._now = now
        again = True
        while again:
            again = self._c.media_advance(self._core, now)
            while self._take_reports():
                pass

    def close(self) -> None:
        """See the port."""
        if not self._core:
            return
        if self._loop is not None:
            self._loop.remove_reader(self._fd)
        for recording in list(self._sinks):
            self.stop_record(recording)
        self._c.media_free(self._core)
        self._core = None
        self._sessions.clear()
        self._clips.clear()

    def _clock(self) -> float:
        return time.monotonic() if self._started else self._now

    # -- sessions --------------------------------------------------------------------------------

    def open(self, rtp: socket) -> Handle:
        """See the port."""
        handle: Handle = self._c.media_open(
            self._core,
            rtp.fileno(),
            rtp.family,
            secrets.randbits(32),
            secrets.randbits(16),
            secrets.randbits(32),
        )
        if not handle:
            raise OSError("the socket cannot be watched")
        rtp.detach()  # the library closes it
        self._sessions[handle] = _Audio()
        return handle

    def close_session(self, session: Handle) -> PathStats:
        """See the port."""
        found = Statistics()
        self._known(session, self._c.media_close(self._core, session, byref(found)))
        self._sessions.pop(session).edge = None
        return _stats(found)

    def describe(self, session: Handle, remote: Description) -> None:
        """See the port."""
        accepts = (ctypes.c_uint8 * PAYLOAD_TYPES)()
        for payload_type, codec in remote.accepts.items():
            accepts[payload_type] = CODEC_EVENT if codec is None else self._number(codec)
        event = remote.telephone_event
        hint = remote.signalled_from
        native = NativeDescription(
            to_address(remote.address),
            to_address(None if hint is None else (hint, 0)),
            remote.payload_type,
            self._number(remote.codec),
            -1 if event is None else event,
            remote.frame,
            accepts,
            remote.event_clock,
        )
        audio = self._audio(session)
        if audio.codec != remote.codec:
            audio.codec, audio.encoder = remote.codec, None
        self._known(session, self._c.media_describe(self._core, session, byref(native)))

    def latch(self, session: Handle, source: Source) -> None:
        """See the port."""
        address = to_address(source)
        self._known(session, self._c.media_latch(self._core, session, byref(address)))

    def set_edge(self, session: Handle, edge: Edge | None) -> None:
        """See the port."""
        self._audio(session).edge = edge
        self._known(session, self._c.media_set_edge(self._core, session, edge is not None))

    def send_datagram(self, session: Handle, datagram: bytes, destination: Source) -> None:
        """See the port."""
        to = to_address(destination)
        self._known(
            session,
            self._c.media_send_datagram(self._core, session, datagram, len(datagram), byref(to)),
        )

    def watch(self, session: Handle, watch: Watch) -> None:
        """See the port."""
        self._known(
            session,
            self._c.media_watch(
                self._core,
                session,
                watch.rtp_timeout or 0.0,
                watch.silence or 0.0,
                watch.inband_keys,
            ),
        )

    def stats(self, session: Handle) -> PathStats:
        """See the port."""
        found = Statistics()
        self._known(session, self._c.media_statistics(self._core, session, byref(found)))
        return _stats(found)

    # -- who hears whom --------------------------------------------------------------------------

    def hear(self, rows: Mapping[Handle, Mapping[Handle, float]]) -> None:
        """See the port."""
        for listener in rows:
            self._audio(listener)  # KeyError before anything has changed
        entries = [
            Hearing(listener, source, gain)
            for listener, row in rows.items()
            for source, gain in row.items()
        ]
        listeners = (c_uint32 * len(rows))(*rows)
        hearing = (Hearing * len(entries))(*entries)
        self._c.media_hear(self._core, listeners, len(rows), hearing, len(entries))

    def play(self, clips: Sequence[Pcm], *, loop: bool = False) -> Handle:
        """See the port."""
        kept = [np.ascontiguousarray(clip, np.int16) for clip in clips if len(clip)]
        if not kept:
            raise ValueError("nothing to play")
        if any(len(clip) % FRAME_SAMPLES for clip in kept):
            raise ValueError("a clip is not a whole number of frames")
        pointers = (c_void_p * len(kept))(*(clip.ctypes.data for clip in kept))
        lengths = (c_size_t * len(kept))(*map(len, kept))
        handle: Handle = self._c.media_play(self._core, pointers, lengths, len(kept), loop)
        self._clips[handle] = kept
        return handle

    def stop_play(self, player: Handle) -> None:
        """See the port."""
        self._c.media_stop_play(self._core, player)

    def send_keys(self, session: Handle, keys: str, *, seconds: float = 0.16) -> None:
        """See the port."""
        if unknown := set(keys) - set(KEYS):
            raise ValueError(f"no such key: {', '.join(sorted(unknown))}")
        self._known(session, self._c.media_send_keys(self._core, session, keys.encode(), seconds))

    # -- copies ----------------------------------------------------------------------------------

    def fork(self, session: Handle, destination: Source | None, *, packets: int = 1) -> None:
        """See the port."""
        to = to_address(destination)
        self._known(session, self._c.media_fork(self._core, session, byref(to), packets))

    def record(
        self,
        sink: Sink,
        *,
        left: Sequence[Handle],
        right: Sequence[Handle],
        is_busy: IsBusy = never_busy,
    ) -> Handle:
        """See the port."""
        handle = self._record(0, left, right)
        self._sinks[handle] = sink, is_busy
        return handle

    def change_record(
        self, recording: Handle, *, left: Sequence[Handle], right: Sequence[Handle]
    ) -> None:
        """See the port."""
        self._sinks[recording]  # KeyError
        self._record(recording, left, right)

    def stop_record(self, recording: Handle) -> None:
        """See the port."""
        sink, _ = self._sinks.pop(recording)
        self._drain(recording, sink, finish=True)
        self._c.media_forget_recording(self._core, recording)

    def _record(self, recording: Handle, left: Sequence[Handle], right: Sequence[Handle]) -> Handle:
        handle: Handle = self._c.media_record(
            self._core,
            recording,
            (c_uint32 * len(left))(*left),
            len(left),
            (c_uint32 * len(right))(*right),
            len(right),
        )
        return handle

    def _take_block(self, recording: Handle) -> None:
        if (taken := self._sinks.get(recording)) is None:
            return
        sink, is_busy = taken
        if is_busy():
            self._c.media_drain(self._core, recording, False, self._block, 0)  # noqa: FBT003 - C
        else:
            self._drain(recording, sink, finish=False)

    def _drain(self, recording: Handle, sink: Sink, *, finish: bool) -> None:
        length = _BLOCK_ROOM
        while length == _BLOCK_ROOM:  # a full one: there may be more
            length = self._c.media_drain(self._core, recording, finish, self._block, _BLOCK_ROOM)
            if length:
                sink(ctypes.string_at(self._block, length))

    # -- reports ---------------------------------------------------------------------------------

    def _on_reports(self) -> None:
        self._take_reports()

    def _take_reports(self) -> bool:
        """Take what the library has to say; False: nothing."""
        length: int = self._c.media_reports(self._core, self._reports, _REPORTS_ROOM)
        data = ctypes.string_at(self._reports, length)
        at = 0
        while at < length:
            header = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            self._report(header, data[at : at + header[2]])
            at += header[2] + 7 & ~7
        return length > 0

    def _report(self, header: tuple[Any, ...], data: bytes) -> None:
        kind, handle, _, number, run, position, seconds = header
        match kind:
            case Report.BLOCK:
                self._take_block(handle)
            case Report.DATAGRAM:
                self._open_datagram(handle, data)
            case Report.CARRY:
                self._carry(handle, data)
            case Report.DECODE:
                self._decode(handle, number, data, (run, position, seconds))
            case Report.ENCODE:
                self._encode(handle, data)
            case Report.PLAYED:
                self._clips.pop(handle, None)
                if not number:  # else it was stopped
                    self._on_event(PlayEnded(handle))
            case Report.PRIORITY:
                self._on_priority(first=bool(number), share=seconds)
            case _:
                self._on_event(_event(kind, handle, number, seconds, data))

    def _on_priority(self, *, first: bool, share: float) -> None:
        self.in_real_time = first
        used = round(share, 2)
        if first:
            log.info("packets are carried in real time again", share_of_core=used)
        else:
            log.warning("packets took too much of a core to go before all else", share_of_core=used)

    # -- what Python must do for a session -------------------------------------------------------

    def _open_datagram(self, session: Handle, data: bytes) -> None:
        """Let an edge open a datagram."""
        audio = self._sessions.get(session)
        if audio is None or audio.edge is None:
            return
        sender = Address.from_buffer_copy(data)
        source = from_address(sender)
        for packet in audio.edge.incoming(data[_ADDRESS:], source, self._clock()):
            self._c.media_take(self._core, session, packet, len(packet), byref(sender))

    def _carry(self, session: Handle, packet: bytes) -> None:
        """Let an edge close a packet."""
        audio = self._sessions.get(session)
        if audio is None or audio.edge is None:
            return
        datagram = audio.edge.outgoing(packet, self._clock())
        if datagram is not None:
            self._c.media_carry(self._core, session, datagram, len(datagram), len(packet))

    def _decode(
        self, session: Handle, number: int, payload: bytes, when: tuple[int, int, float]
    ) -> None:
        """Decode a packet that is mixed or recorded."""
        audio = self._sessions.get(session)
        if audio is None:
            return
        decoder = audio.decoders.get(number)
        if decoder is None:
            decoder = audio.decoders[number] = self._codecs[number - CODEC_FOREIGN].decoder()
        pcm = np.ascontiguousarray(decoder.decode(payload)[:MAX_AUDIO])
        run, position, at = when
        self._c.media_decoded(self._core, session, run, position, pcm.ctypes.data, len(pcm), at)

    def _encode(self, session: Handle, data: bytes) -> None:
        """Encode a frame of a mix."""
        audio = self._sessions.get(session)
        if audio is None or audio.codec is None:
            return
        if audio.encoder is None:
            audio.encoder = audio.codec.encoder()
        pcm = np.frombuffer(data, np.int16)
        payload = audio.encoder.encode(pcm)
        self._c.media_encoded(self._core, session, payload, len(payload), len(pcm))

    # -- small things ----------------------------------------------------------------------------

    def _number(self, codec: CodecSpec) -> int:
        """Return the library's number for a codec."""
        for known, number in ((PCMA, CODEC_PCMA), (PCMU, CODEC_PCMU), (COMFORT_NOISE, CODEC_NOISE)):
            if codec == known:
                return number
        if codec not in self._codecs:
            if len(self._codecs) == MAX_CODECS - CODEC_FOREIGN:
                raise ValueError(f"more than {len(self._codecs)} codecs")
            self._codecs.append(codec)
            self._c.media_codec(self._core, CODEC_FOREIGN + len(self._codecs) - 1, codec.clock)
        return CODEC_FOREIGN + self._codecs.index(codec)

    def _audio(self, session: Handle) -> _Audio:
        return self._sessions[session]

    @staticmethod
    def _known(session: Handle, known: bool) -> None:  # noqa: FBT001 - the library's answer
        if not known:
            raise KeyError(session)


def _event(kind: int, handle: Handle, number: int, seconds: float, data: bytes) -> PathEvent:
    match kind:
        case Report.LATCHED:
            return Latched(handle, from_address(Address.from_buffer_copy(data)))
        case Report.RTCP:
            source = from_address(Address.from_buffer_copy(data))
            return RtcpReceived(handle, data[_ADDRESS:], source)
        case Report.KEY:
            return KeyPressed(handle, chr(number), seconds)
        case Report.SILENCE:
            return Silence(handle, bool(number))
        case Report.TIMEOUT:
            return RtpTimeout(handle, seconds)
    raise ValueError(f"the library reports {kind}, which this code does not know")


def _stats(found: Statistics) -> PathStats:
    sent = found.sent_at >= 0
    return PathStats(
        packets_in=found.packets_in,
        packets_out=found.packets_out,
        octets_out=found.octets_out,
        lost=found.lost,
        duplicates=found.duplicates,
        discarded=found.discarded,
        strangers=found.strangers,
        malformed=found.malformed,
        unexpected=found.unexpected,
        jitter=found.jitter,
        concealed=found.concealed,
        late=found.late,
        last_packet=found.last_packet if found.last_packet >= 0 else None,
        ssrc_in=found.ssrc_in if found.ssrc_in >= 0 else None,
        highest_sequence=found.highest_sequence,
        ssrc_out=found.ssrc_out,
        timestamp_out=found.timestamp_out if sent else None,
        sent_at=found.sent_at if sent else None,
    )
