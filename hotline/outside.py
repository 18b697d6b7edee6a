"""What others are told of events, over MQTT: the same, with telephone numbers masked.

Where the citizen has asked for secrecy, his words, and what was read from them, stay in the house:
the events come, so that a reader knows how a call and its ticket go on, and are empty.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from eventbus.catalogue import (
    CallHelp,
    Event,
    TicketField,
    TicketSubmitted,
    TicketUrgent,
    TranscriptFinal,
    TranscriptPartial,
)
from web.masking import masked_event

_WORDS: Final[Mapping[str, Mapping[str, Any]]] = {
    TranscriptPartial.name: {"text": ""},
    TranscriptFinal.name: {"text": "", "spoken": None, "doubtful": ()},
    TicketField.name: {"value": None, "evidence": None},
    TicketUrgent.name: {"place": None, "evidence": None},
    CallHelp.name: {
        "topic": None,
        "questions": (),
        "knowledge": (),
        "similar": (),
        "summary": (),
    },
}
"""What of an event is left out where the citizen has asked for secrecy."""

_OURS: Final = frozenset(
    {"type", "category", "urgent", "urgency", "urgency_reason", "transfer", "secret", "repeat"}
)
"""Fields of a ticket that hold a word of ours."""


def outside(*, full_numbers: bool, partials: bool) -> Callable[[Event], Mapping[str, Any] | None]:
    """Return what makes an event's object for the broker; None: it is not for others.

    A submitted ticket keeps its number: who handles the matter calls it back. Where the citizen
    asked for secrecy the event has none (:mod:`tickets.secrecy`), and the place of the matter only.

    Args:
        full_numbers: whether no number is masked, for systems that look callers up.
        partials: whether words are told while they are being said: a wish may follow them.
    """

    def shown(event: Event) -> Mapping[str, Any] | None:
        if isinstance(event, TranscriptPartial) and not partials:
            return None
        told = event.to_dict()
        if told.get("secret"):
            told |= _withheld(event)
        if full_numbers or isinstance(event, TicketSubmitted):
            return told
        return masked_event(told)

    return shown


def _withheld(event: Event) -> Mapping[str, Any]:
    words = _WORDS[event.name]
    if isinstance(event, TicketField) and event.field in _OURS:
        return {name: value for name, value in words.items() if name != "value"}
    return words
