"""What the four transaction machines have in common (RFC 3261 §17, RFC 6026).

A machine is fed inputs and returns effects::

    effects = transaction.handle(Received(response), now)

``deadline`` says when it wants ``TimeUp``. Effects that reach the transaction user stand last, so
that whatever he does in reply finds the machine and its shell in order.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from aiosipua import SipRequest, SipResponse

from telephony.sip.errors import TransactionFailure

State = Literal[
    "new", "calling", "trying", "proceeding", "accepted", "completed", "confirmed", "terminated"
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


class Transaction(ABC):
    """The frame of a machine: its request, its state and its running timers.

    Attributes:
        request: the request that made the transaction; its top Via identifies it.
        state: as the RFCs name it; "new" before the first input.
        reliable: the transport repeats what is lost, so we don't (timers A, E and G), and nothing
            that was repeated can arrive late (D, I, J and K are zero).
    """

    def __init__(self, request: SipRequest, timers: Timers, *, reliable: bool = False) -> None:
        self.request = request
        self.reliable = reliable
        self.state: State = "new"
        self._intervals = timers
        self._running: dict[str, float] = {}
        self._failed = False

    @abstractmethod
    def handle(self, event: TransactionInput, now: float) -> list[Effect]:
        """Take one input and return what is to be done, in order.

        Raises:
            LocalProtocolError: the state forbids this input of ours; nothing was changed.
        """

    @abstractmethod
    def _fire(self, timer: str, now: float) -> list[Effect]:
        """Obey one timer, which has been removed."""

    @property
    def deadline(self) -> float | None:
        """When ``TimeUp`` is wanted; None when no timer runs."""
        return min(self._running.values(), default=None)

    def _time_up(self, now: float) -> list[Effect]:
        """Fire every timer that is due, in order of time."""
        effects: list[Effect] = []
        while self._running:
            timer = min(self._running, key=self._running.__getitem__)
            if self._running[timer] > now:
                break
            del self._running[timer]
            effects += self._fire(timer, now)
        return effects

    def _enter(self, state: State, **timers: float) -> None:
        """Change the state: the old one's timers stop, these run (name=deadline)."""
        self.state = state
        self._running = timers

    def _tell(self, failure: Fail) -> list[Effect]:
        """Report a failure to the user, unless he has been told of one."""
        told, self._failed = self._failed, True
        return [] if told else [failure]

    def _end(self, *last: Effect) -> list[Effect]:
        """Terminate; ``last`` is what the user still has to know."""
        self._enter("terminated")
        return [Terminated(), *last]
