"""Telephone numbers as each side writes them: ordered rules from the configuration.

One and the same line is dialled as 12345, 051212345 and +8651212345, and one caller is shown as
13862311001, 013862311001 and +8613862311001, as each carrier likes. Rules bring them to the form
that lines, records and agents know, and back to the form that a carrier wants.
"""

import re
from collections.abc import Iterable
from typing import Self

# RFC 3966 §3: visual-separator = "-" / "." / "(" / ")"; some switches send blanks, too.
_SEPARATORS = re.compile(r"[-.() ]")
_DIALLED = re.compile(r"\+?[0-9*#]+")
_LONGEST = 64  # characters; what is longer is no number, and no pattern is tried on it


class RuleError(ValueError):
    """A rule that cannot work; the message says why."""


class NumberRules:
    r"""An ordered set of rules, each applied to what the one before has left.

    Args:
        rules: (pattern, replacement): a regular expression that the whole number has to match, and
            what takes its place, with ``\1`` for its first group.

    Raises:
        RuleError: a pattern is no regular expression, or its replacement names a missing group.
    """

    def __init__(self, rules: Iterable[tuple[str, str]] = ()) -> None:
        self._rules = [(_compiled(*rule), rule[1]) for rule in rules]

    def then(self, others: Self) -> "NumberRules":
        """Return these rules followed by others."""
        both = NumberRules()
        both._rules = [*self._rules, *others._rules]
        return both

    def apply(self, number: str) -> str:
        """Return a number as the rules want it, without visual separators.

        What is no telephone number ("anonymous", a name) comes back as it is, and so does the
        number where the rules would leave nothing of it.
        """
        bare = _SEPARATORS.sub("", number[:_LONGEST])
        if len(number) > _LONGEST or _DIALLED.fullmatch(bare) is None:
            return number
        for pattern, replacement in self._rules:
            if (found := pattern.fullmatch(bare)) is not None:
                bare = found.expand(replacement) or bare
        return bare


def _compiled(pattern: str, replacement: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
        # the template is checked by using it: on a match of the same groups that is sure to exist
        re.compile(f"(?:{pattern})?", re.DOTALL).sub(replacement, "")
    except (re.error, IndexError) as error:
        raise RuleError(f"{pattern!r} → {replacement!r}: {error}") from error
    return compiled
