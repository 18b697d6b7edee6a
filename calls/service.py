"""All calls of this node: admission, the owners, and what others may ask and do.

The web layer, and later the exchange with partners, see calls through this one object.
"""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from agents.floor import Floor, Offer, Outcome
from asr.group import USUAL, RecognizerGroup
from asr.ports import Heard
from calls.after_call import AfterCall
from calls.agent_calls import AgentCalls
from calls.archive import CallArchive
from calls.attending.attendant import Attending
from calls.audio import CallAudio
from calls.audio_policy import G711_ONLY, AudioPolicy
from calls.call_commands import CallCommands
from calls.call_inputs import HangUpAsked
from calls.call_lists import CallLists
from calls.call_tickets import CallTickets
from calls.click_to_call import Clicked, ClickToCall
from calls.conversation import SIDES, Conversation, Side, stream_id
from calls.dead_legs import hang_up_dead_leg
from calls.directory import Directory
from calls.echo import EchoCalls
from calls.facilities import SEAT_MARK, Facilities
from calls.gaps import GapStore
from calls.ledger import LONGEST_NUMBER
from calls.owner import CallOwner
from calls.place_search import PlaceNames
from calls.ports import Carry, PlaceCall, carry_nothing
from calls.records import CallRecords
from calls.routing import Route, anybody
from calls.supervising import Supervising
from calls.targets import NumberTarget, Target
from eventbus.bus import EventBus
from eventbus.catalogue import CallEnded
from eventbus.precedence import Precedence
from telephony.bindings import BindingStore
from telephony.gateway import SipGateway
from telephony.leg import Leg
from telephony.media_commands import MediaCommands, MediaEvent
from telephony.sip.offer_answer import SdpError, parse_audio
from tickets.burst import BurstRule
from tickets.draft import TicketDraft
from tickets.handling import TicketDesk
from tickets.ids import ENTROPY_BYTES, new_ticket_id
from tickets.sorting import SortingSource
from tickets.store import TicketStore
from tickets.urgency import UrgencyRules
from tickets.working_days import CHINA
from tickets.written import Writer

log = structlog.get_logger(__name__)


def new_call_id(now: float, entropy: bytes) -> str:
    """Return a call's number: date and time in China, then random hex digits; sorts by time."""
    moment = datetime.fromtimestamp(now, UTC) + CHINA
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}-{entropy.hex()}"


class CallService(CallCommands, CallLists, CallTickets, CallArchive):
    """Every call of this node.

    Args:
        lines: dialled number → name; a call for any other number is answered 404.
        directory: whom calls may be passed on to, and whom agents may call.
        place_call: calls somebody outside.
        role_of: an agent's role, None when there is no such account.
        partner_seconds: how long each number of somebody outside may ring.
        carry: sends a ticket's draft along with a call that goes to a partner.
        secure_phones: whether phones registered over TLS are offered SRTP.
        max_calls: beyond so many live calls new ones are answered 503.
        media_host: the address for RTP that is given to the parties.
        recordings: where recordings go; None: calls are not recorded.
        audio: how calls are coded.
        music: what a citizen on hold hears, a WAV file; None: the ringing tone.
        route: says what a call asks of the floor.
        foresee: told who calls while his call is still being let in: `route` will be asked of him.
        refuses: tells whether a line is closed now; its calls are answered 480.
        tie: told (call, SIP Call-ID) of each leg of a call.
        wall_clock: Unix seconds.
        writer: writes down what was recognised.
        recogniser_by_line: which recogniser hears a line's calls, where it is not the usual one.
        urgency: the rules of what cannot wait; the shipped ones where they are left out.
        burst: how many tickets of one kind and place make each of them urgent.
        sorting: sorts tickets into categories; by the shipped rules where it is left out.
        places: the city's names, for completion.
        attending: how the system speaks to callers; None: it does not.
        after_call: ratings and dispositions.
        on_rejected: told (call, number, line) of a citizen whom we could not serve.
        echo: the number that an agent's phone calls to hear itself; "": none.
        precedence: lets calls that look for an agent go before what can wait.
    """

    def __init__(
        self,
        *,
        gateway: SipGateway,
        bindings: BindingStore,
        media: MediaCommands,
        recognizer: RecognizerGroup,
        floor: Floor,
        records: CallRecords,
        gaps: GapStore,
        tickets: TicketStore,
        desk: TicketDesk,
        bus: EventBus,
        lines: Mapping[str, str],
        directory: Directory,
        place_call: PlaceCall,
        role_of: Callable[[str], Awaitable[str | None]],
        no_answer_seconds: float,
        partner_seconds: float,
        carry: Carry = carry_nothing,
        secure_phones: bool = False,
        max_calls: int,
        media_host: str,
        recordings: Path | None,
        audio: AudioPolicy = G711_ONLY,
        music: Path | None = None,
        route: Route = anybody,
        foresee: Callable[[str], None] = lambda _caller: None,
        refuses: Callable[[str], bool] = lambda _line: False,
        tie: Callable[[str, str], None] = lambda _call, _dialog: None,
        wall_clock: Callable[[], float],
        recogniser_by_line: Mapping[str, str] | None = None,
        sorting: SortingSource | None = None,
        writer: Writer | None = None,
        urgency: UrgencyRules | None = None,
        burst: BurstRule | None = None,
        places: PlaceNames | None = None,
        attending: Attending | None = None,
        after_call: AfterCall | None = None,
        on_rejected: Callable[[str, str | None, str], None] = lambda _call, _number, _line: None,
        echo: str = "",
        precedence: Precedence | None = None,
    ) -> None:
        CallTickets.__init__(
            self,
            tickets=tickets,
            desk=desk,
            floor=floor,
            bus=bus,
            sorting=sorting or SortingSource(),
            conversation_of=self._conversation_for,
            wall_clock=wall_clock,
        )
        CallArchive.__init__(
            self,
            records=records,
            gaps=gaps,
            tickets=tickets,
            is_live=self.is_live,
            after_call=after_call,
            files=audio.files,
        )
        self.urgency = urgency
        self._burst = burst
        self._writer = writer or Writer()
        self._places = places or PlaceNames()
        self._media = media
        self._recognizer = recognizer
        self._recogniser_by_line = recogniser_by_line or {}
        self._lines = lines
        self._on_rejected = on_rejected
        self._foresee = foresee
        self._refuses = refuses
        self._max_calls = max_calls
        self._owners: dict[str, CallOwner] = {}
        self._talks: dict[str, tuple[Conversation, Side]] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._releases: set[asyncio.Task[None]] = set()
        self.agents = AgentCalls(
            directory=directory,
            floor=floor,
            role_of=role_of,
            owner_of=self._owner_of,
            begin=self._begin,
            wall_clock=wall_clock,
        )
        self.supervising = Supervising(
            floor=floor, bindings=bindings, owner_of=self._owner_of, role_of=role_of
        )
        self._facilities = Facilities(
            gateway=gateway,
            bindings=bindings,
            media=media,
            floor=floor,
            records=records,
            bus=bus,
            converse=self._converse,
            place_call=place_call,
            resolve=self.agents.resolve,
            tie=tie,
            on_supervision=self.supervising.on_step,
            wall_clock=wall_clock,
            no_answer_seconds=no_answer_seconds,
            partner_seconds=partner_seconds,
            carry=carry,
            secure_phones=secure_phones,
            media_host=media_host,
            recordings=recordings,
            audio=audio,
            music=music,
            attending=attending,
            on_outgoing_answered=self._on_outgoing_answered,
            route=route,
            partner=lambda asked: directory.number_of(asked, now=wall_clock()),
            may_be_sent_to=directory.may_be_sent_to,
            precedence=precedence or Precedence(),
        )
        self.clicks = ClickToCall(
            facilities=self._facilities,
            agents=self.agents,
            begin=self._begin_clicked,
            new_id=self._new_id,
        )

        self.echo = EchoCalls(
            number=echo,
            agents=self.agents,
            is_talking=lambda agent_id: self._owner_of(agent_id) is not None,
            media=media,
            audio=lambda name: CallAudio(
                name, media=media, host=media_host, recordings=None, policy=audio
            ),
            new_id=self._new_id,
        )

    # -- what happens to us ------------------------------------------------------------------------

    def on_coming(self, caller: str, trunk: str) -> None:
        """Take note that a call comes by a trunk and may be let in."""
        if self.agents.directory.partner_at(trunk) is None:  # of a partner's nothing is asked
            self._foresee(caller[:LONGEST_NUMBER])

    def on_call(self, leg: Leg) -> None:
        """Admit a call, or refuse it with the reason that SIP has for it."""
        status = self._admission(leg)
        if status is not None and leg.account is not None:
            leg.on_event = lambda _event: None
            leg.refuse(status)
        elif status is not None:
            self._reject(leg, status)
        elif self.echo.takes(leg):
            self.echo.on_call(leg)
        elif leg.account is not None:
            self.agents.on_call(leg)
        else:
            self._begin(leg)

    def _begin(
        self,
        leg: Leg,
        target: Target | None = None,
        agent_id: str | None = None,
        clicked: Clicked | None = None,
    ) -> CallOwner:
        """Begin a citizen's call, or an agent's own."""
        line = clicked.line if clicked else leg.called if target is None else ""
        partner = self.agents.directory.partner_at(leg.trunk)
        owner = CallOwner(
            call_id=clicked.call_id if clicked else self._new_id(),
            leg=leg,
            line=line,
            line_name=self._lines.get(line, ""),
            ticket_id=new_ticket_id(self._wall_clock(), os.urandom(ENTROPY_BYTES)),
            facilities=self._facilities,
            on_finished=self._on_finished,
            target=target,
            agent_id=agent_id,
            partner_id=partner.id if partner is not None else None,
            clicked=clicked.audio if clicked else None,
            called=clicked.number if clicked else None,
        )
        self._owners[owner.call_id] = owner
        self._idle.clear()
        if agent_id is not None:
            self.agents.began(agent_id)
        owner.start()
        return owner

    def _begin_clicked(self, clicked: Clicked, target: NumberTarget) -> CallOwner:
        """Begin an agent's own call whose phone we have called."""
        return self._begin(clicked.leg, target, clicked.agent_id, clicked)

    def _new_id(self) -> str:
        return new_call_id(self._wall_clock(), secrets.token_bytes(4))

    def _owner_of(self, agent_id: str) -> CallOwner | None:
        """Return the live call that an agent talks in."""
        for owner in self._owners.values():
            if owner.call.leg_of(agent_id) is not None:
                return owner
        return None

    def _admission(self, leg: Leg) -> int | None:
        """Return the status to refuse with, or None."""
        if self._draining or len(self._owners) >= self._max_calls:
            return 503
        if leg.account is None and leg.called not in self._lines:
            return 404
        green = self.agents.directory.partner_at(leg.trunk) is not None
        if leg.account is None and not green and self._refuses(leg.called):
            return 480
        if leg.remote_sdp is not None:
            try:
                parse_audio(leg.remote_sdp)
            except SdpError as error:
                log.info("offer_unusable", sip_call_id=leg.sip_call_id, error=str(error))
                return 488
        return None

    def _reject(self, leg: Leg, status: int) -> None:
        """Refuse, and leave a record: also who could not be served is counted."""
        now = self._wall_clock()
        call_id = new_call_id(now, secrets.token_bytes(4))
        leg.on_event = lambda _event: None
        leg.refuse(status)
        self._records.arrived(
            call_id,
            line=leg.called[:LONGEST_NUMBER],
            caller=leg.caller[:LONGEST_NUMBER] if leg.caller else None,
            sip_call_id=leg.sip_call_id,
            arrived_at=now,
        )
        self._records.change(call_id, ended_at=now, outcome="rejected", ended_by="system")
        self._bus.publish(
            CallEnded(at=now, call_id=call_id, outcome="rejected", ended_by="system", talked=0.0)
        )
        if leg.called in self._lines:
            self._on_rejected(call_id, leg.caller, leg.called)

    def on_offer(self, offer: Offer) -> None:
        """Take a match that the floor made for one of our calls."""
        owner = self._owners.get(offer.call_id.partition(SEAT_MARK)[0])
        if owner is None:  # ended in this very moment; the floor does not know yet
            self._give_back(offer, "cancelled")
        elif self.agents.calls_out(offer.agent_id):
            self._give_back(offer, "busy")  # he makes a call of his own, and said he was ready
        else:
            self.supervising.on_offer(owner, offer.agent_id)
            owner.offer(offer)

    def _give_back(self, offer: Offer, outcome: Outcome) -> None:
        task = asyncio.create_task(self._floor.release(offer, outcome), name="late-offer")
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    def on_result(self, stream: str, result: Heard) -> None:
        """Take a recognition result."""
        if talk := self._talks.get(stream):
            conversation, side = talk
            conversation.hear(side, result)

    def on_rules_changed(self) -> None:
        """Let calls that wait go by the rules as they are now."""
        for owner in self._owners.values():
            owner.do(owner.calling.replan)

    def on_recognizer_back(self) -> None:
        """Fork every talking call to the recogniser again."""
        for owner in self._owners.values():
            owner.recognizer_back()

    def on_recognizer_away(self) -> None:
        """A recogniser went away, and with it whatever it had not told yet."""
        for owner in self._owners.values():
            owner.recognizer_away()

    def on_media_lost(self, sessions: Sequence[str]) -> None:
        """The media process died with these sessions: end or re-offer their calls."""
        for call_id in dict.fromkeys(session.split(".")[0] for session in sessions):
            if owner := self._owners.get(call_id):
                owner.media_lost()
        self.echo.hang_up(sessions)

    def on_rtp_timeout(self, session: str, seconds: float) -> None:
        """Nothing comes from this session's party any more: end its leg."""
        if owner := self._owners.get(session.split(".", maxsplit=1)[0]):
            hang_up_dead_leg(owner, session, seconds)
        self.echo.hang_up([session])

    def _on_outgoing_answered(self, call_id: str) -> None:
        self.clicks.on_answered(call_id)

    def on_media_event(self, event: MediaEvent) -> None:
        """Take what the media process reports of a call: keys, and what is not played any more."""
        name = str(getattr(event, "session", "") or getattr(event, "player", ""))
        if owner := self._owners.get(name.partition(".")[0]):
            owner.reception.media_event(event)

    def _converse(self, owner: CallOwner) -> Conversation:
        """Make the conversation of a call that was just answered."""
        sorting = self._sorting.current()
        conversation = Conversation(
            call_id=owner.call_id,
            agent_id=owner.call.agent_id or "",
            draft=TicketDraft(
                owner.ticket_id,
                owner.caller,
                classifier=sorting.classifier,
                tree=sorting.tree,
                rules=self.urgency,
            ),
            sessions=owner.sides(),
            media=self._media,
            recognizer=self._recognizer,
            recogniser=self._recogniser_by_line.get(owner.line, USUAL),
            records=self._records,
            gaps=self._gaps,
            tickets=self._tickets,
            bus=self._bus,
            wall_clock=self._wall_clock,
            seconds=owner.seconds_since_answer,
            writer=self._writer,
            burst=self._burst,
            give_way=self._facilities.precedence.give_way,
        )
        for side in SIDES:
            self._talks[stream_id(owner.call_id, side)] = (conversation, side)
        return conversation

    def _on_finished(self, owner: CallOwner) -> None:
        self._owners.pop(owner.call_id, None)
        for side in SIDES:
            self._talks.pop(stream_id(owner.call_id, side), None)
        self.agents.on_finished(owner)
        self.clicks.on_finished(owner.call_id)
        self.supervising.on_finished(owner)
        if not self._owners:
            self._idle.set()

    async def drain(self, max_seconds: float) -> None:
        """End all calls and wait until their records are complete."""
        self._draining = True
        await self.clicks.close()
        await self.echo.close()
        for owner in list(self._owners.values()):
            owner.feed(HangUpAsked("system"))
            if owner.reception.detained:
                owner.reception.caller_gone()
        try:
            async with asyncio.timeout(max_seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("calls_left", count=len(self._owners))

    def _conversation_for(self, ticket_id: str) -> Conversation | None:
        for owner in self._owners.values():
            if owner.ticket_id == ticket_id:
                return owner.conversation
        return None
