"""One party of a call, as its owner sees it: a shell over the pure INVITE machines."""

from collections.abc import Callable
from typing import Literal

from telephony.sip.leg_events import (
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegEvent,
    LegReoffered,
    LegRinging,
)

__all__ = [
    "Address",
    "Leg",
    "LegAnswered",
    "LegConfirmed",
    "LegEnded",
    "LegEvent",
    "LegReoffered",
    "LegRinging",
]

Address = tuple[str, int]


class Leg:
    """A leg: made by the gateway, owned by whoever got it from there.

    Every method may be called at any moment, also late: what no longer applies is ignored.

    Attributes:
        id: ours, opaque, unique.
        direction: ``inbound`` (they called us) or ``outbound``.
        sip_call_id: the Call-ID header.
        caller: inbound: user part of P-Asserted-Identity, else of From; None when anonymous.
        called: inbound: user part of the Request-URI; outbound: what was called.
        source: the peer's signalling address.
        remote_sdp: the peer's latest session description; None before there is one.
        on_event: called with every LegEvent, in order, never from inside a call of ours to the leg's
            own methods; assign it before the first event (in ``on_call``).
    """

    id: str
    direction: Literal["inbound", "outbound"]
    sip_call_id: str
    caller: str | None
    called: str
    source: Address
    remote_sdp: str | None
    on_event: Callable[[LegEvent], None]

    def ring(self) -> None:
        """Send 180 and repeat it every minute while waiting (RFC 3261 §13.3.1.1). Inbound only."""
        raise NotImplementedError

    def answer(self, sdp: str) -> None:
        """Answer the INVITE with 200, or a LegReoffered. With ``remote_sdp`` None it is an offer."""
        raise NotImplementedError

    def refuse(self, status: int, reason: str | None = None) -> None:
        """Refuse an INVITE not yet answered, or a LegReoffered (which leaves the session as it was)."""
        raise NotImplementedError

    def hang_up(self, reason: str | None = None) -> None:
        """End it, whatever its state: refuse with 480, CANCEL or BYE. LegEnded follows. Idempotent."""
        raise NotImplementedError
