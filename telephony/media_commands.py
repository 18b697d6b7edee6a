"""What the node can ask of its media processes, as methods; what they answer and report.

Each method is one command of :mod:`telephony.media.control`. Two carry them out:
:class:`~telephony.media_client.MediaClient`, one process, and
:class:`~telephony.media_pool.MediaPool`, several.

    MediaError
    ├── MediaUnavailable    the process is away, or did not answer in time
    └── MediaRefused        the process refused the command; ``code`` says why
"""

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from telephony.media import control
from telephony.media.control import Codec, Command
from telephony.media.sealed import Seal

Address = tuple[str, int]


class MediaError(Exception):
    """A media command failed."""


class MediaUnavailable(MediaError):
    """The media process is away, died with the command under way, or did not answer in time."""


class MediaRefused(MediaError):
    """The media process refused a command.

    Attributes:
        code: one of the error codes of :mod:`telephony.media.control`, e.g. ``no_ports``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """A completed recording.

    Attributes:
        path: of the file.
        seconds: how long it lasts, pauses included.
        bytes: how big it is, header included.
        sha256: of the file, in hexadecimal.
        pauses: from and to, seconds from its beginning.
    """

    path: Path
    seconds: float
    bytes: int
    sha256: str = ""
    pauses: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class SessionStats:
    """What one session saw.

    Attributes:
        packets_in: valid RTP packets from the peer.
        packets_out: RTP packets sent to the peer.
        lost: packets missing from the peer's sequence numbers (RFC 3550 §A.3), never negative.
        duplicates: packets that came twice; the second one was ignored.
        discarded: leftovers of an ended stream, and packets far outside the sequence.
        strangers: packets from another source than the latched one; never forwarded.
        malformed: datagrams that are not RTP.
        unexpected: RTP of a payload type that was not negotiated.
        last_packet: Unix time of the last valid packet; None before the first.
        jitter: of the arrivals, seconds (RFC 3550 §6.4.1).
        concealed: seconds of audio that were made up while the session was decoded.
        late: packets that came after their turn, while it was decoded.
        loss: share of the peer's packets that did not come, 0…1.
        far_loss: share of ours that the peer says it did not get; None: it never reported (RTCP).
        far_jitter: that it says they had, seconds.
        round_trip: to the peer and back, seconds.
        r: the E-model's factor of the worse direction, 0…93.2 (ITU-T G.107).
        mos: of that, 1…4.5.
    """

    packets_in: int
    packets_out: int
    lost: int
    duplicates: int
    discarded: int
    strangers: int
    malformed: int
    unexpected: int
    last_packet: float | None
    jitter: float = 0.0
    concealed: float = 0.0
    late: int = 0
    loss: float = 0.0
    far_loss: float | None = None
    far_jitter: float | None = None
    round_trip: float | None = None
    r: float = 0.0
    mos: float = 0.0


@dataclass(frozen=True, slots=True)
class Latched:
    """A session's peer was heard for the first time; it is sent to from now on."""

    session: str
    source: Address


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """A recording ended early (disk full…); the call goes on."""

    recording: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key was pressed at a session's phone and held for so many seconds."""

    session: str
    key: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SilenceChanged:
    """A watched session fell silent, or is heard again."""

    session: str
    silent: bool


@dataclass(frozen=True, slots=True)
class RtpTimedOut:
    """A watched session has sent nothing for so many seconds."""

    session: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """Something is not played any more: ``end``, ``key`` (which one), ``replaced``, ``closed``."""

    player: str
    reason: str
    key: str | None = None


MediaEvent = Latched | RecordingFailed | KeyPressed | SilenceChanged | RtpTimedOut | PlayEnded


class MediaCommands(ABC):
    """The commands; whoever derives from it delivers them."""

    @abstractmethod
    async def ask(self, kind: type[Command], **fields: object) -> dict[str, Any]:
        """Give a command and return its result; raises as the public methods say."""

    async def open(self, session: str, *, host: str | None = None) -> Address:
        """Open a session and return the address where its peer shall send RTP.

        Raises:
            MediaUnavailable: the process is away.
            MediaRefused: ``no_ports``, or ``exists``.
        """
        result = await self.ask(control.Open, session=session, host=host)
        return result["host"], result["port"]

    async def set_remote(
        self,
        session: str,
        *,
        host: str,
        port: int,
        payload_type: int,
        codec: Codec,
        telephone_event: int | None,
        event_clock: int = 8000,
        accepts: Mapping[int, Codec] | None = None,
        comfort_noise: int | None = None,
        ptime: int = 20,
        rtcp_port: int | None = None,
        rtcp_mux: bool = False,
        signalled_from: str | None = None,
        srtp: control.Srtp | None = None,
        dtls: control.Dtls | None = None,
        watched: control.Watched | None = None,
    ) -> None:
        """Say where the peer is and what it speaks; again after a re-INVITE.

        ``host`` is an IP address. ``event_clock`` is what durations of its key presses count, per
        second; ``accepts`` names further payload types the peer may send,
        ``comfort_noise`` that of RFC 3389; ``ptime`` is the packet length it wants, ms;
        ``rtcp_port`` that of its RTCP where its description names one (RFC 3605), ``rtcp_mux``:
        that is the RTP port (RFC 5761);
        ``signalled_from`` is the host its SIP came from: a NAT may hide it in the description;
        with ``srtp`` or ``dtls`` only secured packets pass; ``watched``: as by :meth:`watch`.
        """
        await self.ask(
            control.Remote,
            session=session,
            host=host,
            port=port,
            payload_type=payload_type,
            codec=codec,
            telephone_event=telephone_event,
            event_clock=event_clock,
            accepts=dict(accepts or {}),
            comfort_noise=comfort_noise,
            ptime=ptime,
            rtcp_port=rtcp_port,
            rtcp_mux=rtcp_mux,
            signalled_from=signalled_from,
            srtp=srtp,
            dtls=dtls,
            watched=watched,
        )

    async def matrix(self, bridge: str, hears: Mapping[str, Mapping[str, float]]) -> None:
        """Say who hears whom in a bridge, listener → source → gain; at one moment, click-free.

        Everybody named is in this bridge from now on, and in no other; who was and is not named
        has left. At most eight; empty: the bridge ends.

        Raises:
            MediaRefused: ``unknown_session``, ``bad_command`` (more than eight parties…).
        """
        rows = {listener: dict(row) for listener, row in hears.items()}
        await self.ask(control.Matrix, bridge=bridge, hears=rows)

    async def bridge(self, first: str, second: str) -> None:
        """Let two sessions hear each other; either leaves the bridge it was in."""
        await self.ask(control.Bridge, first=first, second=second)

    async def unbridge(self, session: str) -> None:
        """End the bridge of this session, if it is in one."""
        await self.ask(control.Unbridge, session=session)

    async def play(
        self,
        player: str,
        session: str,
        items: Sequence[control.Item],
        *,
        loop: bool = False,
        mix: bool = False,
        gain: float = 1.0,
        stop_on_key: bool = False,
    ) -> None:
        """Play files, tones and silence to a session, one after another; :class:`PlayEnded` tells.

        ``mix``: in addition to what it hears, not instead.

        Raises:
            MediaRefused: ``prompt`` when a file cannot be played, ``exists`` when ``player`` plays.
        """
        await self.ask(
            control.Play,
            player=player,
            session=session,
            items=list(items),
            loop=loop,
            mix=mix,
            gain=gain,
            stop_on_key=stop_on_key,
        )

    async def stop_play(self, player: str) -> None:
        """Stop playing; harmless when it has ended."""
        await self.ask(control.StopPlay, player=player)

    async def press(self, session: str, keys: str, *, milliseconds: int = 160) -> None:
        """Press keys (``0-9*#ABCD``) towards a session's peer."""
        await self.ask(control.Dtmf, session=session, keys=keys, milliseconds=milliseconds)

    async def watch(
        self,
        session: str,
        *,
        rtp_timeout: float | None = None,
        silence: float | None = None,
        inband_keys: bool = False,
    ) -> None:
        """Report when nothing comes or nothing is said for so many seconds, and keys as tones."""
        await self.ask(
            control.Watch,
            session=session,
            rtp_timeout=rtp_timeout,
            silence=silence,
            inband_keys=inband_keys,
        )

    async def fork(self, session: str, destination: Address | None, *, packets: int = 1) -> None:
        """Copy what this session's peer sends to ``destination``; None stops that.

        ``packets`` > 1: so many in one datagram, each behind its length in 16 bits (RFC 4571).
        """
        host, port = destination or (None, None)
        await self.ask(control.Fork, session=session, host=host, port=port, packets=packets)

    async def record(
        self,
        recording: str,
        path: Path,
        *,
        left: str | Sequence[str],
        right: str | Sequence[str],
        seal: Seal | None = None,
    ) -> None:
        """Record sessions' peers into a new stereo file; time zero is now.

        It is WAV, or with ``seal`` one that `telephony.media.sealed` describes.

        ``path`` is absolute: the process has a working directory of its own. Missing folders are
        made.

        Raises:
            MediaRefused: ``disk`` when the file cannot be made (one that exists is never
                overwritten), ``exists`` when the name is in use.
        """
        given = None
        if seal is not None:
            header, key = (b64encode(octets).decode() for octets in (seal.header, seal.key))
            given = control.FileSeal(header=header, key=key)
        await self.ask(
            control.Record, recording=recording, path=path, left=left, right=right, seal=given
        )

    async def change_record(
        self, recording: str, *, left: str | Sequence[str], right: str | Sequence[str]
    ) -> None:
        """Record other sessions from now on."""
        await self.ask(control.ChangeRecord, recording=recording, left=left, right=right)

    async def pause_record(self, recording: str) -> None:
        """Write nothing that is said from now on: silence, begun by a beep."""
        await self.ask(control.PauseRecord, recording=recording)

    async def resume_record(self, recording: str) -> None:
        """Go on recording."""
        await self.ask(control.ResumeRecord, recording=recording)

    async def stop_record(self, recording: str) -> RecordingInfo:
        """Complete a recording.

        Raises:
            MediaRefused: ``unknown_recording``, also after :class:`RecordingFailed`.
        """
        result = await self.ask(control.StopRecord, recording=recording)
        pauses = tuple((begin, end) for begin, end in result["pauses"])
        return RecordingInfo(
            Path(result["path"]), result["seconds"], result["bytes"], result["sha256"], pauses
        )

    async def close_session(self, session: str) -> SessionStats:
        """Close a session and return what it saw."""
        return SessionStats(**await self.ask(control.Close, session=session))

    async def session_stats(self, session: str) -> SessionStats:
        """Return what a session saw so far."""
        return SessionStats(**await self.ask(control.Stats, session=session))

    async def counts(self) -> dict[str, int]:
        """Return how many sessions, port pairs, bridges, forks, recordings and plays there are.

        ``realtime``: 1 while its packets go before all that is not in real time.
        """
        return await self.ask(control.Stats)
