"""What another platform is told of a step with a ticket (delivered by :mod:`tickets.dispatch`)."""

from typing import Any

import sqlalchemy as sa

from tickets.secrecy import for_units, note_for_units


def dispatched(row: sa.Row[Any], action: str, *, note: str = "", now: float) -> dict[str, Any]:
    """Return it JSON-ready, secrecy honoured; ``row``: the ticket's, after the step."""
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
