"""The jitter buffer: packets in as they come, 20 ms of even audio out at each tick. Pure.

**Delay.** A packet's *transit* is its arrival less its timestamp. The smallest transit of the last
seconds is the stream's base, what :data:`QUANTILE` of the packets need beyond it is the spread, and
audio is played that much behind (NetEQ's idea, with a window in place of a histogram). When the
delay is too short, a pitch period is played twice, when too long one is left out; so the delay
follows the network, and drift of the sender's clock is nothing special.

**Nothing to play.** Made-up audio (:mod:`telephony.media.concealment`) fills in and no timestamp is
passed over yet: was the packet only late, it is still played and the delay has grown as needed; was
it lost, its successor's timestamp tells how much of the hole is filled. After :data:`SPURT_SECONDS`
the sender has stopped (silence suppression, hold, RFC 3551 §4.1) and the next packet begins a talk
spurt, which is played from its planned moment on. Between spurts there is comfort noise at the
level that the sender gave (RFC 3389), else silence.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from telephony.media.codecs import Decoder
from telephony.media.concealment import (
    BLEND,
    LONGEST_LAG,
    Concealer,
    Samples,
    best_shift,
    crossfade,
    pitch_lag,
)
from telephony.media.g711 import RATE
from telephony.media.rtp import timestamp_delta

FRAME: Final = 160
SPURT_SECONDS: Final = 0.12
"""Without a packet for so long, a talk spurt is over."""
LONGEST_SECONDS: Final = 0.25
"""The delay never grows beyond; what is buffered more is skipped."""
QUANTILE: Final = 0.97

_SPURT = round(SPURT_SECONDS * RATE)
_LONGEST = round(LONGEST_SECONDS * RATE)
_MARGIN = 80  # samples of delay beyond the spread: the tick comes when it comes
_SLACK = FRAME + 40  # samples of delay too much that are left alone
_SHORT = 8  # samples of delay too little that are left alone
_WINDOW = 150  # packets whose transits count
_RECKON_EVERY = 10
_FRAMES_BETWEEN_STRETCHES = 3
_INITIAL_SPREAD = 80
_OTHER_CLOCK = RATE  # a transit that differs by a second is not the network's doing


@dataclass(frozen=True, slots=True)
class _Packet:
    payload: bytes
    decoder: Decoder


class JitterBuffer:
    """One stream's buffer.

    Args:
        noise: makes the comfort noise reproducible; any number.

    Attributes:
        concealed: samples made up within talk spurts.
        late: packets that came after their turn.
    """

    def __init__(self, noise: int = 0) -> None:
        self.concealed = 0
        self.late = 0
        self._concealer = Concealer()
        self._noise = np.random.default_rng(noise)
        self._noise_level = 0.0
        self._run: object = None
        self._clock = RATE
        self._newest_raw = 0  # RTP timestamp and its place on our time line, of the newest packet
        self._newest = 0
        self._newest_end = 0
        self._arrived: float | None = None
        self._packets: dict[int, _Packet] = {}
        self._position: int | None = None  # of the next sample to decode; None between spurts
        self._missing = 0  # samples made up for what lies at `_position`
        self._ready: Samples = np.zeros(0, np.float32)
        self._transits: deque[float] = deque(maxlen=_WINDOW)
        self._base = 0.0
        self._spread = float(_INITIAL_SPREAD)
        self._since_stretch = 0

    @property
    def delay(self) -> float:
        """Seconds of audio between the next to be played and the newest."""
        if self._position is None:
            return 0.0
        return (self._newest_end - self._position + len(self._ready)) / RATE

    def prime(self, history: Samples, position: int, run: object, now: float, clock: int) -> None:
        """Go on where a listener who was relayed to has heard so far.

        ``history`` is the end of what was heard, ``position`` the RTP timestamp that comes next.
        """
        self._concealer.heard(history)
        self._run, self._clock, self._arrived = run, clock, now
        self._newest_raw, self._newest = position, 0
        self._newest_end = self._position = 0
        self._note_transit(FRAME + now * RATE)

    def put(  # noqa: D417 - as in RTP
        self,
        timestamp: int,
        payload: bytes,
        decoder: Decoder,
        *,
        run: object,
        clock: int,
        now: float,
        samples: int | None = None,
    ) -> None:
        """Take a packet of audio.

        Args:
            run: another object than before: timestamps started anew.
            clock: what they count, per second.
            samples: how long it is at 8 kHz, where the payload's length does not tell.
        """
        place = self._place(timestamp, run, clock, now)
        self._note_transit(now * RATE - place)
        if self._position is not None and place < self._position:
            # It may still be heard in part if it is longer than what was passed over.
            length = len(payload) if samples is None else samples
            if place + length <= self._position:
                self.late += 1
                return
        self._packets[place] = _Packet(payload, decoder)

    def put_noise(self, level: int) -> None:
        """Take a comfort noise packet: the sender is silent; level in -dBov (0…127)."""
        self._noise_level = float(32768 * 10 ** (-(level & 0x7F) / 20))

    def pull(self, now: float) -> Samples:
        """Return the next 20 ms."""
        self._since_stretch += 1
        while len(self._ready) < FRAME:
            self._fill(now, FRAME - len(self._ready))
        self._stretch(now)
        out, self._ready = self._ready[:FRAME], self._ready[FRAME:]
        return out

    # -- arrival -----------------------------------------------------------------------------------

    def _place(self, timestamp: int, run: object, clock: int, now: float) -> int:
        """Return the packet's first sample on our own time line."""
        if run is not self._run or clock != self._clock:
            # Where the old numbering ends the new one begins, or after as long as nothing came.
            pause = 0 if self._arrived is None else round((now - self._arrived) * RATE)
            place = self._newest_end + (pause if pause > _SPURT else 0)
        else:
            moved = timestamp_delta(timestamp, self._newest_raw) * RATE // clock
            place = self._newest + moved
        if run is not self._run or place >= self._newest:
            self._run, self._clock = run, clock
            self._newest_raw, self._newest = timestamp, place
            self._newest_end = max(self._newest_end, place + FRAME)
        self._arrived = now
        return place

    def _note_transit(self, transit: float) -> None:
        if self._transits and abs(transit - self._base) > _OTHER_CLOCK:
            self._transits.clear()
        self._transits.append(transit)
        if transit < self._base or len(self._transits) == 1:
            self._base = transit
        if len(self._transits) % _RECKON_EVERY == 0 or len(self._transits) == _WINDOW:
            ordered = sorted(self._transits)
            self._base = ordered[0]
            self._spread = ordered[int(QUANTILE * (len(ordered) - 1))] - self._base

    # -- playing -----------------------------------------------------------------------------------

    def _planned(self, now: float) -> int:
        """Return which sample should be played now."""
        spread = min(self._spread + _MARGIN, _LONGEST)
        return round(now * RATE - self._base - spread)

    def _fill(self, now: float, count: int) -> None:
        """Make at least something ready, ``count`` samples if it is made up."""
        first = min(self._packets, default=None)
        if self._position is None:
            if first is None or self._planned(now) < first:
                self._append(self._pause(count))
                return
            self._position, self._missing = first, 0
            self._concealer.made = max(self._concealer.made, 1)  # blend the spurt in
        if first is None:
            self._make_up(count, _SPURT)
            return
        hole = first - self._position - self._missing
        if hole > _SPURT:
            self._end_spurt()
        elif hole > 0:
            self._make_up(min(hole, count), hole + self._missing)
        else:
            self._play(first)

    def _make_up(self, count: int, limit: int) -> None:
        self._append(self._concealer.conceal(count))
        self._missing += count
        self.concealed += count
        if self._missing >= limit and not self._packets:
            self._end_spurt()

    def _end_spurt(self) -> None:
        self._position = None

    def _pause(self, count: int) -> Samples:
        """Return what is heard between talk spurts."""
        rest = self._concealer.conceal(count)  # fades out, then silence
        if self._noise_level:
            rest = rest + self._noise.normal(0, self._noise_level, count).astype(np.float32)
        return rest

    def _play(self, first: int) -> None:
        """Decode the packet that starts at ``first``, which is due."""
        packet = self._packets.pop(first)
        pcm = packet.decoder.decode(packet.payload).astype(np.float32)
        position = self._position or 0
        start = max(0, position - first)  # late in part
        if self._missing > first - position and start < len(pcm):
            # Late, not lost: what is made up goes on until the packet joins it most smoothly. To
            # leave out the packet's beginning instead would take back the very delay that it
            # lacked: the next one would be late again, and all that follow.
            expected = self._concealer.expected(2 * BLEND)
            more = best_shift(pcm[start : start + BLEND], expected, BLEND)
            self._append(self._concealer.conceal(more))
            self.concealed += more
        self._append(self._concealer.heard(pcm[start:]))
        self._position = max(first + len(pcm), position)
        self._newest_end = max(self._newest_end, self._position)
        self._missing = 0

    def _append(self, pcm: Samples) -> None:
        self._ready = np.concatenate((self._ready, pcm)) if len(self._ready) else pcm

    # -- time --------------------------------------------------------------------------------------

    def _stretch(self, now: float) -> None:
        """Bring the delay nearer to what is planned, by one pitch period or in one leap."""
        if self._position is None or self._missing:
            return
        behind = self._planned(now) - (self._position - len(self._ready))
        if behind > _LONGEST:
            self._skip(now)
        elif self._since_stretch < _FRAMES_BETWEEN_STRETCHES:
            return
        elif behind > _SLACK:
            self._leave_out()
        elif -behind > _SHORT:
            self._repeat()

    def _skip(self, now: float) -> None:
        """Leave out whatever is too old, after a stall of the network."""
        planned = self._planned(now)
        stale = [place for place in self._packets if place < planned]
        for place in stale:
            del self._packets[place]
        first = min(self._packets, default=None)
        if first is None:
            self._end_spurt()
        else:
            self._position = first
            self._concealer.made = max(self._concealer.made, 1)

    def _leave_out(self) -> None:
        """Join the frame with what follows one pitch period later."""
        need = FRAME + LONGEST_LAG
        while len(self._ready) < need:
            if self._position is None or self._position not in self._packets:
                return
            self._play(self._position)
        ready = self._ready
        lag = pitch_lag(ready[:need])
        joint = crossfade(ready[:BLEND], ready[lag : lag + BLEND])
        self._ready = np.concatenate((joint, ready[lag + BLEND :]))
        self._since_stretch = 0

    def _repeat(self) -> None:
        """Play one pitch period of what is ready twice."""
        need = FRAME + LONGEST_LAG
        while len(self._ready) < need:
            if self._position is None or self._position not in self._packets:
                break
            self._play(self._position)
        ready = self._ready
        if len(ready) < 2 * BLEND:
            return
        lag = pitch_lag(ready[:need]) if len(ready) >= need else _short_lag(ready)
        # …A B C… becomes …A B (B→A) B C…: after one period it goes back by one.
        joint = crossfade(ready[lag : lag + BLEND], ready[:BLEND])
        self._ready = np.concatenate((ready[:lag], joint, ready[BLEND:]))
        self._since_stretch = 0


def _short_lag(pcm: Samples) -> int:
    """Return the shift (40…80) at which 160 samples match themselves best."""
    return 40 + best_shift(pcm[:BLEND], pcm[40:], len(pcm) - 40 - BLEND)
