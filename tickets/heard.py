"""What an ear reports: a field, its value, the words it was read from and how sure it is."""

from dataclasses import dataclass
from typing import Any

SURE = 0.95
"""Spelt out, or read back by the agent and agreed to."""
LIKELY = 0.8
"""Said in a form that hardly means anything else."""
PERHAPS = 0.6
"""Read between the lines."""
REMEMBERED = 0.5
"""From the caller's earlier tickets: he may have moved, or lend his telephone."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A field's value as it is after an utterance; ``words`` are None where nobody said it."""

    field: str
    value: Any
    words: str | None
    confidence: float = LIKELY
