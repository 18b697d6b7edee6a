"""What is wrong with a configuration, in words that an operator can act on."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        key: the option, ``section.option``; empty when a whole file is meant.
        found: the value as found, secrets masked; empty when there is none.
        wanted: what would be right.
        origin: the file or variable it came from.
    """

    key: str
    found: str
    wanted: str
    origin: str

    def __str__(self) -> str:
        """Return the line shown to the operator."""
        where = f"{self.origin}: " if self.origin else ""
        what = self.key + (f" = {self.found}" if self.found else "")
        return f"{where}{what}: wanted {self.wanted}" if what else f"{where}wanted {self.wanted}"


class ConfigError(Exception):
    """The configuration is wrong; ``problems`` says where, and ``str()`` gives a line for each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))
