"""Everything that listens to one talk, and what the whole of it says so far.

One small ear per slot keeps what it needs between utterances (half a telephone number, the question
just asked); what the matter is about is judged anew from the gist of what the citizen has said.
"""

import re
from collections.abc import Iterator

from tickets import content
from tickets.address import AddressEar
from tickets.category import Classifier, classify
from tickets.dangers import Dangers
from tickets.gist import Gist
from tickets.heard import LIKELY, PERHAPS, SURE, Heard
from tickets.intent import called_before, matter_type, wants_secrecy
from tickets.moments import TimeEar
from tickets.names import NameEar, NameHeard
from tickets.numerals import Figured, figures
from tickets.party import PartyEar
from tickets.phones import PhoneEar, find_number
from tickets.repairs import repaired
from tickets.tree import SHIPPED, CategoryTree
from tickets.urgency import CALM, Urgency, UrgencyRules, shipped_rules

_QUESTION = re.compile(r"(?:吗|对吧|是吧|对么|是么|对不对|是不是|没错吧|可以吧)(?:啊|呀)?$")
_YES = re.compile(r"^(?:嗯+|啊|哎)?(?:对|是|没错|就是|可以|正确)(?!不对|不起|不是|面|门|了好)")
_DAY_CORRECTED = re.compile(
    r"^(?:哦|啊|噢|诶|哎|嗯)*(?:不对|不是|说错了?|错了|搞错了|记错了|口误)+(?:了|啊|呀|哦)?"
    r"(?:我说错了|应该)?(?:是|应该是)?(?P<number>\d{1,2})[号日]"
)
_THERE_IS = re.compile(r"^(?:嗯+|啊|哎)?(?:有(?!没有)|对|是(?!不是)|是的|没错)(?!的?没)")
_ASKS_WHETHER = re.compile(r"(?:有没有|是不是|是否|有无)|(?:吗|么|对吧|是吧|没有)(?:啊|呀)?$")
_SHORTEST_MATTER = 6


class Ear:
    """Listens to a talk and tells what the fields of its ticket should be.

    Args:
        classifier: ranks categories for a text.
        tree: names the topics below them.
        rules: tell what cannot wait; the shipped ones when None.
        line: the number the citizen calls from, or None.
    """

    def __init__(
        self,
        classifier: Classifier = classify,
        tree: CategoryTree = SHIPPED,
        rules: UrgencyRules | None = None,
        line: str | None = None,
    ) -> None:
        self._classifier = classifier
        self._tree = tree
        self._name = NameEar()
        self._phone = PhoneEar(line)
        self._address = AddressEar()
        self._time = TimeEar()
        self._party = PartyEar()
        self._dangers = Dangers(rules or shipped_rules())
        self._alarm: Urgency = CALM
        self._gist = Gist()
        self._wished: dict[str, str | None] = {"secret": None, "repeat": None}
        self._content: list[str] = []
        self._question: str | None = None
        self._asked_of: str | None = None
        self._last_number: str | None = None  # time or address: what 不对是27号 corrects

    def hear(self, speaker: str, text: str) -> Iterator[Heard]:
        """Take in an utterance; return the values that fields should have now."""
        if speaker == "agent":
            return self._agent(text)
        return self._caller(text)

    def _agent(self, text: str) -> Iterator[Heard]:
        self._question = text if _QUESTION.search(text) else None
        self._asked_of = _as_told(text) if _QUESTION.search(text) else None
        self._phone.agent(text)
        self._address.agent(text)
        self._time.agent(text)
        self._party.agent(text)
        known = self._name.name
        heard = self._name.agent(text)
        # 好的陆先生, and he doesn't object: the name was understood.
        yield from _named(heard, text, LIKELY)
        if known and known == self._name.name and known in text and heard is not None:
            yield Heard("name", known, known, SURE)

    def _caller(self, text: str) -> Iterator[Heard]:
        if self._question and _YES.match(text):
            yield from self._confirmed(self._question)
        if self._asked_of and _THERE_IS.match(text):
            self._dangers.affirmed(self._asked_of)  # 有人受伤吗 - 有
        self._asked_of = None
        self._question = None
        name = self._name.caller(text)
        yield from _named(name, text, LIKELY)
        number = self._phone.caller(text)
        if number:
            yield Heard("phone", *number, (LIKELY + SURE) / 2)
        spans = [*self._phone.spans, *([(name.start, name.end)] if name else [])]
        said = repaired(figures(_blanked(text, spans)))
        yield from self._numbered(said)
        self._party.caller(said.text)
        self._dangers.hear(text)
        self._gist.add(text)
        self._content.append(content.readable(said.text))
        yield from self._matter()

    def alarm(self, urgency: Urgency) -> Iterator[Heard]:
        """Raise the urgency for what lies outside this talk (a burst); return what follows."""
        if urgency.rank <= self._alarm.rank:
            return iter(())
        self._alarm = urgency
        return self._matter()

    def _numbered(self, said: Figured) -> Iterator[Heard]:
        """Hear time and place, whose numbers look alike: 27号 is a day or a house."""
        corrected = _DAY_CORRECTED.match(said.text)
        if corrected and self._last_number == "time" and self._time.has_day:
            words = said.words(corrected.start("number"), corrected.end())
            yield Heard("time", self._time.correct_day(corrected["number"]), words, LIKELY)
            return
        moment = self._time.caller(said.text)
        if moment:
            self._last_number = "time"
            yield Heard("time", moment.text, said.words(moment.start, moment.end), PERHAPS)
        if self._address.caller(said):
            self._last_number = "address"
            yield self._placed()

    def _placed(self, confidence: float = 0.0) -> Heard:
        sure = LIKELY if re.search(r"\d", self._address.text or "") else PERHAPS
        return Heard("address", self._address.text, self._address.evidence, max(sure, confidence))

    def _confirmed(self, question: str) -> Iterator[Heard]:
        """Take over what the agent read back and the citizen said yes to."""
        name = self._name.name
        if name and name in question:
            yield Heard("name", name, name, SURE)
        number = find_number(question)
        if number:
            self._phone.confirmed()
            yield Heard("phone", number.digits, question[number.start : number.end], SURE)
            question = _blanked(question, [(number.start, number.end)])
        read_back = self._address.confirm(figures(question))
        if self._address.text:
            yield self._placed(SURE if read_back else 0.0)

    def _matter(self) -> Iterator[Heard]:
        text = self._gist.text
        # What lies outside the talk (a burst) is not taken back by what is said in it.
        urgency = max(self._dangers.worst, self._alarm, key=lambda danger: danger.rank)
        best = self._classifier(text, urgency.category)[0]
        kind = matter_type(text, best.category, urgency)
        if kind.type:
            yield Heard("type", kind.type, kind.words, LIKELY if kind.words else PERHAPS)
        if best.words or len(text) >= _SHORTEST_MATTER:
            words = "、".join(best.words) or None
            yield Heard("category", best.category, words, best.confidence)
            yield Heard("topic", self._tree.topic_of(best.topic), words, best.confidence)
        yield Heard("urgent", urgency.urgent, urgency.words)
        yield Heard("urgency", urgency.level, urgency.words)
        yield Heard("urgency_reason", urgency.reason, urgency.words)
        yield Heard("transfer", urgency.transfer, urgency.words)
        for field, words in (("secret", wants_secrecy(text)), ("repeat", called_before(text))):
            if words or self._gist.whole:
                self._wished[field] = words
            yield Heard(field, self._wished[field] is not None, self._wished[field])
        party = self._party.best(kind.type)
        party_name = party.name if party else None
        yield Heard("party", party_name, party_name, PERHAPS)
        yield Heard("content", content.join(self._content), None)


def _as_told(question: str) -> str:
    """Return what a question asks about as if it were told: 有没有人受伤 → 人受伤."""
    return _ASKS_WHETHER.sub("", question)


def _named(heard: NameHeard | None, text: str, confidence: float) -> Iterator[Heard]:
    if heard is None:
        return
    words = text[heard.start : heard.end] or text
    if heard.name:
        yield Heard("name", heard.name, words, confidence)
    if heard.title:
        yield Heard("title", heard.title, words, confidence)


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text
