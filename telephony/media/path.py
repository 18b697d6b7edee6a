"""The packet path: the port between what is decided and what happens to every packet.

The :class:`~telephony.media.engine.Engine` decides: names, port numbers, which prompt, who hears
whom, where a recording goes. A packet path carries it out fifty times a second for every party.
There are two, held to one behaviour by ``tests/contracts/media``: ``PythonPath``, the reference and
the fallback, and a native one. Neither knows a name, a file or a setting.

**Handles.** Sessions, players and recordings are small integers of one number space, chosen by the
path, never reused while the process lives. An unknown handle is our own mistake: ``KeyError``; only
as a source in a row or a recording it is as good as absent, since a player may just have ended.

**Time** is monotonic seconds (float). A path is driven in one of two ways: :meth:`PacketPath.start`
ties it to the running event loop, its sockets and the machine's clock; or, in tests, nobody calls
``start`` and each :meth:`PacketPath.advance` does all that is due until the moment it is given,
taking every datagram that waits in a socket for one that arrives then. Between two ``advance`` the
time stands still. Loopback delivers a datagram within ``sendto``, so such a test is exact.

**Threads.** All methods are called from one thread, which also gets all callbacks (events, sinks,
edges, codecs). Callbacks may call the path's methods, must not block and must not raise.

**Who hears whom** (:meth:`PacketPath.hear`). A listener's row maps sources (sessions or players)
to gains. A row that is exactly *one session at gain 1* is **relayed**: packets go on as they came,
headers rewritten, no jitter buffer, late and lost ones included, G.711 law to law by table where
the codecs differ. Any other row that is not empty is **mixed** on the path's one 20 ms clock:
each source through its jitter buffer and loss concealment, times its gain, saturated sum, encoded,
sent every 20 ms whether anybody speaks or not. Two whose codecs differ and are not both G.711 hear
each other by such mixes of one. A row that is empty sends nothing. A session that
cannot be heard yet (not described) is as good as absent, and never a listener.

**Changes** are heard as changes, not as faults: within one stream's SSRC, the sequence goes on
without a step and the timestamp with the clock; the first packet after a pause has the marker; a
gain moves to its new value in a ramp over one 20 ms frame; from relay to mix the jitter buffer
starts where the relay stopped and gains its delay by concealment; from mix to relay the first
relayed packet is cross-faded with the mix. Keys (RFC 4733) are relayed in a relay, and sent anew by
the path to every mixed listener of the session where they were pressed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from socket import socket
from typing import Protocol

from telephony.media.codecs import CodecSpec
from telephony.media.g711 import Pcm

Handle = int
"""A session, a player or a recording."""

Source = tuple[str, int] | tuple[str, int, int, int]
"""A socket address as the system reports it, IPv4 or IPv6."""

LATCH_PATIENCE = 2.0
"""Seconds that only the hosts which a peer has named may latch. Long enough for a phone to begin,
short enough that whose NAT maps media to another address is heard in the greeting."""
FRAME_SAMPLES = 160
"""Samples of one frame of the mixing clock: 20 ms at 8 kHz."""
FRAME_SECONDS = 0.02
LONGEST_RESENT_KEY = 1.0
"""Seconds that a key lasts at most when it is sent anew to the listeners of a mix: the audio pauses
for it, and whoever pressed it says how long it was."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a peer's SDP says.

    Attributes:
        address: where it wants its RTP; None: it wants none (hold), and still may be heard.
        payload_type: of the audio that it is sent.
        codec: of that audio.
        telephone_event: payload type of the keys it is sent, None if it takes none.
        accepts: what it may send: payload type to codec, None standing for telephone-event. Comfort
            noise (RFC 3389) is the codec :data:`telephony.media.codecs.COMFORT_NOISE`.
        frame: samples per packet at 8 kHz that a mix is sent in: 80, 160, 240… (a=ptime).
        signalled_from: the host that its SIP came from, where a NAT may hide another in the SDP.
        event_clock: what durations of telephone-events count, per second, both ways.
    """

    address: tuple[str, int] | None
    payload_type: int
    codec: CodecSpec
    telephone_event: int | None
    accepts: Mapping[int, CodecSpec | None]
    frame: int = FRAME_SAMPLES
    signalled_from: str | None = None
    event_clock: int = 8000


@dataclass(frozen=True, slots=True)
class Watch:
    """What a session is watched for; the events are reported once until it changes.

    Attributes:
        rtp_timeout: seconds without a valid packet after which :class:`RtpTimeout` is reported,
            counted from ``watch`` or the last packet; None: never.
        silence: seconds of decoded audio below -45 dBFS after which :class:`Silence` is reported;
            None: never. It makes the session be decoded.
        inband_keys: look for DTMF tones in the audio (ITU-T Q.24). It makes it be decoded.
    """

    rtp_timeout: float | None = None
    silence: float | None = None
    inband_keys: bool = False


@dataclass(frozen=True, slots=True)
class Latched:
    """A session's peer was heard from this address, the first time or since its SDP changed."""

    session: Handle
    source: Source


@dataclass(frozen=True, slots=True)
class RtcpReceived:
    """The latched peer of a session without an edge sent RTCP to the RTP port (RFC 5761)."""

    session: Handle
    datagram: bytes
    source: Source


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key was pressed and let go (RFC 4733, or in-band where watched): once a press.

    Attributes:
        session: where.
        key: one of ``0-9*#ABCD``.
        seconds: how long it was held, as far as known.
    """

    session: Handle
    key: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Silence:
    """A watched session fell silent, or is heard again."""

    session: Handle
    silent: bool


@dataclass(frozen=True, slots=True)
class RtpTimeout:
    """No valid packet has come for the watched time."""

    session: Handle
    seconds: float


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """A player came to its end by itself; it is silent from here on, its handle unknown."""

    player: Handle


PathEvent = Latched | RtcpReceived | KeyPressed | Silence | RtpTimeout | PlayEnded


@dataclass(frozen=True, slots=True)
class PathStats:
    """What one session saw; counters since it was opened.

    Attributes:
        packets_in: valid RTP packets from the peer.
        packets_out: RTP packets sent to the peer.
        octets_out: payload octets of those (RFC 3550 §6.4.1).
        lost: missing from the peer's sequence numbers (§A.3), never negative.
        duplicates: came twice.
        discarded: leftovers of an ended stream, or far outside the sequence.
        strangers: from another source than the latched one.
        malformed: not RTP.
        unexpected: RTP of a payload type that was not negotiated.
        jitter: of the arrivals, seconds (§6.4.1).
        concealed: samples at 8 kHz that were made up, while the session was decoded.
        late: packets that came after their turn, while it was decoded.
        last_packet: when the last valid packet came; None before the first.
        ssrc_in: of the peer; None before the first packet.
        highest_sequence: of the peer, extended by the wraps above 16 bits.
        ssrc_out: of what the peer is sent.
        timestamp_out: of the newest packet sent; None before the first.
        sent_at: when that was.
    """

    packets_in: int
    packets_out: int
    octets_out: int
    lost: int
    duplicates: int
    discarded: int
    strangers: int
    malformed: int
    unexpected: int
    jitter: float
    concealed: int
    late: int
    last_packet: float | None
    ssrc_in: int | None
    highest_sequence: int
    ssrc_out: int
    timestamp_out: int | None
    sent_at: float | None


class Edge(Protocol):
    """Stands between a session and its socket: SRTP, and what shares the port with RTP."""

    def incoming(self, datagram: bytes, source: Source, now: float) -> Sequence[bytes]:
        """Return the plain RTP packets in a datagram; none if it was something else or forged."""

    def outgoing(self, packet: bytes, now: float) -> bytes | None:
        """Return the datagram that carries a plain RTP packet; None: it cannot be sent yet."""


Sink = Callable[[bytes], None]
IsBusy = Callable[[], bool]


def never_busy() -> bool:
    """Tell that a sink takes blocks at any time."""
    return False


"""Takes the next block of a recording: interleaved little-endian 16-bit stereo at 8 kHz."""


class PacketPath(Protocol):
    """See the module's text. ``now`` of a method is that of the clock it is driven by.

    Attributes:
        in_real_time: whether packets go before all that is not in real time, just now.
    """

    in_real_time: bool

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run on the running event loop by the machine's clock until :meth:`close`."""

    def advance(self, now: float) -> None:
        """Without ``start``: receive what waits, then do all that is due until ``now``.

        It is called at least every 20 ms of that time; several frames due are done in their order.
        """

    def close(self) -> None:
        """Close every session and recording; sinks get what is left."""

    # -- sessions --------------------------------------------------------------------------------

    def open(self, rtp: socket) -> Handle:
        """Take a bound, non-blocking UDP socket, and own it from now on."""

    def close_session(self, session: Handle) -> PathStats:
        """Close its socket; it disappears from all rows, recordings and forks."""

    def describe(self, session: Handle, remote: Description) -> None:
        """Say what the peer's SDP says, the first or a re-INVITE's.

        Until the peer is heard it is sent to where its SDP says. The first valid packet of an
        accepted payload type from the host in the SDP or the one it was signalled from, whatever
        the port, latches; one from elsewhere only when neither has sent for
        :data:`LATCH_PATIENCE` seconds. From then on every other source is a stranger, except the
        address in the SDP and, where somebody from elsewhere has latched, those two hosts: they
        take his place by a valid packet. Another
        address in the SDP opens the latch again, for a second not to the former source. A peer on
        hold (no address) is sent nothing, but stays who it is, and is sent to again when the SDP
        names its address again.
        """

    def latch(self, session: Handle, source: Source) -> None:
        """Take this address for the peer's, as ICE has found; no event is reported."""

    def set_edge(self, session: Handle, edge: Edge | None) -> None:
        """Let a transform stand between this session and its socket."""

    def send_datagram(self, session: Handle, datagram: bytes, destination: Source) -> None:
        """Send something that is not RTP from the session's port; not seen by the edge."""

    def watch(self, session: Handle, watch: Watch) -> None:
        """Report what happens, or no longer; see :class:`Watch`."""

    def stats(self, session: Handle) -> PathStats:
        """Return what the session saw so far."""

    # -- who hears whom --------------------------------------------------------------------------

    def hear(self, rows: Mapping[Handle, Mapping[Handle, float]]) -> None:
        """Replace the rows of the listeners named, all at the same moment.

        Gains are linear, 0 up to 4; a source at gain 0 is the same as one not named.
        """

    def play(self, clips: Sequence[Pcm], *, loop: bool = False) -> Handle:
        """Make a player of clips, one after another; its time begins at once.

        A clip is mono at 8 kHz, a whole number of 20 ms frames; the array is not copied, and never
        changes. ``loop``: begin again after the last one. At its end :class:`PlayEnded`.
        """

    def stop_play(self, player: Handle) -> None:
        """Stop a player, faded out over one frame; harmless if it has ended. No event."""

    def send_keys(self, session: Handle, keys: str, *, seconds: float = 0.16) -> None:
        """Send key presses to the peer (RFC 4733), 80 ms apart, after those under way.

        Its audio pauses for each; without telephone-event in its description they are dropped.
        """

    # -- copies ----------------------------------------------------------------------------------

    def fork(self, session: Handle, destination: Source | None, *, packets: int = 1) -> None:
        """Copy what the peer sends, decrypted, else verbatim, to an address; None: stop.

        Only G.711 goes verbatim; other codecs are decoded and go as A-law, payload type 8, under
        the complement of the peer's SSRC.

        With ``packets`` > 1 so many are gathered in one datagram, each behind its length in 16 bits
        (RFC 4571); fewer when the oldest has waited ``packets`` × 20 ms. What cannot be sent at
        once is dropped.
        """

    def record(
        self,
        sink: Sink,
        *,
        left: Sequence[Handle],
        right: Sequence[Handle],
        is_busy: IsBusy = never_busy,
    ) -> Handle:
        """Record what sessions' peers say, and players; several on one side are summed.

        Time zero is now. The sink gets blocks about twice a second, each frame once, in order;
        packets are placed by their timestamps, up to 0.3 s late; gaps are silence. While the sink
        is busy it is asked again later: packets that wait take less room than blocks.
        """

    def change_record(
        self, recording: Handle, *, left: Sequence[Handle], right: Sequence[Handle]
    ) -> None:
        """Record other sources from now on; who stays goes on without a step."""

    def stop_record(self, recording: Handle) -> None:
        """Give the sink what was heard until now, before this returns, and forget the recording."""
