"""Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3, §9.2)."""

from aiosipua import SipRequest, SipResponse

from telephony.sip.client_transaction import ClientTransaction
from telephony.sip.message import cseq_of, tag_of
from telephony.sip.server_transaction import InviteServerTransaction, ServerTransaction
from telephony.sip.via import MAGIC_COOKIE, Address, identity

ClientKey = tuple[str, Address, str]
ServerKey = tuple[str | int | Address | None, ...]


def client_key(message: SipRequest | SipResponse) -> ClientKey:
    """Return what a response has in common with its request: branch, sent-by, CSeq method.

    RFC 3261 §17.1.3 asks for branch and method. Our sent-by stands in the key because §18.1.2
    discards a response that carries somebody else's.
    """
    branch, by = identity(message)
    return branch, by, cseq_of(message)[1]


def server_key(request: SipRequest, *, method: str | None = None) -> ServerKey:
    """Return what makes two requests the same transaction (RFC 3261 §17.2.3).

    The ACK of a non-2xx response has the key of its INVITE. A branch without the magic cookie is of
    RFC 2543: then Request-URI, tags, Call-ID, CSeq number and Via decide; an INVITE's To tag is
    left out, since its ACK carries the one that our response gave it.

    Args:
        request: a request from `parse_message`.
        method: compare as if it were this method (for CANCEL, §9.2).
    """
    branch, by = identity(request)
    method = method or request.method
    if method == "ACK":
        method = "INVITE"
    if _is_rfc3261(branch):
        return branch, by, method
    to_tag = None if method == "INVITE" else tag_of(request.headers.get("To")[0])
    return (
        request.uri,
        to_tag,
        tag_of(request.headers.get("From")[0]),
        request.call_id,
        cseq_of(request)[0],
        branch,
        by,
        method,
    )


class TransactionLayer:
    """The live transactions, findable by what arrives."""

    def __init__(self) -> None:
        self._clients: dict[ClientKey, ClientTransaction] = {}
        self._servers: dict[ServerKey, ServerTransaction] = {}
        # Kept, not computed again: whoever holds the request could have changed it since.
        self._client_keys: dict[ClientTransaction, ClientKey] = {}
        self._server_keys: dict[ServerTransaction, ServerKey] = {}

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    def add_client(self, transaction: ClientTransaction) -> None:
        """Make a client transaction findable; its request has its Via."""
        key = client_key(transaction.request)
        self._clients[key] = transaction
        self._client_keys[transaction] = key

    def add_server(self, transaction: ServerTransaction) -> None:
        """Make a server transaction findable."""
        key = server_key(transaction.request)
        self._servers[key] = transaction
        self._server_keys[transaction] = key

    def remove(self, transaction: ClientTransaction | ServerTransaction) -> None:
        """Forget a transaction.

        Raises:
            KeyError: it is not known.
        """
        if isinstance(transaction, ClientTransaction):
            del self._clients[self._client_keys.pop(transaction)]
        else:
            del self._servers[self._server_keys.pop(transaction)]

    def client_for(self, response: SipResponse) -> ClientTransaction | None:
        """Find the client transaction that a response answers.

        RFC 3261 §8.1.3.3: with more than one Via it was meant for somebody else.
        """
        if len(response.headers.get("Via")) != 1:
            return None
        return self._clients.get(client_key(response))

    def server_for(self, request: SipRequest) -> ServerTransaction | None:
        """Find the server transaction of which a request is a retransmission, or the ACK."""
        found = self._servers.get(server_key(request))
        if found is None or request.method != "ACK" or _is_rfc3261(identity(request)[0]):
            return found
        # §17.2.3, for RFC 2543: the To tag of the ACK is that of the response it acknowledges.
        answered = found.last_response
        to = request.headers.get("To")[0]
        if answered is None or tag_of(answered.headers.get("To")[0]) != tag_of(to):
            return None
        return found

    def cancelled_by(self, cancel: SipRequest) -> InviteServerTransaction | None:
        """Find the INVITE server transaction that a CANCEL means (§9.2)."""
        found = self._servers.get(server_key(cancel, method="INVITE"))
        return found if isinstance(found, InviteServerTransaction) else None


def _is_rfc3261(branch: str) -> bool:
    """Tell whether the branch is unique by RFC 3261 §8.1.1.7.

    The cookie alone is not (RFC 4475 §3.2.1): two requests of one host would be one transaction.
    """
    return branch.startswith(MAGIC_COOKIE) and branch != MAGIC_COOKIE
