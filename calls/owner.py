"""The owner of one call: performs what ``calls/call.py`` decides and reports what happened.

There is one owner per call, and it alone holds the call's legs, media sessions and offers. What is
immediate (SIP) it does at once; what another process must answer (Redis, the media process) goes
through the owner's own work queue, one piece after the other, so that for one call the floor always
sees things in the order in which they were decided.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import count
from typing import Any

import structlog

from agents.floor import Offer
from calls.audio import CallAudio
from calls.call import Call, CallState
from calls.call_effects import (
    CallEffect,
    CallNumber,
    CallPhones,
    ConfirmLease,
    Connect,
    Dequeue,
    Enqueue,
    Finish,
    FinishAgent,
    HandOver,
    HangUpCaller,
    HangUpLeg,
    Hear,
    MarkRinging,
    ReleaseOffer,
    RingCaller,
    RingLeg,
    TakeEarly,
    TransferStep,
)
from calls.call_inputs import (
    AgentOffered,
    Arrived,
    CallerEnded,
    CallInput,
    DeadlinePassed,
    MediaFailed,
    OfferRefused,
    PartyAnswered,
    PartyEnded,
    PartyRang,
    TransferAsked,
)
from calls.calling import Calling
from calls.controls import DESK, CallControls
from calls.conversation import Conversation, Side
from calls.errors import TransferError
from calls.facilities import SEAT_MARK, Facilities
from calls.hearing import CALLER
from calls.joining import Joining
from calls.keeping import Keeping
from calls.ledger import CallLedger
from calls.phone_transfer import PhoneTransfer
from calls.reception import Reception
from calls.supervision_events import CallSupervisor, SupervisionStep, TakerLeft
from calls.talks import Talks
from calls.targets import Target
from telephony.leg import (
    Leg,
    LegAnswered,
    LegConfirmed,
    LegDigit,
    LegEnded,
    LegEvent,
    LegHeld,
    LegReanswered,
    LegReferred,
    LegReoffered,
    LegResumed,
    LegRinging,
)
from telephony.sip.offer_answer import SdpError, parse_audio

log = structlog.get_logger(__name__)

#: How the names of legs to an agent's phones begin: called, consulting by itself, taken over by.
_AGENTS_LEGS = ("agent.", "via.", "again.", "lead.")

#: Who know their owner.
_PARTS = ("calling", "joining", "kept", "controls", "reception", "phone", "talks")


class CallOwner:
    """One call and everything that belongs to it.

    Args:
        call_id: ours.
        leg: the caller's leg, not yet answered, with a session description that was checked.
        line: the dialled number; "" when an agent calls.
        facilities: what the call works with.
        on_finished: told when the call's record is complete and nothing of it is left.
        target: whom an agent calls; None: a citizen's call.
        agent_id: the agent who calls.
        clicked: his audio, where we have called his phone: his leg has been answered then.
        called: whom he calls, where his leg does not say it.
        partner_id: the partner whose own trunk the call came by (green channel).

    Attributes:
        on_hold: who holds the call with his phone (or at his desk): leg → caller, agent or partner.
        controls: hold, mute and keys of the agent's desk.
    """

    def __init__(
        self,
        *,
        call_id: str,
        leg: Leg,
        line: str,
        line_name: str,
        ticket_id: str,
        facilities: Facilities,
        on_finished: Callable[["CallOwner"], None],
        target: Target | None = None,
        agent_id: str | None = None,
        partner_id: str | None = None,
        clicked: CallAudio | None = None,
        called: str | None = None,
    ) -> None:
        self.call_id = call_id
        self.leg = leg
        self.line = line
        self.line_name = line_name
        self.ticket_id = ticket_id
        self.calling_agent = agent_id
        self.partner_id = partner_id
        self.conversation: Conversation | None = None
        self.call = Call(
            no_answer_seconds=facilities.no_answer_seconds,
            partner_seconds=facilities.partner_seconds,
        )
        self.audio = clicked or CallAudio(
            call_id,
            media=facilities.media,
            host=facilities.media_host,
            recordings=facilities.recordings,
            policy=facilities.audio,
            music=facilities.music,
        )
        self.facilities = facilities
        facilities.tie(call_id, leg.sip_call_id)
        self._target = target
        self._on_finished = on_finished
        self._loop = asyncio.get_running_loop()
        # Monotonic times of the machine become Unix times by this offset, fixed for the call.
        self.ledger = CallLedger(
            call_id,
            leg=leg,
            line=line,
            called=called or leg.called,
            records=facilities.records,
            bus=facilities.bus,
            epoch=facilities.wall_clock() - self._loop.time(),
            partner=partner_id,
        )
        self._timer: asyncio.TimerHandle | None = None
        self._work: asyncio.Queue[Callable[[], Coroutine[Any, Any, None]] | None] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self.legs: dict[str, Leg] = {}
        self.unanswered: dict[str, Leg] = {} if clicked else {CALLER: leg}  # who called us
        self.on_hold: dict[str, str] = {}
        self._names = count(1)
        self.calling = Calling(self)
        self.joining = Joining(self)
        self.kept = Keeping(self)
        self.controls = CallControls(self)
        self.talks = Talks(self)
        self.reception = Reception(self)
        self.phone = PhoneTransfer(self, resolve=facilities.resolve)

    # -- facts -------------------------------------------------------------------------------------

    @property
    def reference(self) -> str | None:
        """The partner's own number of the matter, if the call is a partner's and he told it."""
        return self.leg.reference if self.partner_id is not None else None

    @property
    def caller(self) -> str | None:
        """The number that may be shown; cut to what the database holds of one."""
        return self.ledger.caller

    def unix(self, moment: float | None) -> float | None:
        """Turn a time of the machine into Unix seconds."""
        return self.ledger.unix(moment)

    def seconds_since_answer(self) -> float:
        """Return the position on the call's time line."""
        return self._loop.time() - (self.call.answered_at or self._loop.time())

    def sides(self) -> dict[Side, str]:
        """Return the media session of the caller, and of the agent who holds the call."""
        holder = self.call.holder
        legs: dict[Side, str | None] = {"caller": CALLER, "agent": holder.leg if holder else None}
        found = {side: self.audio.session(leg) for side, leg in legs.items() if leg is not None}
        return {side: session for side, session in found.items() if session is not None}

    def leg_named(self, name: str) -> Leg | None:
        """Return a leg by the name that the machine gives it."""
        return self.leg if name == CALLER else self.legs.get(name)

    def name_of(self, leg: Leg) -> str | None:
        """Return the name of a leg, None when it is not one of this call's."""
        return next((name for name, own in self.legs.items() if own is leg), None)

    # -- inputs ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take the call: ring, queue, and follow it from now on."""
        self._worker = asyncio.create_task(self._run(), name=f"call-{self.call_id}")
        self.leg.on_event = self._on_caller_event
        self.ledger.arrived(self.facilities.wall_clock(), agent_id=self.calling_agent)
        self.feed(Arrived(self._target, self.calling_agent))
        self.reception.begin()

    def offer(self, offer: Offer) -> None:
        """Take the floor's choice of an agent."""
        self.calling.offers[offer.token] = offer
        _, _, seat = offer.call_id.partition(SEAT_MARK)
        self.feed(AgentOffered(offer.agent_id, offer.token, int(seat or 0)))

    def transfer(self, event: CallInput) -> None:
        """Begin a transfer, or take a step of one.

        Raises:
            TransferError: it cannot be; nothing was changed.
        """
        self.feed(event)

    def leave(self, agent_id: str) -> bool:
        """Let an agent go alone: refuse what is held out to him, or hang up his leg.

        Return False when that is no matter of his alone: the call itself has to end.
        """
        token = self.call.offer_to(agent_id)
        if token is not None:
            self.feed(OfferRefused(token))
            return True
        name = self.call.leg_of(agent_id)
        if name is None or not self.call.transferring:
            return False
        if leg := self.legs.get(name):
            leg.hang_up()
        return True

    def consult(self, leg: Leg, target: Target) -> None:
        """Take a second call of the agent's phone as a consultation for this one.

        Raises:
            TransferError: it cannot be; the leg is the caller's still.
        """
        name = f"via.{next(self._names)}.0"
        self.unanswered[name] = leg
        self.join(name, leg)
        try:
            self.feed(TransferAsked(target, "consult", via=name))
        except TransferError:
            del self.legs[name], self.unanswered[name]
            raise
        leg.on_event = partial(self.on_party_event, name)

    def replace_phone(self, leg: Leg, old: str) -> None:
        """Let a party go on at another of his phones (RFC 3891)."""
        name = f"again.{next(self._names)}.0"
        self.unanswered[name] = leg
        self.join(name, leg)
        leg.on_event = partial(self.on_party_event, name)
        self.do(partial(self.joining.replace_phone, name, old))

    def join(self, name: str, leg: Leg) -> None:
        """Take a leg into the call under a name."""
        self.legs[name] = leg
        self.facilities.tie(self.call_id, leg.sip_call_id)

    def feed(self, event: CallInput) -> None:
        """Give the machine an input and perform what it says."""
        for effect in self.call.handle(event, self._loop.time()):
            self._perform(effect)
        self.talks.follow()
        self._rearm()

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.call.deadline is not None:
            self._timer = self._loop.call_at(self.call.deadline, self.feed, DeadlinePassed())

    def _on_caller_event(self, event: LegEvent) -> None:
        match event:
            case LegEnded():
                self.feed(CallerEnded(failed=event.by == "failure"))
                self.reception.caller_gone()
            case LegReferred():
                self.phone.referred(CALLER, event)
            case _:
                self._on_media_event(CALLER, event)

    def on_party_event(self, name: str, event: LegEvent) -> None:
        """Take what happened to another leg than the caller's."""
        match event:
            case LegRinging():
                if event.picks_up:
                    self.controls.by_click.note(name)
                self.feed(PartyRang(name, early=self._is_early(name, event.sdp)))
            case LegAnswered():
                self._on_answer(name, event.sdp)
            case LegEnded():
                self.legs.pop(name, None)
                self.unanswered.pop(name, None)
                self.on_hold.pop(name, None)
                self.feed(PartyEnded(name, event.status))
            case LegReferred():
                self.phone.referred(name, event)
            case _:
                self._on_media_event(name, event)

    def _on_media_event(self, name: str, event: LegEvent) -> None:
        match event:
            case LegReoffered(sdp):
                self.joining.reanswer(name, sdp)
            case LegConfirmed(str(sdp)) | LegReanswered(sdp):
                self.joining.move(name, sdp)
            case LegHeld() | LegResumed():
                self.note_hold(name, held=isinstance(event, LegHeld))
                self.controls.phone_told()
            case LegDigit(key):
                self.controls.key_told(name, key)
            case _:
                pass

    def note_hold(self, name: str, *, held: bool) -> None:
        """Tell that a party holds the call with its phone, or is back."""
        who = self._who(name)
        if held:
            self.on_hold[name] = who
        else:
            self.on_hold.pop(name, None)
        self.ledger.held(self.facilities.wall_clock(), who, agent_id=self.call.agent_id, held=held)
        self.talks.follow()

    def note_muted(self, *, muted: bool) -> None:
        """Tell that nobody hears the agent, or everybody again."""
        self.ledger.muted(self.facilities.wall_clock(), agent_id=self.call.agent_id, muted=muted)

    def _who(self, name: str) -> str:
        if name == CALLER:
            return "caller" if self.calling_agent is None else "agent"
        return "agent" if name == DESK or name.startswith(_AGENTS_LEGS) else "partner"

    def _is_early(self, name: str, sdp: str | None) -> bool:
        """Note where early media comes from; False: there is none that could be heard."""
        if sdp is None:
            return False
        try:
            self.joining.answers[name] = parse_audio(sdp)
        except SdpError as error:
            log.info("early_media_unusable", call_id=self.call_id, error=str(error))
            return False
        return True

    def _on_answer(self, name: str, sdp: str | None) -> None:
        try:
            self.joining.answers[name] = parse_audio(sdp or "")
        except SdpError as error:
            log.warning("answer_unusable", call_id=self.call_id, error=str(error))
            self.legs[name].hang_up("unusable session description")
            self.feed(PartyEnded(name, None))
            return
        self.feed(PartyAnswered(name))

    # -- effects -----------------------------------------------------------------------------------

    def _perform(self, effect: CallEffect) -> None:
        match effect:
            case RingCaller():
                self.reception.ring()
            case RingLeg(name):
                if leg := self.legs.get(name):
                    leg.ring()
            case HangUpCaller(status):
                if not self.reception.detain():
                    self._hang_up(CALLER, self.leg, None, status)
            case HangUpLeg(name, why, status):
                if leg := self.legs.get(name):
                    self._hang_up(name, leg, why, status)
            case SupervisionStep() | TakerLeft():
                self._tell_of_supervision(effect)
            case TransferStep():
                self.ledger.transfer(self.facilities.wall_clock(), effect)
                self.phone.step(effect)
                self.facilities.health.follow(self.call.segments)
            case _:
                self.do(partial(self._perform_in_order, effect))

    def _tell_of_supervision(self, effect: SupervisionStep | TakerLeft) -> None:
        if isinstance(effect, SupervisionStep):
            self.ledger.supervision(self.facilities.wall_clock(), effect)
        self.facilities.on_supervision(effect)

    def _hang_up(self, name: str, leg: Leg, why: str | None, status: int | None) -> None:
        if name in self.unanswered and status is not None:
            leg.refuse(status)
        elif why is not None:
            leg.hang_up(why, cause=200)
        else:
            leg.hang_up()

    async def _perform_in_order(  # noqa: C901, PLR0912 - one arm per effect, nothing else
        self, effect: CallEffect
    ) -> None:
        match effect:
            case Enqueue():
                with self.facilities.precedence.first():
                    await self.calling.enqueue(effect)
            case Dequeue(seat):
                await self.facilities.floor.dequeue(self.place(seat))
            case CallPhones():
                with self.facilities.precedence.first():
                    await self.calling.call_phones(effect)
            case CallNumber():
                await self.calling.call_number(effect)
            case MarkRinging():
                await self.facilities.floor.ringing(self.calling.offers[effect.token])
            case ReleaseOffer():
                await self.calling.release(effect)
            case ConfirmLease():
                await self.calling.confirm(effect)
            case Connect():
                await self.joining.connect(effect)
            case TakeEarly(leg):
                await self.joining.take_early(leg)
            case Hear(hearing):
                await self.joining.hear(hearing)
            case HandOver():
                await self.kept.hand_over(effect)
            case FinishAgent():
                await self.calling.finish_agent(effect)
            case CallSupervisor():
                await self.calling.call_supervisor(effect)
            case Finish():
                await self.kept.finish()

    def do(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Do something after what was decided before it."""
        self._work.put_nowait(work)

    async def _run(self) -> None:
        """Do the queued work in order until the call is finished."""
        while (work := await self._work.get()) is not None:
            try:
                await work()
            except Exception:
                # One failed step must not leave the steps after it undone: those give the agent
                # and the ports back.
                log.exception("call_step_failed", call_id=self.call_id, step=repr(work))
        if self.leg.over and not self.legs:
            self._part()

    def _part(self) -> None:
        """Let go of those who know us, now that nothing more can come.

        Else each call would leave a circle of a hundred objects, for which the garbage collector
        has to stop all others.
        """
        self.conversation = None
        for part in _PARTS:
            delattr(self, part)

    def media_lost(self) -> None:
        """The media process died: its sessions are gone."""
        self.audio.lost()
        self.reception.media_lost()
        self.feed(MediaFailed())

    def recognizer_back(self) -> None:
        """The recogniser is back: fork to it again."""
        if self.conversation is not None and self.call.state is CallState.TALKING:
            self.do(self.conversation.listen)

    def recognizer_away(self) -> None:
        """A recogniser is away: note what is missed from now on."""
        if self.conversation is not None and self.call.state is CallState.TALKING:
            self.conversation.unheard()

    def place(self, seat: int) -> str:
        """Return the name by which the floor knows a place in this call."""
        return f"{self.call_id}{SEAT_MARK}{seat}" if seat else self.call_id

    async def pause_recording(self, *, paused: bool) -> bool:
        """Let nothing that is said be recorded or transcribed, or go on; False: nothing is.

        Raises:
            telephony.media_commands.MediaError: the media process is away or refused.
        """
        return await self.kept.pause_recording(paused=paused)

    def finished(self) -> None:
        """Stop working: nothing of the call is left."""
        self.calling.resorts.stop()
        self._work.put_nowait(None)
        self._on_finished(self)
