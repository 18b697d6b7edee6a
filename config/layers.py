"""Layers of raw settings laid over each other; for each value, where it came from."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.errors import ConfigError, Problem

PREFIX = "HOTLINE_"
NOT_OPTIONS = frozenset({"HOTLINE_CONFIG", "HOTLINE_ADMIN", "HOTLINE_ADMIN_PASSWORD"})
"""Variables with our prefix that are no options: they belong to the command line."""

REPLACED_WHOLE = frozenset({"lines", "partners", "trunks"})
"""Tables whose keys the operator chooses: one in his file takes the place of the default one."""


@dataclass(slots=True)
class Layered:
    """Raw values of all layers.

    Attributes:
        values: section → option → value, as TOML or a variable gave it.
        origins: the file or variable behind each value, by its path.
    """

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[tuple[str, ...], str] = field(default_factory=dict)

    def put(self, path: tuple[str, ...], value: object, origin: str) -> None:
        """Set one value. Tables on the way are made, in place of a plain value if need be."""
        table = self.values
        for key in path[:-1]:
            if not isinstance(table.get(key), dict):
                table[key] = {}
            table = table[key]
        table[path[-1]] = value
        self.origins[path] = origin

    def put_table(self, table: Mapping[str, Any], origin: str, at: tuple[str, ...] = ()) -> None:
        """Set every value of a table of tables."""
        for key, value in table.items():
            path = (*at, key)
            if not isinstance(value, dict):
                self.put(path, value, origin)
                continue
            if not at and key in REPLACED_WHOLE:
                self._drop(path)
            if not value and not self._holds(path):
                self.put(path, {}, origin)
            self.put_table(value, origin, path)

    def origin(self, path: tuple[str, ...]) -> str:
        """Return where a value came from; for a table or a missing value, its neighbours."""
        return self.origins.get(path) or self.origins_below(path) or self.origins_below(path[:-1])

    def origins_below(self, path: tuple[str, ...]) -> str:
        """Return the files and variables behind a table's values, the latest layer's if several."""
        origins = [o for p, o in self.origins.items() if p[: len(path)] == path and p != path]
        return ", ".join(dict.fromkeys(o for o in origins if o != origins[0])) or "".join(
            origins[:1]
        )

    def _holds(self, path: tuple[str, ...]) -> bool:
        table: Any = self.values
        for key in path:
            table = table.get(key) if isinstance(table, dict) else None
        return table is not None

    def _drop(self, path: tuple[str, ...]) -> None:
        self.values.pop(path[0], None)
        for known in [known for known in self.origins if known[:1] == path]:
            del self.origins[known]


def read_layers(defaults: Path, file: Path | None, env: Mapping[str, str]) -> Layered:
    """Lay the operator's file over the defaults, and the variables over both.

    Raises:
        ConfigError: a file cannot be read or is not TOML.
    """
    layered = Layered()
    layered.put_table(_read_toml(defaults), defaults.name)
    if file is not None:
        layered.put_table(_read_toml(file), str(file))
    for name in sorted(env):
        if name.upper().startswith(PREFIX) and name.upper() not in NOT_OPTIONS:
            layered.put(tuple(name[len(PREFIX) :].lower().split("__")), env[name], name)
    return layered


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        wanted = f"a file that can be read ({error.strerror})"
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        wanted = f"TOML in UTF-8 ({error})"
    raise ConfigError([Problem(key="", found="", wanted=wanted, origin=str(path))])
