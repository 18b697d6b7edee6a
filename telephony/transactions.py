"""The live transactions of an endpoint: their effects, and one timer for all of them.

This is the shell of `telephony.sip`'s transaction machines: it feeds one, performs what it wants
done, and re-arms the timer.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec

import structlog
from aiosipua import SipRequest, SipResponse

from telephony.alarm import Alarm
from telephony.requests import IncomingRequest
from telephony.sender import Sender
from telephony.sip.client_transaction import ClientTransaction
from telephony.sip.errors import LocalProtocolError, TransactionFailure
from telephony.sip.hop import Hop
from telephony.sip.server_transaction import ServerTransaction
from telephony.sip.transaction import (
    Deliver,
    Effect,
    Fail,
    Send,
    Terminated,
    TimeUp,
    TransactionInput,
    TransportFailed,
)
from telephony.sip.transaction_layer import TransactionLayer

P = ParamSpec("P")
Transaction = ClientTransaction | ServerTransaction

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TransactionUser:
    """Who is behind a transaction: where its messages go and whom to tell what."""

    hop: Hop
    deliver: Callable[[SipRequest | SipResponse], None]
    fail: Callable[[TransactionFailure], None]
    incoming: IncomingRequest | None = None


class Transactions:
    """Those that are alive, and who is behind each.

    Args:
        sender: puts their messages on the wire.
        counters: what is counted: user_errors.

    Attributes:
        layer: finds the one that a message belongs to.
    """

    def __init__(self, sender: Sender, counters: MutableMapping[str, int]) -> None:
        self.layer = TransactionLayer()
        self._sender = sender
        self._counters = counters
        self._users: dict[Transaction, TransactionUser] = {}
        self._alarm: Alarm[Transaction] | None = None

    def __len__(self) -> int:
        return len(self._users)

    def __contains__(self, transaction: object) -> bool:
        return transaction in self._users

    @property
    def is_open(self) -> bool:
        """Whether there can be any."""
        return self._alarm is not None

    def open(self) -> None:
        """Begin to keep time."""
        self._alarm = Alarm(lambda transaction: self.feed(transaction, TimeUp()))

    def close(self) -> None:
        """Forget every transaction; nobody is told."""
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None
        self._users.clear()
        self.layer = TransactionLayer()

    def now(self) -> float:
        """Return the time that the machines are fed with.

        Raises:
            LocalProtocolError: the endpoint is not open.
        """
        return self._opened().now()

    def check_open(self) -> None:
        """Raise LocalProtocolError while the endpoint is not open."""
        self._opened()

    def _opened(self) -> Alarm[Transaction]:
        """Return the alarm, which exists while the endpoint is open."""
        if self._alarm is None:
            raise LocalProtocolError("the endpoint is not open")
        return self._alarm

    def begin(
        self, transaction: Transaction, user: TransactionUser, event: TransactionInput
    ) -> None:
        """Take a new one in, and give it its first input."""
        self._users[transaction] = user
        if isinstance(transaction, ClientTransaction):
            self.layer.add_client(transaction)
        else:
            self.layer.add_server(transaction)
        self.feed(transaction, event)

    def incoming(self, transaction: ServerTransaction) -> IncomingRequest | None:
        """Return the request of a live one as its user sees it."""
        return self._users[transaction].incoming

    def feed(self, transaction: Transaction, event: TransactionInput) -> None:
        """Give a machine its input, re-arm the timer, and perform what it wants done."""
        user = self._users.get(transaction)
        if user is None:
            return
        alarm = self._opened()
        effects = transaction.handle(event, alarm.now())
        alarm.set(transaction, transaction.deadline)
        for effect in effects:
            self._perform(effect, transaction, user)

    def _perform(self, effect: Effect, transaction: Transaction, user: TransactionUser) -> None:
        """Perform one effect."""
        match effect:
            case Send(message):
                failed = partial(self.feed, transaction, TransportFailed())
                if not self._sender.transmit(message, user.hop, failed):
                    # Later, so that nobody is told of a failure before his own call returns.
                    asyncio.get_running_loop().call_soon(failed)
            case Terminated():
                self.layer.remove(transaction)
                del self._users[transaction]
                if user.incoming is not None and user.incoming.on_terminated is not None:
                    self.guard(user.incoming.on_terminated)
            case Deliver(message):
                user.deliver(message)
            case Fail(reason):
                user.fail(reason)

    def flow_lost(self, hop: Hop) -> None:
        """Let go of what can be reached over this connection alone."""
        for transaction, user in list(self._users.items()):
            if user.hop.pinned and user.hop.flow == hop.flow:
                self.feed(transaction, TransportFailed())

    def guard(self, callback: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Call a user; his mistakes must not reach the other calls of this socket and timer."""
        try:
            callback(*args, **kwargs)
        except Exception:  # noqa: BLE001 - the outermost boundary of each datagram and timer
            self._counters["user_errors"] += 1
            _log.exception("sip.user_failed")
            return False
        return True
