"""Keeps silence away from the engine, and tells it where an utterance ends. Pure.

WebRTC's voice detector looks at each 20 ms. What is no louder than the idle noise of a line is no
voice, whatever it says: it takes seconds after speech to learn what the line's silence is. The gate
opens on 60 ms of voice within 100 ms, and gives the engine what came in the pre-roll before as well
(a first consonant is no voice yet). It stays open for a hang-over of silence and then closes with
``Pause``: the utterance has ended, long before the engine would notice by itself. Closed, it passes
nothing: the engine's clock stands still, and ``TimeLine`` knows where.

The detector itself hangs on to voice for about 0.1 s, so the end is told that much later than
``VoiceTimes.hang_over`` says.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import webrtcvad

from asr.ports import SAMPLE_RATE, Partial, Result
from asr.rtp_source import Audio

FRAME_SECONDS = 0.02

_FRAME = int(2 * SAMPLE_RATE * FRAME_SECONDS)
_ONSET_WINDOW = 5
_ONSET_VOICED = 3
_HANGS_ON = 0.1
_FAINT = 23.0
"""Root mean square under which a frame is silence: -57 dBm0 (a full sine is +3.14, G.711 §4.1).

ITU-T G.712: a channel's idle noise stays below -65 dBm0p. Speech is at about -20.
"""

_JOIN = 0.005
"""Seconds of difference under which two pieces are taken to touch."""


@dataclass(frozen=True, slots=True)
class VoiceTimes:
    """How the gate behaves.

    Attributes:
        pre_roll: seconds before the voice that are passed as well.
        hang_over: seconds of silence after which the utterance has ended.
        aggressiveness: webrtcvad's mode, 0 to 3: how sure it must be to call a frame voice.
    """

    pre_roll: float = 0.3
    hang_over: float = 0.16
    aggressiveness: int = 2


@dataclass(frozen=True, slots=True)
class Pause:
    """The gate has closed: what the engine has heard should become final."""


class VoiceGate:
    """Audio in; audio worth recognising out, and a ``Pause`` after each stretch of it."""

    def __init__(self, times: VoiceTimes) -> None:
        self._times = times
        self._vad = webrtcvad.Vad(times.aggressiveness)
        self._rest = Audio(0.0, b"")
        self._before: deque[Audio] = deque(
            maxlen=_ONSET_WINDOW + round(times.pre_roll / FRAME_SECONDS)
        )
        self._recent: deque[bool] = deque(maxlen=_ONSET_WINDOW)
        self._open = False
        self._quiet = 0.0
        self._faint = 0.0
        self._next_at = 0.0

    def handle(self, audio: Audio) -> list[Audio | Pause]:
        """Take the next audio; its time may leap forward."""
        if not self._rest.pcm and len(audio.pcm) == _FRAME:
            return self._frame(audio)
        effects: list[Audio | Pause] = []
        if self._rest.pcm and abs(self._rest.at + self._rest.seconds - audio.at) > _JOIN:
            # A leap: half a frame from before it is not heard.
            self._rest = Audio(0.0, b"")
        at, pcm = (self._rest.at, self._rest.pcm) if self._rest.pcm else (audio.at, b"")
        pcm += audio.pcm
        whole = len(pcm) - len(pcm) % _FRAME
        for offset in range(0, whole, _FRAME):
            frame = Audio(at + offset / (2 * SAMPLE_RATE), pcm[offset : offset + _FRAME])
            effects += self._frame(frame)
        self._rest = Audio(at + whole / (2 * SAMPLE_RATE), pcm[whole:])
        return effects

    def drain(self) -> list[Audio | Pause]:
        """Close the gate if it is open: nothing further will come."""
        return self._close() if self._open else []

    def _frame(self, frame: Audio) -> list[Audio | Pause]:
        effects: list[Audio | Pause] = []
        leap = frame.at - self._next_at
        self._next_at = frame.at + FRAME_SECONDS
        voiced = self._is_voice(frame.pcm)
        if leap > _JOIN:
            self._before.clear()
            self._recent.clear()
            self._quiet += leap
            if self._open and self._ended():
                effects += self._close()
        if self._open:
            self._quiet = 0.0 if voiced else self._quiet + FRAME_SECONDS
            effects.append(frame)
            if self._ended():
                effects += self._close()
            return effects
        self._before.append(frame)
        self._recent.append(voiced)
        if voiced and sum(self._recent) >= _ONSET_VOICED:
            self._open, self._quiet = True, 0.0
            effects += self._before
            self._before.clear()
        return effects

    def _is_voice(self, pcm: bytes) -> bool:
        voiced = self._vad.is_speech(pcm, SAMPLE_RATE)
        self._faint = self._faint + FRAME_SECONDS if _is_faint(pcm) else 0.0
        # Within an utterance as long as the detector hangs on itself: a stop consonant is silent.
        return voiced and self._faint <= (_HANGS_ON if self._open else 0.0)

    def _ended(self) -> bool:
        return self._quiet >= self._times.hang_over - _JOIN

    def _close(self) -> list[Audio | Pause]:
        self._open = False
        self._recent.clear()
        self._before.clear()
        return [Pause()]


def _is_faint(pcm: bytes) -> bool:
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    return bool(samples @ samples < _FAINT * _FAINT * len(samples))


class TimeLine:
    """Translates the engine's clock (seconds of audio it was given) to the call's."""

    def __init__(self) -> None:
        # In samples: a sum of fractions would drift.
        self._given = 0
        # Where each unbroken piece begins: on the engine's clock, and on the call's.
        self._engine: list[float] = []
        self._call: list[float] = []

    @property
    def given(self) -> float:
        """What the engine's clock shows when it has heard everything."""
        return self._given / SAMPLE_RATE

    @property
    def now(self) -> float:
        """The call's time at the end of what the engine was given."""
        return self.end(self.given)

    def append(self, audio: Audio) -> None:
        """Note that the engine is given this audio next."""
        now = self.given
        if not self._engine or abs(self._call[-1] + now - self._engine[-1] - audio.at) > _JOIN:
            self._engine.append(now)
            self._call.append(audio.at)
        self._given += len(audio.pcm) // 2

    def start(self, engine_time: float) -> float:
        """Translate the beginning of something; at a seam, that of the later piece."""
        return self._translate(engine_time, bisect_right(self._engine, engine_time + _JOIN) - 1)

    def end(self, engine_time: float) -> float:
        """Translate the end of something; at a seam, that of the earlier piece."""
        return self._translate(engine_time, bisect_left(self._engine, engine_time - _JOIN) - 1)

    def place(self, event: Result) -> Result:
        """Move a result from the engine's clock to the call's."""
        start, end = self.start, self.end
        if isinstance(event, Partial):
            return replace(event, start=round(start(event.start), 3), end=round(end(event.end), 3))
        words = tuple(
            replace(word, start=round(start(word.start), 3), end=round(end(word.end), 3))
            for word in event.words
        )
        return replace(
            event, start=round(start(event.start), 3), end=round(end(event.end), 3), words=words
        )

    def forget(self, engine_time: float) -> None:
        """Drop the pieces before the one that holds this time; it will not be asked about."""
        done = max(bisect_left(self._engine, engine_time) - 1, 0)
        del self._engine[:done], self._call[:done]

    def _translate(self, engine_time: float, piece: int) -> float:
        if not self._engine:
            return engine_time
        piece = max(piece, 0)
        return max(self._call[piece] + engine_time - self._engine[piece], self._call[piece])
