"""Everything that listens to one talk, and what the whole of it says so far.

One small ear per slot keeps what it needs between utterances (half a telephone number, the question
just asked); what the matter is about is judged anew from all that the citizen has said.
"""

import re
from collections.abc import Iterator
from typing import Any

from tickets import content
from tickets.address import AddressEar
from tickets.category import Classifier, classify
from tickets.intent import called_before, matter_type, wants_secrecy
from tickets.names import NameEar, NameHeard
from tickets.numerals import figures
from tickets.party import PartyEar
from tickets.phones import PhoneEar, find_number
from tickets.urgency import CALM, Urgency, judge

Heard = tuple[str, Any, str | None]
"""A field's name, its value, and the words it was read from."""

_QUESTION = re.compile(r"(?:吗|对吧|是吧|对么|是么|对不对|是不是|没错吧|可以吧)(?:啊|呀)?$")
_YES = re.compile(r"^(?:嗯+|啊|哎)?(?:对|是|没错|就是|可以|正确)(?!不对|不起|不是|面|门|了好)")
_NO = re.compile(r"^(?:嗯+|啊)?(?:不对|不是|错)")
_SHORTEST_MATTER = 6


class Ear:
    """Listens to a talk and tells what the fields of its ticket should be.

    Args:
        classifier: ranks categories for a text.
    """

    def __init__(self, classifier: Classifier = classify) -> None:
        self._classifier = classifier
        self._name = NameEar()
        self._phone = PhoneEar()
        self._address = AddressEar()
        self._party = PartyEar()
        self._urgency: Urgency = CALM
        self._said: list[str] = []
        self._content: list[str] = []
        self._question: str | None = None

    def hear(self, speaker: str, text: str) -> Iterator[Heard]:
        """Take in an utterance; return the values that fields should have now."""
        if speaker == "agent":
            return self._agent(text)
        return self._caller(text)

    def _agent(self, text: str) -> Iterator[Heard]:
        self._question = text if _QUESTION.search(text) else None
        self._phone.agent(text)
        self._address.agent(text)
        self._party.agent(text)
        yield from _named(self._name.agent(text), text)

    def _caller(self, text: str) -> Iterator[Heard]:
        if self._question and _YES.match(text):
            yield from self._confirmed(self._question)
        self._question = None
        name = self._name.caller(text)
        yield from _named(name, text)
        number = self._phone.caller(text)
        if number:
            yield ("phone", *number)
        spans = [*self._phone.spans, *([(name.start, name.end)] if name else [])]
        said = figures(_blanked(text, spans))
        if self._address.caller(said):
            yield "address", self._address.text, self._address.evidence
        self._party.caller(said.text)
        urgency = judge(text)
        if urgency.rank > self._urgency.rank:
            self._urgency = urgency
        self._said.append(text)
        self._content.append(content.readable(said.text))
        yield from self._matter()

    def _confirmed(self, question: str) -> Iterator[Heard]:
        """Take over what the agent read back and the citizen said yes to."""
        number = find_number(question)
        if number:
            yield "phone", number.digits, question[number.start : number.end]
            question = _blanked(question, [(number.start, number.end)])
        self._address.confirm(figures(question))
        if self._address.text:
            yield "address", self._address.text, self._address.evidence

    def _matter(self) -> Iterator[Heard]:
        text = "，".join(self._said)
        best = self._classifier(text, self._urgency.category)[0]
        kind = matter_type(text, best.category, self._urgency)
        if kind.type:
            yield "type", kind.type, kind.words
        if best.words or len(text) >= _SHORTEST_MATTER:
            yield "category", best.category, "、".join(best.words) or None
        urgency = self._urgency
        yield "urgent", urgency.urgent, urgency.words
        yield "urgency", urgency.level, urgency.words
        yield "urgency_reason", urgency.reason, urgency.words
        yield "transfer", urgency.transfer, urgency.words
        for field, words in (("secret", wants_secrecy(text)), ("repeat", called_before(text))):
            yield field, words is not None, words
        party = self._party.best(kind.type)
        party_name = party.name if party else None
        yield "party", party_name, party_name
        yield "content", content.join(self._content), None


def _named(heard: NameHeard | None, text: str) -> Iterator[Heard]:
    if heard is None:
        return
    words = text[heard.start : heard.end] or text
    if heard.name:
        yield "name", heard.name, words
    if heard.title:
        yield "title", heard.title, words


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text
