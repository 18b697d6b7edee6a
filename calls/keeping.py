"""What is kept of an answered call: its record, its words, its recording."""

from typing import TYPE_CHECKING

import structlog

from calls.call_effects import HandOver
from calls.hearing import CALLER, Hearing

if TYPE_CHECKING:
    from calls.owner import CallOwner

log = structlog.get_logger(__name__)


class Keeping:
    """Keeps what one call leaves behind.

    Args:
        owner: the call's owner.
    """

    def __init__(self, owner: "CallOwner") -> None:
        self._owner = owner
        self._recorded = False
        self._begins = 0.0
        self._recorded_seconds: float | None = None

    async def begin(self) -> None:
        """Begin what an answered call has: a record of the answer, words, a ticket, a recording."""
        owner = self._owner
        holder = owner.call.holder
        if holder is None:
            return
        if owner.calling_agent is not None:
            owner.facilities.on_outgoing_answered(owner.call_id)
            owner.facilities.records.change(
                owner.call_id, answered_at=owner.unix(owner.call.answered_at)
            )
        elif holder.agent_id is None:
            # Another hotline took it: what is said there is not ours, nor is the ticket.
            owner.ledger.answered(owner.call, holder.segment, ticket_id="")
            return
        else:
            owner.ledger.answered(owner.call, holder.segment, ticket_id=owner.ticket_id)
            owner.conversation = owner.facilities.converse(owner)
        await self._record(holder.leg)
        if owner.conversation is not None:
            await owner.conversation.open()

    async def _record(self, other: str) -> None:
        owner = self._owner
        self._begins = owner.seconds_since_answer()
        recording = await owner.audio.start_recording(CALLER, other)
        if recording is not None and not self._recorded:
            self._recorded = True  # the parts that follow have its name and a number
            owner.facilities.records.change(owner.call_id, recording=str(recording))

    async def hand_over(self, effect: HandOver) -> None:
        """Let record, words and ticket follow the call to whoever holds it now.

        Somebody outside is not recorded and not transcribed: what is said there is not ours.
        """
        owner = self._owner
        owner.controls.reset()
        await self._stop_recording()
        if owner.conversation is not None:
            await owner.conversation.pause(paused=False)
        after = effect.after
        if after is not None and after.agent_id is not None and owner.calling_agent is None:
            owner.ledger.answered(owner.call, after.segment, ticket_id=owner.ticket_id)
            if owner.conversation is not None:
                await owner.conversation.hand_over(after.agent_id)
            await self._record(after.leg)
        await owner.joining.listen()
        if effect.before is not None and effect.before.token is None:
            await owner.audio.close_leg(effect.before.leg)

    async def follow(self, hearing: Hearing) -> None:
        """Record on the right whomever the citizen hears; on hold, the agent alone.

        Raises:
            telephony.media_commands.MediaError: the media process is away or refused.
        """
        holder = self._owner.call.holder
        if holder is None or holder.agent_id is None:
            return
        heard = sorted(speaker for speaker, listener in hearing if listener == CALLER)
        if holder.leg in heard:
            others = [leg for leg in heard if leg != holder.leg]
            await self._owner.audio.record_right(holder.leg, *others)
        else:
            await self._owner.audio.record_right(holder.leg)

    async def _stop_recording(self) -> None:
        owner = self._owner
        completed = await owner.audio.stop_recording()
        if completed is None:
            return
        part, info = completed
        self._recorded_seconds = (self._recorded_seconds or 0.0) + info.seconds
        owner.facilities.records.recorded(
            owner.call_id,
            part,
            path=str(info.path),
            seconds=info.seconds,
            bytes=info.bytes,
            sha256=info.sha256,
            pauses=[list(pause) for pause in info.pauses],
            begins=self._begins,
        )

    async def pause_recording(self, *, paused: bool) -> bool:
        """Let nothing that is said be recorded or transcribed, or go on; False: nothing is.

        Lasts until the call is handed to somebody else at most.

        Raises:
            telephony.media_commands.MediaError: the media process is away or refused.
        """
        owner = self._owner
        if not await owner.audio.pause_recording(paused=paused):
            return False
        if owner.conversation is not None:
            await owner.conversation.pause(paused=paused)
        return True

    async def finish(self) -> None:
        """Give everything back and complete the record, the one even if the other fails."""
        owner = self._owner
        try:
            try:
                await self._stop_recording()
                if not owner.reception.detained:  # nobody is left who would wait for it
                    await owner.facilities.precedence.give_way()
            finally:
                await owner.reception.part()
            if owner.conversation is not None:
                await owner.conversation.close()
        finally:
            owner.ledger.ended(
                owner.call,
                recorded_seconds=self._recorded_seconds,
                recognised=owner.conversation.recognised if owner.conversation else False,
                ticket_id=owner.ticket_id if owner.conversation else "",
                media=owner.audio.quality,
            )
            if not owner.reception.detained:  # else it is over when the caller has gone
                owner.finished()
