"""What the citizen said, turned into a ticket: slots, category, urgency, store."""

from tickets.lexicon import warm_up

__all__ = ["warm_up"]
