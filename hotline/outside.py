"""What others are told of events, over MQTT: the same, with telephone numbers masked."""

from collections.abc import Callable, Mapping
from typing import Any

from eventbus.catalogue import Event, TicketSubmitted
from web.masking import masked_event


def outside(*, full_numbers: bool) -> Callable[[Event], Mapping[str, Any]]:
    """Return what makes an event's object for the broker.

    A submitted ticket keeps its number: who handles the matter calls it back. Where the citizen
    asked for secrecy the event has none (:mod:`tickets.secrecy`).

    Args:
        full_numbers: whether no number is masked, for systems that look callers up.
    """
    return Event.to_dict if full_numbers else _masked


def _masked(event: Event) -> Mapping[str, Any]:
    told = event.to_dict()
    return told if isinstance(event, TicketSubmitted) else masked_event(told)
