"""What may go wrong when somebody asks the call service for something.

CallError
├── UnknownCall    no live call has this id
├── UnknownTicket  no ticket has this id
└── TicketError    a value that a ticket's field cannot hold; names the field

A ticket that has been submitted raises ``tickets.store.AlreadySubmitted``.
"""


class CallError(Exception):
    """Base of the call service's errors."""


class UnknownCall(CallError):  # noqa: N818 - the name in the design
    """No live call has this id."""


class UnknownTicket(CallError):  # noqa: N818 - the name in the design
    """No ticket has this id."""


class TicketError(CallError):
    """A value that the field cannot hold.

    Attributes:
        field: the field's name.
        message: what is wrong with the value, for the person who typed it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
