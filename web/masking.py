"""What the API shows of numbers: see :mod:`tickets.masking`."""

from collections.abc import Mapping
from typing import Any

from eventbus.catalogue import ExchangeTicket
from tickets.masking import mask_text

# Identifiers and names of fields are ours, never a citizen's words.
_PLAIN_KEYS = frozenset(
    {"id", "line", "event", "field", "source", "status", "state", "leg", "outcome"}
    | {"reopens", "theirs"}  # tickets' numbers
)
_TICKETS = "tickets"
"""The key of a list of tickets' numbers, or of tickets."""


def masked(value: Any, key: str = "") -> Any:
    """Return a JSON-like value with the numbers in all its texts masked; ids stay as they are."""
    if key in _PLAIN_KEYS or key.endswith("_id"):
        return value
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, Mapping):
        return {name: masked(part, name) for name, part in value.items()}
    if isinstance(value, list | tuple):
        ids = key == _TICKETS
        return [part if ids and isinstance(part, str) else masked(part, key) for part in value]
    return value


def masked_event(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's object as whoever it is not about may see it.

    A partner's number of a matter looks like a telephone's, and is none.
    """
    shown: dict[str, Any] = masked(message)
    if message.get("event") == ExchangeTicket.name:
        shown["number"] = message["number"]
    return shown
