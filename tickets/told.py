"""What others are told of a step with a ticket: by event, and by :mod:`tickets.dispatch`."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from eventbus.catalogue import TicketStep
from tickets.secrecy import for_units, note_for_units


def dispatched(row: sa.Row[Any], action: str, *, note: str = "", now: float) -> dict[str, Any]:
    """Return what another platform is told, JSON-ready, secrecy honoured.

    Args:
        row: the ticket's, after the step.
        action: of the step.
        note: of the step.
        now: Unix seconds.
    """
    return {
        "action": action,
        "at": now,
        "ticket_id": row.id,
        "reopens": row.reopens,
        "status": row.status,
        "unit": row.unit,
        "deadline_at": row.deadline_at,
        "note": note_for_units(row.fields, note),
        "fields": for_units({name: field["value"] for name, field in row.fields.items()}),
    }


def step_event(ticket: Mapping[str, Any], action: str, *, who: str, now: float) -> TicketStep:
    """Return the event of a step; ``ticket``: as it is after it, ``now``: Unix seconds."""
    return TicketStep(
        at=now,
        agent_id=ticket["agent_id"],
        call_id=ticket["call_id"],
        ticket_id=ticket["id"],
        action=action,
        status=ticket["status"],
        by=who,
        unit=ticket["unit"],
        deadline_at=ticket["deadline_at"],
        reopens=ticket["reopens"],
    )
