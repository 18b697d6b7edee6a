"""Lets a ticket profit from words that were recognised only after the call.

The whole talk is heard again, in the order in which it was spoken: what was missed may be the
question to an answer that was understood. What the agent set stays as it is, and so does what
only the live call knew; of a ticket that was submitted, only a wish for secrecy changes anything.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from calls.records import CallRecords
from eventbus.bus import EventBus
from eventbus.catalogue import TicketField
from tickets.draft import TicketDraft, Utterance
from tickets.fields import FieldChange
from tickets.late_wish import keep_secret, wish_for_secrecy
from tickets.sorting import SortingSource
from tickets.store import AlreadySubmitted, TicketStore
from tickets.urgency import UrgencyRules
from tickets.written import Writer


class LateWords:
    """Hears finished calls again.

    Args:
        records: have the transcripts.
        tickets: of all calls.
        writer: puts names right, as it did during the call.
        bus: is told of the fields that changed.
        sorting: the categories in use.
        rules: tell what cannot wait; the shipped ones when None.
    """

    def __init__(
        self,
        *,
        records: CallRecords,
        tickets: TicketStore,
        writer: Writer,
        bus: EventBus,
        sorting: SortingSource | None = None,
        rules: UrgencyRules | None = None,
    ) -> None:
        self._records = records
        self._tickets = tickets
        self._writer = writer
        self._bus = bus
        self._sorting = sorting or SortingSource()
        self.rules = rules

    async def take(self, call_id: str, *, clock: Callable[[], float]) -> int:
        """Fill the call's tickets from its whole transcript; return how many fields changed.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, OSError: the database is away.
        """
        tickets = await self._tickets.of_call(call_id)
        if not tickets:
            return 0
        # Some milliseconds an utterance: not on the loop that carries the calls.
        said = await asyncio.to_thread(self._as_heard, await self._records.transcript(call_id))
        count = 0
        for ticket in tickets:
            changes = await self._changes(ticket, said, now=clock())
            count += len(changes)
            secret = ticket["fields"]["secret"]["value"] or any(
                change.field == "secret" and change.value for change in changes
            )
            for change in changes:
                passage = change.now.passage
                self._bus.publish(
                    TicketField(
                        at=clock(),
                        agent_id=ticket["agent_id"],
                        call_id=call_id,
                        ticket_id=ticket["id"],
                        field=change.field,
                        value=change.value,
                        source=change.source,
                        evidence=change.evidence,
                        confidence=change.now.confidence,
                        passage=passage.to_dict() if passage else None,
                        secret=bool(secret),
                    )
                )
        return count

    def _as_heard(self, said: list[dict[str, Any]]) -> list[Utterance]:
        return [
            Utterance(
                part["leg"],
                self._writer.write(part["spoken"] or part["text"]).heard,
                part["start"],
                part["end"],
                confidence=part["confidence"],
            )
            for part in said
        ]

    async def _changes(
        self, ticket: dict[str, Any], said: Sequence[Utterance], *, now: float
    ) -> list[FieldChange]:
        if ticket["status"] == "draft":
            draft = await asyncio.to_thread(self._heard_again, ticket, said)
            with suppress(AlreadySubmitted):
                return await self._tickets.fill_in(draft)
        for wish in filter(None, map(wish_for_secrecy, said)):
            return await keep_secret(self._tickets, ticket["id"], wish, now=now)
        return []

    def _heard_again(self, ticket: dict[str, Any], said: Sequence[Utterance]) -> TicketDraft:
        phone = ticket["fields"]["phone"]
        sorting = self._sorting.current()
        draft = TicketDraft(
            ticket["id"],
            phone["value"] if phone["source"] == "caller_id" else None,
            classifier=sorting.classifier,
            tree=sorting.tree,
            rules=self.rules,
        )
        for utterance in said:
            draft.hear(utterance)
        return draft
