"""Where a call's owner and what the system says in it (`calls.attending`) meet."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import structlog

from calls.attending.attendant import Attendant
from calls.call import CallState
from calls.call_inputs import HangUpAsked
from calls.hearing import CALLER
from telephony.media_commands import KeyPressed, MediaError, MediaEvent, PlayEnded
from telephony.sip.offer_answer import SdpError

if TYPE_CHECKING:
    from calls.owner import CallOwner

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 1.0
"""After the media process has refused a waiting caller, or is away: until it is asked again."""


class Reception:
    """Lets the system speak to the caller of one call: while he waits, and after the agent.

    Args:
        owner: the call's owner.

    Attributes:
        detained: the call is over, and the caller is still told or asked something.
    """

    def __init__(self, owner: "CallOwner") -> None:
        self._owner = owner
        self._attendant: Attendant | None = None
        self.detained = False

    # -- what the attendant wants (`calls.attending.attendant.Attended`) ---------------------------

    @property
    def call_id(self) -> str:
        """The call."""
        return self._owner.call_id

    @property
    def line(self) -> str:
        """The dialled number."""
        return self._owner.line

    @property
    def caller(self) -> str | None:
        """The caller's number that may be shown."""
        return self._owner.caller

    @property
    def is_waiting(self) -> bool:
        """Whether nobody is being called for it."""
        return self._owner.call.state is CallState.WAITING

    @property
    def rated_part(self) -> tuple[str, int] | None:
        """The agent whom the caller may rate, now that he has left, and his segment's number."""
        call = self._owner.call
        if call.ended_by != "agent" or call.outcome != "answered":
            return None
        for number, part in reversed(list(enumerate(call.segments))):
            if part.agent_id is not None and part.outcome == "answered":
                return part.agent_id, number
        return None

    def caller_session(self) -> str | None:
        """Return the caller's media session."""
        return self._owner.audio.session(CALLER)

    def attend(self, *, early: bool) -> None:
        """Answer the caller, or let him hear us before the answer."""

        async def attend() -> None:
            await self._attend(early=early)

        self._owner.do(attend)

    def leave_line(self) -> None:
        """End the call: the caller wants no agent any more, he will be called back."""
        self._owner.feed(HangUpAsked("citizen", "call_back"))

    def dismiss(self) -> None:
        """Hang the detained caller up."""
        if not self._owner.leg.over:
            self._owner.leg.hang_up()
        self._owner.do(self._leave)

    # -- what routing wants ------------------------------------------------------------------------

    def turn_away(self, *, call_back: bool) -> None:
        """Tell the caller that the line is closed; ``call_back``: he is on the call-back list."""
        noted = call_back and self._note("missed")
        lines = ("closed", "call-back-noted", "goodbye") if noted else ("closed", "goodbye")
        self._part_with(lines, HangUpAsked("system", "rejected"))

    def call_back(self) -> bool:
        """Tell the caller that he will be called back; False: nobody knows his number."""
        if not self._note("missed"):
            return False
        lines = ("call-back-noted", "goodbye")
        self._part_with(lines, HangUpAsked("system", "call_back"))
        return True

    def _note(self, reason: Literal["missed"]) -> bool:
        attending, caller = self._owner.facilities.attending, self.caller
        if attending is None or caller is None:
            return False
        attending.on_call_back(self.call_id, caller, self.line, reason)
        return True

    def _part_with(self, lines: tuple[str, ...], asked: HangUpAsked) -> None:
        """End the call once its caller has heard this."""

        async def part() -> None:
            if self._attendant is not None:
                self._attendant.last_words(lines)
                await self._answer()
            self._owner.feed(asked)

        self._owner.do(part)

    async def _answer(self) -> None:
        """Answer a caller who hears ringing, or hears us before the answer."""
        owner = self._owner
        answer = owner.joining.early.get(CALLER)
        if answer is None:
            await self._attend(early=False)
        elif owner.unanswered.pop(CALLER, None) is not None:
            owner.leg.answer(answer)

    # -- what the owner tells ----------------------------------------------------------------------

    def begin(self) -> None:
        """A call has come: if it is a citizen's he waits from now on."""
        facilities = self._owner.facilities
        if facilities.attending is None or self._owner.calling_agent is not None:
            return
        self._attendant = Attendant(
            self,
            facilities.attending,
            media=facilities.media,
            wall_clock=facilities.wall_clock,
        )
        self._attendant.begin()

    def ring(self) -> None:
        """Let the caller hear ringing."""
        if CALLER in self._owner.unanswered:
            self._owner.leg.ring()
        else:
            # an agent whose own phone we have called hears a tone instead
            owner = self._owner
            owner.do(partial(owner.joining.hear, owner.call.hearing))

    async def hush(self) -> None:
        """Say nothing more: somebody is let in now."""
        if self._attendant is None:
            return
        try:
            await self._attendant.hush()
        except MediaError as error:
            log.debug("not_hushed", call_id=self.call_id, error=str(error))

    def resume(self) -> None:
        """Nobody was let in after all: the caller waits."""
        call = self._owner.call
        if self._attendant is not None and call.ended_at is None and call.answered_at is None:
            self._attendant.resume(heard=CALLER not in self._owner.unanswered)

    def detain(self) -> bool:
        """Decide whether the caller stays when his call is over."""
        heard = CALLER not in self._owner.unanswered and not self._owner.leg.over
        if self._attendant is not None and heard and not self.detained:
            self.detained = self._attendant.detain()
        return self.detained

    def key(self, key: str) -> None:
        """The caller has pressed a key."""
        if self._attendant is not None:
            self._attendant.key(key)

    def media_event(self, event: MediaEvent) -> None:
        """Take what the media process reports about this call."""
        match event:
            case KeyPressed(session, key, _) if session == self.caller_session():
                self.key(key)
            case PlayEnded(player, reason) if self._attendant is not None:
                self._attendant.played(player, reason)
            case _:
                pass

    def caller_gone(self) -> None:
        """The caller has hung up."""
        if self._attendant is not None:
            self._attendant.gone()

    def media_lost(self) -> None:
        """The caller's session is gone, and what was answered to him with it."""
        self._owner.joining.early.clear()
        if self.detained:
            self.caller_gone()
        elif self._owner.call.answered_at is None and CALLER not in self._owner.unanswered:
            self._owner.feed(HangUpAsked("system"))  # he was answered by us, and hears nothing

    async def part(self) -> None:
        """Everybody else has left: close their sessions; tell or ask the caller, if he stays."""
        owner = self._owner
        if not self.detained:
            await owner.audio.close()
            await self._close()
            return
        try:
            await owner.audio.close_others(CALLER)
            if owner.conversation is not None:
                await owner.conversation.pause(paused=True)  # his "five" is no part of the talk
        finally:  # whatever fails: without this nobody would ever hang him up
            if self._attendant is not None:
                await self._attendant.part()

    # -- parts -------------------------------------------------------------------------------------

    async def _attend(self, *, early: bool) -> None:
        owner, leg = self._owner, self._owner.leg
        if owner.call.ended_at is not None or CALLER not in owner.unanswered:
            return
        try:
            await owner.audio.open(CALLER)
            owner.audio.signalled_from(CALLER, leg.source[0], leg.trunk)
            answer = await owner.audio.admit(CALLER, leg.remote_sdp, CALLER)
        except SdpError as error:
            log.warning("not_attended", call_id=self.call_id, error=str(error))
            return  # he goes on hearing ringing
        except MediaError as error:
            log.warning("not_attended", call_id=self.call_id, error=str(error))
            self._attend_later(early=early)  # and hears ringing until then
            return
        if leg.over or owner.call.ended_at is not None:
            return
        if early:
            owner.joining.announce(CALLER, answer)
        else:
            owner.unanswered.pop(CALLER, None)
            leg.answer(answer)
        if self._attendant is not None:
            self._attendant.attended()

    def _attend_later(self, *, early: bool) -> None:
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self._attend_again, early)

    def _attend_again(self, early: bool) -> None:  # noqa: FBT001 -- a timer passes it by position
        """Try again, unless somebody has answered him or he has gone."""
        call = self._owner.call
        if call.ended_at is not None or call.answered_at is not None or self._owner.leg.over:
            return
        if self.is_waiting:
            self.attend(early=early)
        else:  # somebody is being called for him, and may not answer
            self._attend_later(early=early)

    async def _leave(self) -> None:
        """Give back what the detained caller had."""
        owner = self._owner
        await self._close()
        await owner.audio.close()
        owner.facilities.records.change(owner.call_id, media=owner.audio.quality or None)
        owner.finished()

    async def _close(self) -> None:
        if self._attendant is not None:
            await self._attendant.close()
            self._attendant = None
