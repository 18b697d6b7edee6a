"""Plays to parties of one call what ``calls/tunes.py`` says."""

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import structlog

from calls.tunes import Tune
from telephony.media.control import Item
from telephony.media_commands import MediaCommands, MediaRefused

log = structlog.get_logger(__name__)


class TunePlayer:
    """The tunes of one call.

    Args:
        call_id: part of the players' names.
        media: the media process.
        music: a WAV file; None: the ringing tone is played for it.
    """

    def __init__(self, call_id: str, *, media: MediaCommands, music: Path | None) -> None:
        self._call_id = call_id
        self._media = media
        self._music = music
        self._played: dict[str, tuple[Tune, str]] = {}  # leg → (what, the player)
        self._ids = count(1)

    async def stop(self, wanted: Mapping[str, Tune]) -> None:
        """Stop what is played and not wanted any more.

        Raises:
            telephony.media_commands.MediaError: the media process is away or refused.
        """
        for leg, (tune, player) in list(self._played.items()):
            if wanted.get(leg) != tune:
                del self._played[leg]
                await self._media.stop_play(player)

    async def start(
        self, wanted: Mapping[str, Tune], session_of: Callable[[str], str | None]
    ) -> None:
        """Play what is not played yet, again and again.

        Raises:
            telephony.media_commands.MediaError: the media process is away.
        """
        for leg, tune in wanted.items():
            session = session_of(leg)
            if leg in self._played or session is None:
                continue
            player = f"{self._call_id}.tune.{next(self._ids)}"
            try:
                await self._media.play(player, session, [self._item(tune)], loop=True)
            except MediaRefused as error:
                # Silence instead of music is a pity, and no reason to undo a transfer.
                log.warning("tune_not_played", call_id=self._call_id, tune=tune, error=str(error))
                continue
            self._played[leg] = tune, player

    def _item(self, tune: Tune) -> Item:
        if tune == "music" and self._music is not None:
            return Item(file=self._music)
        return Item(tone="ringback")

    def lost(self) -> None:
        """Forget what is played: the media process died with it."""
        self._played.clear()
