"""Lets a draft profit from words that were recognised only after the call.

The whole talk is heard again, in the order in which it was spoken: what was missed may be the
question to an answer that was understood. What the agent set stays as it is, and so does what
only the live call knew; a ticket that was submitted is not touched.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from calls.records import CallRecords
from eventbus.bus import EventBus
from eventbus.catalogue import TicketField
from tickets.draft import TicketDraft, Utterance
from tickets.sorting import SortingSource
from tickets.store import AlreadySubmitted, TicketStore
from tickets.urgency import UrgencyRules
from tickets.written import Writer


class LateWords:
    """Hears finished calls again.

    Args:
        records: have the transcripts.
        tickets: have the drafts.
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
        """Fill the call's drafts from its whole transcript; return how many fields changed.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, OSError: the database is away.
        """
        drafts = await self._tickets.drafts_of(call_id)
        if not drafts:
            return 0
        said = await self._records.transcript(call_id)
        count = 0
        for ticket in drafts:
            # Some milliseconds an utterance: not on the loop that carries the calls.
            draft = await asyncio.to_thread(self._heard_again, ticket, said)
            try:
                changes = await self._tickets.fill_in(draft)
            except AlreadySubmitted:
                continue
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
                        ticket_id=draft.ticket_id,
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

    def _heard_again(self, ticket: dict[str, Any], said: list[dict[str, Any]]) -> TicketDraft:
        phone = ticket["fields"]["phone"]
        sorting = self._sorting.current()
        draft = TicketDraft(
            ticket["id"],
            phone["value"] if phone["source"] == "caller_id" else None,
            classifier=sorting.classifier,
            tree=sorting.tree,
            rules=self.rules,
        )
        for part in said:
            heard = self._writer.write(part["spoken"] or part["text"]).heard
            draft.hear(
                Utterance(
                    part["leg"],
                    heard,
                    part["start"],
                    part["end"],
                    confidence=part["confidence"],
                )
            )
        return draft
