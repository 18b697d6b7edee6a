"""The shell around a machine that speaks to a caller: its timer, and what it says as recordings."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import structlog

from calls.attending.script import (
    GREETING,
    MUSIC,
    Line,
    Resumed,
    Say,
    SayingEnded,
    Script,
    ScriptEffect,
    ScriptInput,
    TimePassed,
)
from telephony.announcements import Language
from telephony.announcements import items as recordings_of
from telephony.media.control import Item
from telephony.media_commands import MediaCommands, MediaError

log = structlog.get_logger(__name__)

_PAUSE = Item(silence=0.4)
"""Between two languages, and two announcements."""


class Repertoire(Protocol):
    """Turns lines into recordings; `Recordings` does."""

    def items(self, lines: Sequence[Line]) -> list[Item]:
        """Return what is to be played."""


class Recordings:
    """Recordings in a folder, as `telephony.announcements` names them.

    Args:
        folder: absolute; with a folder for each language, and ``music.wav``.
        languages: in which everything is said, one after the other.
        line: the dialled number: ``<language>/welcome-<line>.wav`` is its own greeting.
    """

    def __init__(self, folder: Path, languages: Sequence[Language], *, line: str) -> None:
        self._folder = folder
        self._languages = languages
        self._line = line

    def items(self, lines: Sequence[Line]) -> list[Item]:
        """Return what is to be played: all lines in the first language, then in the next."""
        if lines == (Line(MUSIC),):
            return [Item(file=self._folder / "music.wav")]
        played: list[Item] = []
        for language in self._languages:
            for line in lines:
                played += [*self._said(line, language), _PAUSE]
        return played

    def _said(self, line: Line, language: Language) -> list[Item]:
        if line.announcement == GREETING and self._line.isdigit():
            own = self._folder / language / f"{GREETING}-{self._line}.wav"
            if own.is_file():
                return [Item(file=own)]
        return recordings_of(self._folder, line.announcement, language, line.number)


class Voice:
    """Speaks to one session for a machine, until it is hushed.

    Args:
        script: the machine.
        name: of the call, and of nothing else that plays in it at the same time.
        session: the caller's media session.
        media: the media process.
        repertoire: the recordings.
        on_effect: does what is not saying.
    """

    def __init__(
        self,
        script: Script,
        *,
        name: str,
        session: Callable[[], str | None],
        media: MediaCommands,
        repertoire: Repertoire,
        on_effect: Callable[[ScriptEffect], None],
    ) -> None:
        self._script = script
        self._name = name
        self._session = session
        self._media = media
        self._repertoire = repertoire
        self._on_effect = on_effect
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._numbers = count(1)
        self._player: str | None = None
        self._hushed = False
        self._order = asyncio.Lock()  # commands reach the media process as they were decided
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def hushed(self) -> bool:
        """Whether it is silent, because somebody else speaks to the caller."""
        return self._hushed

    def feed(self, event: ScriptInput) -> None:
        """Give the machine an input and do what it says."""
        for effect in self._script.handle(event, self._loop.time()):
            if isinstance(effect, Say):
                self._spawn(self._say(effect))
            else:
                self._on_effect(effect)
        self._rearm()

    def played(self, player: str, reason: str) -> None:
        """Take the news that something is not played any more."""
        if player == self._player and reason != "replaced" and not self._hushed:
            self.feed(SayingEnded())

    async def hush(self) -> None:
        """Be silent from now on; when this returns nothing of ours is heard."""
        self._hushed = True
        async with self._order:
            try:
                if self._player is not None:
                    await self._media.stop_play(self._player)
            except MediaError as error:  # the media process is away, and silent with it
                log.debug("not_hushed", player=self._player, error=str(error))

    def resume(self, *, heard: bool) -> None:
        """Speak again after a hush."""
        if self._hushed:
            self._hushed = False
            self.feed(Resumed(heard))

    async def close(self) -> None:
        """Stop the timer and wait for what is under way."""
        self._hushed = True
        self._rearm()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._script.deadline is not None and not self._hushed:
            self._timer = self._loop.call_at(self._script.deadline, self.feed, TimePassed())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"voice-{self._name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _say(self, effect: Say) -> None:
        async with self._order:
            said = self._hushed or await self._play(effect)
        if not said and not effect.loop:  # nobody waits for it in silence
            self.feed(SayingEnded())

    async def _play(self, effect: Say) -> bool:
        """Play it; False: it cannot be, a recording is missing or the media process is away."""
        session = self._session()
        if session is None:
            return False
        before, self._player = self._player, f"{self._name}.{next(self._numbers)}"
        try:
            if before is not None:
                await self._media.stop_play(before)
            items = self._repertoire.items(effect.lines)
            await self._media.play(self._player, session, items, loop=effect.loop)
        except MediaError as error:
            log.warning("not_said", lines=effect.lines, error=str(error))
            return False
        return True
