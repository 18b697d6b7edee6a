"""What can go wrong in SIP, and whose mistake it is.

Exceptions form one tree::

    SipError
    ├── LocalProtocolError   ours: we asked for something the protocol forbids; nothing was changed
    └── MalformedMessage     the peer's: carries the status to answer with

A transaction that ends without an answer is not an exception: its user is told a
``TransactionFailure``.
"""

from typing import Literal

from aiosipua import SipRequest

TransactionFailure = Literal["timeout", "transport"]
"""Why a transaction gave up: nobody answered in time, or the transport refused the datagram."""


class SipError(Exception):
    """The root of the tree."""


class LocalProtocolError(SipError):
    """We asked a machine for something its state forbids; the machine is unchanged."""


class MalformedMessage(SipError):
    """What arrived is not an acceptable SIP message.

    Attributes:
        status: the status to answer with: 400, or 505 for another SIP version.
        reason: the reason phrase, which says what is wrong and quotes nothing of the message.
        request: the request as far as it could be read, when its Via allows an answer; None for
            responses, ACKs and whatever cannot be answered, which is to be dropped.
    """

    def __init__(
        self, reason: str, *, status: int = 400, request: SipRequest | None = None
    ) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.request = request
