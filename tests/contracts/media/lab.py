"""A packet path with phones around it, on a clock that the test turns.

Real sockets, virtual time: loopback delivers within ``sendto``, so a test is exact and runs as fast
as the machine can. Each phone says one tone, which is how one hears who is heard.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import TracebackType
from typing import Self

import numpy as np

from telephony.media.codecs import PCMA, CodecSpec
from telephony.media.path import Description, Handle, PacketPath, PathEvent
from telephony.media.rtp import RtpPacket, build, parse, timestamp_delta
from tests.support.tones import RATE, Pcm, tone_level

STEP = 0.005
PACKET = 160
LEVEL = 3000.0
"""Peak of every tone: seven of them together don't saturate."""

MakePath = Callable[[Callable[[PathEvent], None]], PacketPath]
Row = Mapping["Phone", float] | Mapping["Phone | Handle", float] | Mapping[Handle, float]
Matrix = Mapping["Phone", Row]


def udp() -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.settimeout(0)
    bound.bind(("127.0.0.1", 0))
    return bound


class Phone:
    """A party: says a tone in packets, keeps what it is sent with the time of arrival.

    Args:
        hertz: of its tone.
        phase: seconds after the clock's full 20 ms at which it sends.
        packet: samples in each of its packets.
        ppm: how much too fast its clock is.
    """

    def __init__(
        self,
        lab: "Lab",
        hertz: float,
        *,
        phase: float = 0.0,
        codec: CodecSpec = PCMA,
        payload_type: int | None = None,
        packet: int = PACKET,
        ppm: float = 0.0,
        keys: int | None = 101,
    ) -> None:
        self.lab = lab
        self.hertz = hertz
        self.level = LEVEL
        self.codec = codec
        self.encoder = codec.encoder()
        self.payload_type = payload_type or {"PCMA": 8, "PCMU": 0}.get(codec.name, 96)
        self.keys = keys
        self.socket = udp()
        leg = udp()
        self.target: tuple[str, int] = leg.getsockname()
        self.session = lab.path.open(leg)
        self.heard: list[tuple[float, RtpPacket]] = []
        self.sequence, self.timestamp, self.ssrc = 7, 9000, int(hertz)
        self.packet = packet
        self.seconds = packet / RATE / (1 + ppm * 1e-6)
        self.due = lab.now + phase
        self.speaking = True
        self.drop: Callable[[int], bool] = lambda _: False
        self.delay: Callable[[int], float] = lambda _: 0.0
        self._spoken = 0
        self._under_way: list[tuple[float, bytes]] = []
        self.describe()

    def describe(self, **changes: object) -> None:
        """Tell the path what this phone's SDP says."""
        accepts: dict[int, CodecSpec | None] = {self.payload_type: self.codec}
        if self.keys is not None:
            accepts[self.keys] = None
        fields: dict[str, object] = {
            "address": self.socket.getsockname(),
            "payload_type": self.payload_type,
            "codec": self.codec,
            "telephone_event": self.keys,
            "accepts": accepts,
        }
        self.lab.path.describe(self.session, Description(**{**fields, **changes}))  # type: ignore[arg-type]

    def next_pcm(self) -> Pcm:
        """Return the next packet's part of the tone."""
        times = (self._spoken + np.arange(self.packet)) / RATE
        self._spoken += self.packet
        return np.rint(self.level * np.sin(2 * np.pi * self.hertz * times)).astype(np.int16)

    def speak(self, now: float) -> None:
        """Send what is due."""
        while self.due <= now + 1e-9:
            self.due += self.seconds
            number, pcm = self.sequence, self.next_pcm()
            self.sequence = (self.sequence + 1) & 0xFFFF
            ticks = self.packet * self.codec.clock // RATE
            stamp, self.timestamp = self.timestamp, (self.timestamp + ticks) & 0xFFFFFFFF
            if not self.speaking or self.drop(number):
                continue
            packet = RtpPacket(
                self.payload_type,
                marker=False,
                sequence=number,
                timestamp=stamp,
                ssrc=self.ssrc,
                payload=self.encoder.encode(pcm),
            )
            self._under_way.append((now + self.delay(number), build(packet)))
        arrived = sorted(entry for entry in self._under_way if entry[0] <= now + 1e-9)
        self._under_way = [entry for entry in self._under_way if entry[0] > now + 1e-9]
        for _, datagram in arrived:
            self.send(datagram)

    def send(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, self.target)

    def listen(self, now: float) -> None:
        """Take what has come."""
        while True:
            try:
                data = self.socket.recv(2048)
            except BlockingIOError:
                return
            self.heard.append((now, parse(data)))

    def audio(self, since: float, until: float) -> "Heard":
        """Return what was heard in packets that came in this time, laid out by timestamps."""
        packets = [
            packet
            for at, packet in self.heard
            if since <= at < until and packet.payload_type == self.payload_type
        ]
        return Heard(packets, self.codec)

    def close(self) -> None:
        self.socket.close()


class Heard:
    """A stretch of received audio.

    Attributes:
        pcm: by timestamp; zero where there was nothing.
        gap: the longest hole in it, seconds.
    """

    def __init__(self, packets: Sequence[RtpPacket], codec: CodecSpec) -> None:
        self.packets = packets
        decoder = codec.decoder()
        pieces: list[tuple[int, Pcm]] = []
        for packet in packets:
            at = timestamp_delta(packet.timestamp, packets[0].timestamp) * RATE // codec.clock
            pieces.append((at, decoder.decode(packet.payload)))
        length = max((at + len(pcm) for at, pcm in pieces), default=0)
        self.pcm: Pcm = np.zeros(length, np.int16)
        covered = np.zeros(length, bool)
        for at, pcm in pieces:
            if at >= 0:
                self.pcm[at : at + len(pcm)] = pcm
                covered[at : at + len(pcm)] = True
        edges = np.flatnonzero(np.diff(np.concatenate(([1], covered, [1]))))
        holes = [int(b - a) for a, b in edges.reshape(-1, 2)]
        self.gap = max(holes, default=0) / RATE

    def gain_of(self, hertz: float) -> float:
        """Return a tone's level against what its phone says, dB; -120 if it is not there."""
        spoken = 20 * np.log10(LEVEL / 32767)
        return float(tone_level(self.pcm, hertz) - spoken)

    def click(self, tones: Sequence[float]) -> float:
        """Return the loudest 20 ms of what belongs to none of the tones, dB below one tone."""
        return click(self.pcm, tones)


def click(pcm: Pcm, tones: Sequence[float], width: float = 130.0) -> float:
    """Return the level of the loudest 20 ms outside the bands of ``tones``, dB against LEVEL."""
    samples = pcm.astype(np.float64)
    spectrum = np.fft.rfft(samples, 2 * len(samples))
    frequencies = np.fft.rfftfreq(2 * len(samples), 1 / RATE)
    for hertz in tones:
        # A smooth notch: a sharp one would ring and smear a click over the whole stretch.
        spectrum *= 1 - np.exp(-(((frequencies - hertz) / width) ** 4))
    rest = np.fft.irfft(spectrum)[200 : len(samples) - 200]  # the stretch's own ends are cut hard
    power = np.convolve(np.square(rest), np.ones(160) / 160, "valid")
    return float(10 * np.log10(max(power.max(initial=0), 1e-9) / (LEVEL**2 / 2)))


class Lab:
    """One path, its phones, its events, and the time."""

    def __init__(self, make: MakePath) -> None:
        self.events: list[PathEvent] = []
        self.now = 1000.0
        self.path = make(self.events.append)
        self.path.advance(self.now)
        self.phones: list[Phone] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.path.close()
        for phone in self.phones:
            phone.close()

    def phone(self, hertz: float, **options: object) -> Phone:
        """Add a phone."""
        phone = Phone(self, hertz, **options)  # type: ignore[arg-type]
        self.phones.append(phone)
        return phone

    def run(self, seconds: float) -> float:
        """Let time pass; return the time at the beginning."""
        begin = self.now
        steps = round(seconds / STEP)
        for number in range(1, steps + 1):
            self.now = begin + number * STEP
            for phone in self.phones:
                phone.speak(self.now)
            self.path.advance(self.now)
            for phone in self.phones:
                phone.listen(self.now)
        return begin

    def hear(self, matrix: Matrix) -> None:
        """Set every phone's row; those not named hear nothing."""
        rows: dict[Handle, dict[Handle, float]] = {phone.session: {} for phone in self.phones}
        for listener, row in matrix.items():
            rows[listener.session] = {
                source.session if isinstance(source, Phone) else source: gain
                for source, gain in row.items()
            }
        self.path.hear(rows)

    def bridge(self, first: Phone, second: Phone) -> None:
        self.hear({first: {second: 1.0}, second: {first: 1.0}})


def one_stream(packets: Sequence[RtpPacket]) -> None:
    """Assert that packets are one RTP stream without a step in sequence or time."""
    assert len({packet.ssrc for packet in packets}) <= 1
    for earlier, later in pairwise(packets):
        assert (later.sequence - earlier.sequence) & 0xFFFF == 1, (earlier, later)
        moved = timestamp_delta(later.timestamp, earlier.timestamp)
        assert moved >= 0, (earlier.timestamp, later.timestamp)
        assert moved <= PACKET or later.marker, (moved, later.marker)
