"""The owner of one call: performs what ``calls/call.py`` decides and reports what happened.

There is one owner per call, and it alone holds the call's legs, media sessions and offer. What is
immediate (SIP) it does at once; what another process must answer (Redis, the media process) goes
through the owner's own work queue, one piece after the other, so that for one call the floor always
sees things in the order in which they were decided.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from agents.floor import Floor, Offer
from calls.audio import CallAudio
from calls.call import Call, CallState
from calls.call_events import (
    AgentLegAnswered,
    AgentLegEnded,
    AgentLegRinging,
    AgentOffered,
    Arrived,
    Bridged,
    CallEffect,
    CallerEnded,
    CallInput,
    CallPhones,
    ConfirmLease,
    Connect,
    DeadlinePassed,
    Dequeue,
    Enqueue,
    Finish,
    FinishAgent,
    HangUpCaller,
    HangUpLeg,
    LeaseConfirmed,
    LeaseLost,
    MarkRinging,
    MediaFailed,
    OfferFailed,
    PhonesCalled,
    ReleaseOffer,
    RingCaller,
)
from calls.conversation import Conversation, Side
from calls.records import CallRecords
from eventbus.bus import EventBus
from eventbus.catalogue import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallOffered,
    CallOfferFailed,
    CallWaiting,
)
from telephony.bindings import BindingStore
from telephony.gateway import SipGateway
from telephony.leg import (
    Leg,
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegEvent,
    LegReanswered,
    LegReoffered,
    LegRinging,
)
from telephony.media_client import MediaClient, MediaError
from telephony.sip.offer_answer import AudioFormat, RemoteAudio, SdpError, parse_audio

log = structlog.get_logger(__name__)

LONGEST_NUMBER = 32
"""Characters kept of a caller's or dialled number: E.164 has 15, SIP's user part any."""


@dataclass(frozen=True, slots=True)
class Facilities:
    """What every call's owner works with; one for all calls of a node."""

    gateway: SipGateway
    bindings: BindingStore
    media: MediaClient
    floor: Floor
    records: CallRecords
    bus: EventBus
    converse: Callable[["CallOwner"], Conversation]
    wall_clock: Callable[[], float]
    no_answer_seconds: float
    media_host: str
    recordings: Path | None


class CallOwner:
    """One citizen's call and everything that belongs to it.

    Args:
        call_id: ours.
        leg: the citizen's leg, not yet answered, with a session description that was checked.
        line: the dialled number.
        facilities: what the call works with.
        on_finished: told when the call's record is complete and nothing of it is left.
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
    ) -> None:
        self.call_id = call_id
        self.leg = leg
        self.line = line
        self.line_name = line_name
        self.ticket_id = ticket_id
        self.conversation: Conversation | None = None
        self.call = Call(no_answer_seconds=facilities.no_answer_seconds)
        self._f = facilities
        self._on_finished = on_finished
        self._loop = asyncio.get_running_loop()
        # Monotonic times of the machine become Unix times by this offset, fixed for the call.
        self._epoch = facilities.wall_clock() - self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._work: asyncio.Queue[Callable[[], Coroutine[Any, Any, None]] | None] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._offers: dict[int, Offer] = {}
        self._agent_legs: dict[str, Leg] = {}
        self._answers: dict[str, RemoteAudio] = {}
        self.audio = CallAudio(
            call_id,
            media=facilities.media,
            host=facilities.media_host,
            recordings=facilities.recordings,
        )
        self._waiting_told = False

    # -- facts -------------------------------------------------------------------------------------

    @property
    def caller(self) -> str | None:
        """The citizen's number, None when withheld; cut to what the database holds of one."""
        return self.leg.caller[:LONGEST_NUMBER] if self.leg.caller else None

    def unix(self, moment: float | None) -> float | None:
        """Turn a time of the machine into Unix seconds."""
        return None if moment is None else moment + self._epoch

    def seconds_since_answer(self) -> float:
        """Return the position on the call's time line."""
        return self._loop.time() - (self.call.answered_at or self._loop.time())

    # -- inputs ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take the call: ring, queue, and follow it from now on."""
        self._worker = asyncio.create_task(self._run(), name=f"call-{self.call_id}")
        self.leg.on_event = self._on_caller_event
        arrived_at = self._f.wall_clock()
        self._f.records.arrived(
            self.call_id,
            line=self.line,
            caller=self.caller,
            sip_call_id=self.leg.sip_call_id,
            arrived_at=arrived_at,
        )
        self._f.bus.publish(
            CallArrived(at=arrived_at, call_id=self.call_id, line=self.line, caller=self.caller)
        )
        self.feed(Arrived())

    def offer(self, offer: Offer) -> None:
        """Take the floor's choice of an agent."""
        self._offers[offer.token] = offer
        self.feed(AgentOffered(offer.agent_id, offer.token))

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
            case LegConfirmed(str(sdp)) | LegReanswered(sdp):
                self._move("caller", sdp)
            case LegReoffered():
                self._reanswer(self.leg, "caller", event.sdp)
            case _:
                pass

    def _on_agent_event(self, leg_id: str, event: LegEvent) -> None:
        match event:
            case LegRinging():
                self.feed(AgentLegRinging(leg_id))
            case LegAnswered():
                self._on_agent_answer(leg_id, event.sdp)
            case LegEnded():
                self._agent_legs.pop(leg_id, None)
                self.feed(AgentLegEnded(leg_id, event.status))
            case LegReoffered():
                self._reanswer(self._agent_legs[leg_id], "agent", event.sdp)
            case LegConfirmed(str(sdp)) | LegReanswered(sdp):
                self._move("agent", sdp)
            case _:
                pass

    def _on_agent_answer(self, leg_id: str, sdp: str | None) -> None:
        try:
            self._answers[leg_id] = parse_audio(sdp or "")
        except SdpError as error:
            log.warning("agent_answer_unusable", call_id=self.call_id, error=str(error))
            self._agent_legs[leg_id].hang_up("unusable session description")
            self.feed(AgentLegEnded(leg_id, None))
            return
        self.feed(AgentLegAnswered(leg_id))

    # -- effects -----------------------------------------------------------------------------------

    def _perform(self, effect: CallEffect) -> None:
        match effect:
            case RingCaller():
                self.leg.ring()
            case HangUpCaller():
                self.leg.hang_up()
            case HangUpLeg():
                if leg := self._agent_legs.get(effect.leg):
                    leg.hang_up()
            case _:
                self._enqueue_work(partial(self._perform_in_order, effect))

    async def _perform_in_order(self, effect: CallEffect) -> None:
        match effect:
            case Enqueue():
                await self._enqueue()
            case Dequeue():
                await self._f.floor.dequeue(self.call_id)
            case CallPhones():
                await self._call_phones(effect)
            case MarkRinging():
                await self._f.floor.ringing(self._offers[effect.token])
            case ReleaseOffer():
                await self._release(effect)
            case ConfirmLease():
                await self._confirm(effect)
            case Connect():
                await self._connect(effect)
            case FinishAgent():
                await self._finish_agent(effect.agent_id)
            case Finish():
                await self._finish()

    def _enqueue_work(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
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

    async def _enqueue(self) -> None:
        await self._f.floor.enqueue(self.call_id, arrived_at=self.unix(self.call.arrived_at) or 0.0)
        if self.call.state is CallState.WAITING and not self._waiting_told:
            self._waiting_told = True
            self._f.bus.publish(
                CallWaiting(at=self._f.wall_clock(), call_id=self.call_id, line=self.line)
            )

    async def _call_phones(self, effect: CallPhones) -> None:
        bindings = await self._f.bindings.lookup(effect.agent_id)
        if not bindings:
            self.feed(OfferFailed(effect.token, "no_phone"))
            return
        try:
            await self.audio.open(effect.token)
        except MediaError as error:
            log.warning("no_media", call_id=self.call_id, error=str(error))
            self.feed(OfferFailed(effect.token, "no_media"))
            return
        if self.call.token != effect.token:
            return  # it ended while the ports were being opened; _release closes them
        sdp = self.audio.offer_for_agent(effect.token, self.leg.remote_sdp)
        legs = []
        for number, binding in enumerate(bindings):
            leg_id = f"{effect.token}.{number}"
            self._agent_legs[leg_id] = self._f.gateway.invite(
                binding,
                sdp=sdp,
                caller=self.caller,
                display=self.line_name,
                called=effect.agent_id,
                on_event=partial(self._on_agent_event, leg_id),
            )
            legs.append(leg_id)
        self.feed(PhonesCalled(effect.token, tuple(legs)))
        self._f.bus.publish(
            CallOffered(
                at=self._f.wall_clock(),
                agent_id=effect.agent_id,
                call_id=self.call_id,
                line=self.line,
                caller=self.caller,
            )
        )

    async def _release(self, effect: ReleaseOffer) -> None:
        await self._f.floor.release(self._offers[effect.token], effect.outcome)
        self._f.bus.publish(
            CallOfferFailed(
                at=self._f.wall_clock(),
                agent_id=effect.agent_id,
                call_id=self.call_id,
                outcome=effect.outcome,
            )
        )
        await self.audio.close_agent(effect.token)

    async def _confirm(self, effect: ConfirmLease) -> None:
        ours = await self._f.floor.talking(self._offers[effect.token])
        self.feed(LeaseConfirmed(effect.token) if ours else LeaseLost(effect.token))

    async def _finish_agent(self, agent_id: str) -> None:
        await self._f.floor.finish(agent_id, self.call_id)
        if self.conversation is not None and self.conversation.submitted:
            await self._f.floor.end_wrap_up(agent_id)  # nothing is left to write

    async def _connect(self, effect: Connect) -> None:
        if self.call.token != effect.token:
            return
        try:
            answer = await self.audio.connect(self._answers[effect.leg], self.leg.remote_sdp)
        except (MediaError, SdpError) as error:
            log.warning("not_bridged", call_id=self.call_id, error=str(error))
            if self.call.token == effect.token:
                self.feed(MediaFailed())
            return
        if self.call.token != effect.token:
            return
        self.leg.answer(answer)
        self.feed(Bridged(effect.token))
        await self._begin_conversation()

    def _move(self, side: Side, sdp: str, chosen: AudioFormat | None = None) -> None:
        self._enqueue_work(partial(self._move_remote, side, sdp, chosen))

    async def _move_remote(self, side: Side, sdp: str, chosen: AudioFormat | None) -> None:
        try:
            await self.audio.move(side, sdp, chosen)
        except (SdpError, MediaError) as error:
            log.warning("remote_not_moved", call_id=self.call_id, side=side, error=str(error))

    def _reanswer(self, leg: Leg, side: Side, sdp: str | None) -> None:
        if not self.audio.is_open(side):
            leg.refuse(488)
            return
        if sdp is None:
            leg.answer(self.audio.reoffer(side))
            return
        try:
            answer, chosen = self.audio.reanswer(side, sdp)
        except SdpError as error:
            log.info("reoffer_refused", call_id=self.call_id, side=side, error=str(error))
            leg.refuse(488)
            return
        self._move(side, sdp, chosen)
        leg.answer(answer)

    # -- words, end --------------------------------------------------------------------------------

    async def _begin_conversation(self) -> None:
        agent_id = self.call.agent_id
        if agent_id is None:
            return
        answered_at = self.unix(self.call.answered_at) or 0.0
        self._f.records.change(
            self.call_id,
            answered_at=answered_at,
            agent_id=agent_id,
            ticket_id=self.ticket_id,
        )
        self._f.bus.publish(
            CallAnswered(
                at=answered_at,
                agent_id=agent_id,
                call_id=self.call_id,
                line=self.line,
                caller=self.caller,
                ticket_id=self.ticket_id,
                waited=answered_at - (self.unix(self.call.arrived_at) or 0.0),
            )
        )
        self.conversation = self._f.converse(self)
        if recording := await self.audio.start_recording():
            self._f.records.change(self.call_id, recording=str(recording))
        await self.conversation.open()

    def media_lost(self) -> None:
        """The media process died: its sessions are gone."""
        self.audio.lost()
        self.feed(MediaFailed())

    def recognizer_back(self) -> None:
        """The recogniser is back: fork to it again."""
        if self.conversation is not None and self.call.state is CallState.TALKING:
            self._enqueue_work(self.conversation.listen)

    def recognizer_away(self) -> None:
        """A recogniser is away: note what is missed from now on."""
        if self.conversation is not None and self.call.state is CallState.TALKING:
            self.conversation.unheard()

    async def _finish(self) -> None:
        """Give everything back and complete the record, the one even if the other fails."""
        recorded_seconds = None
        try:
            recorded_seconds = await self.audio.stop_recording()
            await self.audio.close()
            if self.conversation is not None:
                await self.conversation.close()
        finally:
            self._complete_record(recorded_seconds)
            self._work.put_nowait(None)
            self._on_finished(self)

    def _complete_record(self, recorded_seconds: float | None) -> None:
        call = self.call
        for seq, segment in enumerate(call.segments):
            self._f.records.segment(
                self.call_id,
                seq,
                agent_id=segment.agent_id,
                kind="agent",
                offered_at=self.unix(segment.offered_at),
                answered_at=self.unix(segment.answered_at),
                ended_at=self.unix(segment.ended_at),
                outcome=segment.outcome,
            )
        answered = call.answered_at is not None
        self._f.records.change(
            self.call_id,
            ended_at=self.unix(call.ended_at),
            outcome=call.outcome,
            ended_by=call.ended_by,
            recorded_seconds=recorded_seconds,
            recognised=self.conversation.recognised if self.conversation else False,
        )
        self._f.bus.publish(
            CallEnded(
                at=self.unix(call.ended_at) or 0.0,
                agent_id=call.agent_id,
                call_id=self.call_id,
                outcome=call.outcome or "failed",
                ended_by=call.ended_by or "system",
                talked=(call.ended_at or 0.0) - (call.answered_at or 0.0) if answered else 0.0,
                ticket_id=self.ticket_id if answered else None,
            )
        )
