"""What calls need from others, one narrow protocol each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from telephony.leg import Leg, LegEvent


class Carry(Protocol):
    """Sends a ticket's draft along with a call that goes to a partner."""

    def __call__(self, call_id: str, ticket_id: str, partner_id: str) -> Mapping[str, str]:
        """Begin to send it, without waiting; return headers that tell the partner which it is."""


def carry_nothing(call_id: str, ticket_id: str, partner_id: str) -> Mapping[str, str]:
    """Send no drafts."""
    del call_id, ticket_id, partner_id
    return {}


class PlaceCall(Protocol):
    """Calls somebody outside; ``telephony.gateway.SipGateway.dial`` does."""

    def __call__(
        self,
        number: str,
        *,
        sdp: str,
        caller: str | None,
        on_event: Callable[[LegEvent], None],
        trunks: Sequence[str] = ...,
        headers: Mapping[str, str] = ...,
        hops: int = ...,
        elsewhere: Callable[[str], bool] = ...,
    ) -> Leg:
        """Call a number; no event is told before this has returned.

        Raises:
            telephony.sip.errors.SipError: no trunk leads there, or all are at their limits.
        """
