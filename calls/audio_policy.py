"""What the configuration says about calls' audio; one for all calls of a node."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AudioPolicy:
    """How calls are coded.

    Attributes:
        codecs: names of those that are offered and answered, our favourite first.
    """

    codecs: tuple[str, ...] = ("PCMA", "PCMU")


G711_ONLY = AudioPolicy()
"""G.711 alone."""
