"""What is put right by its sound beside the city's names: what the knowledge base is about.

Titles and keywords (公积金提取, 灵活就业) are read when the node starts. Words of two syllables are
left to the recogniser: too much sounds like them.
"""

from collections.abc import Iterable
from typing import Protocol

from tickets.gazetteer import LONGEST, Gazetteer, is_han
from tickets.gazetteer import Entry as Name
from tickets.help.knowledge import Entry
from tickets.written import Writer

_SHORTEST = 3
KIND = "知识库"


class Knowledge(Protocol):
    """Who has the knowledge base's entries."""

    async def list_(self) -> list[tuple[Entry, int]]:
        """Return each entry with its version."""


def spoken_phrases(entries: Iterable[Entry]) -> Gazetteer:
    """Return what people say of these entries, to be found by its sound."""
    phrases = dict.fromkeys(
        phrase
        for entry in entries
        for phrase in (entry.title, *entry.keywords)
        if _SHORTEST <= len(phrase) <= LONGEST and is_han(phrase)
    )
    return Gazetteer(Name(phrase, KIND) for phrase in phrases)


async def learn_phrases(writer: Writer, knowledge: Knowledge) -> None:
    """Tell the writer what the knowledge base is about."""
    entries = [entry for entry, _version in await knowledge.list_()]
    writer.phrases = spoken_phrases(entries)
