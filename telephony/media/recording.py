"""Several packet streams as one stereo recording: the pure part.

All streams lie on one time line that starts when recording starts. A stream's first packet is put
where it arrived, the following ones where their RTP timestamps say, so that jitter does not show.
Gaps become silence: a recording is evidence, and nothing in it is made up. Frames are given out
:data:`WINDOW_SECONDS` after their time, which is how long a late packet still finds its place. A
stream whose clock runs away from ours is moved: its audio is never further than
:data:`AHEAD_SECONDS` from the moment it came in.
"""

from collections.abc import Hashable, Sequence
from struct import Struct
from typing import Final, NamedTuple

import numpy as np

from telephony.media.codecs import Decoder
from telephony.media.g711 import RATE, Pcm
from telephony.media.rtp import timestamp_delta

WINDOW_SECONDS: Final = 0.3
AHEAD_SECONDS: Final = 0.5
"""A stall of the network is followed by a burst; this much of it is kept, one after another."""

_WINDOW = round(WINDOW_SECONDS * RATE)
_AHEAD = round(AHEAD_SECONDS * RATE)

CHANNELS: Final = 2
FRAME_BYTES: Final = 2 * CHANNELS

_WAV_HEADER = Struct("<4sI4s4sIHHIIHH4sI")
WAV_HEADER_BYTES: Final = _WAV_HEADER.size
_WAV_LIMIT: Final = 0xFFFFFFFF


def wav_header(data_bytes: int, *, channels: int = CHANNELS) -> bytes:
    """Return the header of an 8 kHz 16-bit PCM file with ``data_bytes`` of samples.

    Sizes are 32 bits wide; what goes beyond (37 hours) is in the file but not in the header.
    """
    return _WAV_HEADER.pack(
        b"RIFF",
        min(data_bytes + WAV_HEADER_BYTES - 8, _WAV_LIMIT),
        b"WAVE",
        b"fmt ",
        16,  # octets of the format that follow
        1,  # PCM
        channels,
        RATE,
        RATE * 2 * channels,
        2 * channels,
        16,  # bits a sample
        b"data",
        min(data_bytes, _WAV_LIMIT),
    )


class Heard(NamedTuple):
    """One packet for the recording.

    Attributes:
        at: when it arrived, monotonic seconds.
        source: whose stream it is of.
        run: of its stream; another object means that timestamps started anew.
        timestamp: of RTP…
        clock: …in these units a second.
        decoder: of the payload.
        payload: as it came.
    """

    at: float
    source: Hashable
    run: object
    timestamp: int
    clock: int
    decoder: Decoder
    payload: bytes


class _Channel:
    """The packets of one stream on the time line, in frames."""

    __slots__ = ("_end", "_floor", "_frames", "_horizon", "_origin", "_run", "_timestamp")

    def __init__(self, horizon: int) -> None:
        self._run: object = None
        self._origin = 0  # the frame of the packet with…
        self._timestamp = 0  # …this timestamp, the latest placed
        self._floor = 0  # the end of what was placed before the stream was last moved
        self._end = 0  # after the last frame placed
        self._horizon = horizon  # frames given out
        self._frames: Pcm = np.zeros(2 * _AHEAD, np.int16)

    @property
    def end(self) -> int:
        return self._end

    def add(self, heard: Heard, arrival: int) -> None:
        """Put a packet in its place; one that has none is left out."""
        pcm = heard.decoder.decode(heard.payload)
        position = self._place(heard, arrival, len(pcm))
        if position is None:
            return
        self._reserve(position + len(pcm))
        start = position - self._horizon
        self._frames[start : start + len(pcm)] = pcm

    def take(self, until: int) -> Pcm:
        """Give out the frames up to ``until``."""
        self._reserve(until)
        count = until - self._horizon
        taken = self._frames[:count].copy()
        rest = len(self._frames) - count
        self._frames[:rest] = self._frames[count:].copy()
        self._frames[rest:] = 0
        self._horizon = until
        return taken

    def _place(self, heard: Heard, arrival: int, length: int) -> int | None:
        """Return the packet's first frame; None if there is no place for it.

        ``arrival`` is the frame of its arrival.
        """
        horizon = self._horizon
        latest = arrival + _AHEAD - length
        moved = timestamp_delta(heard.timestamp, self._timestamp) * RATE // heard.clock
        position = self._origin + moved
        if heard.run is self._run and moved <= 0:  # out of order
            return position if position >= max(horizon, self._floor) else None
        if heard.run is not self._run or position > latest:
            position, anchored = max(arrival, self._end, horizon), True
        elif position < horizon:
            position, anchored = max(arrival - _WINDOW, horizon), True  # the earliest open place
        else:
            anchored = False
        if position > latest:
            return None
        if anchored:
            self._floor = self._end
        self._run, self._origin, self._timestamp = heard.run, position, heard.timestamp
        self._end = max(self._end, position + length)
        return position

    def _reserve(self, end: int) -> None:
        count = end - self._horizon
        if count > len(self._frames):
            grown = np.zeros(2 * count, np.int16)
            grown[: len(self._frames)] = self._frames
            self._frames = grown


class StereoAssembler:
    """Packets in, interleaved little-endian 16-bit frames out.

    Args:
        started_at: time zero of the recording, monotonic seconds.
        left: the sources on the left, summed.
        right: the sources on the right.
    """

    def __init__(
        self, started_at: float, *, left: Sequence[Hashable], right: Sequence[Hashable]
    ) -> None:
        self._started_at = started_at
        self._horizon = 0  # frames given out
        self._channels: dict[Hashable, _Channel] = {}
        # From which frame on which sources are on the two sides; the first entry is in force.
        self._sides: list[tuple[int, tuple[Sequence[Hashable], Sequence[Hashable]]]] = []
        self.change(started_at, left=left, right=right)

    def change(self, now: float, *, left: Sequence[Hashable], right: Sequence[Hashable]) -> None:
        """Sum other sources from now on; what one that is left out said before is kept."""
        self._sides.append((self._frame(now), (tuple(left), tuple(right))))
        for source in (*left, *right):
            if source not in self._channels:
                self._channels[source] = _Channel(self._horizon)

    def add(self, heard: Heard) -> None:
        """Put a packet in its place; one of an unknown source is left out."""
        channel = self._channels.get(heard.source)
        if channel is not None:
            channel.add(heard, self._frame(heard.at))

    def drain(self, now: float) -> bytes:
        """Give out what no packet can change any more."""
        return self._give_out(self._frame(now) - _WINDOW)

    def finish(self, now: float) -> bytes:
        """Give out the rest: up to now, and the end of what was heard."""
        ends = (channel.end for channel in self._channels.values())
        return self._give_out(max((self._frame(now), *ends)))

    def _frame(self, at: float) -> int:
        return round((at - self._started_at) * RATE)

    def _give_out(self, until: int) -> bytes:
        """Return the frames up to ``until``, cut where the sources changed."""
        pieces: list[bytes] = []
        while self._horizon < until:
            end = until
            if len(self._sides) > 1 and self._sides[1][0] < until:
                end = max(self._sides[1][0], self._horizon)
            pieces.append(self._sum(end))
            if end < until:
                del self._sides[0]
                self._forget_unheard()
        return b"".join(pieces)

    def _sum(self, until: int) -> bytes:
        sums = np.zeros((until - self._horizon, CHANNELS), np.int32)
        _, sides = self._sides[0]
        for source, channel in self._channels.items():
            taken = channel.take(until)
            for side, sources in enumerate(sides):
                if source in sources:
                    sums[:, side] += taken
        self._horizon = until
        return np.clip(sums, -32768, 32767).astype("<i2").tobytes()

    def _forget_unheard(self) -> None:
        heard = {source for _, sides in self._sides for side in sides for source in side}
        for source in [name for name in self._channels if name not in heard]:
            del self._channels[source]
