"""What a partner may be given of a ticket."""

from collections.abc import Collection, Mapping
from typing import Any

from tickets.exchange.messages import Matter
from tickets.secrecy import for_units


def shared(fields: Mapping[str, Mapping[str, Any]], allowed: Collection[str]) -> Matter:
    """Return the fields of a stored ticket that the directory allows for a partner.

    Where the citizen asked for secrecy they hold neither his name nor his number, nor numbers that
    he said on the way: also a partner is a unit (:mod:`tickets.secrecy`).
    """
    values = for_units({name: entry["value"] for name, entry in fields.items()})
    chosen = {name: values.get(name) for name in Matter.model_fields if name in allowed}
    return Matter.model_validate({name: value for name, value in chosen.items() if value != ""})
