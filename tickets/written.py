"""From what the recogniser heard to what people read.

Three steps, each of which leaves a trace: names of the city and of families are put right by their
sound (``tickets.gazetteer``, ``tickets.spoken_surnames``), numbers become figures
(``tickets.numerals``), pauses become commas (``tickets.punctuation``). What was spoken is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tickets.gazetteer import Gazetteer, Repair, repaired
from tickets.numerals import figures
from tickets.punctuation import punctuated
from tickets.spoken_surnames import surname_repairs

Times = Sequence[tuple[str, float, float]]
"""Words with their start and end, seconds."""


@dataclass(frozen=True, slots=True)
class Written:
    """One utterance in every form.

    Attributes:
        spoken: as recognised.
        heard: the same with names put right; as long as ``spoken``. What the draft is filled from.
        text: what is shown: figures and punctuation as well.
        repairs: the names that were put right.
    """

    spoken: str
    heard: str
    text: str
    repairs: tuple[Repair, ...] = ()


class Writer:
    """Writes utterances down.

    Args:
        gazetteer: the city's names; without it none is put right. May be replaced at any time.

    Attributes:
        phrases: what else is likely to be said; where both would write, the city's names stand.
    """

    def __init__(self, gazetteer: Gazetteer | None = None) -> None:
        self.gazetteer = gazetteer
        self.phrases: Gazetteer | None = None

    def write(self, spoken: str, times: Times = ()) -> Written:
        """Write one utterance down; never raises."""
        repairs = self._repairs(spoken)
        heard = repaired(spoken, repairs)
        figured = figures(heard)
        before = _pauses(spoken, times)
        pauses = [before[at] if at < len(before) else 0.0 for at in figured.origin[:-1]]
        # A number's figures share one origin: only the first of them follows the pause.
        for at in range(len(pauses) - 1, 0, -1):
            if figured.origin[at] == figured.origin[at - 1]:
                pauses[at] = 0.0
        return Written(spoken, heard, punctuated(figured.text, pauses), repairs)

    def _repairs(self, spoken: str) -> tuple[Repair, ...]:
        names = self.gazetteer.repairs(spoken) if self.gazetteer else []
        phrases = self.phrases.repairs(spoken) if self.phrases else []
        others = [*phrases, *surname_repairs(spoken)]
        for other in others:
            if all(other.end <= name.start or other.start >= name.end for name in names):
                names.append(other)
        return tuple(sorted(names, key=lambda repair: repair.start))


def _pauses(spoken: str, times: Times) -> list[float]:
    """Return the silence before each character; nothing where the words do not fit the text."""
    if "".join(word for word, _, _ in times) != spoken:
        return []
    pauses: list[float] = []
    last: float | None = None
    for word, start, end in times:
        pauses += [0.0 if last is None else max(0.0, start - last), *([0.0] * (len(word) - 1))]
        last = end
    return pauses
