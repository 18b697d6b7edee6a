"""Clips that are played, and recordings that are made, as the Python path drives them. Pure."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from telephony.media.codecs import Linear
from telephony.media.concealment import Samples
from telephony.media.g711 import Pcm
from telephony.media.path import FRAME_SAMPLES, Handle, IsBusy, Sink
from telephony.media.recording import Heard, StereoAssembler

FLUSH_SECONDS: Final = 0.5


class Player:
    """Clips one after another, a frame at a time.

    Raises:
        ValueError: a clip is not a whole number of frames, or there is nothing to play.
    """

    __slots__ = ("_at", "_clip", "_clips", "_loop", "ended", "stopping")

    def __init__(self, clips: Sequence[Pcm], *, loop: bool) -> None:
        self._clips = [clip for clip in clips if len(clip)]
        if not self._clips:
            raise ValueError("nothing to play")
        if any(len(clip) % FRAME_SAMPLES for clip in self._clips):
            raise ValueError("a clip is a whole number of 20 ms frames")
        self._loop = loop
        self._clip = 0
        self._at = 0
        self.ended = False
        self.stopping = False

    def frame(self) -> Pcm:
        """Return the next 20 ms; silence once it has ended."""
        if self.ended:
            return np.zeros(FRAME_SAMPLES, np.int16)
        clip = self._clips[self._clip]
        frame = clip[self._at : self._at + FRAME_SAMPLES]
        self._at += FRAME_SAMPLES
        if self._at >= len(clip):
            self._at = 0
            self._clip += 1
            if self._clip == len(self._clips):
                self._clip = 0
                self.ended = not self._loop
        return frame


_LINEAR = Linear()


class Recording:
    """Gathers what its sources say and gives the sink whole stretches of it."""

    def __init__(
        self,
        sink: Sink,
        *,
        left: Sequence[Handle],
        right: Sequence[Handle],
        is_busy: IsBusy,
        now: float,
    ) -> None:
        self._sink = sink
        self._is_busy = is_busy
        self._assembler = StereoAssembler(now, left=left, right=right)
        self._pending: list[Heard] = []
        self._flushed_at = now
        self.sources = frozenset((*left, *right))

    def change(self, now: float, *, left: Sequence[Handle], right: Sequence[Handle]) -> None:
        """Have other sources from now on."""
        self._assemble()
        self._assembler.change(now, left=left, right=right)
        self.sources = frozenset((*left, *right))

    def hear(self, heard: Heard) -> None:
        """Take a packet."""
        self._pending.append(heard)

    def hear_player(self, player: Handle, frame: Samples | Pcm, tick: int, now: float) -> None:
        """Take a player's frame; ``tick`` numbers them all."""
        timestamp = tick * FRAME_SAMPLES & 0xFFFFFFFF
        payload = np.asarray(frame, np.int16).tobytes()
        self._pending.append(Heard(now, player, player, timestamp, 8000, _LINEAR, payload))

    def flush_if_due(self, now: float) -> None:
        """Give the sink its next block, twice a second."""
        if now - self._flushed_at >= FLUSH_SECONDS and not self._is_busy():
            self._flushed_at = now
            self._assemble()
            self._give(self._assembler.drain(now))

    def finish(self, now: float) -> None:
        """Give the sink everything until now."""
        self._assemble()
        self._give(self._assembler.finish(now))

    def _assemble(self) -> None:
        for heard in self._pending:
            self._assembler.add(heard)
        self._pending.clear()

    def _give(self, block: bytes) -> None:
        if block:
            self._sink(block)
