"""What the caller's earlier tickets tell of him."""

from collections.abc import Mapping, Sequence
from typing import Any

from tickets.draft import History

_SHOWN = ("id", "created_at", "status")
_FIELDS = ("type", "category", "address", "content", "urgency")


def history_of(tickets: Sequence[Mapping[str, Any]]) -> History:
    """Return the caller's name and address by his earlier tickets, newest first.

    The address is taken only where two tickets agree on it: one may be of a matter elsewhere.
    """
    names = [name for ticket in tickets if (name := _value(ticket, "name"))]
    if not names:
        return History()
    newest = names[0]
    # 张桂芳 of one ticket and 张 of another are the same person.
    own = [t for t in tickets if (n := _value(t, "name")) and (n[0] == newest[0])]
    addresses = [address for ticket in own if (address := _value(ticket, "address"))]
    at_home = next((a for a in addresses if addresses.count(a) > 1), None)
    titles = [title for ticket in own if (title := _value(ticket, "title"))]
    name = max((n for n in names if n[0] == newest[0]), key=len)
    return History(name, titles[0] if titles else None, at_home)


def brief(ticket: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of the list of a caller's earlier tickets: id, when, what, how far."""
    return {
        **{key: ticket[key] for key in _SHOWN},
        **{key: _value(ticket, key) for key in _FIELDS},
    }


def _value(ticket: Mapping[str, Any], field: str) -> Any:
    return ticket["fields"].get(field, {}).get("value")
