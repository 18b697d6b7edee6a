"""Who hears whom in a call, as a value: the rows of a bridge's matrix.

Transfer, three-way, listening in and whispering all are such a matrix. Where two hear each other
and nobody else, their packets are relayed as they are; anything more is mixed (`as_pairs` tells).
"""

from itertools import permutations

#: (who speaks, who hears it), by the parties' names.
Hearing = frozenset[tuple[str, str]]

NOBODY: Hearing = frozenset()
CALLER = "caller"
"""The name of the party who called; the others are named by their legs."""


class NeedsMixer(Exception):
    """The matrix wants more than relaying: somebody hears two others, or hears without being heard.

    Attributes:
        hearing: the matrix.
    """

    def __init__(self, hearing: Hearing) -> None:
        super().__init__(f"{len(hearing)} directions cannot be relayed in pairs")
        self.hearing = hearing


def circle(*parties: str) -> Hearing:
    """Return the matrix in which each of these hears all the others."""
    return frozenset(permutations(parties, 2))


def as_pairs(hearing: Hearing) -> list[tuple[str, str]]:
    """Return the pairs that are to be relayed to each other, sorted.

    Raises:
        NeedsMixer: it cannot be done by relaying.
    """
    pairs = sorted({(min(pair), max(pair)) for pair in hearing})
    everyone = [party for pair in pairs for party in pair]
    if len(hearing) != 2 * len(pairs) or len(set(everyone)) != len(everyone):
        raise NeedsMixer(hearing)
    return pairs
