"""What one version of the program writes to Redis for all nodes, and another reads.

While nodes are upgraded one after the other both are at work. The rule that lets them: fields are
only ever added, with a default that means what was so before; whoever reads leaves out those that
he does not know, and fills in those that are not there.
"""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any


def known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the values that are fields of a dataclass of this version."""
    names = _names(kind)
    return {name: value for name, value in values.items() if name in names}


@cache
def _names(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))
