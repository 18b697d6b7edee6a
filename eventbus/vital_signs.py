"""Which nodes have died, as seen by one that lives: pure.

Nodes' clocks need not agree: a node is dead when its beat has not *changed* for long, by the
watcher's own clock.
"""

from collections.abc import Mapping


class VitalSigns:
    """What one node knows of the others.

    Args:
        expiry_seconds: without a new beat for so long a node is dead.
    """

    def __init__(self, expiry_seconds: float) -> None:
        self._expiry = expiry_seconds
        self._seen: dict[str, tuple[float, float]] = {}  # node → beat, when it was first seen
        self._looked = 0.0

    def silent(self, now: float) -> dict[str, float]:
        """Return for how long each node has shown no new beat, seconds; as of the latest look."""
        return {node: now - since for node, (_, since) in self._seen.items()}

    def look(self, beats: Mapping[str, float], now: float) -> list[str]:
        """Take the present beats; return the nodes that are dead, by name.

        Who has not looked for so long himself (the machine slept) begins anew: the others may not
        have been able to beat either.

        Args:
            beats: node → its latest beat.
            now: monotonic seconds.
        """
        if now - self._looked >= self._expiry:
            self._seen.clear()
        self._looked = now
        self._seen = {
            node: seen
            if (seen := self._seen.get(node)) is not None and seen[0] == beat
            else (beat, now)
            for node, beat in beats.items()
        }
        return sorted(n for n, (_, since) in self._seen.items() if now - since >= self._expiry)
