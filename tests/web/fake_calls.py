"""Calls that a test moves by hand; the bus is the real one, there is no telephone network."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from agents.presence import Details, Input
from calls.errors import RecordingError, TransferError, UnknownCall
from calls.place_search import PlaceNames
from calls.recording_files import RecordingFiles
from calls.redaction import Redacted, Span, silence
from eventbus.bus import EventBus
from eventbus.catalogue import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallOffered,
    CallTransfer,
    TranscriptFinal,
    TranscriptPartial,
)
from telephony.media.sealed import SUFFIX, SealKeys
from tests.web.fake_live_call import FakeControls, FakeLiveCall
from tests.web.fake_people import WRAP_UP_SECONDS, Clock, FakeFloor
from tests.web.fake_tickets import CallTicket, FakeTickets
from tickets.draft import TicketDraft
from tickets.fields import FieldValue, check

PLACES = PlaceNames([("临顿路", "道路"), ("平江街道", "街道")])


class FakeCalls(FakeTickets):
    """Calls that a test moves by hand, with the events that the real service publishes.

    Args:
        bus: where they are published.
        floor: whose agents the calls hold.
        clock: Unix seconds.
        folder: where recordings are put.
    """

    def __init__(self, bus: EventBus, floor: FakeFloor, clock: Clock, folder: Path) -> None:
        super().__init__(bus, floor, clock)
        self._folder = folder
        self.asked: list[tuple[str, ...]] = []
        self.withheld: dict[str, str] = {}
        self.unreached: tuple[int, ...] = ()
        self.records_calls = True
        self.paused: dict[str, bool] = {}
        self.intact: dict[tuple[str, int], bool] = {}
        self._live: dict[str, FakeLiveCall] = {}
        self._records: dict[str, dict[str, Any]] = {}
        self._transcripts: dict[str, list[dict[str, Any]]] = {}

    # -- what a test does ---------------------------------------------------------------------

    def offer(
        self,
        call_id: str,
        agent_id: str,
        caller: str = "15250322668",
        *,
        by_click: bool = False,
    ) -> None:
        """The call arrives and rings at the agent's."""
        now = self._clock()
        self._live[call_id] = FakeLiveCall(
            call_id, "12345", caller, "offered", agent_id, now, by_click=by_click
        )
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
        self._tickets[ticket_id] = CallTicket(draft, call_id, view.agent_id, now)
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

    def say(
        self,
        call_id: str,
        leg: str,
        text: str,
        start: float = 0.0,
        end: float = 1.0,
        *,
        doubtful: tuple[str, ...] = (),
    ) -> None:
        """A party said something; of some words the recogniser is not sure."""
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
                doubtful=doubtful,
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
        return [
            {"id": "110", "name": "公安报警", "numbers": ["110"], "topics": ["治安"], "open": True}
        ]

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

    async def redact(self, call_id: str, span: Span) -> Redacted:
        path = await self.recording(call_id)
        if path is None:
            raise UnknownCall(call_id)
        return Redacted(silence(path, span), self.unreached, "b")


def wav(seconds: int) -> bytes:
    """A silent stereo WAV, 8 kHz, 16 bit."""
    size = seconds * 8000 * 4
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 2, 8000, 32000, 4, 16
    )
    return head + struct.pack("<4sI", b"data", size) + bytes(size)
