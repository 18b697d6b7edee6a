"""Which words of an utterance the recogniser was unsure of, for the agent to look at again."""

from collections.abc import Sequence

from asr.ports import Word

UNSURE_BELOW = 0.6


def doubtful(words: Sequence[Word], written: str) -> tuple[str, ...]:
    """Return the words with little confidence that still stand in what was written, in order."""
    unsure = (word.text for word in words if word.confidence < UNSURE_BELOW)
    return tuple(dict.fromkeys(text for text in unsure if text and text in written))
