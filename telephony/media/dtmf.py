"""Keys (DTMF): as RFC 4733 events, received and sent, and as tones in the audio. Pure.

A key press is many packets with one timestamp; any of them may be lost, late or twice, and its end
is sent three times (§2.5.1.4). :class:`KeyReceiver` makes one :class:`KeyPress` of what arrives.
:class:`ToneDetector` finds the tones of ITU-T Q.23 with the tolerances of Q.24 at the Goertzel
filter's frequencies, as one matrix product a block.
"""

from collections import deque
from struct import Struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telephony.media.g711 import RATE, Pcm
from telephony.media.rtp import timestamp_delta

KEYS: Final = "0123456789*#ABCD"
"""Events 0-15 (RFC 4733 §3.2)."""
LOST_END_SECONDS: Final = 0.2
"""A press whose packets stop coming without an end is over after this."""

_EVENT = Struct("!BBH")
_END = 0x80
_VOLUME = 10  # -dBm0, a usual level


class KeyPress(NamedTuple):
    """One press of a key: which, and how many seconds as far as known."""

    key: str
    seconds: float


class KeyEvent(NamedTuple):
    """The payload of one packet (§2.3): event code, end bit, duration in timestamp units."""

    code: int
    end: bool
    duration: int


def parse_event(payload: bytes) -> KeyEvent | None:
    """Read the first event of a payload; None if it is cut off."""
    if len(payload) < _EVENT.size:
        return None
    code, flags, duration = _EVENT.unpack_from(payload)
    return KeyEvent(code, bool(flags & _END), duration)


def build_event(event: KeyEvent) -> bytes:
    """Write a payload."""
    return _EVENT.pack(event.code, _VOLUME | (_END if event.end else 0), event.duration)


class KeyReceiver:
    """Puts the packets of one stream together to presses."""

    __slots__ = ("_code", "_done", "_duration", "_first", "_run", "_seen_at", "_timestamp", "clock")

    def __init__(self) -> None:
        self.clock = RATE  # what durations count, per second (§2.1: as the audio's timestamps)
        self._run: object = None
        self._timestamp = 0
        self._first = 0  # timestamp of the press's first segment
        self._code = -1
        self._duration = 0
        self._done = True
        self._seen_at = 0.0

    @property
    def deadline(self) -> float | None:
        """When :meth:`expire` wants to be called; None while no key is held."""
        return None if self._done else self._seen_at + LOST_END_SECONDS

    def handle(self, payload: bytes, timestamp: int, run: object, now: float) -> list[KeyPress]:
        """Take a telephone-event packet; return the presses that are known to be over."""
        event = parse_event(payload)
        if event is None or event.code >= len(KEYS):
            return []
        presses: list[KeyPress] = []
        if run is not self._run or timestamp != self._timestamp:
            moved = timestamp_delta(timestamp, self._timestamp)
            if run is self._run and moved < 0 and self._code >= 0:
                return []  # a straggler of an earlier press
            # §2.5.1.3: a press longer than the field holds goes on as a segment that starts where
            # the one before ended.
            goes_on = (
                run is self._run and not self._done and event.code == self._code
            ) and moved == self._duration
            if not goes_on:
                presses = self._finish()
                self._first, self._code, self._done = timestamp, event.code, False
            self._run, self._timestamp, self._duration = run, timestamp, 0
        if not self._done:
            self._duration = max(self._duration, event.duration)
            self._seen_at = now
            if event.end:
                presses += self._finish()
        return presses

    def expire(self, now: float) -> list[KeyPress]:
        """Return the press whose end was lost, once its time has come."""
        deadline = self.deadline
        return self._finish() if deadline is not None and now >= deadline else []

    def _finish(self) -> list[KeyPress]:
        if self._done:
            return []
        self._done = True
        length = timestamp_delta(self._timestamp, self._first) + self._duration
        return [KeyPress(KEYS[self._code], length / self.clock)]


class KeySender:
    """The packets of keys that we press, one call a 20 ms tick."""

    FRAME: Final = 160
    PAUSE_TICKS: Final = 4
    ENDS: Final = 3

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, int]] = deque()  # code, duration
        self._frame = self.FRAME
        self._sent = 0  # timestamp units of the press under way
        self._ends = 0
        self._pause = 0

    @property
    def idle(self) -> bool:
        """Whether there is nothing left to do."""
        return not self._waiting and self._pause == 0

    @property
    def pressing(self) -> bool:
        """Whether a key is down, so that audio pauses."""
        return bool(self._waiting) and self._pause == 0

    def press(self, keys: str, seconds: float, clock: int = RATE) -> None:
        """Add presses, whose durations count so many units a second.

        Raises:
            ValueError: a key does not exist.
        """
        codes = [KEYS.index(key) for key in keys]
        frame = self.FRAME * clock // RATE
        frames = min(max(2, round(seconds * clock / frame)), 0xFFFF // frame)
        if frame != self._frame:  # described anew: what was waiting counts otherwise
            self._waiting.clear()
            self._sent = self._ends = 0
            self._frame = frame
        self._waiting.extend((code, frames * frame) for code in codes)

    def tick(self) -> tuple[bytes, bool] | None:
        """Return the payload due now, and whether a press begins with it."""
        if self._pause:
            self._pause -= 1
            return None
        if not self._waiting:
            return None
        code, duration = self._waiting[0]
        begins = self._sent == 0
        self._sent = min(self._sent + self._frame, duration)
        ended = self._sent == duration
        payload = build_event(KeyEvent(code, ended, self._sent))
        if ended:
            self._ends += 1
            if self._ends == self.ENDS:
                self._waiting.popleft()
                self._sent = self._ends = 0
                self._pause = self.PAUSE_TICKS
        return payload, begins


LOW: Final = (697, 770, 852, 941)
HIGH: Final = (1209, 1336, 1477, 1633)
GRID: Final = ("123A", "456B", "789C", "*0#D")

BLOCK: Final = 102
"""Samples of one look: 12.75 ms, 78 Hz wide, so 1.5 % off is found and 3.5 % is not much."""
_MINIMUM = 180.0**2  # mean square of a tone of -43 dBFS
_TWIST = 6.3  # 8 dB: the high tone may be that much the stronger, or…
_REVERSE_TWIST = 2.5  # …4 dB the weaker
_APART = 6.3  # 8 dB above every other frequency of its group
_SHARE = 0.7  # of the block's whole energy: speech has more beside them
_HITS = 2
_MISSES = 2


class ToneDetector:
    """Finds keys that are pressed in the audio itself."""

    def __init__(self) -> None:
        times = np.arange(BLOCK) / RATE
        frequencies = np.array((*LOW, *HIGH), np.float64)[:, None]
        self._filter: NDArray[np.complex128] = np.exp(-2j * np.pi * frequencies * times)
        self._rest = np.zeros(0, np.float64)
        self._candidate: str | None = None
        self._hits = 0
        self._misses = 0

    def hear(self, pcm: Pcm | NDArray[np.float32]) -> list[KeyPress]:
        """Take audio; return the presses that ended in it."""
        samples = np.concatenate((self._rest, pcm.astype(np.float64)))
        presses: list[KeyPress] = []
        whole = len(samples) // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            presses += self._step(self._look(samples[start : start + BLOCK]))
        self._rest = samples[whole:]
        return presses

    def _look(self, block: NDArray[np.float64]) -> str | None:
        """Return the key whose two tones a block consists of."""
        total = float(np.dot(block, block))
        if total < _MINIMUM * BLOCK:
            return None
        # Scaled so that a lone tone has all of `total`.
        energy = 2 * np.abs(self._filter @ block) ** 2 / BLOCK
        low, high = energy[:4], energy[4:]
        row, column = int(np.argmax(low)), int(np.argmax(high))
        first, second = float(low[row]), float(high[column])
        if second > first * _TWIST or first > second * _REVERSE_TWIST:
            return None
        if np.delete(low, row).max() * _APART > first:
            return None
        if np.delete(high, column).max() * _APART > second:
            return None
        return GRID[row][column] if first + second > _SHARE * total else None

    def _step(self, key: str | None) -> list[KeyPress]:
        if key is not None and key == self._candidate:
            self._hits += 1
            self._misses = 0
            return []
        if self._candidate is None or self._hits < _HITS:
            self._candidate, self._hits, self._misses = key, int(key is not None), 0
            return []
        self._misses += 1
        if self._misses < _MISSES:
            return []
        press = KeyPress(self._candidate, self._hits * BLOCK / RATE)
        self._candidate, self._hits, self._misses = key, int(key is not None), 0
        return [press]
