"""Who is in which bridge, and what each session hears because of it and of what is played. Pure.

A session is in one bridge at most. What it hears is its row of the bridge's matrix; while something
is played to it that is not mixed in, it hears only what is played.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from telephony.media.mixer import Row
from telephony.media.path import Handle

MAX_PARTIES: Final = 8


@dataclass
class Playing:
    """One player, as far as it matters for who hears what.

    Attributes:
        session: who hears it.
        player: its handle.
        mixed: heard in addition, not instead.
        gain: of it.
    """

    session: str
    player: Handle
    mixed: bool
    gain: float


@dataclass
class Bridges:
    """Bridges by name, and what is played."""

    _matrices: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    _bridge_of: dict[str, str] = field(default_factory=dict)
    _playing: dict[str, Playing] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many bridges there are."""
        return len(self._matrices)

    def bridge_of(self, session: str) -> str | None:
        """Return the bridge that a session is in."""
        return self._bridge_of.get(session)

    def set_matrix(self, bridge: str, hears: Mapping[str, Mapping[str, float]]) -> set[str]:
        """Replace a bridge's matrix; whoever is named leaves the bridge that he was in.

        Returns:
            The sessions that hear something else now.
        """
        parties = parties_of(hears)
        changed = set(self._matrices.get(bridge, ()))
        for party in changed - parties:
            del self._bridge_of[party]
        self._matrices.pop(bridge, None)
        for party in parties:
            changed |= self.leave(party)
            self._bridge_of[party] = bridge
        if parties:
            self._matrices[bridge] = {party: dict(hears.get(party, {})) for party in parties}
        return changed | parties

    def leave(self, session: str) -> set[str]:
        """Take a session out of its bridge; one that is left over there is in none."""
        bridge = self._bridge_of.pop(session, None)
        matrix = self._matrices.get(bridge) if bridge is not None else None
        if bridge is None or matrix is None:
            return {session}
        del matrix[session]
        for row in matrix.values():
            row.pop(session, None)
        changed = {session, *matrix}
        if len(matrix) <= 1:
            for last in matrix:
                del self._bridge_of[last]
            del self._matrices[bridge]
        return changed

    def play(self, name: str, playing: Playing) -> None:
        """Let a session hear a player."""
        self._playing[name] = playing

    def stop_play(self, name: str) -> Playing | None:
        """Let nobody hear a player any more; return what it was."""
        return self._playing.pop(name, None)

    def playing_to(self, session: str) -> list[str]:
        """Return the names of what is played to a session."""
        return [name for name, playing in self._playing.items() if playing.session == session]

    def row(self, session: str, handles: Mapping[str, Handle]) -> Row:
        """Return what a session hears, by handle."""
        players = [playing for playing in self._playing.values() if playing.session == session]
        row = {playing.player: playing.gain for playing in players}
        if all(playing.mixed for playing in players):
            bridge = self._bridge_of.get(session)
            heard = self._matrices[bridge][session] if bridge is not None else {}
            row |= {handles[source]: gain for source, gain in heard.items()}
        return row


def parties_of(hears: Mapping[str, Mapping[str, float]]) -> set[str]:
    """Return everybody who hears or is heard in a matrix."""
    return {*hears, *(source for row in hears.values() for source in row)}
