"""A session inside :class:`~telephony.media.python_path.PythonPath`: its socket and its parts.

Sockets are driven directly rather than through asyncio transports: one callback a packet, one
system call to receive and one to send, and a full socket buffer drops the packet at once instead of
queueing it, because late audio is worth less than none.
"""

import secrets
from collections import deque
from collections.abc import Mapping
from socket import socket
from typing import Final, NamedTuple

import numpy as np

from telephony.media.codecs import CodecSpec, Decoder, Encoder
from telephony.media.concealment import BLEND, Concealer, Samples, crossfade
from telephony.media.dtmf import KeyReceiver, KeySender, ToneDetector
from telephony.media.g711 import RATE, Pcm
from telephony.media.jitter import JitterBuffer
from telephony.media.path import Edge, Handle, PathStats, Source, Watch
from telephony.media.plain_fork import PlainFork
from telephony.media.relay import OutgoingStream, Route
from telephony.media.rtp import HEADER, RtpPacket
from telephony.media.session import Session

RECENT_SECONDS: Final = 0.06
"""Audio that stopped longer ago than this is no beginning for a mix or a cross-fade."""

_RECENT = 4


class Spoken(NamedTuple):
    """One packet of audio that was relayed, or a frame that was mixed."""

    at: float
    timestamp: int
    codec: CodecSpec
    payload: bytes


class Fork:
    """Copies on their way to a recogniser, perhaps several in one datagram."""

    __slots__ = ("_oldest", "_packets", "_waiting", "destination")

    def __init__(self, destination: Source, packets: int) -> None:
        self.destination = destination
        self._packets = packets
        self._waiting: list[bytes] = []
        self._oldest = 0.0

    def add(self, packet: bytes, now: float) -> bytes | None:
        """Take a packet; return the datagram to send if one is complete."""
        if self._packets == 1:
            return packet
        if not self._waiting:
            self._oldest = now
        self._waiting.append(len(packet).to_bytes(2) + packet)
        return self._gathered() if len(self._waiting) >= self._packets else None

    def overdue(self, now: float) -> bytes | None:
        """Return what has waited too long for company."""
        if self._waiting and now - self._oldest >= self._packets * 0.02:
            return self._gathered()
        return None

    def _gathered(self) -> bytes:
        datagram = b"".join(self._waiting)
        self._waiting.clear()
        return datagram


class Leg:
    """One session's state; what to do with it is the path's business.

    Attributes:
        session: latch, counters, incoming and outgoing stream.
        relay_from: whom its peer hears by relay, None: nobody, or a mix.
        routes: how that one's packets go on to it.
        relays_to: who hears its peer by relay.
        speaks: the codec that its peer sent last.
        jitter: while it is decoded, else None.
    """

    __slots__ = (
        "_concealed",
        "_decoders",
        "_encoder",
        "_encoder_of",
        "_fade_until",
        "_late",
        "_mixed",
        "_pending",
        "_socket",
        "edge",
        "fork",
        "handle",
        "inband",
        "jitter",
        "key_timestamp",
        "keys_in",
        "keys_out",
        "plain_fork",
        "recent",
        "recordings",
        "relay_from",
        "relays_to",
        "routes",
        "session",
        "silent_since",
        "speaks",
        "timed_out",
        "told_silent",
        "watch",
        "watched_since",
    )  # fmt: skip

    def __init__(self, handle: Handle, rtp: socket) -> None:
        self.handle = handle
        self.session = Session(
            OutgoingStream(
                ssrc=secrets.randbits(32),
                sequence=secrets.randbits(16),
                timestamp=secrets.randbits(32),
            )
        )
        self._socket = rtp
        self.edge: Edge | None = None
        self.fork: Fork | None = None
        self.plain_fork = PlainFork()
        self.recordings: tuple[Handle, ...] = ()
        self.relay_from: Leg | None = None
        self.routes: Mapping[int, Route] = {}
        self.relays_to: tuple[Leg, ...] = ()
        self.speaks: CodecSpec | None = None
        self.recent: deque[Spoken] = deque(maxlen=_RECENT)
        self.jitter: JitterBuffer | None = None
        self.keys_in = KeyReceiver()
        self.keys_out = KeySender()
        self.key_timestamp = 0
        self.watch = Watch()
        self.watched_since = 0.0
        self.timed_out = False
        self.silent_since: float | None = None
        self.told_silent = False
        self.inband: ToneDetector | None = None
        self._concealed = 0  # in earlier times of being decoded
        self._late = 0
        self._decoders: dict[str, Decoder] = {}
        self._encoder: Encoder | None = None
        self._encoder_of: CodecSpec | None = None
        self._mixed: deque[tuple[float, Pcm]] = deque(maxlen=_RECENT)
        self._pending: Pcm = np.zeros(0, np.int16)
        self._fade_until: Samples | None = None

    @property
    def socket(self) -> socket:
        """The RTP socket, owned by this leg."""
        return self._socket

    @property
    def audible(self) -> bool:
        """Whether the peer has been described, so that it can be heard and hear."""
        return self.session.remote is not None

    # -- out ---------------------------------------------------------------------------------------

    def send(self, packet: bytes, now: float) -> None:
        """Send a plain RTP packet; a full buffer or an unreachable network drops it."""
        session = self.session
        if session.destination is None:
            return
        datagram: bytes | None = packet
        if self.edge is not None:
            datagram = self.edge.outgoing(packet, now)
            if datagram is None:
                return
        try:
            self._socket.sendto(datagram or b"", session.destination)
        except OSError:
            return
        session.packets_out += 1
        session.octets_out += len(packet) - HEADER

    def relay(self, packet: RtpPacket, source: "Leg", codec: CodecSpec | None, now: float) -> None:
        """Send on a packet of the one whom the peer hears."""
        route = self.routes.get(packet.payload_type)
        if route is None:
            return
        outgoing = self.session.outgoing
        if self.keys_out.pressing:
            outgoing.withhold()
            return
        payload = None
        if codec is not None and self._fade_until is not None:
            payload = self._faded(source.decode(codec, packet.payload))
        run = source.session.incoming.run
        self.send(outgoing.forward(packet, run, route, now, payload), now)

    def mixed(self, frame: Pcm, encoded: bytes | None, now: float) -> None:
        """Send a frame of a mix; ``encoded``: it, if it has been encoded for this peer's codec."""
        remote = self.session.remote
        if remote is None or self.session.destination is None:
            return
        self._mixed.append((now, frame))
        self._fade_until = None
        if self.keys_out.pressing:
            return
        if remote.frame == len(frame) and encoded is not None:
            self._emit(encoded, len(frame), now)
            return
        self._pending = np.concatenate((self._pending, frame))
        while len(self._pending) >= remote.frame:
            piece, self._pending = self._pending[: remote.frame], self._pending[remote.frame :]
            self._emit(self._encode(remote.codec, piece), remote.frame, now)

    def _emit(self, payload: bytes, samples: int, now: float) -> None:
        remote = self.session.remote
        if remote is not None:
            seconds = samples / RATE
            packet = self.session.outgoing.emit(payload, remote.payload_type, seconds, now)
            self.send(packet, now)

    def tick_keys(self, now: float) -> None:
        """Send the next packet of the keys that we press."""
        remote = self.session.remote
        due = self.keys_out.tick()
        if due is None or remote is None or remote.telephone_event is None:
            return
        payload, begins = due
        outgoing = self.session.outgoing
        if begins:
            self.key_timestamp = outgoing.begin_event(now)
        packet = outgoing.event(payload, remote.telephone_event, self.key_timestamp, begins=begins)
        self.send(packet, now)

    # -- coding ------------------------------------------------------------------------------------

    def decode(self, codec: CodecSpec, payload: bytes) -> Pcm:
        """Decode a packet of the peer."""
        return self.decoder(codec).decode(payload)

    def decoder(self, codec: CodecSpec) -> Decoder:
        """Return the peer's decoder of a codec."""
        decoder = self._decoders.get(codec.name)
        if decoder is None:
            decoder = self._decoders[codec.name] = codec.decoder()
        return decoder

    def _encode(self, codec: CodecSpec, pcm: Pcm) -> bytes:
        if self._encoder is None or self._encoder_of != codec:
            self._encoder, self._encoder_of = codec.encoder(), codec
        return self._encoder.encode(pcm)

    # -- changes -----------------------------------------------------------------------------------

    def start_decoding(self, now: float) -> None:
        """Make a jitter buffer that goes on where a relay has stopped."""
        if self.jitter is not None:
            return
        self.jitter = JitterBuffer(self.handle)
        history, last = self.last_heard(now), self.recent[-1] if self.recent else None
        if last is None or history is None:
            return
        clock = last.codec.clock
        length = len(self.decode(last.codec, last.payload)) * clock // RATE
        self.jitter.prime(
            history,
            (last.timestamp + length) & 0xFFFFFFFF,
            self.session.incoming.run,
            last.at,
            clock,
        )

    def stop_decoding(self) -> None:
        """Give up the jitter buffer, keep its counts."""
        if self.jitter is not None:
            self._concealed += self.jitter.concealed
            self._late += self.jitter.late
            self.jitter = None

    def last_heard(self, now: float) -> Samples | None:
        """Return the last audio of the peer, if it speaks."""
        if not self.recent or now - self.recent[-1].at > RECENT_SECONDS:
            return None
        pieces = [self.decode(packet.codec, packet.payload) for packet in self.recent]
        return np.concatenate(pieces).astype(np.float32)

    def last_given(self, now: float) -> Samples | None:
        """Return the last audio that the peer was sent, if it was sent any just now."""
        if self.relay_from is not None:
            return self.relay_from.last_heard(now)
        if not self._mixed or now - self._mixed[-1][0] > RECENT_SECONDS:
            return None
        return np.concatenate([frame for _, frame in self._mixed]).astype(np.float32)

    def fade_from(self, history: Samples | None) -> None:
        """Cross-fade the first packet that is relayed next with what was heard before it."""
        if history is None:
            self._fade_until = None
            return
        concealer = Concealer()
        concealer.heard(history)
        self._fade_until = concealer.expected(BLEND)
        self._mixed.clear()
        self._pending = self._pending[:0]

    def _faded(self, pcm: Pcm) -> bytes | None:
        remote, earlier, self._fade_until = self.session.remote, self._fade_until, None
        if remote is None or earlier is None or len(pcm) < BLEND:
            return None
        if remote.codec.name not in ("PCMA", "PCMU"):
            return None  # a codec with memory would have to be encoded from the beginning
        blended = pcm.astype(np.float32)
        blended[:BLEND] = crossfade(earlier, blended[:BLEND])
        whole: Pcm = np.clip(np.rint(blended), -32768, 32767).astype(np.int16)
        return self._encode(remote.codec, whole)

    def stats(self) -> PathStats:
        """Return what was counted."""
        session, incoming = self.session, self.session.incoming
        newest = session.outgoing.newest
        return PathStats(
            packets_in=incoming.received,
            packets_out=session.packets_out,
            octets_out=session.octets_out,
            lost=incoming.lost,
            duplicates=incoming.duplicates,
            discarded=incoming.discarded,
            strangers=session.strangers,
            malformed=session.malformed,
            unexpected=session.unexpected,
            jitter=incoming.jitter,
            concealed=self._concealed + (self.jitter.concealed if self.jitter else 0),
            late=self._late + (self.jitter.late if self.jitter else 0),
            last_packet=session.last_packet,
            ssrc_in=incoming.ssrc,
            highest_sequence=incoming.highest_sequence,
            ssrc_out=session.outgoing.ssrc,
            timestamp_out=newest[0] if newest else None,
            sent_at=newest[1] if newest else None,
        )
