"""All calls of this node: admission, the owners, and what others may ask and do.

The web layer, and later the exchange with partners, see calls through this one object.
"""

import asyncio
import os
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from agents.floor import Floor, Offer, Outcome
from asr.group import USUAL, RecognizerGroup
from asr.ports import Heard
from calls.agent_calls import AgentCalls, live
from calls.call import CallState
from calls.call_events import HangUpAsked, TransferMode
from calls.conversation import SIDES, Conversation, Side, stream_id
from calls.directory import Directory
from calls.errors import RecordingError, UnknownCall
from calls.gaps import GapStore
from calls.ledger import LONGEST_NUMBER
from calls.owner import SEAT_MARK, CallOwner, Facilities
from calls.ports import PlaceCall
from calls.records import CallRecords
from calls.redaction import BLACKENED, Span, blacken, blackened_fields, checksum, silence
from calls.targets import Target
from eventbus.bus import EventBus
from eventbus.catalogue import CallEnded, TicketStep, TicketSubmitted
from telephony.bindings import BindingStore
from telephony.gateway import SipGateway
from telephony.leg import Leg
from telephony.media_commands import MediaCommands, MediaError
from telephony.sip.offer_answer import SdpError, parse_audio
from tickets.burst import BurstRule
from tickets.draft import TicketDraft
from tickets.handling import TicketDesk
from tickets.history import brief
from tickets.ids import ENTROPY_BYTES, new_ticket_id
from tickets.life import Step
from tickets.secrecy import for_units
from tickets.sorting import SortingSource
from tickets.store import AlreadySubmitted, TicketStore, UnknownTicket
from tickets.urgency import UrgencyRules
from tickets.working_days import CHINA
from tickets.written import Writer

log = structlog.get_logger(__name__)

_VIEW_STATES: Mapping[CallState, str] = {
    CallState.NEW: "waiting",
    CallState.WAITING: "waiting",
    CallState.OFFERING: "offered",
    CallState.CONNECTING: "offered",
    CallState.TALKING: "talking",
}


@dataclass(frozen=True, slots=True)
class CallView:
    """A live call as others see it; ``state``: waiting, offered or talking. Unix seconds."""

    call_id: str
    line: str
    caller: str | None
    state: str
    agent_id: str | None
    arrived_at: float
    answered_at: float | None
    ticket_id: str | None
    direction: str = "inbound"
    transfer_to: str | None = None
    transfer_stage: str | None = None
    held_by: tuple[str, ...] = ()


def new_call_id(now: float, entropy: bytes) -> str:
    """Return a call's number: date and time in China, then random hex digits; sorts by time."""
    moment = datetime.fromtimestamp(now, UTC) + CHINA
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}-{entropy.hex()}"


class CallService:
    """Every call of this node.

    Args:
        lines: dialled number → name; a call for any other number is answered 404.
        directory: whom calls may be passed on to, and whom agents may call.
        place_call: calls somebody outside.
        role_of: an agent's role, None when there is no such account.
        partner_seconds: how long each number of somebody outside may ring.
        secure_phones: whether phones registered over TLS are offered SRTP.
        max_calls: beyond so many live calls new ones are answered 503.
        media_host: the address for RTP that is given to the parties.
        recordings: where recordings go; None: calls are not recorded.
        tie: told (call, SIP Call-ID) of each leg of a call.
        wall_clock: Unix seconds.
        writer: writes down what was recognised.
        recogniser_by_line: which recogniser hears a line's calls, where it is not the usual one.
        urgency: the rules of what cannot wait; the shipped ones where they are left out.
        burst: how many tickets of one kind and place make each of them urgent.
        sorting: sorts tickets into categories; by the shipped rules where it is left out.
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
        secure_phones: bool = False,
        max_calls: int,
        media_host: str,
        recordings: Path | None,
        tie: Callable[[str, str], None] = lambda _call, _dialog: None,
        wall_clock: Callable[[], float],
        recogniser_by_line: Mapping[str, str] | None = None,
        sorting: SortingSource | None = None,
        writer: Writer | None = None,
        urgency: UrgencyRules | None = None,
        burst: BurstRule | None = None,
    ) -> None:
        self._urgency = urgency
        self._burst = burst
        self._writer = writer or Writer()
        self._sorting = sorting or SortingSource()
        self._media = media
        self._recognizer = recognizer
        self._recogniser_by_line = recogniser_by_line or {}
        self._floor = floor
        self._records = records
        self._gaps = gaps
        self._tickets = tickets
        self._desk = desk
        self._bus = bus
        self._lines = lines
        self._max_calls = max_calls
        self._wall_clock = wall_clock
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
            wall_clock=wall_clock,
            no_answer_seconds=no_answer_seconds,
            partner_seconds=partner_seconds,
            secure_phones=secure_phones,
            media_host=media_host,
            recordings=recordings,
        )

    # -- what happens to us ------------------------------------------------------------------------

    def on_call(self, leg: Leg) -> None:
        """Admit a call, or refuse it with the reason that SIP has for it."""
        status = self._admission(leg)
        if status is not None and leg.account is not None:
            leg.on_event = lambda _event: None
            leg.refuse(status)
        elif status is not None:
            self._reject(leg, status)
        elif leg.account is not None:
            self.agents.on_call(leg)
        else:
            self._begin(leg)

    def _begin(
        self, leg: Leg, target: Target | None = None, agent_id: str | None = None
    ) -> CallOwner:
        """Begin a citizen's call, or an agent's own."""
        now = self._wall_clock()
        line = leg.called if target is None else ""
        owner = CallOwner(
            call_id=new_call_id(now, secrets.token_bytes(4)),
            leg=leg,
            line=line,
            line_name=self._lines.get(line, ""),
            ticket_id=new_ticket_id(now, os.urandom(ENTROPY_BYTES)),
            facilities=self._facilities,
            on_finished=self._on_finished,
            target=target,
            agent_id=agent_id,
        )
        self._owners[owner.call_id] = owner
        self._idle.clear()
        owner.start()
        return owner

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

    def on_offer(self, offer: Offer) -> None:
        """Take a match that the floor made for one of our calls."""
        owner = self._owners.get(offer.call_id.partition(SEAT_MARK)[0])
        if owner is None:  # ended in this very moment; the floor does not know yet
            self._give_back(offer, "cancelled")
        elif any(other.calling_agent == offer.agent_id for other in self._owners.values()):
            self._give_back(offer, "busy")  # he makes a call of his own, and said he was ready
        else:
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
                rules=self._urgency,
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
        )
        for side in SIDES:
            self._talks[stream_id(owner.call_id, side)] = (conversation, side)
        return conversation

    def is_live(self, call_id: str) -> bool:
        """Say whether a call is still going on, or its last words are still being written down."""
        return call_id in self._owners

    def _on_finished(self, owner: CallOwner) -> None:
        self._owners.pop(owner.call_id, None)
        for side in SIDES:
            self._talks.pop(stream_id(owner.call_id, side), None)
        self.agents.on_finished(owner)
        if not self._owners:
            self._idle.set()

    async def drain(self, max_seconds: float) -> None:
        """End all calls and wait until their records are complete."""
        self._draining = True
        for owner in list(self._owners.values()):
            owner.feed(HangUpAsked("system"))
        try:
            async with asyncio.timeout(max_seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("calls_left", count=len(self._owners))

    # -- what others ask ---------------------------------------------------------------------------

    def live(self) -> list[CallView]:
        """Return the calls in progress on this node, oldest first."""
        return [
            CallView(
                call_id=owner.call_id,
                line=owner.line,
                caller=owner.caller,
                state=_VIEW_STATES[owner.call.state],
                agent_id=owner.call.agent_id,
                arrived_at=owner.unix(owner.call.arrived_at) or 0.0,
                answered_at=owner.unix(owner.call.answered_at),
                ticket_id=owner.ticket_id if owner.conversation else None,
                direction="inbound" if owner.calling_agent is None else "outbound",
                transfer_to=owner.call.transfer_to,
                transfer_stage=owner.call.transfer_stage,
                held_by=tuple(sorted(set(owner.on_hold.values()))),
            )
            for owner in self._owners.values()
            if owner.call.state is not CallState.ENDED
        ]

    def counts(self) -> dict[str, int]:
        """Return how many calls there are, by state, and how many records are not yet written."""
        states = Counter(owner.call.state.value for owner in self._owners.values())
        return {
            "calls": len(self._owners),
            "talking": states["talking"],
            "waiting": states["waiting"],
            "ending": states["ended"],
        }

    async def hang_up(self, call_id: str, *, agent_id: str) -> None:
        """End a live call.

        From the agent whom it is only held out to, that is a refusal; from one of those who take
        part in a transfer it is his own leaving.

        Raises:
            UnknownCall: there is none with this id.
        """
        owner = live(self._owners.get(call_id), call_id)
        if not owner.leave(agent_id):
            owner.feed(HangUpAsked("agent"))

    async def transfer(
        self,
        call_id: str,
        target: str,
        mode: TransferMode,
        *,
        agent_id: str,
        reason: str | None = None,
    ) -> None:
        """Begin to pass a live call on: at once, or after a consultation.

        Raises:
            UnknownCall: there is none with this id.
            TransferError: it cannot be; nothing was changed.
        """
        owner = live(self._owners.get(call_id), call_id)
        await self.agents.transfer(owner, target, mode, agent_id=agent_id, reason=reason)

    async def transfer_step(self, call_id: str, step: str) -> None:
        """Take a step of a transfer: complete, cancel, swap or merge.

        Raises:
            UnknownCall: there is no live call with this id.
            TransferError: it cannot be; nothing was changed.
        """
        self.agents.step(live(self._owners.get(call_id), call_id), step)

    def partners(self) -> list[dict[str, Any]]:
        """Return the directory: id, name, numbers, open."""
        now = self._wall_clock()
        return [
            {
                "id": partner.id,
                "name": partner.name,
                "numbers": list(partner.numbers),
                "open": partner.is_open(now),
            }
            for partner in self.agents.directory.partners
        ]

    async def withheld_number(self, call_id: str) -> str | None:
        """Return the number of a caller who withholds it; who may ask is the asker's matter."""
        return await self._records.withheld_number(call_id)

    async def correct(
        self, ticket_id: str, changes: Mapping[str, Any], *, agent_id: str
    ) -> dict[str, Any]:
        """Set fields by an agent's hand; return the ticket.

        Raises:
            tickets.fields.TicketError: a field cannot hold its value; nothing was changed.
            tickets.store.UnknownTicket: no ticket has this id.
            tickets.store.AlreadySubmitted: it is no draft any more.
        """
        conversation = self._conversation_of(ticket_id)
        if conversation is None:
            return await self._tickets.correct(ticket_id, changes, agent_id=agent_id)
        conversation.correct(changes)
        await conversation.save()
        return await self._stored(ticket_id)

    async def submit(self, ticket_id: str, *, agent_id: str) -> dict[str, Any]:
        """Submit a ticket; the agent's wrap-up ends, at once or as soon as the call is over.

        Raises:
            tickets.store.UnknownTicket: no ticket has this id.
            tickets.store.AlreadySubmitted: it was submitted before.
        """
        conversation = self._conversation_of(ticket_id)
        if conversation is not None:
            await conversation.save()
        ticket = await self._tickets.submit(ticket_id, agent_id=agent_id)
        if conversation is not None:
            conversation.submitted = True
        self._bus.publish(
            TicketSubmitted(
                at=self._wall_clock(),
                agent_id=ticket["agent_id"],
                call_id=ticket["call_id"],
                ticket_id=ticket_id,
                fields=for_units(
                    {name: field["value"] for name, field in ticket["fields"].items()}
                ),
            )
        )
        presence = await self._floor.presence(agent_id)
        held = (presence.call_id or "").partition(SEAT_MARK)[0] if presence else None
        if held == ticket["call_id"]:
            await self._floor.end_wrap_up(agent_id)
        return ticket

    async def step(self, ticket_id: str, step: Step, *, who: str) -> dict[str, Any]:
        """Do something with a submitted ticket; return it. Reopening returns the new ticket.

        Raises:
            tickets.store.UnknownTicket: no ticket has this id.
            tickets.life.LifeError: the step is not allowed now, or lacks something.
        """
        if step.action == "reopen":
            new_id = new_ticket_id(self._wall_clock(), os.urandom(ENTROPY_BYTES))
            ticket = await self._desk.reopen(ticket_id, reason=step.note, new_id=new_id, who=who)
        else:
            ticket = await self._desk.step(ticket_id, step, who=who)
        self._bus.publish(
            TicketStep(
                at=self._wall_clock(),
                agent_id=ticket["agent_id"],
                call_id=ticket["call_id"],
                ticket_id=ticket["id"],
                action=step.action,
                status=ticket["status"],
                by=who,
                unit=ticket["unit"],
                deadline_at=ticket["deadline_at"],
                reopens=ticket["reopens"],
            )
        )
        return ticket

    async def steps(self, ticket_id: str) -> list[dict[str, Any]]:
        """Return what was done with a ticket, oldest first: at, who, action, note, unit."""
        return await self._desk.steps(ticket_id)

    async def pause_recording(self, call_id: str, *, paused: bool) -> None:
        """Stop recording and transcribing a call while a card's number is said, or go on.

        Raises:
            UnknownCall: nobody talks in a call of this id.
            RecordingError: it is not recorded, or the media process is away.
        """
        owner = self._owners.get(call_id)
        if owner is None or owner.call.state is not CallState.TALKING:
            raise UnknownCall(call_id)
        try:
            recorded = await owner.pause_recording(paused=paused)
        except MediaError as error:
            raise RecordingError(str(error)) from error
        if not recorded:
            raise RecordingError("the call is not being recorded")

    async def redact(self, call_id: str, span: Span) -> float:
        """Silence a span of a call's recording and blacken its words; return the seconds.

        Raises:
            UnknownCall: there is no finished call of this id with a recording.
            calls.redaction.RedactionError: the span is not in the recording.
            OSError: the recording cannot be rewritten.
        """
        path = await self.recording(call_id)
        if path is None or call_id in self._owners:
            raise UnknownCall(call_id)
        seconds = await asyncio.to_thread(silence, path, span)
        self._records.rerecorded(call_id, 1, sha256=await asyncio.to_thread(checksum, path))
        words: list[str] = []
        for said in await self._records.transcript(call_id):
            if span.touches(said["start"], said["end"], said["leg"]):
                words += [said["text"], said["spoken"] or ""]
                self._records.rewrite(call_id, said["seq"], text=BLACKENED, spoken=BLACKENED)
        words = [text for text in words if text != BLACKENED]
        await self._tickets.redact(
            call_id,
            fields=partial(blackened_fields, span=span, words=words),
            text=partial(blacken, words=words),
        )
        return seconds

    async def ticket(self, ticket_id: str) -> dict[str, Any] | None:
        """Return a ticket, with what was heard up to this moment, or None."""
        if conversation := self._conversation_of(ticket_id):
            with suppress(AlreadySubmitted):
                await conversation.save()
        return await self._tickets.get(ticket_id)

    async def history(self, ticket_id: str) -> list[dict[str, Any]]:
        """Return the caller's earlier tickets, newest first, a few facts of each."""
        ticket = await self._tickets.get(ticket_id)
        number = ticket and ticket["fields"].get("phone", {}).get("value")
        if not number:
            return []
        return [brief(t) for t in await self._tickets.of_caller(number, before=ticket_id)]

    def categories(self) -> list[dict[str, Any]]:
        """Return the category tree in use: ``[{"name", "topics"}]``."""
        return self._sorting.current().tree.to_list()

    async def tickets(
        self,
        *,
        agent_id: str | None = None,
        status: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Return tickets, newest first."""
        return await self._tickets.list_(
            agent_id=agent_id, status=status, limit=limit, offset=offset
        )

    async def call(self, call_id: str) -> dict[str, Any] | None:
        """Return a call's record with its segments, or None."""
        row = await self._records.get(call_id)
        if row is None:
            return None
        return {**_public(row), "gaps": await self._gaps.of_call(call_id)}

    async def calls(
        self, *, agent_id: str | None = None, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Return call records, newest first."""
        rows = await self._records.list_(agent_id=agent_id, limit=limit, offset=offset)
        return [_public(row) for row in rows]

    async def transcript(self, call_id: str) -> list[dict[str, Any]]:
        """Return the utterances of a call: seq, leg, start, end, text, confidence."""
        return await self._records.transcript(call_id)

    async def recording(self, call_id: str, *, part: int = 1) -> Path | None:
        """Return where a call's stereo WAV lies, None when there is none.

        A call that was passed on has a part for each agent who held it.
        """
        row = await self._records.get(call_id)
        if row is None or not row["recording"]:
            return None
        path = Path(row["recording"])
        if part > 1:
            path = path.with_name(f"{path.stem}-{part}{path.suffix}")
        return path if await asyncio.to_thread(path.is_file) else None

    async def is_intact(self, call_id: str, *, part: int = 1) -> bool | None:
        """Whether a part of a recording is what was recorded; None where no checksum is known."""
        row = await self._records.get(call_id)
        known = {entry["part"]: str(entry["sha256"]) for entry in row["recordings"]} if row else {}
        path = await self.recording(call_id, part=part)
        if part not in known or path is None:
            return None
        intact = await asyncio.to_thread(checksum, path) == known[part]
        if not intact:
            log.error("recording_altered", call_id=call_id, part=part)
        return intact

    def _conversation_of(self, ticket_id: str) -> Conversation | None:
        for owner in self._owners.values():
            if owner.ticket_id == ticket_id:
                return owner.conversation
        return None

    async def _stored(self, ticket_id: str) -> dict[str, Any]:
        ticket = await self._tickets.get(ticket_id)
        if ticket is None:
            raise UnknownTicket(ticket_id)
        return ticket


def _public(row: Mapping[str, Any]) -> dict[str, Any]:
    """Say whether there is a recording, not where on our disk."""
    parts = [
        {name: value for name, value in part.items() if name not in {"call_id", "path"}}
        for part in row.get("recordings", ())
    ]
    return {**row, "recording": bool(row["recording"]), "recordings": parts}
