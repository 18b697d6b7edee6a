"""Small honest implementations of the ports in ``web/ports.py``, all in memory.

Presence is the real pure machine, tickets are real drafts, the bus is the real one; only the
telephone network, Redis and SQL are missing.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from agents.accounts import AccountExists, NewAccount, TooManyAttempts
from agents.presence import Details, Input, Presence, step
from calls.errors import RecordingError, TransferError, UnknownCall
from calls.ladders import Ladder
from calls.place_search import PlaceNames
from calls.recording_files import RecordingFiles
from calls.redaction import Span, silence
from calls.reporting.period import Period
from calls.reporting.report import (
    Exchange,
    Frequent,
    Hot,
    Point,
    Report,
    Share,
    Unit,
    Volume,
)
from eventbus.bus import EventBus
from eventbus.catalogue import (
    AgentPresence,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallHeld,
    CallHelp,
    CallMuted,
    CallOffered,
    CallResumed,
    CallTransfer,
    Event,
    TicketField,
    TicketSubmitted,
    TranscriptFinal,
    TranscriptPartial,
)
from telephony.media.sealed import SUFFIX, SealKeys
from tickets.draft import TicketDraft
from tickets.exchange.machine import ExchangeError
from tickets.exchange.service import UnknownHandover
from tickets.fields import FieldValue, check
from tickets.help.knowledge import Entry
from tickets.help.knowledge_base import Found
from tickets.history import brief
from tickets.life import Handling, Step, take
from tickets.store import AlreadySubmitted, UnknownTicket
from tickets.tree import SHIPPED
from tickets.working_days import Calendar

PASSWORD = "correct horse"
WRAP_UP_SECONDS = 30.0
PLACES = PlaceNames([("临顿路", "道路"), ("平江街道", "街道")])


class Clock:
    """Unix seconds that move when told to."""

    def __init__(self, now: float = 1_760_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class FakeAccount:
    id: str
    name: str
    role: str
    group: str = "市级"


@dataclass
class FakeAccounts:
    """Everybody's password is the same; three wrong ones in a row hold that account back."""

    people: dict[str, FakeAccount] = field(
        default_factory=lambda: {
            person.id: person
            for person in (
                FakeAccount("1001", "王芳", "agent"),
                FakeAccount("1002", "李强", "agent"),
                FakeAccount("2001", "陈静", "supervisor"),
                FakeAccount("3001", "周敏", "inspector"),
                FakeAccount("9001", "admin", "admin"),
            )
        }
    )
    failures: dict[str, int] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)

    async def verify(
        self,
        agent_id: str,
        password: str,
        *,
        source: str = "",  # noqa: ARG002 - the port's; this brake holds the account only
    ) -> FakeAccount | None:
        if self.failures.get(agent_id, 0) >= 3:
            raise TooManyAttempts(7.4)
        account = self.people.get(agent_id)
        if account is None or password != self.passwords.get(agent_id, PASSWORD):
            self.failures[agent_id] = self.failures.get(agent_id, 0) + 1
            return None
        self.failures.pop(agent_id, None)
        return account

    async def get(self, agent_id: str) -> FakeAccount | None:
        return self.people.get(agent_id)

    async def create(self, account: NewAccount) -> FakeAccount:
        if account.id in self.people:
            raise AccountExists(account.id)
        made = FakeAccount(account.id, account.name, account.role, account.group)
        self.people[account.id] = made
        return made

    async def change(self, agent_id: str, **changes: Any) -> FakeAccount | None:
        if agent_id not in self.people:
            return None
        self.people[agent_id] = replace(self.people[agent_id], **changes)
        return self.people[agent_id]

    async def set_password(self, agent_id: str, password: str) -> bool:
        self.passwords[agent_id] = password
        return agent_id in self.people

    async def list_(self) -> list[FakeAccount]:
        return [self.people[agent_id] for agent_id in sorted(self.people)]


class FakeFloor:
    """Presences moved by the real machine; each change is published."""

    def __init__(self, bus: EventBus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._presences: dict[str, Presence] = {}

    def put(self, agent_id: str, what: Input, details: Details | None = None) -> Presence:
        before = self._presences.get(agent_id, Presence(agent_id, phones=1))
        after = step(before, what, self._clock(), details or Details())
        self._presences[agent_id] = after
        if after != before:
            self._publish(after)
        return after

    def set_phones(self, agent_id: str, count: int) -> None:
        self._presences[agent_id] = replace(self._presences[agent_id], phones=count)
        self._publish(self._presences[agent_id])

    def _publish(self, presence: Presence) -> None:
        self._bus.publish(
            AgentPresence(
                at=self._clock(),
                agent_id=presence.agent_id,
                call_id=presence.call_id,
                state=presence.state.value,
                reason=presence.reason,
                since=presence.since,
                phones=presence.phones,
            )
        )

    async def sign_in(self, agent_id: str) -> Presence:
        return self.put(agent_id, Input.SIGN_IN)

    async def sign_out(self, agent_id: str) -> Presence:
        return self.put(agent_id, Input.SIGN_OUT)

    async def set_ready(self, agent_id: str) -> Presence:
        return self.put(agent_id, Input.SET_READY)

    async def set_not_ready(self, agent_id: str, reason: str) -> Presence:
        return self.put(agent_id, Input.SET_NOT_READY, Details(reason=reason))

    async def end_wrap_up(self, agent_id: str) -> Presence:
        presence = self._presences[agent_id]
        if presence.state.value != "wrap_up":
            return presence
        return self.put(agent_id, Input.END_WRAP_UP)

    async def extend_wrap_up(self, agent_id: str) -> Presence:
        return self.put(agent_id, Input.EXTEND_WRAP_UP, Details(extension_seconds=60.0))

    async def presence(self, agent_id: str) -> Presence | None:
        return self._presences.get(agent_id)

    async def everyone(self) -> list[Presence]:
        return [self._presences[agent_id] for agent_id in sorted(self._presences)]


@dataclass(frozen=True)
class FakeLiveCall:
    call_id: str
    line: str
    caller: str | None
    state: str
    agent_id: str | None
    arrived_at: float
    answered_at: float | None = None
    ticket_id: str | None = None
    direction: str = "inbound"
    transfer_to: str | None = None
    transfer_stage: str | None = None
    held_by: tuple[str, ...] = ()
    partner: str | None = None
    reference: str | None = None
    muted: bool = False
    parties: tuple[dict[str, str], ...] = ()
    supervisor: str | None = None
    supervision: str | None = None


@dataclass
class _Ticket:
    draft: TicketDraft
    call_id: str
    agent_id: str
    created_at: float
    handling: Handling = field(default_factory=Handling)
    steps: list[dict[str, Any]] = field(default_factory=list)
    reopens: str | None = None

    def as_dict(self) -> dict[str, Any]:
        handling = asdict(self.handling)
        review = handling.pop("review") or {}
        return {
            "id": self.draft.ticket_id,
            "call_id": self.call_id,
            "agent_id": self.agent_id,
            "created_at": self.created_at,
            "fields": {name: value.to_dict() for name, value in self.draft.fields.items()},
            "reopens": self.reopens,
            "reached": review.get("reached"),
            "solved": review.get("solved"),
            "satisfied": review.get("result"),
            **handling,
        }


class FakeCalls:
    """Calls that a test moves by hand, with the events that the real service publishes.

    Args:
        bus: where they are published.
        floor: whose agents the calls hold.
        clock: Unix seconds.
        folder: where recordings are put.
    """

    def __init__(self, bus: EventBus, floor: FakeFloor, clock: Clock, folder: Path) -> None:
        self._bus = bus
        self._floor = floor
        self._clock = clock
        self._folder = folder
        self.asked: list[tuple[str, ...]] = []
        self.withheld: dict[str, str] = {}
        self.records_calls = True
        self.paused: dict[str, bool] = {}
        self.intact: dict[tuple[str, int], bool] = {}
        self._live: dict[str, FakeLiveCall] = {}
        self._records: dict[str, dict[str, Any]] = {}
        self._transcripts: dict[str, list[dict[str, Any]]] = {}
        self._tickets: dict[str, _Ticket] = {}

    # -- what a test does ---------------------------------------------------------------------

    def publish(self, event: Event) -> None:
        self._bus.publish(event)

    def offer(self, call_id: str, agent_id: str, caller: str = "15250322668") -> None:
        """The call arrives and rings at the agent's."""
        now = self._clock()
        self._live[call_id] = FakeLiveCall(call_id, "12345", caller, "offered", agent_id, now)
        self.publish(CallArrived(at=now, call_id=call_id, line="12345", caller=caller))
        held = Details(call_id=call_id, call_node="test")
        self._floor.put(agent_id, Input.RESERVE, held)
        self.publish(
            CallOffered(at=now, agent_id=agent_id, call_id=call_id, line="12345", caller=caller)
        )
        self._floor.put(agent_id, Input.RING)

    def answer(self, call_id: str) -> str:
        """The agent answers; returns the ticket's id."""
        now = self._clock()
        ticket_id = f"T{call_id}"
        view = replace(self._live[call_id], state="talking", answered_at=now, ticket_id=ticket_id)
        self._live[call_id] = view
        assert view.agent_id is not None
        draft = TicketDraft(ticket_id, view.caller)
        self._tickets[ticket_id] = _Ticket(draft, call_id, view.agent_id, now)
        self._transcripts[call_id] = []
        self._floor.put(view.agent_id, Input.ANSWER)
        self.publish(
            CallAnswered(
                at=now,
                agent_id=view.agent_id,
                call_id=call_id,
                line=view.line,
                caller=view.caller,
                ticket_id=ticket_id,
                waited=now - view.arrived_at,
            )
        )
        return ticket_id

    def partial(self, call_id: str, leg: str, text: str, start: float = 0.0) -> None:
        agent_id = self._live[call_id].agent_id
        self.publish(
            TranscriptPartial(
                at=self._clock(),
                agent_id=agent_id,
                call_id=call_id,
                leg=leg,
                text=text,
                start=start,
            )
        )

    def miss(self, call_id: str, leg: str, start: float, end: float) -> dict[str, Any]:
        """What a party of a finished call said was not recognised; return the gap."""
        gap: dict[str, Any] = {
            "leg": leg,
            "start": start,
            "end": end,
            "reason": "away",
            "state": "missing",
        }
        self._records[call_id].setdefault("gaps", []).append(gap)
        return gap

    def say(self, call_id: str, leg: str, text: str, start: float = 0.0, end: float = 1.0) -> None:
        """A party said something."""
        said = self._transcripts[call_id]
        utterance: dict[str, Any] = {
            "seq": len(said) + 1,
            "leg": leg,
            "start": start,
            "end": end,
            "text": text,
            "confidence": 0.93,
        }
        said.append(utterance)
        self.publish(
            TranscriptFinal(
                at=self._clock(),
                agent_id=self._live[call_id].agent_id,
                call_id=call_id,
                **utterance,
            )
        )

    def hear(self, ticket_id: str, name: str, value: object, evidence: str | None = None) -> None:
        """A field was heard in the talk; one that the agent corrected stays."""
        ticket = self._tickets[ticket_id]
        if ticket.draft.fields[name].source == "agent":
            return
        ticket.draft.fields[name] = FieldValue(check(name, value), "heard", evidence)
        self._tell(ticket, name)

    def end(self, call_id: str, *, recorded: bool = True) -> None:
        """The call is over; the agent wraps up."""
        view = self._live.pop(call_id)
        now = self._clock()
        if recorded:
            (self._folder / f"{call_id}.wav").write_bytes(wav(seconds=1))
        self._records[call_id] = {
            "call_id": call_id,
            "line": view.line,
            "caller": view.caller,
            "arrived_at": view.arrived_at,
            "answered_at": view.answered_at,
            "ended_at": now,
            "outcome": "answered",
            "ended_by": "citizen",
            "agent_id": view.agent_id,
            "ticket_id": view.ticket_id,
            "recording": recorded,
            "segments": [
                {
                    "agent_id": view.agent_id,
                    "kind": "agent",
                    "offered_at": view.arrived_at,
                    "answered_at": view.answered_at,
                    "ended_at": now,
                    "outcome": "answered",
                }
            ],
        }
        assert view.agent_id is not None
        assert view.answered_at is not None
        self._floor.put(view.agent_id, Input.HANG_UP, Details(wrap_up_seconds=WRAP_UP_SECONDS))
        self.publish(
            CallEnded(
                at=now,
                agent_id=view.agent_id,
                call_id=call_id,
                outcome="answered",
                ended_by="citizen",
                talked=now - view.answered_at,
                ticket_id=view.ticket_id,
            )
        )

    def _tell(self, ticket: _Ticket, name: str) -> None:
        value = ticket.draft.fields[name]
        self.publish(
            TicketField(
                at=self._clock(),
                agent_id=ticket.agent_id,
                call_id=ticket.call_id,
                ticket_id=ticket.draft.ticket_id,
                field=name,
                value=value.value,
                source=value.source,
                evidence=value.evidence,
            )
        )

    def view(self, call_id: str) -> FakeLiveCall:
        if call_id not in self._live:
            raise UnknownCall(call_id)
        return self._live[call_id]

    def change(self, view: FakeLiveCall) -> None:
        self._live[view.call_id] = view

    def clock(self) -> float:
        return self._clock()

    def tell_transfer(self, call_id: str, stage: str, target: str, mode: str) -> None:
        """Publish how a transfer goes."""
        self.publish(
            CallTransfer(
                at=self._clock(),
                agent_id=self._live[call_id].agent_id,
                call_id=call_id,
                stage=stage,
                target=target,
                mode=mode,
            )
        )

    # -- the port -----------------------------------------------------------------------------

    def live(self) -> list[FakeLiveCall]:
        return list(self._live.values())

    async def hang_up(self, call_id: str, *, agent_id: str) -> None:  # noqa: ARG002 - refusals are not played here
        if call_id not in self._live:
            raise UnknownCall(call_id)
        self.end(call_id)

    async def transfer(
        self,
        call_id: str,
        target: str,
        mode: Literal["blind", "consult", "conference"],
        *,
        agent_id: str,
        reason: str | None = None,
    ) -> None:
        del reason
        view = self._live[call_id]
        if view.transfer_to is not None:
            raise TransferError("transfer_under_way")
        if target not in {"110", "partner:110", "agent:1002"}:
            raise TransferError("target_not_allowed" if target.isdigit() else "unknown_target")
        self._live[call_id] = replace(view, transfer_to=target, transfer_stage="joined")
        self.asked.append((call_id, target, mode, agent_id))
        for stage in ("started", "ringing", "joined"):
            self.tell_transfer(call_id, stage, target, mode)

    async def transfer_step(self, call_id: str, step: str) -> None:
        view = self._live[call_id]
        if view.transfer_to is None:
            raise TransferError("no_transfer")
        self.asked.append((call_id, step))
        after = {
            "complete": "completed",
            "cancel": "cancelled",
            "merge": "merged",
            "swap": "joined",
        }
        self.tell_transfer(call_id, after[step], view.transfer_to, "consult")
        if step in {"complete", "cancel"}:
            self._live[call_id] = replace(view, transfer_to=None, transfer_stage=None)

    async def supervise(
        self,
        call_id: str,
        mode: Literal["listen", "whisper", "barge", "take_over"],
        *,
        supervisor: str,
    ) -> None:
        view = self._call(call_id)
        if view.supervisor not in {None, supervisor}:
            raise TransferError("supervised")
        self._live[call_id] = replace(view, supervisor=supervisor, supervision=mode)

    def end_supervision(self, call_id: str, *, supervisor: str) -> None:
        view = self._call(call_id)
        if view.supervisor != supervisor:
            raise TransferError("not_supervising")
        self._live[call_id] = replace(view, supervisor=None, supervision=None)

    async def assign(self, call_id: str, agent_id: str) -> None:
        if self._call(call_id).state != "waiting":
            raise TransferError("not_waiting")
        self.offer(call_id, agent_id)

    def _call(self, call_id: str) -> FakeLiveCall:
        if call_id not in self._live:
            raise UnknownCall(call_id)
        return self._live[call_id]

    def wait(self, call_id: str) -> None:
        """A call arrives, and nobody is ready."""
        self._live[call_id] = FakeLiveCall(
            call_id, "12345", "15250322668", "waiting", None, self._clock()
        )

    async def one_key(
        self, call_id: str, partner_id: str, *, agent_id: str, reason: str | None = None
    ) -> None:
        target = f"partner:{partner_id}"
        await self.transfer(call_id, target, "blind", agent_id=agent_id, reason=reason)

    def drop(self, call_id: str, party: str) -> None:
        if party != "p1-1.0":
            raise TransferError("unknown_party")
        self.asked.append((call_id, "drop", party))

    def experts(self, topic: str = "") -> list[dict[str, Any]]:
        water = {
            "id": "water",
            "name": "供水集团",
            "topics": ["供水"],
            "target": "expert:water",
            "on_duty": True,
        }
        return [water] if topic in "供水集团" else []

    def partners(self) -> list[dict[str, Any]]:
        return [{"id": "110", "name": "公安报警", "numbers": ["110"], "open": True}]

    def controls(self, call_id: str) -> "FakeControls":
        return FakeControls(self, call_id)

    def lines(self) -> dict[str, str]:
        return {"12345": "便民热线"}

    def skills(self) -> list[str]:
        return ["general", "english"]

    def places(self, typed: str, *, limit: int) -> list[tuple[str, str, int]]:
        return PLACES.complete(typed, limit=limit)

    async def withheld_number(self, call_id: str) -> str | None:
        return self.withheld.get(call_id)

    async def call(self, call_id: str) -> dict[str, Any] | None:
        return self._records.get(call_id)

    async def calls(
        self, *, agent_id: str | None = None, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        own = [r for r in self._records.values() if agent_id in {None, r["agent_id"]}]
        return own[::-1][offset : offset + limit]

    async def transcript(self, call_id: str) -> list[dict[str, Any]]:
        return self._transcripts.get(call_id, [])

    async def pause_recording(self, call_id: str, *, paused: bool) -> None:
        if not self.records_calls:
            raise RecordingError("the call is not being recorded")
        self.paused[call_id] = paused

    def one_side(self, path: Path, side: Literal["caller", "agent"]) -> tuple[int, Iterator[bytes]]:
        return RecordingFiles(SealKeys([bytes(32)])).one_side(path, side)

    def unsealed_octets(self, path: Path) -> int:
        return RecordingFiles(SealKeys([bytes(32)])).wav_octets(path)

    def unsealed(self, path: Path, first: int, last: int) -> Iterator[bytes]:
        return RecordingFiles(SealKeys([bytes(32)])).wav_between(path, first, last)

    async def is_intact(self, call_id: str, *, part: int = 1) -> bool | None:
        return self.intact.get((call_id, part))

    async def recording(self, call_id: str, *, part: int = 1) -> Path | None:
        name = call_id if part == 1 else f"{call_id}-{part}"
        paths = (self._folder / f"{name}{suffix}" for suffix in (".wav", SUFFIX))
        return next((path for path in paths if path.exists()), None)

    async def ticket(self, ticket_id: str) -> dict[str, Any] | None:
        ticket = self._tickets.get(ticket_id)
        return ticket.as_dict() if ticket else None

    async def history(self, ticket_id: str) -> list[dict[str, Any]]:
        phone = self._tickets[ticket_id].draft.values()["phone"]
        return [
            brief(ticket.as_dict())
            for ticket in reversed(self._tickets.values())
            if ticket.draft.ticket_id != ticket_id and ticket.draft.values()["phone"] == phone
        ]

    async def history_of_caller(self, number: str) -> list[dict[str, Any]]:
        return [
            brief(ticket.as_dict())
            for ticket in reversed(self._tickets.values())
            if ticket.draft.values()["phone"] == number
        ]

    def categories(self) -> list[dict[str, Any]]:
        return SHIPPED.to_list()

    async def tickets(
        self,
        *,
        agent_id: str | None = None,
        status: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        found = [
            ticket
            for ticket in map(_Ticket.as_dict, reversed(self._tickets.values()))
            if agent_id in {None, ticket["agent_id"]} and status in {None, ticket["status"]}
        ]
        return found[offset : offset + limit]

    async def correct(
        self, ticket_id: str, changes: Mapping[str, Any], *, agent_id: str
    ) -> dict[str, Any]:
        ticket = self._draft(ticket_id)
        assert ticket.agent_id == agent_id
        for name, value in changes.items():
            check(name, value)
        for name, value in changes.items():
            for change in ticket.draft.correct(name, value):
                self._tell(ticket, change.field)
        return ticket.as_dict()

    async def submit(self, ticket_id: str, *, agent_id: str) -> dict[str, Any]:
        ticket = self._draft(ticket_id)
        ticket.handling = _step(ticket, Step("submit"), agent_id, self._clock())
        self.publish(
            TicketSubmitted(
                at=self._clock(),
                agent_id=agent_id,
                call_id=ticket.call_id,
                ticket_id=ticket_id,
                fields=ticket.draft.values(),
            )
        )
        presence = await self._floor.presence(agent_id)
        if presence is not None and presence.call_id == ticket.call_id:
            await self._floor.end_wrap_up(agent_id)
        return ticket.as_dict()

    async def step(self, ticket_id: str, step: Step, *, who: str) -> dict[str, Any]:
        ticket = self._tickets.get(ticket_id)
        if ticket is None:
            raise UnknownTicket(ticket_id)
        ticket.handling = _step(ticket, step, who, self._clock())
        if step.action == "reopen":
            draft = TicketDraft(f"{ticket_id}-again", ticket.draft.caller_id)
            ticket = _Ticket(draft, ticket.call_id, who, self._clock(), reopens=ticket_id)
            ticket.handling = _step(ticket, Step("submit"), who, self._clock())
            self._tickets[draft.ticket_id] = ticket
        return ticket.as_dict()

    async def steps(self, ticket_id: str) -> list[dict[str, Any]]:
        return self._tickets[ticket_id].steps

    async def redact(self, call_id: str, span: Span) -> float:
        path = await self.recording(call_id)
        if path is None:
            raise UnknownCall(call_id)
        return silence(path, span)

    def _draft(self, ticket_id: str) -> _Ticket:
        ticket = self._tickets.get(ticket_id)
        if ticket is None:
            raise UnknownTicket(ticket_id)
        if ticket.handling.status != "draft":
            raise AlreadySubmitted(ticket_id)
        return ticket


def _step(ticket: _Ticket, step: Step, who: str, now: float) -> Handling:
    after = take(ticket.handling, step, now=now, working_days=5, by=Calendar())
    ticket.steps.append(
        {"at": now, "who": who, "action": step.action, "note": step.note, "unit": step.unit}
    )
    return after


@dataclass(frozen=True)
class FakeControls:
    """Hold, mute and keys of a call that is played."""

    calls: FakeCalls
    call_id: str

    def hold(self, *, held: bool) -> None:
        view = self.calls.view(self.call_id)
        if view.transfer_to is not None:
            raise TransferError("transfer_under_way")
        self.calls.change(replace(view, held_by=("agent",) if held else ()))
        told = CallHeld if held else CallResumed
        at = self.calls.clock()
        event = told(at=at, agent_id=view.agent_id, call_id=self.call_id, party="agent")
        self.calls.publish(event)

    def mute(self, *, muted: bool) -> None:
        view = self.calls.view(self.call_id)
        self.calls.change(replace(view, muted=muted))
        at = self.calls.clock()
        event = CallMuted(at=at, agent_id=view.agent_id, call_id=self.call_id, muted=muted)
        self.calls.publish(event)

    async def press(self, keys: str) -> None:
        self.calls.asked.append((self.call_id, "keys", keys))


class FakeAudit:
    """A trail in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.entries: list[dict[str, Any]] = []

    def note(
        self, who: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        entry = {"who": who, "action": action, "subject": subject, "detail": detail}
        self.entries.append({"id": len(self.entries) + 1, "at": self._clock(), **entry})

    async def list_(
        self,
        *,
        who: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        found = [
            entry
            for entry in reversed(self.entries)
            if who in {None, entry["who"]}
            and action in {None, entry["action"]}
            and subject in {None, entry["subject"]}
            and (since is None or entry["at"] >= since)
            and (until is None or entry["at"] < until)
        ]
        return found[offset : offset + limit]


@dataclass
class FakeHelper:
    """What a test puts in."""

    told: dict[str, CallHelp] = field(default_factory=dict)

    def latest(self, call_id: str) -> CallHelp | None:
        return self.told.get(call_id)


@dataclass
class FakeLadders:
    """Ladders that a test puts in."""

    known: dict[str, Ladder] = field(default_factory=dict)

    async def of(self, call_id: str) -> Ladder | None:
        return self.known.get(call_id)


class FakeKnowledgeBase:
    """A few entries and their versions, found by words of their titles."""

    def __init__(self) -> None:
        self.versions: dict[str, list[Entry]] = {}
        self.retired: set[str] = set()

    async def search(self, said: str, *, limit: int = 5) -> list[Found]:
        current = [(name, len(kept), kept[-1]) for name, kept in self.versions.items()]
        return [
            Found(entry, version, 1.0, entry.body[:20], ())
            for name, version, entry in current
            if name not in self.retired and any(word in said for word in entry.keywords)
        ][:limit]

    async def get(self, entry_id: str, version: int | None = None) -> tuple[Entry, int] | None:
        kept = self.versions.get(entry_id, [])
        number = len(kept) if version is None else version
        return (kept[number - 1], number) if 0 < number <= len(kept) else None

    async def put(self, entry: Entry, *, who: str) -> int:  # noqa: ARG002 - the port's
        kept = self.versions.setdefault(entry.id, [])
        if not kept or kept[-1] != entry:
            kept.append(entry)
        self.retired.discard(entry.id)
        return len(kept)

    async def retire(self, entry_id: str) -> bool:
        there = entry_id in self.versions and entry_id not in self.retired
        self.retired.add(entry_id)
        return there


class FakeReports:
    """A report with a little of everything."""

    async def report(self, period: Period) -> Report:
        share, before = Share(9, 10, "来电"), Share(0, 0, "来电")
        return Report(
            period=period,
            made_at=period.end,
            counts={"calls": (10, 0)},
            seconds={"waited": (7.5, None)},
            shares={"connected": (share, before)},
            course=(Point("00:00", 10, 9),),
            volumes={"line": (Volume("便民<热线>", 10, 0, Share(10, 10, "来电")),)},
            hot=(Hot("市容管理", "城厢镇", 3, 1),),
            frequent=(Frequent("138****1001", 4),),
            units=(Unit("=城管局", 3, 1, 2, Share(1, 1, "有期限的办结工单")),),
            exchanges=(Exchange("110", "out", "警情", 2),),
        )


class FakeHealth:
    """A node whose parts are as a test sets them."""

    def __init__(self) -> None:
        self.status = "ok"
        self.parts: dict[str, dict[str, str | None]] = {
            part: {"status": "ok", "detail": None}
            for part in ("media", "recogniser", "redis", "mqtt", "database", "trunks")
        }

    async def __call__(self) -> dict[str, Any]:
        return {"status": self.status, "parts": self.parts, "counts": {"calls": 0}}


def wav(seconds: int) -> bytes:
    """A silent stereo WAV, 8 kHz, 16 bit."""
    size = seconds * 8000 * 4
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 2, 8000, 32000, 4, 16
    )
    return head + struct.pack("<4sI", b"data", size) + bytes(size)


class FakeExchange:
    """Handovers as the exchange would return them; notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.handovers: dict[int, dict[str, Any]] = {}

    def arrives(self, number: str, **more: Any) -> int:
        """A partner hands something over."""
        handover_id = len(self.handovers) + 1
        self.handovers[handover_id] = {
            "id": handover_id,
            "partner": "110",
            "direction": "in",
            "kind": "ticket",
            "number": number,
            "state": "arrived",
            "matter": {},
            "created_at": 1.0,
            "changed_at": 1.0,
            **more,
        }
        return handover_id

    async def list_(
        self, *, limit: int = 50, offset: int = 0, **asked: Any
    ) -> list[dict[str, Any]]:
        wanted = {name: value for name, value in asked.items() if value is not None}
        found = [
            one for one in self.handovers.values() if all(one[n] == v for n, v in wanted.items())
        ]
        return found[offset : offset + limit]

    async def get(self, handover_id: int) -> dict[str, Any]:
        if handover_id not in self.handovers:
            raise UnknownHandover(str(handover_id))
        return self.handovers[handover_id]

    async def hand_over(
        self, ticket_id: str, partner: str, *, who: str, reason: str = ""
    ) -> dict[str, Any]:
        if partner != "110":
            raise UnknownHandover(partner)
        if ("hand_over", ticket_id, partner, who, reason) in self.asked:
            raise ExchangeError("already_sent", "he has it")
        self.asked.append(("hand_over", ticket_id, partner, who, reason))
        return await self.get(self.arrives(ticket_id, direction="out", state="sent"))

    async def decide(
        self, handover_id: int, *, accepted: bool, reason: str = "", who: str
    ) -> dict[str, Any]:
        found = await self.get(handover_id)
        if not accepted and not reason:
            raise ExchangeError("required", "a reason")
        self.asked.append(("decide", handover_id, accepted, reason, who))
        return found | {"state": "accepted" if accepted else "returned"}

    async def reopen(self, handover_id: int, *, reason: str, who: str) -> dict[str, Any]:
        found = await self.get(handover_id)
        self.asked.append(("reopen", handover_id, reason, who))
        return found | {"reopens": found["number"]}
