"""What went over the wire, kept for a while: so that a call's SIP ladder can be looked at.

The ring holds the newest messages of all dialogs, up to a number of octets of memory; older dialogs
go first, each as a whole, and those of calls under way last. Counting by method, status and peer
goes on beside it and is never forgotten. What strangers send is counted, not kept: a flood would
push all calls out of the ring.
"""

import re
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from aiosipua import SipRequest, SipResponse

from telephony.sip.hop import Hop

RING_OCTETS: Final = 8 * 2**20
"""Of memory: what went over the wire, and what it costs to keep it; some 800 calls."""
OVERHEAD: Final = 400
"""Octets of memory for each message kept, beside its own."""
LONGEST_DIALOG: Final = 400
"""Messages kept of one dialog; of a longer one the first and the last half."""
_SECRET: Final = re.compile(rb"(?im)^((?:Proxy-)?Authorization\s*:)[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*")
_OTHER_METHOD: Final = "other"
_HOSTS_KNOWN: Final = 4096
_METHODS: Final = frozenset(
    [
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "OPTIONS",
        "REGISTER",
        "PRACK",
        "UPDATE",
        "REFER",
        "NOTIFY",
        "INFO",
        "MESSAGE",
        "SUBSCRIBE",
        "PUBLISH",
    ]
)


class Seen(NamedTuple):
    """One message.

    Attributes:
        at: Unix seconds.
        inbound: whether it came in.
        hop: the peer's address, and the transport.
        data: as it was on the wire, credentials taken out.
    """

    at: float
    inbound: bool
    hop: Hop
    data: bytes


class Tally(NamedTuple):
    """What is counted: direction ``in`` or ``out``; status "" for a request."""

    direction: str
    method: str
    status: str
    peer: str


class Named(Protocol):
    """Something that has a name: a trunk."""

    @property
    def name(self) -> str:
        """The name."""


class Witness(Protocol):
    """Sees every message that is read or sent."""

    def __call__(
        self,
        message: SipRequest | SipResponse,
        data: bytes,
        hop: Hop,
        *,
        inbound: bool,
        kept: bool = True,
    ) -> None:
        """Take note; must not raise, nor keep anybody waiting.

        What is not to be ``kept`` belongs to no call: a stranger's message, and what he is told.
        """


class PeerNames:
    """Names peers for the tally: trunks by their names, everybody else as ``phone``.

    Args:
        trunk_of: finds the trunk that a host belongs to.
    """

    def __init__(self, trunk_of: Callable[[str], "Named | None"]) -> None:
        self._trunk_of = trunk_of
        self._known: dict[str, str] = {}

    def __call__(self, hop: Hop) -> str:
        """Return the name of the peer at a hop."""
        name = self._known.get(hop.host)
        if name is None:
            if len(self._known) >= _HOSTS_KNOWN:
                self._known.clear()
            trunk = self._trunk_of(hop.host)
            name = self._known[hop.host] = "phone" if trunk is None else trunk.name
        return name


@dataclass(slots=True)
class _Dialog:
    octets: int = 0
    messages: list[Seen] = field(default_factory=list)


class _Dialogs(OrderedDict[str, _Dialog]):
    """By Call-ID, oldest first, and the octets of all."""

    octets = 0

    def put(self, call_id: str, dialog: _Dialog) -> None:
        self[call_id] = dialog
        self.octets += dialog.octets

    def take(self, call_id: str) -> _Dialog | None:
        if (dialog := self.pop(call_id, None)) is not None:
            self.octets -= dialog.octets
        return dialog

    def grow(self, call_id: str, seen: Seen) -> None:
        """Add a message to a dialog of these; of a long one forget one in the middle."""
        dialog = self[call_id]
        before = dialog.octets
        dialog.messages.append(seen)
        dialog.octets += _memory_of(seen)
        if len(dialog.messages) > LONGEST_DIALOG:
            dialog.octets -= _memory_of(dialog.messages.pop(LONGEST_DIALOG // 2))
        self.octets += dialog.octets - before


class Wire:
    """The ring and the tally.

    Args:
        peer_of: names the peer at an address for the tally: a trunk's name, or a kind of peer; few
            different ones.
        octets: how much is kept.
        clock: Unix seconds.
    """

    def __init__(
        self,
        *,
        peer_of: Callable[[Hop], str] = lambda _hop: "",
        octets: int = RING_OCTETS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._peer_of = peer_of
        self._limit = octets
        self._clock = clock
        self._open = _Dialogs()
        self._others = _Dialogs()
        self.tally: Counter[Tally] = Counter()

    @property
    def octets(self) -> int:
        """How much is kept now."""
        return self._open.octets + self._others.octets

    def __call__(
        self,
        message: SipRequest | SipResponse,
        data: bytes,
        hop: Hop,
        *,
        inbound: bool,
        kept: bool = True,
    ) -> None:
        """Take note of one message; see `Witness`."""
        if isinstance(message, SipRequest):
            method, status = message.method, ""
        else:
            method = (message.headers.get("CSeq") or [""])[0].rpartition(" ")[2]
            status = str(message.status_code)
            if inbound and not kept:
                # it answers nothing of ours: whoever forges some shall not make a row of each
                status = f"{status[0]}xx"
        direction = "in" if inbound else "out"
        named = method if method in _METHODS else _OTHER_METHOD
        self.tally[Tally(direction, named, status, self._peer_of(hop))] += 1
        call_ids = message.headers.get("Call-ID")
        if call_ids and kept:
            self._keep(call_ids[0], Seen(self._clock(), inbound, hop, _without_secrets(data)))

    def hold(self, call_id: str) -> None:
        """Note that a dialog belongs to a call under way: others' messages go before its own."""
        if call_id not in self._open:
            self._open.put(call_id, self._others.take(call_id) or _Dialog())

    def let_go(self, call_id: str) -> None:
        """Note that its call is over: from now on it is the newest of those that may go."""
        if (dialog := self._open.take(call_id)) is not None and dialog.messages:
            self._others.put(call_id, dialog)

    def _keep(self, call_id: str, seen: Seen) -> None:
        dialogs = self._open if call_id in self._open else self._others
        if call_id not in dialogs:
            dialogs.put(call_id, _Dialog())
        dialogs.grow(call_id, seen)
        while self.octets > self._limit:
            # Calls under way have half of the ring for certain, and so have those that are over.
            crowded = self._open.octets > self._limit // 2 or not self._others
            oldest = self._open if crowded else self._others
            oldest.take(next(iter(oldest)))

    def of(self, call_ids: Iterable[str]) -> Sequence[Seen]:
        """Return the messages of these dialogs (SIP Call-IDs) in the order of time."""
        found = (self._open.get(one) or self._others.get(one) for one in call_ids)
        messages = (seen for dialog in found if dialog is not None for seen in dialog.messages)
        return sorted(messages, key=lambda seen: seen.at)


def _memory_of(seen: Seen) -> int:
    return len(seen.data) + OVERHEAD


def _without_secrets(data: bytes) -> bytes:
    if b"uthorization" not in data and b"UTHORIZATION" not in data:
        return data
    return _SECRET.sub(rb"\1 (taken out)", data)
