"""The owner of one call: performs what ``calls/call.py`` decides and reports what happened.

There is one owner per call, and it alone holds the call's legs, media sessions and offers. What is
immediate (SIP) it does at once; what another process must answer (Redis, the media process) goes
through the owner's own work queue, one piece after the other, so that for one call the floor always
sees things in the order in which they were decided.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import structlog

from agents.floor import Floor, Offer
from calls.audio import CallAudio
from calls.call import Call, CallState
from calls.call_events import (
    AgentOffered,
    Arrived,
    Bridged,
    CallEffect,
    CallerEnded,
    CallInput,
    CallNumber,
    CallPhones,
    ConfirmLease,
    Connect,
    DeadlinePassed,
    Dequeue,
    Enqueue,
    Finish,
    FinishAgent,
    HandOver,
    HangUpCaller,
    HangUpLeg,
    Hear,
    LeaseConfirmed,
    LeaseLost,
    MarkRinging,
    MediaFailed,
    OfferFailed,
    OfferRefused,
    PartyAnswered,
    PartyEnded,
    PartyRang,
    PhoneReplaced,
    PhonesCalled,
    ReleaseOffer,
    RingCaller,
    RingLeg,
    TransferAsked,
    TransferStep,
)
from calls.conversation import Conversation, Side
from calls.errors import TransferError
from calls.hearing import CALLER, Hearing
from calls.ledger import CallLedger
from calls.phone_transfer import PhoneTransfer
from calls.ports import PlaceCall
from calls.records import CallRecords
from calls.targets import Target
from eventbus.bus import EventBus
from telephony.bindings import BindingStore
from telephony.gateway import SipGateway
from telephony.leg import (
    Leg,
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegEvent,
    LegHeld,
    LegReanswered,
    LegReferred,
    LegReoffered,
    LegResumed,
    LegRinging,
)
from telephony.media_commands import MediaCommands, MediaError
from telephony.sip.errors import SipError
from telephony.sip.identity import forwarding_headers
from telephony.sip.offer_answer import AudioFormat, RemoteAudio, SdpError, parse_audio

log = structlog.get_logger(__name__)

#: How a call's places are told apart on the floor: the call's own has its name alone.
SEAT_MARK = "/"

#: How the names of legs to an agent's phones begin: called, consulting by itself, taken over by.
_AGENTS_LEGS = ("agent.", "via.", "again.")


@dataclass(frozen=True, slots=True)
class Facilities:
    """What every call's owner works with; one for all calls of a node."""

    gateway: SipGateway
    bindings: BindingStore
    media: MediaCommands
    floor: Floor
    records: CallRecords
    bus: EventBus
    converse: Callable[["CallOwner"], Conversation]
    place_call: PlaceCall
    resolve: Callable[[str, str], Awaitable[Target]]
    tie: Callable[[str, str], None]
    wall_clock: Callable[[], float]
    no_answer_seconds: float
    partner_seconds: float
    secure_phones: bool
    media_host: str
    recordings: Path | None


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

    Attributes:
        on_hold: who holds the call with his phone: leg → caller, agent or partner.
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
    ) -> None:
        self.call_id = call_id
        self.leg = leg
        self.line = line
        self.line_name = line_name
        self.ticket_id = ticket_id
        self.calling_agent = agent_id
        self.conversation: Conversation | None = None
        self.call = Call(
            no_answer_seconds=facilities.no_answer_seconds,
            partner_seconds=facilities.partner_seconds,
        )
        self.audio = CallAudio(
            call_id,
            media=facilities.media,
            host=facilities.media_host,
            recordings=facilities.recordings,
        )
        self._f = facilities
        facilities.tie(call_id, leg.sip_call_id)
        self._target = target
        self._on_finished = on_finished
        self._loop = asyncio.get_running_loop()
        # Monotonic times of the machine become Unix times by this offset, fixed for the call.
        self._ledger = CallLedger(
            call_id,
            leg=leg,
            line=line,
            records=facilities.records,
            bus=facilities.bus,
            epoch=facilities.wall_clock() - self._loop.time(),
        )
        self._timer: asyncio.TimerHandle | None = None
        self._work: asyncio.Queue[Callable[[], Coroutine[Any, Any, None]] | None] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._offers: dict[int, Offer] = {}
        self._legs: dict[str, Leg] = {}
        self._unanswered: dict[str, Leg] = {CALLER: leg}  # those who called us
        self._answers: dict[str, RemoteAudio] = {}
        self.on_hold: dict[str, str] = {}
        self._names = count(1)
        self._recorded = False
        self._recorded_seconds: float | None = None
        self.phone = PhoneTransfer(self, resolve=facilities.resolve)

    # -- facts -------------------------------------------------------------------------------------

    @property
    def caller(self) -> str | None:
        """The number that may be shown; cut to what the database holds of one."""
        return self._ledger.caller

    def unix(self, moment: float | None) -> float | None:
        """Turn a time of the machine into Unix seconds."""
        return self._ledger.unix(moment)

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
        return self.leg if name == CALLER else self._legs.get(name)

    def name_of(self, leg: Leg) -> str | None:
        """Return the name of a leg, None when it is not one of this call's."""
        return next((name for name, own in self._legs.items() if own is leg), None)

    # -- inputs ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take the call: ring, queue, and follow it from now on."""
        self._worker = asyncio.create_task(self._run(), name=f"call-{self.call_id}")
        self.leg.on_event = self._on_caller_event
        self._ledger.arrived(self._f.wall_clock(), agent_id=self.calling_agent)
        self.feed(Arrived(self._target, self.calling_agent))

    def offer(self, offer: Offer) -> None:
        """Take the floor's choice of an agent."""
        self._offers[offer.token] = offer
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
        if leg := self._legs.get(name):
            leg.hang_up()
        return True

    def consult(self, leg: Leg, target: Target) -> None:
        """Take a second call of the agent's phone as a consultation for this one.

        Raises:
            TransferError: it cannot be; the leg is the caller's still.
        """
        name = f"via.{next(self._names)}.0"
        self._unanswered[name] = leg
        self._join(name, leg)
        try:
            self.feed(TransferAsked(target, "consult", via=name))
        except TransferError:
            del self._legs[name], self._unanswered[name]
            raise
        leg.on_event = partial(self._on_party_event, name)

    def replace_phone(self, leg: Leg, old: str) -> None:
        """Let a party go on at another of his phones (RFC 3891)."""
        name = f"again.{next(self._names)}.0"
        self._unanswered[name] = leg
        self._join(name, leg)
        leg.on_event = partial(self._on_party_event, name)
        self.do(partial(self._replace_phone, name, old))

    def _join(self, name: str, leg: Leg) -> None:
        self._legs[name] = leg
        self._f.tie(self.call_id, leg.sip_call_id)

    def feed(self, event: CallInput) -> None:
        """Give the machine an input and perform what it says."""
        for effect in self.call.handle(event, self._loop.time()):
            self._perform(effect)
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
            case LegReferred():
                self.phone.referred(CALLER, event)
            case _:
                self._on_media_event(CALLER, event)

    def _on_party_event(self, name: str, event: LegEvent) -> None:
        match event:
            case LegRinging():
                self.feed(PartyRang(name))
            case LegAnswered():
                self._on_answer(name, event.sdp)
            case LegEnded():
                self._legs.pop(name, None)
                self._unanswered.pop(name, None)
                self.on_hold.pop(name, None)
                self.feed(PartyEnded(name, event.status))
            case LegReferred():
                self.phone.referred(name, event)
            case _:
                self._on_media_event(name, event)

    def _on_media_event(self, name: str, event: LegEvent) -> None:
        match event:
            case LegReoffered(sdp):
                self._reanswer(name, sdp)
            case LegConfirmed(str(sdp)) | LegReanswered(sdp):
                self._move(name, sdp)
            case LegHeld():
                self._note_hold(name, held=True)
            case LegResumed():
                self._note_hold(name, held=False)
            case _:
                pass

    def _note_hold(self, name: str, *, held: bool) -> None:
        """Tell that a party holds the call with its phone, or is back."""
        who = self._who(name)
        if held:
            self.on_hold[name] = who
        else:
            self.on_hold.pop(name, None)
        self._ledger.held(self._f.wall_clock(), who, agent_id=self.call.agent_id, held=held)

    def _who(self, name: str) -> str:
        if name == CALLER:
            return "caller" if self.calling_agent is None else "agent"
        return "agent" if name.startswith(_AGENTS_LEGS) else "partner"

    def _on_answer(self, name: str, sdp: str | None) -> None:
        try:
            self._answers[name] = parse_audio(sdp or "")
        except SdpError as error:
            log.warning("answer_unusable", call_id=self.call_id, error=str(error))
            self._legs[name].hang_up("unusable session description")
            self.feed(PartyEnded(name, None))
            return
        self.feed(PartyAnswered(name))

    # -- effects -----------------------------------------------------------------------------------

    def _perform(self, effect: CallEffect) -> None:
        match effect:
            case RingCaller():
                self.leg.ring()
            case RingLeg(name):
                if leg := self._legs.get(name):
                    leg.ring()
            case HangUpCaller(status):
                self._hang_up(CALLER, self.leg, None, status)
            case HangUpLeg(name, why, status):
                if leg := self._legs.get(name):
                    self._hang_up(name, leg, why, status)
            case TransferStep():
                self._ledger.transfer(self._f.wall_clock(), effect)
                self.phone.step(effect)
            case _:
                self.do(partial(self._perform_in_order, effect))

    def _hang_up(self, name: str, leg: Leg, why: str | None, status: int | None) -> None:
        if name in self._unanswered and status is not None:
            leg.refuse(status)
        elif why is not None:
            leg.hang_up(why, cause=200)
        else:
            leg.hang_up()

    async def _perform_in_order(  # noqa: C901 - one arm per effect, nothing else
        self, effect: CallEffect
    ) -> None:
        match effect:
            case Enqueue():
                await self._enqueue(effect)
            case Dequeue(seat):
                await self._f.floor.dequeue(self._place(seat))
            case CallPhones():
                await self._call_phones(effect)
            case CallNumber():
                await self._call_number(effect)
            case MarkRinging():
                await self._f.floor.ringing(self._offers[effect.token])
            case ReleaseOffer():
                await self._release(effect)
            case ConfirmLease():
                await self._confirm(effect)
            case Connect():
                await self._connect(effect)
            case Hear(hearing):
                await self._hear(hearing)
            case HandOver():
                await self._hand_over(effect)
            case FinishAgent():
                await self._finish_agent(effect)
            case Finish():
                await self._finish()

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

    def _place(self, seat: int) -> str:
        return f"{self.call_id}{SEAT_MARK}{seat}" if seat else self.call_id

    async def _enqueue(self, effect: Enqueue) -> None:
        await self._f.floor.enqueue(
            self._place(effect.seat),
            arrived_at=self.unix(self.call.arrived_at) or 0.0,
            priority=effect.priority,
            wanted=effect.wanted,
        )
        if self.call.state is CallState.WAITING and self.calling_agent is None:
            self._ledger.waiting(self._f.wall_clock())

    async def _call_phones(self, effect: CallPhones) -> None:
        bindings = await self._f.bindings.lookup(effect.agent_id)
        if not bindings:
            self.feed(OfferFailed(effect.token, "no_phone"))
            return
        names = tuple(f"agent.{effect.token}.{number}" for number in range(len(bindings)))
        try:
            await self.audio.open(CALLER, names[0])
        except MediaError as error:
            log.warning("no_media", call_id=self.call_id, error=str(error))
            self.feed(OfferFailed(effect.token, "no_media"))
            return
        if not self.call.expects(effect.token):
            return  # it ended while the ports were being opened; _release closes them
        for name, binding in zip(names, bindings, strict=True):
            # A key in a description is worth as much as the way it goes (RFC 4568 §7).
            secured = self._f.secure_phones and binding.transport in {"TLS", "WSS"}
            leg = self._f.gateway.invite(
                binding,
                sdp=self.audio.offer(name, self.leg.remote_sdp, secured=secured),
                caller=self.calling_agent or self.caller,
                display=self.line_name,
                called=effect.agent_id,
                on_event=partial(self._on_party_event, name),
                hops=self.leg.hops_left,
            )
            self._join(name, leg)
        self.feed(PhonesCalled(effect.token, names))
        self._ledger.offered(
            self._f.wall_clock(), effect.agent_id, by=self.call.segments[-1].summons.by
        )

    async def _call_number(self, effect: CallNumber) -> None:
        """Call somebody outside, and tell him which line the call came in on."""
        if not self.call.calls(effect.leg):
            return
        try:
            await self.audio.open(CALLER, effect.leg)
            leg = self._f.place_call(
                effect.number,
                sdp=self.audio.offer(effect.leg, self.leg.remote_sdp),
                caller=self.line or self.caller if self.calling_agent else self.caller,
                on_event=partial(self._on_party_event, effect.leg),
                trunks=effect.trunks,
                headers=self._headers_for(effect),
                hops=self.leg.hops_left,
            )
            self._join(effect.leg, leg)
        except (MediaError, SipError) as error:
            log.warning("number_not_called", call_id=self.call_id, error=str(error))
            self.feed(PartyEnded(effect.leg, 503))

    def _headers_for(self, effect: CallNumber) -> dict[str, str]:
        if self.calling_agent is not None:
            return {}
        number = (self.leg.identity.number if effect.asserts else None) or self.caller
        told = dict(forwarding_headers(f"tel:{self.line}", f"tel:{effect.number}"))
        # RFC 3325 §9.1: who really calls, for a carrier we trust and who may know it
        return told if number is None else {**told, "P-Asserted-Identity": f"<tel:{number}>"}

    async def _release(self, effect: ReleaseOffer) -> None:
        await self._f.floor.release(self._offers[effect.token], effect.outcome)
        self._ledger.offer_failed(self._f.wall_clock(), effect.agent_id, effect.outcome)
        await self.audio.close_leg(f"agent.{effect.token}.0")

    async def _confirm(self, effect: ConfirmLease) -> None:
        ours = await self._f.floor.talking(self._offers[effect.token])
        self.feed(LeaseConfirmed(effect.token) if ours else LeaseLost(effect.token))

    async def _finish_agent(self, effect: FinishAgent) -> None:
        offer = self._offers[effect.token]
        await self._f.floor.finish(effect.agent_id, offer.call_id)
        if self.conversation is not None and self.conversation.submitted:
            await self._f.floor.end_wrap_up(effect.agent_id)  # nothing is left to write
        if self.call.state is not CallState.ENDED:
            await self.audio.close_leg(f"agent.{effect.token}.0")

    # -- audio -------------------------------------------------------------------------------------

    async def _connect(self, effect: Connect) -> None:
        if not self.call.connecting(effect.leg):
            return
        if called := self._legs.get(effect.leg):
            self.audio.signalled_from(effect.leg, called.source[0])
        try:
            await self.audio.answered(effect.leg, self._answers[effect.leg])
            answers = await self._admit(effect.hearing)
            await self.audio.hear(effect.hearing)
        except (MediaError, SdpError) as error:
            log.warning("not_bridged", call_id=self.call_id, error=str(error))
            if self.call.connecting(effect.leg):
                self.feed(MediaFailed(effect.leg))
            return
        if not self.call.connecting(effect.leg):
            return
        for name, answer in answers.items():
            if leg := self._unanswered.pop(name, None):
                leg.answer(answer)
        first = self.call.answered_at is None
        self.feed(Bridged(effect.leg))
        if first:
            await self._begin()

    async def _admit(self, hearing: Hearing) -> dict[str, str]:
        """Prepare the answers for those who called us and shall hear somebody now."""
        answers = {}
        for other, name in sorted(hearing):
            leg = self._unanswered.get(name)
            if leg is not None:
                await self.audio.open(name)
                self.audio.signalled_from(name, leg.source[0])
                answers[name] = await self.audio.admit(name, leg.remote_sdp, other)
        return answers

    async def _hear(self, hearing: Hearing) -> None:
        try:
            await self.audio.hear(hearing)
        except MediaError as error:
            log.warning("not_bridged", call_id=self.call_id, error=str(error))
        await self._listen()

    async def _listen(self) -> None:
        """Let the recogniser hear the agent's words to the citizen, and no others."""
        holder = self.call.holder
        if self.conversation is None or self.call.state is CallState.ENDED:
            return
        heard = holder is not None and self.call.caller_hears(holder.leg)
        if holder is not None and heard and holder.agent_id == self.conversation.agent_id:
            await self.conversation.follow(self.audio.session(holder.leg))
        else:
            await self.conversation.follow(None)

    async def _replace_phone(self, name: str, old: str) -> None:
        leg = self._legs.get(name)
        if leg is None:
            return
        try:
            await self.audio.open(name)
            self.audio.signalled_from(name, leg.source[0])
            answer = await self.audio.admit(name, leg.remote_sdp, CALLER)
            if leg.over:  # it has hung up meanwhile: the old phone goes on
                await self.audio.close_leg(name)
                return
            self.feed(PhoneReplaced(old, name))
        except (MediaError, SdpError, TransferError) as error:
            log.warning("phone_not_replaced", call_id=self.call_id, error=str(error))
            leg.refuse(603)
            return
        self._unanswered.pop(name, None)
        leg.answer(answer)
        self.do(self._listen)

    def _move(self, name: str, sdp: str, chosen: AudioFormat | None = None) -> None:
        self.do(partial(self._move_remote, name, sdp, chosen))

    async def _move_remote(self, name: str, sdp: str, chosen: AudioFormat | None) -> None:
        try:
            await self.audio.move(name, sdp, chosen)
        except (SdpError, MediaError) as error:
            log.warning("remote_not_moved", call_id=self.call_id, party=name, error=str(error))

    def _reanswer(self, name: str, sdp: str | None) -> None:
        leg = self.leg_named(name)
        if leg is None:
            return
        if self.audio.session(name) is None:
            leg.refuse(488)
            return
        if sdp is None:
            leg.answer(self.audio.reoffer(name))
            return
        try:
            answer, chosen = self.audio.reanswer(name, sdp)
        except SdpError as error:
            log.info("reoffer_refused", call_id=self.call_id, party=name, error=str(error))
            leg.refuse(488)
            return
        self._move(name, sdp, chosen)
        leg.answer(answer)

    # -- words, end --------------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Begin what an answered call has: a record of the answer, words, a ticket, a recording."""
        holder = self.call.holder
        if holder is None:
            return
        if self.calling_agent is not None:
            self._f.records.change(self.call_id, answered_at=self.unix(self.call.answered_at))
        else:
            self._ledger.answered(self.call, holder.segment, ticket_id=self.ticket_id)
            self.conversation = self._f.converse(self)
        await self._record(holder.leg)
        if self.conversation is not None:
            await self.conversation.open()

    async def _record(self, other: str) -> None:
        recording = await self.audio.start_recording(CALLER, other)
        if recording is not None and not self._recorded:
            self._recorded = True  # the parts that follow have its name and a number
            self._f.records.change(self.call_id, recording=str(recording))

    async def _hand_over(self, effect: HandOver) -> None:
        """Let record, words and ticket follow the call to whoever holds it now.

        Somebody outside is not recorded and not transcribed: what is said there is not ours.
        """
        await self._stop_recording()
        if self.conversation is not None:
            await self.conversation.pause(paused=False)
        after = effect.after
        if after is not None and after.agent_id is not None and self.calling_agent is None:
            self._ledger.answered(self.call, after.segment, ticket_id=self.ticket_id)
            if self.conversation is not None:
                await self.conversation.hand_over(after.agent_id)
            await self._record(after.leg)
        await self._listen()
        if effect.before is not None and effect.before.token is None:
            await self.audio.close_leg(effect.before.leg)

    async def _stop_recording(self) -> None:
        completed = await self.audio.stop_recording()
        if completed is None:
            return
        part, info = completed
        self._recorded_seconds = (self._recorded_seconds or 0.0) + info.seconds
        self._f.records.recorded(
            self.call_id,
            part,
            path=str(info.path),
            seconds=info.seconds,
            bytes=info.bytes,
            sha256=info.sha256,
            pauses=[list(pause) for pause in info.pauses],
        )

    async def pause_recording(self, *, paused: bool) -> bool:
        """Let nothing that is said be recorded or transcribed, or go on; False: nothing is.

        Lasts until the call is handed to somebody else at most.

        Raises:
            telephony.media_commands.MediaError: the media process is away or refused.
        """
        if not await self.audio.pause_recording(paused=paused):
            return False
        if self.conversation is not None:
            await self.conversation.pause(paused=paused)
        return True

    def media_lost(self) -> None:
        """The media process died: its sessions are gone."""
        self.audio.lost()
        self.feed(MediaFailed())

    def recognizer_back(self) -> None:
        """The recogniser is back: fork to it again."""
        if self.conversation is not None and self.call.state is CallState.TALKING:
            self.do(self.conversation.listen)

    def recognizer_away(self) -> None:
        """A recogniser is away: note what is missed from now on."""
        if self.conversation is not None and self.call.state is CallState.TALKING:
            self.conversation.unheard()

    async def _finish(self) -> None:
        """Give everything back and complete the record, the one even if the other fails."""
        try:
            await self._stop_recording()
            await self.audio.close()
            if self.conversation is not None:
                await self.conversation.close()
        finally:
            self._ledger.ended(
                self.call,
                recorded_seconds=self._recorded_seconds,
                recognised=self.conversation.recognised if self.conversation else False,
                ticket_id=self.ticket_id if self.conversation else "",
                media=self.audio.quality,
            )
            self._work.put_nowait(None)
            self._on_finished(self)
