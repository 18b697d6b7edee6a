"""What a document is, as it is kept, and what is said of one that cannot be as wanted."""

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
"""As it is kept: what JSON can hold."""


class BadDocument(Exception):
    """The document cannot be as wanted; nothing was changed.

    Attributes:
        field: the part that is wrong, with dots; in a text ``text:7`` is its seventh line.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
