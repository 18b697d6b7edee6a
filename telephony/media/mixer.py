"""All mixes of a process in a few array operations. Pure.

A :class:`Plan` is made when somebody begins to hear somebody else, and used fifty times a second.
It lists for every listener which sources it hears, at which gain at the beginning of the frame and
at its end; between the two the gain moves in a straight line, so that no change clicks.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telephony.media.concealment import Samples
from telephony.media.g711 import Pcm

FRAME: Final = 160
Row = Mapping[int, float]

_RISE: Final = ((np.arange(FRAME, dtype=np.float32) + 1) / FRAME).astype(np.float32)


class Plan:
    """Who hears whom during one frame, and after it.

    Args:
        rows: for each listener its row.
        former: the rows before; who is not in it heard nothing. None: nothing changes.

    Attributes:
        listeners: in the order of the mixes.
        sources: in the order in which :meth:`mix` wants their frames.
    """

    def __init__(self, rows: Mapping[int, Row], former: Mapping[int, Row] | None = None) -> None:
        before = rows if former is None else former
        self.listeners: Sequence[int] = tuple(rows)
        heard = [tuple({**before.get(name, {}), **rows[name]}) for name in self.listeners]
        self.sources: Sequence[int] = tuple(dict.fromkeys(name for row in heard for name in row))
        place = {name: index for index, name in enumerate(self.sources)}
        shape = (len(heard), max(map(len, heard), default=0))
        # A listener with fewer sources than the most hears source 0 at gain 0 in their place.
        self._index: NDArray[np.intp] = np.zeros(shape, np.intp)
        self._begin: NDArray[np.float32] = np.zeros(shape, np.float32)
        self._end: NDArray[np.float32] = np.zeros(shape, np.float32)
        for line, (listener, names) in enumerate(zip(self.listeners, heard, strict=True)):
            for column, name in enumerate(names):
                self._index[line, column] = place[name]
                self._begin[line, column] = before.get(listener, {}).get(name, 0.0)
                self._end[line, column] = rows[listener].get(name, 0.0)
        self.settled = bool((self._begin == self._end).all())

    def mix(self, frames: Sequence[Samples]) -> Pcm:
        """Return one frame for each listener, (listeners, 160), saturated to 16 bits."""
        if not self.sources:
            return np.zeros((len(self.listeners), FRAME), np.int16)
        heard = np.stack(frames)[self._index]  # (listeners, sources of each, 160)
        mixed = np.einsum("lk,lks->ls", self._begin, heard)
        if not self.settled:
            mixed += np.einsum("lk,lks->ls", self._end - self._begin, heard) * _RISE
        limited: Pcm = np.clip(np.rint(mixed), -32768, 32767).astype(np.int16)
        return limited
