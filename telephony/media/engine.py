"""The media process's state: sessions, bridges, plays, recordings by name; one method a command.

What is decided here is carried out by a :class:`~telephony.media.path.PacketPath`.
"""

import asyncio
import contextlib
import errno
import ipaddress
import math
import socket
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, assert_never

import structlog

from telephony.media import control, path, tones
from telephony.media.bridges import Bridges, Playing
from telephony.media.codecs import CODECS, COMFORT_NOISE, OPUS, CodecSpec
from telephony.media.control import Command, CommandError
from telephony.media.g711 import Pcm
from telephony.media.path import Handle, PacketPath, PathEvent
from telephony.media.ports import PortPool, PortsExhausted, bind_pair
from telephony.media.prompts import PromptCache, PromptError
from telephony.media.recorder import Recorder
from telephony.media.rtcp_channel import RtcpChannel
from telephony.media.sealed import Seal
from telephony.media.securing import Securing

log = structlog.get_logger(__name__)

Result = dict[str, Any]
MakePath = Callable[[Callable[[PathEvent], None]], PacketPath]

_DISK_THREADS: Final = 4
_STOP_SECONDS: Final = 5.0


@dataclass
class _Session:
    """What the engine knows of a session beside its name."""

    handle: Handle
    host: str
    port: int
    rtcp: RtcpChannel
    securing: Securing
    keys: bool = False  # whether its peer takes telephone-events
    forked: bool = False
    watch: path.Watch | None = None


@dataclass
class _Recording:
    handle: Handle
    recorder: Recorder


class Engine:
    """Obeys the commands of one control connection.

    Args:
        host: the address that sessions are bound to unless they say otherwise.
        ports: where their port pairs come from.
        emit: sends an event line to the client.
        make_path: makes the packet path that gets our callback.
    """

    def __init__(
        self,
        *,
        host: str,
        ports: PortPool,
        emit: Callable[[bytes], None],
        make_path: MakePath,
    ) -> None:
        self._host = host
        self._pool = ports
        self._emit = emit
        self._path = make_path(self._on_event)
        self._sessions: dict[str, _Session] = {}
        self._names: dict[Handle, str] = {}  # of sessions and players
        self._bridges = Bridges()
        self._plays: dict[str, control.Play] = {}  # under way, or waiting for the disk
        self._recordings: dict[str, _Recording] = {}
        self._prompts = PromptCache()
        self._disk = ThreadPoolExecutor(_DISK_THREADS, thread_name_prefix="disk")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="prompts")

    def start(self) -> None:
        """Let packets flow, by the running event loop."""
        self._path.start()

    async def close(self) -> None:
        """Give up every session and complete every recording."""
        recordings, self._recordings = list(self._recordings.values()), {}
        for recording in recordings:
            self._path.stop_record(recording.handle)
        for name in list(self._sessions):
            self._close(name)
        self._path.close()
        with contextlib.suppress(TimeoutError):  # a hanging disk does not keep the process alive
            async with asyncio.timeout(_STOP_SECONDS):
                stopping = [recording.recorder.stop() for recording in recordings]
                await asyncio.gather(*stopping, return_exceptions=True)
        self._disk.shutdown(wait=False, cancel_futures=True)
        self._reader.shutdown(wait=False, cancel_futures=True)

    def obey(self, command: Command) -> Result | Awaitable[Result]:  # noqa: PLR0911, C901, PLR0912 - one a command
        """Carry out a command; what must wait for the disk returns an awaitable.

        Its effect on packets has taken place when this returns, either way; only a ``play`` whose
        files are not in memory begins later.

        Raises:
            CommandError: it cannot be obeyed; nothing has changed.
        """
        match command:
            case control.Open():
                return self._open(command)
            case control.Remote():
                return self._set_remote(command)
            case control.Matrix():
                return self._set_matrix(command.bridge, command.hears)
            case control.Bridge():
                return self._bridge(command)
            case control.Unbridge():
                self._session(command.session)
                return self._rearrange(self._bridges.leave(command.session))
            case control.Play():
                return self._play(command)
            case control.StopPlay():
                self._end_play(command.player)
                return {}
            case control.Dtmf():
                return self._press(command)
            case control.Watch():
                return self._watch(command.session, command)
            case control.Fork():
                return self._fork(command)
            case control.Record():
                return self._record(command)
            case control.ChangeRecord():
                return self._change_record(command)
            case control.PauseRecord():
                self._recording(command.recording).recorder.pause()
                return {}
            case control.ResumeRecord():
                self._recording(command.recording).recorder.resume()
                return {}
            case control.StopRecord():
                return self._stop_record(command)
            case control.Close():
                self._session(command.session)
                return self._close(command.session)
            case control.Stats():
                return self._stats(command)
            case _:
                assert_never(command)

    def _session(self, name: str) -> _Session:
        try:
            return self._sessions[name]
        except KeyError:
            raise CommandError("unknown_session", f"no session {name!r} is open") from None

    def _handles(self, names: Iterable[str]) -> list[Handle]:
        return [self._session(name).handle for name in names]

    # -- sessions ----------------------------------------------------------------------------------

    def _open(self, command: control.Open) -> Result:
        name = command.session
        if name in self._sessions:
            raise CommandError("exists", f"session {name!r} is open already")
        rtp, rtcp = self._bind(command.host or self._host)
        host, port = rtp.getsockname()[:2]
        handle = self._path.open(rtp)
        channel = RtcpChannel(
            rtcp,
            stats=partial(self._path.stats, handle),
            send_shared=partial(self._path.send_datagram, handle),
        )
        securing = Securing(self._path, handle, channel)
        self._sessions[name] = _Session(handle, host, port, channel, securing)
        self._names[handle] = name
        return {"host": host, "port": port}

    def _bind(self, host: str) -> tuple[socket.socket, socket.socket]:
        """Bind the next pair that no other program has taken."""
        for _ in range(max(1, self._pool.free)):
            try:
                number = self._pool.take(time.monotonic())
            except PortsExhausted as error:
                raise CommandError("no_ports", str(error)) from None
            try:
                return bind_pair(host, number)
            except OSError as error:
                self._pool.give_back(number, -math.inf)  # it was not used
                if error.errno != errno.EADDRINUSE:
                    raise CommandError("no_ports", f"cannot bind {host}: {error}") from error
                log.warning("port pair in use by another program", port=number)
        raise CommandError("no_ports", "every free port pair is in use by other programs")

    def _set_remote(self, command: control.Remote) -> Result:
        session = self._session(command.session)
        codec = _codec(command.codec)
        accepts: dict[int, CodecSpec | None] = {
            number: _codec(name) for number, name in command.accepts.items()
        }
        if command.comfort_noise is not None:
            accepts[command.comfort_noise] = COMFORT_NOISE
        accepts[command.payload_type] = codec
        if command.telephone_event is not None:
            accepts[command.telephone_event] = None
        session.keys = command.telephone_event is not None
        # with ICE the address in the SDP says nothing: it may be yet unknown, or hidden
        found_by_ice = command.dtls is not None and command.dtls.ufrag is not None
        unspecified = ipaddress.ip_address(command.host).is_unspecified
        nowhere = command.port == 0 or (unspecified and not found_by_ice)
        description = path.Description(
            None if nowhere else (command.host, command.port),
            command.payload_type,
            codec,
            command.telephone_event,
            accepts,
            frame=_packet_milliseconds(command) * 8,
            signalled_from=command.signalled_from,
            event_clock=command.event_clock,
        )
        session.securing.apply(command)
        self._path.describe(session.handle, description)
        session.rtcp.describe(
            description.address,
            rtcp_port=command.rtcp_port,
            shared=command.dtls is not None or command.rtcp_mux,
            clock=description.codec.clock,
        )
        session.securing.described()
        if command.watched is not None:
            self._watch(command.session, command.watched)
        return {}

    def _watch(self, name: str, wanted: control.Watch | control.Watched) -> Result:
        watch = path.Watch(wanted.rtp_timeout, wanted.silence, wanted.inband_keys)
        session = self._session(name)
        session.watch = watch
        self._path.watch(session.handle, watch)
        return {}

    def _close(self, name: str) -> Result:
        for player in self._bridges.playing_to(name):
            self._end_play(player, "closed")
        for player, play in list(self._plays.items()):
            if play.session == name:  # it waits for the disk
                self._end_play(player, "closed")
        session = self._sessions.pop(name)
        changed = self._bridges.leave(name)
        del self._names[session.handle]
        session.securing.close()
        stats = self._path.close_session(session.handle)
        self._rearrange(changed - {name})
        session.rtcp.close(stats)
        self._pool.give_back(session.port, time.monotonic())
        return _statistics(stats, session.rtcp)

    # -- who hears whom ----------------------------------------------------------------------------

    def _set_matrix(self, bridge: str, hears: dict[str, dict[str, float]]) -> Result:
        for listener, row in hears.items():
            self._handles((listener, *row))
        return self._rearrange(self._bridges.set_matrix(bridge, hears))

    def _bridge(self, command: control.Bridge) -> Result:
        first, second = command.first, command.second
        self._handles((first, second))
        return self._set_matrix(f"{first}+{second}", {first: {second: 1.0}, second: {first: 1.0}})

    def _rearrange(self, sessions: Iterable[str]) -> Result:
        """Tell the path what these sessions hear now."""
        handles = {name: session.handle for name, session in self._sessions.items()}
        self._path.hear({handles[name]: self._bridges.row(name, handles) for name in sessions})
        return {}

    # -- playing -----------------------------------------------------------------------------------

    def _play(self, command: control.Play) -> Result | Awaitable[Result]:
        self._session(command.session)
        if command.player in self._plays:
            raise CommandError("exists", f"player {command.player!r} is playing already")
        self._plays[command.player] = command
        clips = self._clips_in_memory(command.items)
        if clips is None:
            return self._play_later(command)
        self._begin_play(command, clips)
        return {}

    def _clips_in_memory(self, items: Sequence[control.Item]) -> list[Pcm] | None:
        """Return the clips; None if one must be read from the disk."""
        clips: list[Pcm] = []
        for item in items:
            if item.file is None:
                clips += _made(item)
                continue
            kept = self._prompts.kept(item.file)
            if kept is None:
                return None
            clips.append(kept)
        return clips

    async def _play_later(self, command: control.Play) -> Result:
        try:
            clips = await asyncio.get_running_loop().run_in_executor(
                self._reader, self._load, command.items
            )
        except PromptError as error:
            if self._plays.get(command.player) is command:
                del self._plays[command.player]
            raise CommandError("prompt", str(error)) from error
        if self._plays.get(command.player) is command:  # else it has been stopped meanwhile
            self._begin_play(command, clips)
        return {}

    def _load(self, items: Sequence[control.Item]) -> list[Pcm]:
        clips: list[Pcm] = []
        for item in items:
            clips += _made(item) if item.file is None else [self._prompts.load(item.file)]
        return clips

    def _begin_play(self, command: control.Play, clips: Sequence[Pcm]) -> None:
        earlier = [] if command.mix else self._bridges.playing_to(command.session)
        try:
            handle = self._path.play(clips, loop=command.loop)
        except ValueError as error:
            del self._plays[command.player]
            raise CommandError("prompt", str(error)) from error
        self._names[handle] = command.player
        playing = Playing(command.session, handle, command.mix, command.gain)
        self._bridges.play(command.player, playing)
        # One step, so that nothing is heard between the earlier plays and this one.
        stopped = [self._bridges.stop_play(name) for name in earlier]
        self._rearrange([command.session])
        for name, former in zip(earlier, stopped, strict=True):
            if former is not None:
                self._path.stop_play(former.player)
                del self._names[former.player]
            del self._plays[name]
            self._tell_ended(name, "replaced")

    def _end_play(self, name: str, reason: str | None = None, key: str | None = None) -> None:
        """Stop a play, and tell why unless the client asked for it."""
        if self._plays.pop(name, None) is None:
            return
        playing = self._bridges.stop_play(name)
        if playing is not None:  # else its files are still being read
            del self._names[playing.player]
            self._rearrange([playing.session])
            self._path.stop_play(playing.player)
        if reason is not None:
            self._tell_ended(name, reason, key)

    def _tell_ended(self, name: str, reason: str, key: str | None = None) -> None:
        fields = {"key": key} if key is not None else {}
        self._emit(control.encode_event("play_ended", player=name, reason=reason, **fields))

    def _press(self, command: control.Dtmf) -> Result:
        session = self._session(command.session)
        if session.keys:
            seconds = command.milliseconds / 1000
            self._path.send_keys(session.handle, command.keys, seconds=seconds)
            return {}
        item = control.Item(keys=command.keys)
        name = f"keys for {command.session} {command.id}"
        play = control.Play(
            id=command.id, player=name, session=command.session, items=[item], mix=True
        )
        self._plays[name] = play
        self._begin_play(play, _made(item))
        return {}

    # -- copies ------------------------------------------------------------------------------------

    def _fork(self, command: control.Fork) -> Result:
        session = self._session(command.session)
        session.forked = command.host is not None
        destination = None
        if command.host is not None and command.port is not None:
            destination = (command.host, command.port)
        self._path.fork(session.handle, destination, packets=command.packets)
        return {}

    def _recording(self, name: str) -> _Recording:
        try:
            return self._recordings[name]
        except KeyError:
            raise CommandError("unknown_recording", f"no recording {name!r} is running") from None

    def _record(self, command: control.Record) -> Awaitable[Result]:
        if command.recording in self._recordings:
            raise CommandError("exists", f"recording {command.recording!r} is running already")
        left, right = self._handles(command.left), self._handles(command.right)
        recorder = Recorder(
            command.path,
            executor=self._disk,
            on_failed=partial(self._on_recording_failed, command.recording),
            seal=_seal(command.seal),
        )
        handle = self._path.record(recorder.write, left=left, right=right, is_busy=recorder.is_busy)
        recording = self._recordings[command.recording] = _Recording(handle, recorder)
        return self._recording_made(command, recording)

    async def _recording_made(self, command: control.Record, recording: _Recording) -> Result:
        try:
            await recording.recorder.open()
        except OSError as error:
            self._forget(command.recording, recording)
            raise CommandError("disk", f"{command.path}: {error.strerror or error}") from error
        return {}

    def _change_record(self, command: control.ChangeRecord) -> Result:
        recording = self._recording(command.recording)
        left, right = self._handles(command.left), self._handles(command.right)
        self._path.change_record(recording.handle, left=left, right=right)
        return {}

    def _stop_record(self, command: control.StopRecord) -> Awaitable[Result]:
        recording = self._recording(command.recording)
        self._forget(command.recording, recording)
        return self._recording_complete(recording.recorder)

    @staticmethod
    async def _recording_complete(recorder: Recorder) -> Result:
        try:
            written = await recorder.stop()
        except OSError as error:
            raise CommandError("disk", str(error)) from error
        return {
            "path": str(written.path),
            "seconds": written.seconds,
            "bytes": written.bytes,
            "sha256": written.sha256,
            "pauses": written.pauses,
        }

    def _forget(self, name: str, recording: _Recording) -> None:
        """Let no more audio go to a recording, and its name be used again."""
        if self._recordings.get(name) is recording:
            del self._recordings[name]
            self._path.stop_record(recording.handle)

    def _on_recording_failed(self, name: str, reason: str) -> None:
        log.error("recording failed", recording=name, reason=reason)
        recording = self._recordings.get(name)
        if recording is not None:
            self._forget(name, recording)
        self._emit(control.encode_event("recording_failed", recording=name, reason=reason))

    # -- what happens by itself --------------------------------------------------------------------

    def _on_event(self, event: PathEvent) -> None:
        match event:
            case path.PlayEnded():
                name = self._names.get(event.player)
                if name is not None:
                    self._end_play(name, "end")
            case path.Latched():
                if (name := self._names.get(event.session)) is not None:
                    self._sessions[name].rtcp.latched(event.source)
                host, port = event.source[:2]
                self._tell("latched", event.session, host=host, port=port)
            case path.RtcpReceived():
                if (name := self._names.get(event.session)) is not None:
                    self._sessions[name].rtcp.take(event.datagram, time.monotonic())
            case path.KeyPressed():
                self._tell("key", event.session, key=event.key, seconds=event.seconds)
                self._stop_on_key(event)
            case path.Silence():
                self._tell("silence", event.session, silent=event.silent)
            case path.RtpTimeout():
                self._on_rtp_timeout(event)
            case _:
                assert_never(event)

    def _on_rtp_timeout(self, event: path.RtpTimeout) -> None:
        """Report it, unless the peer lives: who suppresses silence still sends RTCP."""
        session = self._sessions.get(self._names.get(event.session, ""))
        if session is None or session.watch is None:
            return
        heard_at = session.rtcp.heard_at
        if heard_at is not None and time.monotonic() - heard_at < (session.watch.rtp_timeout or 0):
            self._path.watch(session.handle, session.watch)  # wait as long once more
            return
        self._tell("rtp_timeout", event.session, seconds=event.seconds)

    def _tell(self, event: control.EventName, session: Handle, **fields: object) -> None:
        name = self._names.get(session)
        if name is not None:  # else it was closed while the event was under way
            self._emit(control.encode_event(event, session=name, **fields))

    def _stop_on_key(self, event: path.KeyPressed) -> None:
        session = self._names.get(event.session)
        for name, play in list(self._plays.items()):
            if play.session == session and play.stop_on_key:
                self._end_play(name, "key", event.key)

    # -- statistics --------------------------------------------------------------------------------

    def _stats(self, command: control.Stats) -> Result:
        if command.session is not None:
            session = self._session(command.session)
            return _statistics(self._path.stats(session.handle), session.rtcp)
        return {
            "sessions": len(self._sessions),
            "ports": len(self._pool),
            "bridges": len(self._bridges),
            "forks": sum(session.forked for session in self._sessions.values()),
            "recordings": len(self._recordings),
            "plays": len(self._plays),
            "realtime": int(self._path.in_real_time),
        }


def _seal(seal: control.FileSeal | None) -> Seal | None:
    return None if seal is None else Seal(b64decode(seal.header), b64decode(seal.key))


def _codec(name: str) -> CodecSpec:
    try:
        return CODECS[name]
    except KeyError:
        raise CommandError("bad_command", f"the codec {name} is not installed here") from None


def _packet_milliseconds(command: control.Remote) -> int:
    """Return the length of packets of a mix: what the peer wants, if its codec has such frames."""
    no_such_frame = command.codec == OPUS.name and command.ptime == 30  # noqa: PLR2004 - RFC 6716 §2.1.4
    return 20 if no_such_frame else command.ptime


def _made(item: control.Item) -> list[Pcm]:
    """Return the clips of an item that needs no file."""
    if item.tone is not None:
        return [tones.tone(item.tone)]
    if item.silence is not None:
        return [tones.whole_frames(tones.silence(item.silence))]
    return [tones.key(name) for name in item.keys or ""]


def _statistics(stats: path.PathStats, rtcp: RtcpChannel) -> Result:
    last = stats.last_packet
    return {
        "packets_in": stats.packets_in,
        "packets_out": stats.packets_out,
        "lost": stats.lost,
        "duplicates": stats.duplicates,
        "discarded": stats.discarded,
        "strangers": stats.strangers,
        "malformed": stats.malformed,
        "unexpected": stats.unexpected,
        "jitter": stats.jitter,
        "concealed": stats.concealed / 8000,
        "late": stats.late,
        "last_packet": None if last is None else time.time() - (time.monotonic() - last),
        **rtcp.quality(stats),
    }
