"""What the system says in one call: the shell that joins its machines with the call's owner.

The owner asks it in four moments: when a call has begun, before an agent is let in (`hush`), when
the caller would be hung up (`detain`), and when the caller has gone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from calls.attending.line_up import LineUp
from calls.attending.parting import Farewell, Survey, SurveyRules
from calls.attending.script import (
    AskPlace,
    Attend,
    Begun,
    Dismiss,
    Gone,
    Heard,
    Key,
    Line,
    PlaceTold,
    Rated,
    Script,
    ScriptEffect,
    WantsCallBack,
)
from calls.attending.voice import Recordings, Voice
from calls.attending.waiting_room import WaitingRoom, WaitingRules
from calls.callbacks import Reason
from eventbus.tasks import end
from telephony.announcements import LANGUAGES, Language
from telephony.media_commands import MediaCommands

#: A key that a phone tells in two ways (in its audio and by INFO) is one press within so long.
SAME_PRESS_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Attending:
    """How callers are attended to; one for all calls of a node.

    Attributes:
        prompts: the folder of recordings, absolute.
        line_up: who waits before whom.
        waiting: how callers wait.
        survey: how they are asked for a rating; None: they are not.
        languages: in which everything is said.
        on_call_back: told (call, number, line, reason) of who shall be called back.
        position: a waiting call → its place among those that wait for the same agents, from 1, as
            routing has it, and 0 when it does not wait; None: that in the order of arrival.
        on_rating: told what came of asking for a rating: (call, agent, segment, rating).
    """

    prompts: Path
    line_up: LineUp
    waiting: WaitingRules = field(default_factory=WaitingRules)
    survey: SurveyRules | None = None
    languages: Sequence[Language] = LANGUAGES
    on_call_back: Callable[[str, str | None, str, Reason], None]
    position: Callable[[str], Awaitable[int]] | None = None
    on_rating: Callable[[str, str, int, Rated], None]


class Attended(Protocol):
    """What is attended to: a call's owner."""

    @property
    def call_id(self) -> str:
        """The call."""

    @property
    def line(self) -> str:
        """The dialled number."""

    @property
    def caller(self) -> str | None:
        """The caller's number that may be shown."""

    @property
    def is_waiting(self) -> bool:
        """Whether nobody is being called for it."""

    @property
    def rated_part(self) -> tuple[str, int] | None:
        """The agent whom the caller may rate, now that he has left, and his segment's number."""

    def caller_session(self) -> str | None:
        """Return the caller's media session."""

    def attend(self, *, early: bool) -> None:
        """Answer the caller, or let him hear us before the answer."""

    def leave_line(self) -> None:
        """End the call: the caller wants no agent any more."""

    def dismiss(self) -> None:
        """Hang the detained caller up."""


class Attendant:
    """One call's.

    Args:
        owner: the call's.
        attending: how it is done.
        media: the media process.
        wall_clock: Unix seconds.
    """

    def __init__(
        self,
        owner: Attended,
        attending: Attending,
        *,
        media: MediaCommands,
        wall_clock: Callable[[], float],
    ) -> None:
        self._owner = owner
        self._how = attending
        self._media = media
        self._clock = asyncio.get_running_loop().time
        self._wall_clock = wall_clock
        self._recordings = Recordings(attending.prompts, attending.languages, line=owner.line)
        self._room: Voice | None = None
        self._parting: Voice | None = None
        self._last_words: tuple[str, ...] = ()
        self._part: tuple[str, int] = ("", 0)
        self._asking: asyncio.Task[None] | None = None
        self._last_key = ("", float("-inf"))

    @property
    def detains(self) -> bool:
        """Whether the caller is kept after the call's end."""
        return self._parting is not None

    def begin(self) -> None:
        """A citizen has called and waits."""
        rules = self._how.waiting
        if self._owner.caller is None:  # whoever withholds his number cannot be called back
            rules = replace(rules, call_back_key=None)
        self._room = self._voice("wait", WaitingRoom(rules), self._on_waiting)
        self._room.feed(Begun())

    async def hush(self) -> None:
        """Say nothing more: an agent is let in, and no word of ours lies over his first ones."""
        if self._room is not None:
            await self._room.hush()

    def attended(self) -> None:
        """The caller hears us."""
        if self._room is not None:
            self._room.feed(Heard())

    def resume(self, *, heard: bool) -> None:
        """He could not be let in after all, or has left: the caller waits."""
        if self._room is not None:
            self._room.resume(heard=heard)

    def detain(self) -> bool:
        """Decide whether the caller, whose call has ended, is kept to be told or asked something.

        Then `part` is to be awaited once nobody else is heard.
        """
        if self._owner.caller_session() is None:
            return False
        rated = self._owner.rated_part
        if self._last_words:
            words = Farewell(*(Line(name) for name in self._last_words))
            self._parting = self._voice("bye", words, self._on_parting)
        elif rated is not None and self._how.survey is not None:
            self._part = rated
            self._parting = self._voice("rate", Survey(self._how.survey), self._on_parting)
        return self.detains

    def last_words(self, names: tuple[str, ...]) -> None:
        """Say these, and nothing else, when the call is over."""
        self._last_words = names

    async def part(self) -> None:
        """Tell or ask him."""
        await self.hush()
        if self._parting is not None:
            self._parting.feed(Begun())

    def key(self, key: str) -> None:
        """The caller has pressed a key."""
        now, (last, at) = self._clock(), self._last_key
        self._last_key = key, now
        if key == last and now - at < SAME_PRESS_SECONDS:
            return
        voice = self._parting or self._room
        if voice is not None and not voice.hushed:  # else it is for whom he talks with
            voice.feed(Key(key))

    def played(self, player: str, reason: str) -> None:
        """Something is not played any more."""
        if (voice := self._parting or self._room) is not None:
            voice.played(player, reason)

    def gone(self) -> None:
        """The caller has hung up, or his audio is gone."""
        detained, self._parting = self._parting, None
        for voice in (self._room, detained):
            if voice is not None:
                voice.feed(Gone())
        if detained is not None:
            self._owner.dismiss()

    async def close(self) -> None:
        """Be silent for ever."""
        await end(self._asking)
        for voice in (self._room, self._parting):
            if voice is not None:
                await voice.close()
        self._room = self._parting = None

    def _voice(self, what: str, script: Script, on_effect: Callable[[ScriptEffect], None]) -> Voice:
        return Voice(
            script,
            name=f"{self._owner.call_id}.{what}",
            session=self._owner.caller_session,
            media=self._media,
            repertoire=self._recordings,
            on_effect=on_effect,
        )

    def _on_waiting(self, effect: ScriptEffect) -> None:
        match effect:
            case Attend():
                self._owner.attend(early=self._how.waiting.by == "early")
            case AskPlace():
                self._asking = asyncio.create_task(self._tell_place(), name="place-in-line")
            case WantsCallBack():
                owner = self._owner
                self._last_words = ("call-back-noted", "goodbye")
                self._how.on_call_back(owner.call_id, owner.caller, owner.line, "asked")
                owner.leave_line()
            case _:
                pass

    async def _tell_place(self) -> None:
        ahead = await self._ahead() if self._owner.is_waiting else None
        if self._room is None:
            return
        if ahead is None or not self._owner.is_waiting:
            self._room.feed(PlaceTold(None))
            return
        now = self._wall_clock()
        seconds = self._how.line_up.expected_seconds(self._owner.call_id, now, ahead=ahead)
        self._room.feed(PlaceTold(ahead, seconds))

    async def _ahead(self) -> int | None:
        """Return how many are served before; None: he does not wait, or it is not known."""
        if self._how.position is None:
            return self._how.line_up.ahead_of(self._owner.call_id)
        place = await self._how.position(self._owner.call_id)
        return place - 1 if place else None

    def _on_parting(self, effect: ScriptEffect) -> None:
        match effect:
            case Rated():
                self._how.on_rating(self._owner.call_id, *self._part, effect)
            case Dismiss():
                self._parting = None
                self._owner.dismiss()
            case _:
                pass
