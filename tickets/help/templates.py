"""Prepared topics: what an agent should still ask. The data is ``tickets/data/templates.toml``."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from tickets import rules
from tickets.fields import FIELDS

CUES_NEEDED: Final = 2
"""So many different cues make a topic fit although the ticket's category is another one."""


class BadTemplates(ValueError):
    """The templates cannot be used; the message names the topic and the fault."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question, and how to tell that its answer is known.

    Attributes:
        question: for the agent to read out.
        field: the ticket's field that answers it, or None.
        signs: any of these in what was said answers it.
    """

    question: str
    field: str | None
    signs: tuple[re.Pattern[str], ...]

    def answered(self, values: Mapping[str, Any], said: str) -> bool:
        """Say whether the answer is known: from the field, or from the words."""
        if self.field is not None and values.get(self.field):
            return True
        return any(sign.search(said) for sign in self.signs)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that calls are often about."""

    id: str
    name: str
    categories: frozenset[str]
    cues: tuple[str, ...]
    asks: tuple[Ask, ...]

    def fit(self, category: str | None, said: str) -> int:
        """Return how well the topic fits; 0: not at all."""
        heard = sum(cue in said for cue in self.cues)
        if category in self.categories:
            return heard and heard + CUES_NEEDED
        return heard if heard >= CUES_NEEDED else 0


@dataclass(frozen=True, slots=True)
class Missing:
    """What is still to be asked about the topic of a call."""

    topic: str
    name: str
    questions: tuple[str, ...]


def parse(data: Mapping[str, Any]) -> tuple[Topic, ...]:
    """Read templates of the form of ``tickets/data/templates.toml``.

    Raises:
        BadTemplates: an entry lacks something, or a sign is no regular expression.
    """
    topics = []
    for entry in data.get("topic", ()):
        name = str(entry.get("id", "without an id"))
        try:
            asks = tuple(_ask(name, ask) for ask in entry["ask"])
            topics.append(
                Topic(
                    entry["id"],
                    entry["name"],
                    frozenset(entry["categories"]),
                    tuple(entry["cues"]),
                    asks,
                )
            )
        except (KeyError, TypeError) as error:
            raise BadTemplates(f"topic {name}: {error} is missing or of the wrong kind") from error
    return tuple(topics)


def _ask(topic: str, ask: Mapping[str, Any]) -> Ask:
    field, signs = ask.get("field"), ask.get("signs", ())
    if field is not None and field not in FIELDS:
        raise BadTemplates(f"topic {topic}: a ticket has no field {field!r}")
    if field is None and not signs:
        raise BadTemplates(f"topic {topic}: {ask['question']!r} needs a field or signs")
    try:
        return Ask(ask["question"], field, tuple(re.compile(sign) for sign in signs))
    except re.error as error:
        raise BadTemplates(f"topic {topic}: {ask['question']!r}: {error}") from error


@cache
def shipped() -> tuple[Topic, ...]:
    """Return the ten topics that come with the product."""
    return parse(rules.load("templates"))


def missing(
    values: Mapping[str, Any], said: Iterable[str], *, topics: Sequence[Topic] | None = None
) -> Missing | None:
    """Return what is still to be asked, or None while no topic fits.

    Args:
        values: the ticket's bare values.
        said: what both sides said, figures written as figures.
        topics: the prepared ones; default those that ship.
    """
    words = "，".join(said)
    known = shipped() if topics is None else topics
    ranked = [(topic.fit(values.get("category"), words), topic) for topic in known]
    best, topic = max(ranked, key=lambda entry: entry[0], default=(0, None))
    if topic is None or not best:
        return None
    questions = tuple(ask.question for ask in topic.asks if not ask.answered(values, words))
    return Missing(topic.id, topic.name, questions)
