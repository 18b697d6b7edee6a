"""What may go wrong when somebody asks the call service for something.

Only calls are its own; tickets raise ``tickets.store.UnknownTicket``,
``tickets.store.AlreadySubmitted`` and ``tickets.fields.TicketError``.
"""


class UnknownCall(Exception):
    """No live call has this id."""


class RecordingError(Exception):
    """A recording could not be paused, or go on: calls are not recorded, or media is away."""


class TransferError(Exception):
    """A transfer, or a step of one, that cannot be: nothing was changed.

    Attributes:
        code: ``not_talking``, ``transfer_under_way``, ``no_transfer``, ``not_consulting``,
            ``unknown_target``, ``target_not_allowed``, ``target_not_ready``, ``target_closed``,
            ``media_away``, ``call_full``, ``unknown_party``; of supervisors: ``supervised``,
            ``not_supervising``, ``own_call``, ``supervisor_busy``, ``no_phone``, ``not_waiting``;
            of phones that answer by a click: ``not_by_click``.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code.replace("_", " "))
        self.code = code
