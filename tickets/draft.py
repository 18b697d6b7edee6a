"""A ticket that fills while people talk.

``TicketDraft`` is pure: utterances and corrections go in, changed fields come out. A field that an
agent corrected belongs to the agent and is never overwritten by what is heard later.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

from tickets.category import Classifier, classify
from tickets.ear import Ear
from tickets.fields import FIELDS, URGENCIES, FieldChange, FieldValue, Passage, check
from tickets.heard import REMEMBERED, SURE, Heard
from tickets.tree import SHIPPED, CategoryTree
from tickets.urgency import Urgency, UrgencyRules

Speaker = Literal["caller", "agent"]

_CLEARER = 0.05
"""A rise of confidence that is worth telling."""
_BREATHS = 12
"""A number or a place is said within so many utterances of both."""
_PIECES = re.compile(r" … |、|…|\s")


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one party said in one breath, as the recogniser wrote it (no punctuation needed).

    Attributes:
        speaker: ``caller`` or ``agent``.
        text: the words.
        start: seconds since the answer.
        end: seconds since the answer.
        times: each word with its start and end, where the recogniser tells; joined they are as long
            as ``text``.
        confidence: the recogniser's own, 0 to 1; None where it gives none.
    """

    speaker: Speaker
    text: str
    start: float = 0.0
    end: float = 0.0
    times: tuple[tuple[str, float, float], ...] = ()
    confidence: float | None = None

    def passage(self, start: int, end: int) -> Passage:
        """Return when ``text[start:end]`` was said."""
        moments = self._moments()
        return Passage(self.speaker, moments[start][0], moments[max(start, end - 1)][1])

    def _moments(self) -> list[tuple[float, float]]:
        """Return start and end of every character."""
        words = [(w, s, e) for w, s, e in self.times if w]
        if sum(len(word) for word, _, _ in words) != len(self.text):
            words = [(self.text or " ", self.start, self.end)]
        moments = []
        for word, start, end in words:
            step = (end - start) / len(word)
            moments += [
                (round(start + n * step, 2), round(start + (n + 1) * step, 2))
                for n in range(len(word))
            ]
        return moments


@dataclass(frozen=True, slots=True)
class History:
    """What the caller's earlier tickets say of him."""

    name: str | None = None
    title: str | None = None
    address: str | None = None


_EMPTY: Mapping[str, Any] = {
    "urgent": False,
    "urgency": "普通",
    "secret": False,
    "repeat": False,
    "content": "",
}
_BLANK: Mapping[str, FieldValue] = {name: FieldValue(_EMPTY.get(name), "heard") for name in FIELDS}


_PRESSING = ("urgent", "urgency", "urgency_reason", "transfer")
"""How urgent it is: where the agent decided one of these, none is lowered by what is heard."""


def _sureness(said: Utterance) -> float:
    """Return how sure the recogniser was, 0 to 1."""
    return 1.0 if said.confidence is None or not said.text else said.confidence


class _Certainty:
    """How sure the recogniser was of the whole talk, long utterances counting for more."""

    def __init__(self) -> None:
        self._letters = 0
        self._sure = 0.0

    def add(self, said: Utterance) -> float:
        """Take in an utterance; return the certainty of all, 0 to 1."""
        self._letters += len(said.text)
        self._sure += len(said.text) * _sureness(said)
        return self._sure / self._letters if self._letters else 1.0


class TicketDraft:
    """The fields of one call's ticket.

    Args:
        ticket_id: the ticket's number.
        caller_id: the number the citizen calls from, the call-back number until he says another
            complete one; None when withheld.
        classifier: ranks categories for what was said.
        tree: the categories there are.
        rules: tell what cannot wait; the shipped ones when None.
    """

    def __init__(
        self,
        ticket_id: str,
        caller_id: str | None,
        *,
        classifier: Classifier = classify,
        tree: CategoryTree = SHIPPED,
        rules: UrgencyRules | None = None,
    ) -> None:
        self.ticket_id = ticket_id
        self.caller_id = caller_id
        self.fields: dict[str, FieldValue] = dict(_BLANK)
        if caller_id:
            self.fields["phone"] = FieldValue(caller_id, "caller_id", confidence=SURE)
        self._tree = tree
        self._heard: list[Utterance] = []
        self._ear = Ear(classifier, tree, rules, caller_id)
        self._alarms: list[tuple[int, Urgency]] = []
        self._certainty = _Certainty()

    def hear(self, utterance: Utterance) -> list[FieldChange]:
        """Take in what one party said; return the fields that changed. Never raises."""
        self._heard.append(utterance)
        changes: list[FieldChange] = []
        # What has no words of its own follows from the whole talk.
        sure, sure_of_all = _sureness(utterance), self._certainty.add(utterance)
        for heard in self._unlowered(self._ear.hear(utterance.speaker, utterance.text)):
            certainty = sure if heard.words else sure_of_all
            changes += self._take(replace(heard, confidence=heard.confidence * certainty))
        return changes

    def remember(self, history: History) -> list[FieldChange]:
        """Fill what is still empty from the caller's earlier tickets; return what changed."""
        changes: list[FieldChange] = []
        if self.fields["name"].value and self.fields["name"].value != history.name:
            return changes  # somebody else calls from this number today
        for field in ("name", "title", "address"):
            value, old = getattr(history, field), self.fields[field]
            if value and not old.value and old.source != "agent":
                changes += self._put(field, FieldValue(value, "history", None, REMEMBERED))
        return changes

    def alarm(self, urgency: Urgency) -> list[FieldChange]:
        """Raise the urgency for what lies outside this talk; return what changed."""
        self._alarms.append((len(self._heard), urgency))
        heard = self._unlowered(self._ear.alarm(urgency))
        return [change for value in heard for change in self._take(value)]

    def check(self, field: str, value: object) -> str | bool | None:
        """Return ``value`` as the field would store it.

        Raises:
            TicketError: unknown field, or a value it cannot hold.
        """
        return check(field, value, self._tree)

    def correct(self, field: str, value: object) -> list[FieldChange]:
        """Set a field for the agent; return what changed, fields that follow from it included.

        Raises:
            TicketError: unknown field, or a value it cannot hold; nothing was changed.
        """
        decided = {field: self.check(field, value)}
        if field == "urgency":
            decided["urgent"] = decided["urgency"] in {"紧急", "特急"}
        elif field == "urgent" and decided["urgent"] != self.fields["urgent"].value:
            decided["urgency"] = "紧急" if decided["urgent"] else "普通"
        elif field == "category" and decided["category"] != self.fields["category"].value:
            decided["topic"] = None  # it belonged to the category before
        if decided.get("urgent") is False:
            # Nothing may call for the fire brigade on a ticket that the agent declared calm.
            decided |= {"urgency_reason": None, "transfer": None}
        changes: list[FieldChange] = []
        for name, decision in decided.items():
            if self.fields[name] != FieldValue(decision, "agent", None, 1.0):
                changes += self._put(name, FieldValue(decision, "agent", None, 1.0))
        return changes

    def _take(self, heard: Heard) -> list[FieldChange]:
        field, value = heard.field, heard.value
        old = self.fields[field]
        confidence = round(heard.confidence, 2) if heard.words or value else None
        if old.source == "agent" or (not value and old.source != "heard"):
            return []
        if old.value == value and old.source == "heard":
            # Said again: the first words stay the evidence.
            if (confidence or 0.0) < (old.confidence or 0.0) + _CLEARER:
                return []
            return self._put(field, replace(old, confidence=confidence))
        now = FieldValue(value, "heard", heard.words, confidence, self._passage(heard.words))
        if old.source == "history":
            now = _agreed(field, old, now)
        changes = self._put(field, now)
        if field == "name" and old.source == "history" and now.source == "heard":
            changes += self._forget(old.value)
        return changes

    def _unlowered(self, values: Iterable[Heard]) -> Iterator[Heard]:
        """Leave out what would lower the urgency once the agent decided anything about it."""
        values = list(values)
        level = next((heard.value for heard in values if heard.field == "urgency"), None)
        if level is None or all(self.fields[name].source != "agent" for name in _PRESSING):
            yield from values
            return
        lower = URGENCIES.index(level) < _rank(self.fields)
        for heard in values:
            emptied = not heard.value or lower
            if heard.field not in _PRESSING or not (emptied and self.fields[heard.field].value):
                yield heard

    def _forget(self, name: str) -> list[FieldChange]:
        """Take back what belonged to somebody else who once called from this number."""
        if self.fields["name"].value == name:
            return []
        return [
            change
            for field in ("title", "address")
            if self.fields[field].source == "history"
            for change in self._put(field, FieldValue(None, "heard"))
        ]

    def _put(self, field: str, now: FieldValue) -> list[FieldChange]:
        self.fields[field] = now
        return [FieldChange(field, now)]

    def _passage(self, words: str | None) -> Passage | None:
        """Find where words were said: from the first of what was said bit by bit to the last."""
        if words and "、" not in words and (found := self._bit_by_bit(words)):
            return found
        pieces = [piece for piece in _PIECES.split(words or "") if piece]
        for said in reversed(self._heard) if pieces else ():
            spans = [
                (start, start + len(piece))
                for piece in pieces
                if (start := said.text.find(piece)) >= 0
            ]
            if spans:
                return said.passage(min(spans)[0], max(end for _, end in spans))
        return None

    def _bit_by_bit(self, words: str) -> Passage | None:
        """Find pieces in their order, which one party may have said in several breaths."""
        left = [piece for piece in _PIECES.split(words) if piece]
        bits: list[Passage] = []
        for said in itertools.islice(reversed(self._heard), _BREATHS):
            if bits and said.speaker != bits[0].leg:
                continue
            first, last = len(said.text), None
            while left and (at := said.text.rfind(left[-1], 0, first)) >= 0:
                last = last or at + len(left[-1])
                first = at
                left.pop()
            if last is not None:
                bits.insert(0, said.passage(first, last))
            if not left and bits:
                spans = tuple((bit.start, bit.end) for bit in bits)
                return replace(bits[0], end=bits[-1].end, bits=spans)
        return None

    def values(self) -> dict[str, Any]:
        """Return the bare values by field name."""
        return {name: field.value for name, field in self.fields.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dict from which ``from_dict`` makes an equal draft."""
        return {
            "ticket_id": self.ticket_id,
            "caller_id": self.caller_id,
            "fields": {name: field.to_dict() for name, field in self.fields.items()},
            "heard": [
                [s.speaker, s.text, s.start, s.end, [[*word] for word in s.times], s.confidence]
                for s in self._heard
            ],
            "alarms": [[after, asdict(urgency)] for after, urgency in self._alarms],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make the draft again that ``to_dict`` wrote down; it goes on hearing where it was."""
        draft = cls(data["ticket_id"], data["caller_id"])
        alarms = [(after, Urgency(**urgency)) for after, urgency in data.get("alarms", ())]
        for number, said in enumerate([*data["heard"], None]):
            for after, urgency in alarms:
                if after == number:
                    draft.alarm(urgency)
            if said is None:
                break
            speaker, text, start, end, times, confidence = said
            words = tuple((word, begin, finish) for word, begin, finish in times)
            draft.hear(Utterance(speaker, text, start, end, words, confidence))
        draft.fields = {name: FieldValue.from_dict(field) for name, field in data["fields"].items()}
        return draft


_TOGETHER = (_PRESSING, ("category", "topic"))
"""Fields that one decision fills: of a decision of the agent's, all of them stay."""


def filled_in(
    stored: Mapping[str, FieldValue], heard_again: Mapping[str, FieldValue]
) -> list[FieldChange]:
    """Return what a stored draft gains by a second hearing of the talk.

    Nothing of the agent's is changed, nothing is emptied, and no urgency is lowered.
    """
    alone = [(name,) for name in FIELDS if not any(name in group for group in _TOGETHER)]
    changes: list[FieldChange] = []
    for group in (*_TOGETHER, *alone):
        if any(stored[name].source == "agent" for name in group):
            continue
        if "urgency" in group and _rank(heard_again) <= _rank(stored):
            continue
        for name in group:
            old, now = stored[name], heard_again[name]
            if old.source == "history":
                now = _agreed(name, old, now)
            if now.value and now.value != old.value and now.source == "heard":
                changes.append(FieldChange(name, now))
    return changes


def _rank(fields: Mapping[str, FieldValue]) -> int:
    return URGENCIES.index(fields["urgency"].value)


def _agreed(field: str, old: FieldValue, now: FieldValue) -> FieldValue:
    """Compare what is heard with what was remembered: agreement is the best evidence there is."""
    if old.value == now.value:
        return replace(now, confidence=SURE)
    if field == "name" and str(old.value).startswith(str(now.value)):
        return replace(now, value=old.value, source="history", confidence=SURE)
    return now
