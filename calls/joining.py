"""Joining parties: their session descriptions, and who hears whom, when the machine says so."""

from functools import partial
from typing import TYPE_CHECKING

import structlog

from calls.call import CallState
from calls.call_effects import Connect
from calls.call_inputs import Bridged, MediaFailed, PhoneReplaced
from calls.controls import Pressed
from calls.errors import TransferError
from calls.hearing import CALLER, Hearing
from calls.tunes import tunes
from eventbus.tasks import both
from telephony.media_commands import MediaError
from telephony.sip.audio_formats import AudioFormat
from telephony.sip.offer_answer import RemoteAudio, SdpError

if TYPE_CHECKING:
    from calls.owner import CallOwner

log = structlog.get_logger(__name__)


class Joining:
    """Lets the parties of one call hear each other.

    Args:
        owner: the call's owner.

    Attributes:
        answers: what those whom we called have answered, or announced before it.
        early: what was answered to those who have called us and hear something before their answer
            (183): their answer says the same.
    """

    def __init__(self, owner: "CallOwner") -> None:
        self._owner = owner
        self.answers: dict[str, RemoteAudio] = {}
        self.early: dict[str, str] = {}

    async def connect(self, effect: Connect) -> None:
        """Let a leg that has answered hear and be heard."""
        owner = self._owner
        if not owner.call.connecting(effect.leg):
            return
        if called := owner.legs.get(effect.leg):
            owner.audio.signalled_from(effect.leg, called.source[0], called.trunk)
        try:
            # (at once: the caller waits for both, and `both` begins with the second: the codec that
            # is in use there is what the answer to him prefers)
            answers, _ = await both(
                self._admit(effect.hearing),
                owner.audio.answered(effect.leg, self.answers[effect.leg]),
            )
            await owner.reception.hush()
            await self._carry_out(effect.hearing)
        except (MediaError, SdpError) as error:
            log.warning("not_bridged", call_id=owner.call_id, error=str(error))
            if owner.call.connecting(effect.leg):
                owner.feed(MediaFailed(effect.leg))
            owner.reception.resume()
            return
        if not owner.call.connecting(effect.leg):
            owner.reception.resume()
            return
        for name, answer in answers.items():
            if leg := owner.unanswered.pop(name, None):
                leg.answer(answer)
        first = owner.call.answered_at is None
        owner.feed(Bridged(effect.leg))
        if first:
            await owner.kept.begin()

    async def _admit(self, hearing: Hearing) -> dict[str, str]:
        """Prepare the answers for those who called us and shall hear somebody now."""
        owner = self._owner
        answers = {}
        for other, name in sorted(hearing):
            leg = owner.unanswered.get(name)
            if leg is not None:
                await owner.audio.open(name)
                owner.audio.signalled_from(name, leg.source[0], leg.trunk)
                early = self.early.get(name)
                answers[name] = early or await owner.audio.admit(name, leg.remote_sdp, other)
        return answers

    async def hear(self, hearing: Hearing) -> None:
        """Change who hears whom, as far as hold and mute allow.

        Who has not been answered, and hears somebody's early media now, is told so by a 183.
        """
        owner = self._owner
        try:
            answers = await self._admit(hearing)
            await self._carry_out(hearing)
        except (MediaError, SdpError) as error:
            log.warning("not_bridged", call_id=owner.call_id, error=str(error))
        else:
            for name, answer in answers.items():
                self.announce(name, answer)
        await self.listen()

    def announce(self, name: str, answer: str) -> None:
        """Let a phone play what it hears before it is answered (RFC 3960 §3.2)."""
        leg = self._owner.unanswered.get(name)
        if leg is not None and not leg.over and name not in self.early:
            self.early[name] = answer
            leg.ring(183, sdp=answer)

    async def _carry_out(self, wanted: Hearing) -> None:
        """Let them hear each other; whoever hears nobody hears music, or that somebody is called.

        Raises:
            MediaError: the media process is away or refused.
        """
        owner = self._owner
        hearing = owner.controls.heard(wanted)
        played = tunes(owner.call, hearing)
        await owner.audio.stop_tunes(played)
        await owner.audio.hear(hearing)
        await owner.audio.start_tunes(played)
        await owner.kept.follow(hearing)

    async def take_early(self, leg: str) -> None:
        """Take in what a leg sends before it answers."""
        owner = self._owner
        if not owner.call.calls(leg):
            return
        if called := owner.legs.get(leg):
            owner.audio.signalled_from(leg, called.source[0])
        try:
            await owner.audio.answered(leg, self.answers[leg])
        except (MediaError, SdpError) as error:
            log.info("early_media_unusable", call_id=owner.call_id, error=str(error))

    async def listen(self) -> None:
        """Let the recogniser hear the agent's words to the citizen, and no others."""
        owner = self._owner
        holder = owner.call.holder
        if owner.conversation is None or owner.call.state is CallState.ENDED:
            return
        heard = holder is not None and owner.call.caller_hears(holder.leg)
        heard = heard and owner.controls.pressed == Pressed() and not owner.controls.phone_holds
        if holder is not None and heard and holder.agent_id == owner.conversation.agent_id:
            await owner.conversation.follow(owner.audio.session(holder.leg))
        else:
            await owner.conversation.follow(None)

    async def replace_phone(self, name: str, old: str) -> None:
        """Let a leg that has called us stand where an old one stood (RFC 3891)."""
        owner = self._owner
        leg = owner.legs.get(name)
        if leg is None:
            return
        try:
            await owner.audio.open(name)
            owner.audio.signalled_from(name, leg.source[0], leg.trunk)
            answer = await owner.audio.admit(name, leg.remote_sdp, CALLER)
            if leg.over:  # it has hung up meanwhile: the old phone goes on
                await owner.audio.close_leg(name)
                return
            owner.feed(PhoneReplaced(old, name))
        except (MediaError, SdpError, TransferError) as error:
            log.warning("phone_not_replaced", call_id=owner.call_id, error=str(error))
            leg.refuse(603)
            return
        owner.unanswered.pop(name, None)
        leg.answer(answer)
        owner.do(self.listen)

    def move(self, name: str, sdp: str, chosen: AudioFormat | None = None) -> None:
        """Follow a party to its new address, after what was decided before."""
        self._owner.do(partial(self._move_remote, name, sdp, chosen))

    async def _move_remote(self, name: str, sdp: str, chosen: AudioFormat | None) -> None:
        owner = self._owner
        try:
            await owner.audio.move(name, sdp, chosen)
        except (SdpError, MediaError) as error:
            log.warning("remote_not_moved", call_id=owner.call_id, party=name, error=str(error))

    def reanswer(self, name: str, sdp: str | None) -> None:
        """Answer a re-INVITE."""
        owner = self._owner
        leg = owner.leg_named(name)
        if leg is None:
            return
        if owner.audio.session(name) is None:
            leg.refuse(488)
            return
        if sdp is None:
            leg.answer(owner.audio.reoffer(name))
            return
        try:
            answer, chosen = owner.audio.reanswer(name, sdp)
        except SdpError as error:
            log.info("reoffer_refused", call_id=owner.call_id, party=name, error=str(error))
            leg.refuse(488)
            return
        self.move(name, sdp, chosen)
        leg.answer(answer)
