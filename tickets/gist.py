"""What a talk's category and type are judged by: how it began, and what was said last.

Judging costs time by the character, on the thread that also answers calls. A talk of minutes is
judged whole; of a longer one the middle is left out, so that the four-hundredth utterance costs as
much as the thirtieth.
"""

from collections import deque

_OPENING = 300
"""Characters from the beginning, where citizens say what they call for."""
_LATEST = 300


class Gist:
    """The beginning and the latest words of a talk."""

    def __init__(self) -> None:
        self._opening: list[str] = []
        self._latest: deque[str] = deque()
        self._lengths = [0, 0]  # of opening and latest
        self.whole = True
        """Whether nothing was left out yet."""

    def add(self, utterance: str) -> None:
        """Take in what was said."""
        size = len(utterance)
        if not self._latest and self._lengths[0] + size <= _OPENING:
            self._opening.append(utterance)
            self._lengths[0] += size
            return
        kept = utterance[-_LATEST:]
        self._latest.append(kept)
        self._lengths[1] += len(kept)
        self.whole = self.whole and len(kept) == size
        while self._lengths[1] > _LATEST:
            self._lengths[1] -= len(self._latest.popleft())
            self.whole = False

    @property
    def text(self) -> str:
        """Return the utterances that are kept, joined by commas."""
        return "，".join([*self._opening, *self._latest])
