"""What is said in one call: both sides' recognition, the transcript and the ticket that fills.

It lives from the answer until the last final utterance after the hang-up. A call never waits for
it: without a recogniser the conversation simply stays empty, and starts over when one is back.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import structlog
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from asr.group import RecognizerGroup
from asr.ports import Gap, Heard, Partial
from calls.doubt import doubtful
from calls.gaps import MISSING, GapStore
from calls.records import CallRecords
from eventbus.bus import EventBus
from eventbus.catalogue import (
    TicketField,
    TicketUrgent,
    TranscriptFinal,
    TranscriptGap,
    TranscriptPartial,
)
from eventbus.precedence import at_once
from telephony.media_commands import MediaCommands, MediaError
from tickets.burst import BurstRule, find_burst
from tickets.draft import TicketDraft, Utterance
from tickets.fields import URGENCIES, FieldChange
from tickets.history import history_of
from tickets.intent import wants_secrecy
from tickets.late_wish import grant, keep_secret, wish_for_secrecy
from tickets.store import AlreadySubmitted, TicketStore
from tickets.written import Writer

log = structlog.get_logger(__name__)

Side = Literal["caller", "agent"]
SIDES: tuple[Side, Side] = ("caller", "agent")

#: How long field changes are gathered before the draft is saved: well under the second that the
#: design allows anything said to be in memory only, and one write for a burst of fields.
_SAVE_AFTER = 0.3

_SAVE_RETRY = 1.0
_SAVE_ATTEMPTS = 30


def stream_id(call_id: str, side: Side) -> str:
    """Return the recognition stream's name of one side of a call."""
    return f"{call_id}.{side}"


class Conversation:
    """The words and the ticket of one call.

    Args:
        call_id: the call.
        agent_id: who talks with the citizen.
        draft: the ticket to fill.
        sessions: the media session of each side.
        recogniser: the name of the recogniser that hears it.
        wall_clock: Unix seconds.
        seconds: seconds since the answer.
        burst: how many tickets of one kind and place make each of them urgent.
        writer: writes down what was recognised; without a city's names where it is left out.
        give_way: awaited before a draft is saved that may change still.

    Attributes:
        submitted: the ticket is closed; what is said from then on is transcribed only, except that
            a wish for secrecy still counts.
    """

    def __init__(
        self,
        *,
        call_id: str,
        agent_id: str,
        draft: TicketDraft,
        sessions: Mapping[Side, str],
        media: MediaCommands,
        recognizer: RecognizerGroup,
        recogniser: str,
        records: CallRecords,
        gaps: GapStore,
        tickets: TicketStore,
        bus: EventBus,
        wall_clock: Callable[[], float],
        seconds: Callable[[], float],
        writer: Writer | None = None,
        burst: BurstRule | None = None,
        give_way: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        self._give_way = give_way
        self._burst = burst or BurstRule()
        self._watching: asyncio.Task[None] | None = None
        self._alarmed = 0
        self._writer = writer or Writer()
        self.call_id = call_id
        self.agent_id = agent_id
        self.draft = draft
        self.recognised = False
        self.submitted = False
        self._sessions = dict(sessions)
        self._destinations: dict[Side, tuple[str, int]] = {}
        self._paused = False
        self._media = media
        self._recognizer = recognizer
        self._recogniser = recogniser
        self._records = records
        self._gaps = gaps
        # Until where each side is final, and which sides are not listened to just now.
        self._final_until: dict[Side, float] = dict.fromkeys(SIDES, 0.0)
        self._unheard: set[Side] = set()
        # Whose last words were not waited for: they are a gap now.
        self._too_late: set[Side] = set()
        self._tickets = tickets
        self._bus = bus
        self._wall_clock = wall_clock
        self._seconds = seconds
        self._seq = 0
        self._dirty = False
        self._wake = asyncio.Event()
        self._closing = False
        self._saving = asyncio.Lock()
        self._created = False
        self._saver: asyncio.Task[None] | None = None
        self._remembering: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Show the ticket's first fields and start listening to both sides."""
        self._saver = asyncio.create_task(self._keep_saved(), name=f"draft-{self.call_id}")
        self._publish_fields(
            [FieldChange(name, field) for name, field in self.draft.fields.items() if field.value]
        )
        self._to_be_saved()
        if self.draft.caller_id is not None:
            self._remembering = asyncio.create_task(
                self._remember(self.draft.caller_id), name=f"history-{self.call_id}"
            )
        await self.listen()

    async def _remember(self, number: str) -> None:
        """Take over what the caller's earlier tickets say; a call never waits for it."""
        try:
            earlier = await self._tickets.of_caller(number, before=self.draft.ticket_id)
        except (SQLAlchemyError, OSError) as error:
            log.warning("no_history", call_id=self.call_id, error=str(error))
            return
        if earlier and not self.submitted:
            self._publish_fields(self.draft.remember(history_of(earlier)))

    async def listen(self) -> None:
        """Fork both sides to the recogniser; also after it, or the media process, came back."""
        if self._recognizer.off:
            return  # nobody wants a transcript: nothing is missing from it
        for side in SIDES:
            target = await self._recognizer.open_stream(
                stream_id(self.call_id, side),
                t0=self._seconds(),
                role=side,
                recogniser=self._recogniser,
            )
            if target is None:
                log.debug("not_recognised", call_id=self.call_id, side=side)
                self._begin_gap(side)
                continue
            self.recognised = True
            self._destinations[side] = target
            session = self._sessions.get(side)
            if session is None or await self._fork(side, session, target):
                self._end_gap(side)
            else:
                self._begin_gap(side)

    async def follow(self, session: str | None) -> None:
        """Listen to another session as the agent's; None: to none, he talks with somebody else."""
        before = self._sessions.pop("agent", None)
        if session is not None:
            self._sessions["agent"] = session
        if session == before:
            return
        if before is not None:
            await self._fork("agent", before, None)
        target = self._destinations.get("agent")
        if session is not None and target is not None:
            await self._fork("agent", session, target)

    async def pause(self, *, paused: bool) -> None:
        """Let the recogniser hear nothing, or go on: what is not recorded is not written either."""
        if paused == self._paused:
            return
        self._paused = paused
        for side, session in self._sessions.items():
            if target := self._destinations.get(side):
                await self._fork(side, session, target)

    async def _fork(self, side: Side, session: str, target: tuple[str, int] | None) -> bool:
        try:
            await self._media.fork(session, None if self._paused else target)
        except MediaError:
            log.warning("fork_failed", call_id=self.call_id, side=side)
            return False
        return True

    async def hand_over(self, agent_id: str) -> None:
        """Let words and ticket be another agent's from now on.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, OSError: the database is away; the ticket is still the
                first agent's.
        """
        self.agent_id = agent_id
        async with self._saving:
            if self._created:
                await self._tickets.hand_over(self.draft.ticket_id, agent_id=agent_id)
        # His desktop has seen none of it.
        self._publish_fields(
            [FieldChange(name, field) for name, field in self.draft.fields.items() if field.value]
        )

    def unheard(self) -> None:
        """The recogniser went away: what comes now, and was not final, is missing."""
        if self._recognizer.client(self._recogniser).status == "ok":
            return  # it was another one
        for side in SIDES:
            self._begin_gap(side)

    def _begin_gap(self, side: Side) -> None:
        if side not in self._unheard:
            self._unheard.add(side)
            self._note_gap(side, Gap(self._final_until[side], 0.0, "away"), end=None)

    def _end_gap(self, side: Side) -> None:
        if side in self._unheard:
            self._unheard.discard(side)
            self._final_until[side] = now = self._seconds()
            self._gaps.end(self.call_id, leg=side, end=now)

    def _note_gap(self, side: Side, gap: Gap, *, end: float | None) -> None:
        self._gaps.add(
            self.call_id,
            leg=side,
            start=gap.start,
            end=end,
            reason=gap.reason,
            recogniser=self._recogniser,
        )
        self._bus.publish(
            TranscriptGap(
                at=self._wall_clock(),
                agent_id=self.agent_id,
                call_id=self.call_id,
                leg=side,
                start=gap.start,
                end=end,
                reason=gap.reason,
                state=MISSING,
            )
        )

    def hear(self, side: Side, result: Heard) -> None:
        """Take a result, or a gap, of one side's recognition."""
        if side in self._too_late:
            return
        self._final_until[side] = max(
            self._final_until[side], 0.0 if isinstance(result, Partial) else result.end
        )
        if isinstance(result, Gap):
            self._note_gap(side, result, end=result.end)
            return
        if isinstance(result, Partial):
            self._bus.publish(
                TranscriptPartial(
                    at=self._wall_clock(),
                    agent_id=self.agent_id,
                    call_id=self.call_id,
                    leg=side,
                    text=result.text,
                    start=result.start,
                    secret=self._is_secret(side, result.text),
                )
            )
            return
        self._seq += 1
        times = tuple((word.text, word.start, word.end) for word in result.words)
        written = self._writer.write(result.text, times)
        self._records.utterance(
            self.call_id,
            self._seq,
            leg=side,
            start=result.start,
            end=result.end,
            text=written.text,
            spoken=result.text,
            confidence=result.confidence,
        )
        utterance = Utterance(
            speaker=side,
            text=written.heard,
            start=result.start,
            end=result.end,
            times=times,
            confidence=result.confidence,
        )
        changes: list[FieldChange] = []
        secret = True  # until it is understood: who asks for secrecy mostly says his name with it
        try:
            changes = self._wish(utterance) if self.submitted else self.draft.hear(utterance)
            secret = self._is_secret(side, written.heard)
        finally:  # told in any case: it is in the transcript
            self._bus.publish(
                TranscriptFinal(
                    at=self._wall_clock(),
                    agent_id=self.agent_id,
                    call_id=self.call_id,
                    leg=side,
                    text=written.text,
                    spoken=result.text,
                    start=result.start,
                    end=result.end,
                    confidence=result.confidence,
                    seq=self._seq,
                    doubtful=doubtful(result.words, written.text),
                    secret=secret,
                )
            )
        self._publish_fields(changes)

    def _wish(self, utterance: Utterance) -> list[FieldChange]:
        """Let a closed ticket become secret, and change in nothing else."""
        wish = wish_for_secrecy(utterance)
        changes = grant(self.draft.fields, wish) if wish else []
        self.draft.fields |= {change.field: change.now for change in changes}
        return changes

    def correct(self, changes: Mapping[str, Any]) -> None:
        """Set fields by the agent's hand.

        Raises:
            tickets.fields.TicketError: a field or value is wrong; nothing is changed.
            tickets.store.AlreadySubmitted: it is no draft any more.
        """
        if self.submitted:
            raise AlreadySubmitted(self.draft.ticket_id)
        for name, value in changes.items():
            self.draft.check(name, value)
        # All of them first: what stands before a wish for secrecy in the form falls under it too.
        self._publish_fields(
            [done for name, value in changes.items() for done in self.draft.correct(name, value)]
        )

    async def close(self) -> None:
        """Wait for the last words, save the ticket, stop."""
        await asyncio.gather(*map(self._hear_out, SIDES))
        for side in SIDES:
            self._end_gap(side)
        for task in (self._remembering, self._watching):
            if task is not None:
                await task
        self._closing = True
        self._wake.set()
        if self._saver is not None:
            await self._saver

    async def _hear_out(self, side: Side) -> None:
        """Wait for a side's last words; what comes too late is recognised from the recording."""
        heard = await self._recognizer.close_stream(stream_id(self.call_id, side))
        if not heard and side not in self._unheard:
            self._too_late.add(side)
            start, end = self._final_until[side], self._seconds()
            self._note_gap(side, Gap(start, end, "load"), end=end)

    def _is_secret(self, side: Side, words: str) -> bool:
        """Tell whether words stay in the house: the wish may be among them, or known already."""
        return self._secret or (side == "caller" and wants_secrecy(words) is not None)

    @property
    def _secret(self) -> bool:
        """Whether the citizen has asked for secrecy: what he says then stays in the house."""
        return bool(self.draft.fields["secret"].value)

    def _publish_fields(self, changes: list[FieldChange]) -> None:
        if not changes:
            return
        self._to_be_saved()
        for change in changes:
            self._bus.publish(
                TicketField(
                    at=self._wall_clock(),
                    agent_id=self.agent_id,
                    call_id=self.call_id,
                    ticket_id=self.draft.ticket_id,
                    field=change.field,
                    value=change.value,
                    source=change.source,
                    evidence=change.evidence,
                    confidence=change.now.confidence,
                    passage=change.now.passage.to_dict() if change.now.passage else None,
                    secret=self._secret,
                )
            )
        self._tell_duty_desk()
        if {"category", "address"} & {change.field for change in changes}:
            self._watch_for_burst()

    def _tell_duty_desk(self, tickets: tuple[str, ...] = ()) -> None:
        """Publish that the matter became urgent, or more so; once for each level it rises to."""
        values = self.draft.values()
        level = URGENCIES.index(values["urgency"])
        if not values["urgent"]:
            self._alarmed = min(self._alarmed, level)  # taken back; told anew, it is news again
            return
        if level <= self._alarmed and not tickets:
            return
        self._alarmed = level
        self._bus.publish(
            TicketUrgent(
                at=self._wall_clock(),
                agent_id=self.agent_id,
                call_id=self.call_id,
                ticket_id=self.draft.ticket_id,
                level=values["urgency"],
                rule=values["urgency_reason"] or "坐席判定",
                transfer=values["transfer"],
                category=values["category"],
                place=values["address"],
                evidence=self.draft.fields["urgency"].evidence,
                tickets=tickets,
                secret=self._secret,
            )
        )

    def _watch_for_burst(self) -> None:
        """Look for tickets of the same kind and place, unless that is being done already."""
        known = all(self.draft.fields[name].value for name in ("category", "address"))
        if known and (self._watching is None or self._watching.done()):
            self._watching = asyncio.create_task(self._find_burst(), name=f"burst-{self.call_id}")

    async def _find_burst(self) -> None:
        values = None
        while values != (values := self._kind_and_place()):
            category, address = values
            since = self._wall_clock() - self._burst.seconds
            try:
                others = await self._tickets.recent(category, since=since)
            except (SQLAlchemyError, OSError) as error:
                log.warning("no_burst_watch", call_id=self.call_id, error=str(error))
                return
            found = find_burst(address, category, self.draft.ticket_id, others, self._burst)
            if found is not None and not self.submitted:
                changes = self.draft.alarm(found.urgency)
                self._alarmed = max(self._alarmed, URGENCIES.index(found.urgency.level))
                self._publish_fields(changes)
                self._tell_duty_desk(found.tickets)
                return

    def _kind_and_place(self) -> tuple[str, str]:
        return self.draft.values()["category"], self.draft.values()["address"]

    def _to_be_saved(self) -> None:
        self._dirty = True
        self._wake.set()

    async def _keep_saved(self) -> None:
        """Store the draft soon after each change, and what is left of them when closing."""
        failures = 0
        while self._dirty or not self._closing:
            await self._wake.wait()
            if not self._closing:
                await asyncio.sleep(_SAVE_AFTER)
                await self._give_way()
            self._wake.clear()
            if not self._dirty:
                continue
            self._dirty = False
            try:
                with contextlib.suppress(AlreadySubmitted):
                    await self.save()
            except (SQLAlchemyError, OSError) as error:
                failures += 1
                log.warning("draft_not_saved", ticket_id=self.draft.ticket_id, error=str(error))
                if self._closing and failures > _SAVE_ATTEMPTS:
                    log.exception("draft_lost", ticket_id=self.draft.ticket_id)
                    return
                await asyncio.sleep(_SAVE_RETRY)
                self._to_be_saved()
                continue
            failures = 0

    async def save(self) -> None:
        """Store the draft as it is now.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, OSError: the database is away.
            tickets.store.AlreadySubmitted: it is no draft any more; nothing was stored.
        """
        async with self._saving:
            if not self._created:
                # An IntegrityError says that it was made before, and its answer was lost.
                with contextlib.suppress(IntegrityError):
                    await self._tickets.create(
                        self.draft, call_id=self.call_id, agent_id=self.agent_id
                    )
                    self._created = True
                    return
                self._created = True
            try:
                await self._tickets.save(self.draft)
            except AlreadySubmitted:
                self.submitted = True
                wish = self.draft.fields["secret"]
                if wish.value and wish.source == "heard":
                    now = self._wall_clock()
                    await keep_secret(self._tickets, self.draft.ticket_id, wish, now=now)
                raise
