"""All of the fuzzer's targets: those of SIP, those of media, and one that is all of them."""

from collections.abc import Iterator

from bench import fuzz_media_targets, fuzz_targets

ANYTHING = "anything"
"""All targets in one process: for a short run, where starting each would be most of the work."""


def fuzz_anything(data: bytes) -> None:
    """Let the first byte say which target the others are for."""
    if data:
        list(TARGETS.values())[data[0] % len(TARGETS)](data[1:])


TARGETS = fuzz_targets.TARGETS | fuzz_media_targets.TARGETS


def seeds(target: str) -> Iterator[bytes]:
    """Give a target something to begin with."""
    if target == ANYTHING:
        for number, name in enumerate(TARGETS):
            yield from (bytes([number]) + seed for seed in seeds(name))
    elif target in fuzz_media_targets.TARGETS:
        yield from fuzz_media_targets.seeds(target)
    else:
        yield from fuzz_targets.seeds(target)
