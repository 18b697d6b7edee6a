"""The one Lua script of the floor, put together from ``agents/lua`` and the transition table."""

from pathlib import Path
from typing import Final

from agents.presence import TRANSITIONS

_FOLDER: Final = Path(__file__).parent / "lua"
_PARTS: Final = ("header", "presence", "records", "floor", "audit", "commands")


def floor_script() -> str:
    """Return the script's text; its keys, arguments and reply are told in the Lua files."""
    parts = (_FOLDER.joinpath(f"{name}.lua").read_text(encoding="utf-8") for name in _PARTS)
    return "\n".join((_transitions(), *parts))


def _transitions() -> str:
    """Write ``TRANSITIONS`` as a Lua table, so that there is one machine and not two."""
    states = (
        f"{state.value} = {{ "
        + ", ".join(f"{what.value} = '{target.value}'" for what, target in row.items())
        + " }"
        for state, row in TRANSITIONS.items()
    )
    return "local TRANSITIONS = {\n  " + ",\n  ".join(states) + ",\n}\n"
