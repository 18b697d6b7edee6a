"""What the four transaction machines have in common (RFC 3261 §17, RFC 6026).

A machine is fed inputs and returns effects::

    effects = transaction.handle(Received(response), now)

``deadline`` says when it wants ``TimeUp``. Effects that reach the transaction user stand last, so
that whatever he does in reply finds the machine and its shell in order.
"""

from dataclasses import dataclass
from typing import Literal

from aiosipua import SipRequest, SipResponse

from telephony.sip.errors import TransactionFailure

State = Literal[
    "calling", "trying", "proceeding", "accepted", "completed", "confirmed", "terminated"
]


@dataclass(frozen=True, slots=True)
class Timers:
    """The base intervals, in seconds (RFC 3261 table 4); every other timer follows from them.

    Attributes:
        t1: round-trip estimate.
        t2: the longest interval between retransmissions.
        t4: the longest time a message stays in the network.
        trying: how long an INVITE may wait for its user before 100 is sent for him (§17.2.1).
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    trying: float = 0.2

    @property
    def give_up(self) -> float:
        """64*T1: timers B, D, F, H, J, L and M."""
        return 64 * self.t1


# Inputs


@dataclass(frozen=True, slots=True)
class Start:
    """Client: send the request."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the network that matches this transaction."""

    message: SipRequest | SipResponse


@dataclass(frozen=True, slots=True)
class Respond:
    """Server: the user answers."""

    response: SipResponse


@dataclass(frozen=True, slots=True)
class Cancelled:
    """INVITE client: a CANCEL was sent, so the final response must come within 64*T1 (§9.1)."""


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """The transport refused what was last sent."""


@dataclass(frozen=True, slots=True)
class TimeUp:
    """The deadline has passed."""


TransactionInput = Start | Received | Respond | Cancelled | TransportFailed | TimeUp

# Effects


@dataclass(frozen=True, slots=True)
class Send:
    """Give this to the transport."""

    message: SipRequest | SipResponse


@dataclass(frozen=True, slots=True)
class Terminated:
    """Forget the transaction."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give this to the transaction user."""

    message: SipRequest | SipResponse


@dataclass(frozen=True, slots=True)
class Fail:
    """Tell the transaction user."""

    reason: TransactionFailure


Effect = Send | Terminated | Deliver | Fail
