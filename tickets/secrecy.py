"""What leaves the hotline of a ticket: to units, to other platforms, to whoever listens.

A unit needs the citizen's number to handle the matter, unless he asked for secrecy (保密): then it
gets neither his name nor his number, nor numbers that he said on the way (信访工作条例 §31).
"""

from collections.abc import Mapping
from typing import Any

from tickets.masking import mask_text

_PERSONAL = ("name", "title", "phone")


def note_for_units(fields: Mapping[str, Mapping[str, Any]], note: str) -> str:
    """Return what somebody wrote about a stored ticket (``fields``) as a unit may read it."""
    values = {name: field["value"] for name, field in fields.items()}
    shown: str = for_units({**values, "note": note})["note"]
    return shown


def for_units(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ticket's bare values (by field name) as a unit may see them."""
    shown = dict(values)
    if not shown.get("secret"):
        return shown
    for name in _PERSONAL:
        shown[name] = None
    names = [values[name] for name in ("name", "phone") if values.get(name)]
    for field, value in shown.items():
        if isinstance(value, str):
            for name in names:
                value = value.replace(name, "***")  # noqa: PLW2901 - one name after the other
            shown[field] = mask_text(value)
    return shown
