"""Peers' requests to the endpoint: through server transactions, or answered once and forgotten.

RFC 3261 §17.2, and §8.2.7 for strangers. What a request *means* is its user's business.
"""

from collections.abc import Callable, MutableMapping
from functools import partial
from typing import TypeVar

import structlog
from aiosipua import SipRequest, SipResponse

from telephony.abuse.door import Door
from telephony.abuse.gatekeeper import AMPLIFICATION
from telephony.requests import IncomingRequest
from telephony.sender import Sender
from telephony.sip.errors import LocalProtocolError, MalformedMessage, TransactionFailure
from telephony.sip.hop import Hop, default_port
from telephony.sip.message import FINAL, copy_message, make_response, tag_of
from telephony.sip.rate_limit import RateLimiter
from telephony.sip.server_transaction import ServerTransaction, server_transaction
from telephony.sip.transaction import Received, Respond, Timers
from telephony.sip.via import (
    reopening_destination,
    response_destination,
    stamp_source,
    top_via,
)
from telephony.transactions import Transactions, TransactionUser

A = TypeVar("A")

_log = structlog.get_logger(__name__)


class Answering:
    """Takes requests, and sends what their user answers.

    Args:
        transactions: where each of them is kept.
        sender: puts the answers on the wire.
        on_request: the user: given each new request, and each ACK of a 2xx. If it raises, 500 is
            answered.
        door: says how often a stranger is answered.
        certified: tells whether the peer of a hop's connection showed a certificate that we trust.
        timers: the transactions' base intervals.
        counters: what is counted: unanswered, malformed, malformed_answered.
    """

    def __init__(
        self,
        transactions: Transactions,
        sender: Sender,
        *,
        on_request: Callable[[IncomingRequest], None],
        door: Door,
        certified: Callable[[Hop], bool],
        timers: Timers,
        counters: MutableMapping[str, int],
    ) -> None:
        self._transactions = transactions
        self._sender = sender
        self._on_request = on_request
        self._door = door
        self._certified = certified
        self._timers = timers
        self._counters = counters
        self._limiter = RateLimiter()

    def hand_on_ack(self, ack: SipRequest, hop: Hop) -> None:
        """Hand on the ACK of a 2xx, which has no transaction."""
        incoming = IncomingRequest(ack, hop, _refuse_to_answer)
        self._transactions.guard(self._on_request, incoming)

    def answer_once(self, request: SipRequest, hop: Hop, size: int) -> None:
        """Let a stranger's request be answered, and forget it (RFC 3261 §8.2.7).

        "A stateless UAS … MUST NOT send provisional (1xx) responses. … MUST NOT retransmit
        responses. … MUST ignore ACK requests. … MUST ignore CANCEL requests."
        """
        if request.method == "CANCEL" or not self._door.may_answer(hop, self._transactions.now()):
            self._counters["unanswered"] += 1
            return

        def respond(response: SipResponse) -> None:
            if response.status_code < FINAL or not self._transactions.is_open:
                return
            if len(self._sender.written(response)) > AMPLIFICATION * size:
                self._counters["unanswered"] += 1
                return
            self._sender.transmit(response, _way_back(request, hop), _nothing, kept=False)

        self._transactions.guard(self._on_request, IncomingRequest(request, hop, respond))

    def begin(self, request: SipRequest, hop: Hop) -> None:
        """Begin a server transaction."""
        transaction = server_transaction(request, self._timers, reliable=hop.reliable)
        incoming = IncomingRequest(
            request,
            hop,
            partial(self._respond, transaction),
            certified=self._certified(hop),
        )

        def deliver(message: SipRequest | SipResponse) -> None:
            if not isinstance(message, SipRequest):
                return
            if message.method == "CANCEL":
                self._answer_cancel(transaction, message)
            elif message.method == "ACK":
                # A 2xx's ACK with its INVITE's branch, as RFC 2543 and many a softphone have it.
                self.hand_on_ack(message, hop)
            else:
                self._hand_over(transaction, self._on_request, incoming)

        def fail(reason: TransactionFailure) -> None:
            if incoming.on_failure is not None:
                self._transactions.guard(incoming.on_failure, reason)

        user = TransactionUser(_way_back(request, hop), deliver, fail, incoming)
        self._transactions.begin(transaction, user, Received(request))

    def _respond(self, transaction: ServerTransaction, response: SipResponse) -> None:
        """Feed a user's answer, unless he comes too late."""
        if transaction in self._transactions:
            self._transactions.feed(transaction, Respond(copy_message(response)))

    def _answer_cancel(self, transaction: ServerTransaction, cancel: SipRequest) -> None:
        """Answer a CANCEL and tell the INVITE's user (RFC 3261 §9.2)."""
        invite = self._transactions.layer.cancelled_by(cancel)
        if invite is None:
            self._respond(transaction, make_response(cancel, 481))
            return
        # §9.2: the To tag "SHOULD be the same" as in the response to the INVITE.
        answered = invite.last_response
        tag = tag_of(answered.headers.get("To")[0]) if answered is not None else None
        self._respond(transaction, make_response(cancel, 200, to_tag=tag))
        incoming = self._transactions.incoming(invite)
        if invite.state == "proceeding" and incoming is not None and incoming.on_cancel is not None:
            self._hand_over(invite, incoming.on_cancel, cancel)

    def refuse(self, error: MalformedMessage, hop: Hop) -> None:
        """Count what cannot be read, and answer it where that is possible and not too frequent."""
        self._counters["malformed"] += 1
        source = hop.address
        _log.debug("sip.malformed", source=source[0], status=error.status, reason=error.reason)
        if error.request is None or not self._limiter.allow(source[0], self._transactions.now()):
            return
        self._counters["malformed_answered"] += 1
        stamp_source(error.request, source)
        answer = make_response(error.request, error.status, error.reason)
        self._sender.transmit(answer, _way_back(error.request, hop), _nothing, kept=False)

    def _hand_over(
        self, transaction: ServerTransaction, callback: Callable[[A], None], argument: A
    ) -> None:
        """Call the user behind a request; answer 500 if he fails, so that nobody waits for him."""
        done = self._transactions.guard(callback, argument)
        if not done and transaction.state in ("trying", "proceeding"):
            self._respond(transaction, make_response(transaction.request, 500))


def _way_back(request: SipRequest, hop: Hop) -> Hop:
    """Return where the responses to a request go (RFC 3261 §18.2.2, RFC 3581 §4)."""
    via = top_via(request)
    if not hop.reliable:
        host, port = response_destination(via)
    else:
        host, port = reopening_destination(via, default_port(hop.transport))
    return hop._replace(host=host, port=port)


def _refuse_to_answer(response: SipResponse) -> None:
    """Stand in for the transaction that an ACK does not have (RFC 3261 §17)."""
    raise LocalProtocolError(f"response {response.status_code} to an ACK")


def _nothing() -> None:
    """Take the failure of an answer, for which nobody waits."""
