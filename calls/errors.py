"""What may go wrong when somebody asks the call service for something.

Only calls are its own; tickets raise ``tickets.store.UnknownTicket``,
``tickets.store.AlreadySubmitted`` and ``tickets.fields.TicketError``.
"""


class UnknownCall(Exception):
    """No live call has this id."""
