"""The packet path in Python and NumPy: the reference, and the fallback.

See :mod:`telephony.media.path` for what it does. Every arriving packet is one callback; everything
that is mixed, played, sent as keys or watched happens on one 20 ms clock, whose ticks do all mixes
of the process in a few array operations.
"""

import asyncio
import contextlib
import socket as network
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from socket import socket
from time import monotonic
from typing import Final

import numpy as np
import structlog

from telephony.media.codecs import COMFORT_NOISE, CodecSpec, Linear
from telephony.media.concealment import Samples
from telephony.media.dtmf import KeyPress, ToneDetector
from telephony.media.g711 import LINEAR_TO_ALAW, LINEAR_TO_ULAW, Pcm
from telephony.media.leg import Fork, Leg, Spoken
from telephony.media.mixer import Plan, Row
from telephony.media.path import (
    FRAME_SAMPLES,
    FRAME_SECONDS,
    LONGEST_RESENT_KEY,
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
from telephony.media.player import Player, Recording
from telephony.media.recording import Heard
from telephony.media.relay import routes, shared
from telephony.media.rtp import RtpPacket

log = structlog.get_logger(__name__)

_MAX_DATAGRAM: Final = 2048  # longer ones are cut, and then mostly malformed: no audio is this long
_STALLED_SECONDS: Final = 0.2
"""A clock that is so far behind (the machine slept) starts anew instead of catching up."""
_WATCH_TICKS: Final = 5
_SILENT_BELOW: Final = 10 ** (-45 / 20) * 32768 / np.sqrt(2)
_NOTHING: Final = np.zeros(FRAME_SAMPLES, np.float32)
_TABLES: Final = {"PCMA": LINEAR_TO_ALAW, "PCMU": LINEAR_TO_ULAW}


_LINEAR: Final = Linear()


def _is_stateful(codec: CodecSpec | None) -> bool:
    return codec is not None and codec.stateful


class PythonPath:
    """A :class:`~telephony.media.path.PacketPath`.

    Args:
        on_event: gets what happens by itself.
    """

    in_real_time = False  # there is no thread to go first: commands would, too

    def __init__(self, on_event: Callable[[PathEvent], None]) -> None:
        self._on_event = on_event
        self._handles = count(1)
        self._legs: dict[Handle, Leg] = {}
        self._players: dict[Handle, Player] = {}
        self._recordings: dict[Handle, Recording] = {}
        self._rows: dict[Handle, Row] = {}
        self._in_effect: dict[Handle, Row] = {}  # what each listener heard last
        self._mixed: dict[Handle, Row] = {}  # of those who hear a mix
        self._decoded: list[Leg] = []
        self._plan = Plan({})
        self._plan_due = False
        self._copiers: dict[int, socket] = {}  # by address family
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._now = 0.0
        self._next_tick: float | None = None
        self._ticks = 0

    # -- life --------------------------------------------------------------------------------------

    def start(self) -> None:
        """See the port."""
        self._loop = asyncio.get_running_loop()
        for leg in self._legs.values():
            self._listen(leg)
        self._next_tick = monotonic() + FRAME_SECONDS
        self._arm()

    def advance(self, now: float) -> None:
        """See the port."""
        self._now = now
        if self._next_tick is None:
            self._next_tick = now
        for leg in list(self._legs.values()):
            while self._receive_one(leg, now):
                pass
        self._run_ticks(now)

    def close(self) -> None:
        """See the port."""
        if self._timer is not None:
            self._timer.cancel()
        for recording in list(self._recordings):
            self.stop_record(recording)
        for session in list(self._legs):
            self.close_session(session)
        for copier in self._copiers.values():
            copier.close()
        self._copiers.clear()

    def _clock(self) -> float:
        return self._now if self._loop is None else monotonic()

    def _arm(self) -> None:
        if self._loop is not None and self._next_tick is not None:
            delay = max(0.0, self._next_tick - monotonic())
            self._timer = self._loop.call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        try:
            self._run_ticks(monotonic())
        except Exception:  # a tick is this clock's outermost boundary: one mistake is one frame
            log.exception("tick failed")
        self._arm()

    def _run_ticks(self, now: float) -> None:
        if self._next_tick is None:
            return
        if now - self._next_tick > _STALLED_SECONDS:
            self._next_tick = now
        while self._next_tick <= now + 1e-9:
            tick, self._next_tick = self._next_tick, self._next_tick + FRAME_SECONDS
            self._tick(tick)

    def _listen(self, leg: Leg) -> None:
        if self._loop is not None:
            # One packet a call: the loop comes back at once if there are more, and no peer can keep
            # the others waiting by flooding one port.
            self._loop.add_reader(leg.socket, self._on_readable, leg)

    def _on_readable(self, leg: Leg) -> None:
        self._receive_one(leg, monotonic())

    # -- sessions ----------------------------------------------------------------------------------

    def open(self, rtp: socket) -> Handle:
        """See the port."""
        handle = next(self._handles)
        leg = self._legs[handle] = Leg(handle, rtp)
        leg.watched_since = self._clock()
        self._listen(leg)
        return handle

    def close_session(self, session: Handle) -> PathStats:
        """See the port."""
        leg = self._legs.pop(session)
        if self._loop is not None:
            self._loop.remove_reader(leg.socket)
        leg.socket.close()
        self._rows.pop(session, None)
        self._in_effect.pop(session, None)
        self._arrange()
        return leg.stats()

    def describe(self, session: Handle, remote: Description) -> None:
        """See the port."""
        leg = self._legs[session]
        leg.session.set_remote(remote, self._clock())
        leg.keys_in.clock = remote.event_clock
        self._arrange()

    def latch(self, session: Handle, source: Source) -> None:
        """See the port."""
        self._legs[session].session.latch(source)

    def set_edge(self, session: Handle, edge: Edge | None) -> None:
        """See the port."""
        self._legs[session].edge = edge

    def send_datagram(self, session: Handle, datagram: bytes, destination: Source) -> None:
        """See the port."""
        with contextlib.suppress(OSError):  # dropped, as the network might have
            self._legs[session].socket.sendto(datagram, destination)

    def watch(self, session: Handle, watch: Watch) -> None:
        """See the port."""
        leg = self._legs[session]
        leg.watch = watch
        leg.watched_since = self._clock()
        leg.timed_out = leg.told_silent = False
        leg.silent_since = None
        leg.inband = ToneDetector() if watch.inband_keys else None
        self._arrange()

    def stats(self, session: Handle) -> PathStats:
        """See the port."""
        return self._legs[session].stats()

    # -- packets -----------------------------------------------------------------------------------

    def _receive_one(self, leg: Leg, now: float) -> bool:
        """Take one datagram from the socket; False if there was none."""
        try:
            data, source = leg.socket.recvfrom(_MAX_DATAGRAM)
        except BlockingIOError:
            return False
        except OSError:
            return leg.handle in self._legs  # an ICMP error of an earlier packet
        if leg.edge is None:
            self.receive(leg, data, source, now)
        else:
            for packet in leg.edge.incoming(data, source, now):
                self.receive(leg, packet, source, now)
        return leg.handle in self._legs

    def receive(self, leg: Leg, data: bytes, source: Source, now: float) -> None:
        """Take one RTP datagram: relay, copy and record it as it deserves."""
        session = leg.session
        known = session.source
        if session.reports(data, source):
            self._on_event(RtcpReceived(leg.handle, data, source))
            return
        packet = session.receive(data, source, now)
        if packet is None:
            return
        if session.source != known and session.source is not None:
            self._on_event(Latched(leg.handle, session.source))
        codec = session.codec_of(packet)
        if leg.fork is not None and not _is_stateful(codec or leg.speaks):
            self._fork(leg.fork, data, now)
        clock = codec.clock if codec is not None else 8000
        if not session.incoming.accept(packet, now, audio=codec is not None, clock=clock):
            return
        for listener in leg.relays_to:
            listener.relay(packet, leg, codec, now)
        if codec is None:
            run = session.incoming.run
            self._pressed(leg, leg.keys_in.handle(packet.payload, packet.timestamp, run, now))
        elif codec is COMFORT_NOISE:
            if leg.jitter is not None and packet.payload:
                leg.jitter.put_noise(packet.payload[0])
        else:
            self._hear_audio(leg, packet, codec, now)

    def _hear_audio(self, leg: Leg, packet: RtpPacket, codec: CodecSpec, now: float) -> None:
        if codec is not leg.speaks:
            leg.speaks = codec
            self._arrange()  # some who could be relayed to may need a mix now, or the reverse
        if codec.stateful:
            self._hear_stateful(leg, packet, codec, now)
            return
        leg.recent.append(Spoken(now, packet.timestamp, codec, packet.payload))
        run = leg.session.incoming.run
        if leg.jitter is not None:
            leg.jitter.put(
                packet.timestamp,
                packet.payload,
                leg.decoder(codec),
                run=run,
                clock=codec.clock,
                now=now,
            )
        decoder = leg.decoder(codec)
        for handle in leg.recordings:
            self._recordings[handle].hear(
                Heard(now, leg.handle, run, packet.timestamp, codec.clock, decoder, packet.payload)
            )

    def _hear_stateful(self, leg: Leg, packet: RtpPacket, codec: CodecSpec, now: float) -> None:
        """Decode a packet once for all who want samples."""
        leg.recent.clear()
        if leg.jitter is None and not leg.recordings and leg.fork is None:
            return
        pcm = leg.decode(codec, packet.payload)
        if not len(pcm):
            return
        payload, run, timestamp = pcm.tobytes(), leg.session.incoming.run, packet.timestamp
        if leg.jitter is not None:
            leg.jitter.put(
                timestamp,
                payload,
                _LINEAR,
                run=run,
                clock=codec.clock,
                now=now,
                samples=len(pcm),
            )
        for handle in leg.recordings:
            self._recordings[handle].hear(
                Heard(now, leg.handle, run, timestamp, codec.clock, _LINEAR, payload)
            )
        if leg.fork is not None:
            copy = leg.plain_fork.packet(
                pcm, timestamp=timestamp, clock=codec.clock, run=run, ssrc=packet.ssrc
            )
            if copy is not None:
                self._fork(leg.fork, copy, now)

    def _fork(self, fork: Fork, packet: bytes, now: float) -> None:
        datagram = fork.add(packet, now)
        if datagram is not None:
            self._copy(datagram, fork.destination)

    def _pressed(self, leg: Leg, presses: Sequence[KeyPress]) -> None:
        """Report keys, and send them anew to those who hear the leg in a mix."""
        for press in presses:
            for listener, row in self._mixed.items():
                if row.get(leg.handle, 0.0) > 0:
                    seconds = min(press.seconds, LONGEST_RESENT_KEY)
                    self.send_keys(listener, press.key, seconds=seconds)
            self._on_event(KeyPressed(leg.handle, press.key, press.seconds))

    # -- who hears whom ----------------------------------------------------------------------------

    def hear(self, rows: Mapping[Handle, Mapping[Handle, float]]) -> None:
        """See the port."""
        for listener in rows:
            self._legs[listener]  # KeyError before anything has changed
        for listener, row in rows.items():
            self._rows[listener] = {source: gain for source, gain in row.items() if gain > 0}
        self._arrange()

    def _arrange(self) -> None:
        """Work out anew who is relayed to, who hears a mix, and whose audio must be decoded."""
        now = self._clock()
        relays: dict[Handle, list[Leg]] = {}
        mixed: dict[Handle, Row] = {}
        for handle, leg in self._legs.items():
            row = self._heard_by(leg)
            source = self._relayed(leg, row)
            self._switch(leg, source, now)
            if source is not None:
                relays.setdefault(source.handle, []).append(leg)
            elif row or handle in self._mixed:
                mixed[handle] = row
        for handle, leg in self._legs.items():
            leg.relays_to = tuple(relays.get(handle, ()))
            leg.recordings = tuple(
                name for name, taken in self._recordings.items() if handle in taken.sources
            )
        self._mixed = mixed
        self._decode_what_is_heard(now)
        self._plan_due = True

    def _heard_by(self, leg: Leg) -> Row:
        """Return the part of a leg's row that can be heard now."""
        if not leg.audible:
            return {}
        return {
            source: gain
            for source, gain in self._rows.get(leg.handle, {}).items()
            if self._exists(source)
        }

    def _exists(self, source: Handle) -> bool:
        player = self._players.get(source)
        if player is not None:
            return not player.stopping
        leg = self._legs.get(source)
        return leg is not None and leg.audible

    def _relayed(self, leg: Leg, row: Row) -> Leg | None:
        """Return the one whose packets the leg's peer gets as they are."""
        if len(row) != 1:
            return None
        ((handle, gain),) = row.items()
        source = self._legs.get(handle)
        if source is None or gain != 1 or source.session.remote is None:
            return None
        spoken = source.speaks or source.session.remote.codec
        remote = leg.session.remote
        return source if remote is not None and shared(spoken, remote) else None

    def _switch(self, leg: Leg, source: Leg | None, now: float) -> None:
        """Let a leg's peer be relayed to from another, or no longer."""
        remote = leg.session.remote
        if source is not None and source.session.remote is not None and remote is not None:
            leg.routes = routes(source.session.remote, remote)
        if source is leg.relay_from:
            return
        if source is not None:
            leg.fade_from(leg.last_given(now))
            leg.session.outgoing.switch()
            self._in_effect[leg.handle] = {source.handle: 1.0}
        leg.relay_from = source

    def _decode_what_is_heard(self, now: float) -> None:
        wanted = {
            source
            for listener, row in self._mixed.items()
            for source in {**self._in_effect.get(listener, {}), **row}
        }
        self._decoded = []
        for handle, leg in self._legs.items():
            watched = leg.watch.silence is not None or leg.inband is not None
            if leg.audible and (handle in wanted or watched):
                leg.start_decoding(now)
                self._decoded.append(leg)
            else:
                leg.stop_decoding()

    # -- the 20 ms clock ---------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        self._ticks += 1
        frames: dict[Handle, Samples] = {}
        for leg in self._decoded:
            if leg.jitter is not None:
                frames[leg.handle] = leg.jitter.pull(now)
        ended = self._play(frames, now)
        if self._plan_due:
            self._plan = Plan(self._mixed, self._in_effect)
            self._plan_due = False
        self._mix(frames, now)
        self._settle()
        for leg in self._decoded:
            self._watch_audio(leg, frames[leg.handle], now)
        for leg in list(self._legs.values()):
            self._tend(leg, now)
        for recording in list(self._recordings.values()):
            recording.flush_if_due(now)
        for player in ended:
            self._on_event(PlayEnded(player))

    def _play(self, frames: dict[Handle, Samples], now: float) -> list[Handle]:
        """Take a frame of each player; return those that have ended."""
        ended: list[Handle] = []
        for handle, player in list(self._players.items()):
            if player.ended:  # its last frame was in the tick before this
                del self._players[handle]
                self._arrange()
                if not player.stopping:
                    ended.append(handle)
                continue
            frame = player.frame()
            frames[handle] = frame.astype(np.float32)
            for recording in self._recordings.values():
                if handle in recording.sources:
                    recording.hear_player(handle, frame, self._ticks, now)
        return ended

    def _mix(self, frames: Mapping[Handle, Samples], now: float) -> None:
        plan = self._plan
        if not plan.listeners:
            return
        mixes = plan.mix([frames.get(source, _NOTHING) for source in plan.sources])
        words = mixes.view(np.uint16)
        encoded = {name: table[words] for name, table in _TABLES.items()} if len(words) else {}
        for line, handle in enumerate(plan.listeners):
            leg = self._legs[handle]
            remote = leg.session.remote
            table = encoded.get(remote.codec.name) if remote is not None else None
            leg.mixed(mixes[line], None if table is None else table[line].tobytes(), now)

    def _settle(self) -> None:
        """After a frame in which gains moved: they have arrived."""
        if self._plan.settled:
            return
        self._in_effect.update(self._mixed)
        self._mixed = {listener: row for listener, row in self._mixed.items() if row}
        for handle, player in list(self._players.items()):
            if player.stopping:
                del self._players[handle]
        self._decode_what_is_heard(self._clock())
        self._plan = Plan(self._mixed)

    def _watch_audio(self, leg: Leg, frame: Samples, now: float) -> None:
        if leg.inband is not None:
            self._pressed(leg, leg.inband.hear(frame))
        if leg.watch.silence is None:
            return
        if float(np.sqrt(np.mean(np.square(frame)))) >= _SILENT_BELOW:
            leg.silent_since = None
            if leg.told_silent:
                leg.told_silent = False
                self._on_event(Silence(leg.handle, silent=False))
            return
        if leg.silent_since is None:
            leg.silent_since = now
        if not leg.told_silent and now - leg.silent_since >= leg.watch.silence:
            leg.told_silent = True
            self._on_event(Silence(leg.handle, silent=True))

    def _tend(self, leg: Leg, now: float) -> None:
        """Do what a leg needs now and then."""
        if not leg.keys_out.idle:
            leg.tick_keys(now)
        if leg.keys_in.deadline is not None:
            self._pressed(leg, leg.keys_in.expire(now))
        if leg.fork is not None:
            datagram = leg.fork.overdue(now)
            if datagram is not None:
                self._copy(datagram, leg.fork.destination)
        if leg.watch.rtp_timeout is not None and self._ticks % _WATCH_TICKS == 0:
            self._watch_arrival(leg, leg.watch.rtp_timeout, now)

    def _watch_arrival(self, leg: Leg, limit: float, now: float) -> None:
        waited = now - max(leg.session.last_packet or leg.watched_since, leg.watched_since)
        if waited < limit:
            leg.timed_out = False
        elif not leg.timed_out:
            leg.timed_out = True
            self._on_event(RtpTimeout(leg.handle, waited))

    # -- playing and copies ------------------------------------------------------------------------

    def play(self, clips: Sequence[Pcm], *, loop: bool = False) -> Handle:
        """See the port."""
        handle = next(self._handles)
        self._players[handle] = Player(clips, loop=loop)
        return handle

    def stop_play(self, player: Handle) -> None:
        """See the port."""
        playing = self._players.get(player)
        if playing is None:
            return
        if any(player in row for row in self._in_effect.values()):
            playing.stopping = True  # heard: it goes when its gain has gone
        else:
            del self._players[player]
        self._arrange()

    def send_keys(self, session: Handle, keys: str, *, seconds: float = 0.16) -> None:
        """See the port."""
        leg = self._legs[session]
        remote = leg.session.remote
        if remote is not None and remote.telephone_event is not None:
            leg.keys_out.press(keys, seconds, remote.event_clock)

    def fork(self, session: Handle, destination: Source | None, *, packets: int = 1) -> None:
        """See the port."""
        leg = self._legs[session]
        leg.fork = None if destination is None else Fork(destination, packets)

    def _copy(self, data: bytes, destination: Source) -> None:
        family = network.AF_INET6 if ":" in destination[0] else network.AF_INET
        copier = self._copiers.get(family)
        if copier is None:
            copier = self._copiers[family] = socket(family, network.SOCK_DGRAM)
            copier.settimeout(0)
        # A copy that cannot be sent now is dropped: recognition never delays a call.
        with contextlib.suppress(OSError):
            copier.sendto(data, destination)

    def record(
        self,
        sink: Sink,
        *,
        left: Sequence[Handle],
        right: Sequence[Handle],
        is_busy: IsBusy = never_busy,
    ) -> Handle:
        """See the port."""
        handle = next(self._handles)
        self._recordings[handle] = Recording(
            sink, left=left, right=right, is_busy=is_busy, now=self._clock()
        )
        self._arrange()
        return handle

    def change_record(
        self, recording: Handle, *, left: Sequence[Handle], right: Sequence[Handle]
    ) -> None:
        """See the port."""
        self._recordings[recording].change(self._clock(), left=left, right=right)
        self._arrange()

    def stop_record(self, recording: Handle) -> None:
        """See the port."""
        taken = self._recordings.pop(recording)
        self._arrange()
        taken.finish(self._clock())
