"""What may go wrong when somebody asks the call service for something.

Only calls are its own; tickets raise ``tickets.store.UnknownTicket``,
``tickets.store.AlreadySubmitted`` and ``tickets.fields.TicketError``.
"""


class UnknownCall(Exception):  # noqa: N818 - the name in the design
    """No live call has this id."""
