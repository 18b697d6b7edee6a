"""Two packet streams as one stereo recording: the pure part.

Both channels lie on one time line that starts when recording starts. A stream's first packet is put
where it arrived, the following ones where their RTP timestamps say, so that jitter does not show.
Gaps become silence. Frames are given out :data:`WINDOW_SECONDS` after their time, which is how long
a late packet still finds its place. A stream whose clock runs away from ours is moved: its audio is
never further than :data:`AHEAD_SECONDS` from the moment it came in.
"""

from struct import Struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telephony.media.g711 import RATE, Codec, decode
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


def wav_header(data_bytes: int) -> bytes:
    """Return the header of a stereo 8 kHz 16-bit PCM file with ``data_bytes`` of samples.

    Sizes are 32 bits wide; what goes beyond (37 hours) is in the file but not in the header.
    """
    return _WAV_HEADER.pack(
        b"RIFF",
        min(data_bytes + WAV_HEADER_BYTES - 8, _WAV_LIMIT),
        b"WAVE",
        b"fmt ",
        16,  # octets of the format that follow
        1,  # PCM
        CHANNELS,
        RATE,
        RATE * FRAME_BYTES,
        FRAME_BYTES,
        16,  # bits a sample
        b"data",
        min(data_bytes, _WAV_LIMIT),
    )


class Heard(NamedTuple):
    """One packet for the recording.

    Attributes:
        at: when it arrived, monotonic seconds.
        channel: 0 left, 1 right.
        run: of its stream; another object means that timestamps started anew.
        timestamp: of RTP.
        codec: of the payload.
        payload: one octet a sample.
    """

    at: float
    channel: int
    run: object
    timestamp: int
    codec: Codec
    payload: bytes


class _Channel:
    """Where the packets of one stream belong on the time line, in frames."""

    __slots__ = ("_end", "_floor", "_origin", "_run", "_timestamp")

    def __init__(self) -> None:
        self._run: object = None
        self._origin = 0  # the frame of the packet with…
        self._timestamp = 0  # …this timestamp, the latest placed
        self._floor = 0  # the end of what was placed before the stream was last moved
        self._end = 0  # after the last frame placed

    def place(self, heard: Heard, arrival: int, horizon: int) -> int | None:
        """Return the packet's first frame; None if there is no place for it.

        ``arrival`` is the frame of its arrival; frames before ``horizon`` are given out already.
        """
        length = len(heard.payload)
        latest = arrival + _AHEAD - length
        moved = timestamp_delta(heard.timestamp, self._timestamp)
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

    @property
    def end(self) -> int:
        return self._end


class StereoAssembler:
    """Packets in, interleaved little-endian 16-bit frames out.

    Args:
        started_at: time zero of the recording, monotonic seconds.
    """

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._channels = (_Channel(), _Channel())
        self._horizon = 0  # frames given out
        self._frames: NDArray[np.int16] = np.zeros((2 * _AHEAD, CHANNELS), np.int16)

    def add(self, heard: Heard) -> None:
        """Put a packet in its place; one that has none is left out."""
        position = self._channels[heard.channel].place(heard, self._frame(heard.at), self._horizon)
        if position is None:
            return
        start = position - self._horizon
        end = start + len(heard.payload)
        self._reserve(end)
        self._frames[start:end, heard.channel] = decode(heard.codec, heard.payload)

    def drain(self, now: float) -> bytes:
        """Give out what no packet can change any more."""
        return self._give_out(self._frame(now) - _WINDOW)

    def finish(self, now: float) -> bytes:
        """Give out the rest: up to now, and the end of what was heard."""
        return self._give_out(max(self._frame(now), *(channel.end for channel in self._channels)))

    def _frame(self, at: float) -> int:
        return round((at - self._started_at) * RATE)

    def _give_out(self, until: int) -> bytes:
        count = until - self._horizon
        if count <= 0:
            return b""
        self._reserve(count)
        data = self._frames[:count].astype("<i2", copy=False).tobytes()
        rest = len(self._frames) - count
        self._frames[:rest] = self._frames[count:].copy()
        self._frames[rest:] = 0
        self._horizon = until
        return data

    def _reserve(self, count: int) -> None:
        if count > len(self._frames):
            grown = np.zeros((2 * count, CHANNELS), np.int16)
            grown[: len(self._frames)] = self._frames
            self._frames = grown
