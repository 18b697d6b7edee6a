"""What has to look random in a machine without randomness: numbers that follow from a seed."""

import hashlib


class Dice:
    """An endless row of numbers. The same seed gives the same row.

    It spreads retries and first sequence numbers; it keeps no secret.

    Args:
        seed: random, from the caller.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._thrown = 0

    def between(self, low: int, high: int) -> int:
        """Return the next number, ``low`` and ``high`` included."""
        self._thrown += 1
        text = f"{self._seed} {self._thrown}".encode()
        number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
        return low + number % (high - low + 1)
