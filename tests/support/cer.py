"""How far a transcript is from what was said."""

import unicodedata

_DIGITS = str.maketrans("0123456789幺两〇", "零一二三四五六七八九一二零")


def normalise(text: str) -> str:
    """Reduce to what is heard: no punctuation or blanks, digits as they are spoken."""
    wide = unicodedata.normalize("NFKC", text).lower().translate(_DIGITS)
    return "".join(character for character in wide if character.isalnum())


def character_error_rate(reference: str, hypothesis: str) -> float:
    """Return the edit distance of the normalised texts by the reference's length.

    0 is perfect; more than 1 is possible when much is heard that was not said.

    Raises:
        ValueError: the reference says nothing.
    """
    said, heard = normalise(reference), normalise(hypothesis)
    if not said:
        raise ValueError("the reference is empty")
    row = list(range(len(heard) + 1))
    for i, wanted in enumerate(said, start=1):
        previous, row[0] = row[0], i
        for j, got in enumerate(heard, start=1):
            substituted = previous + (wanted != got)
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, substituted)
    return row[-1] / len(said)
